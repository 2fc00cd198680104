//! Checks that the approver and the actor differ.
//!
//! Actors and tags are self-declared: an account that can set a tag can sign with any name. The policy documents a
//! convention of the team in the ledger; it is not a lock.

use example_common::contract::{Context, Entry, ModelVersion, PolicyError, Setting, SettingKind, Verdict};
use example_common::{approve, declare, setting, take_over};

pub fn settings() -> Vec<Setting> {
    vec![declare(
        "tag",
        SettingKind::Text,
        Some("approved-by"),
        "the tag of the model version (or of its run) with the name of the approver",
    )]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let tag = setting(context, "tag")?;
    let run_tags = target.run.as_ref().map_or(&[][..], |run| &run.tags);
    let approver = find(&target.tags, tag).or_else(|| find(run_tags, tag));
    Ok(match approver {
        None => Verdict::Hold(format!("version {} waits for approval: it has no tag {tag}", target.version)),
        Some(approver) if same_person(approver, &context.actor) => Verdict::Hold(format!(
            "version {} is approved by {approver}, who also requests the promotion: another person must approve it",
            target.version
        )),
        Some(approver) => approve(
            take_over(target, context),
            format!("version {} is approved by {approver} and promoted by {}", target.version, context.actor),
        ),
    })
}

fn find<'a>(tags: &'a [Entry], key: &str) -> Option<&'a str> {
    let tag = tags.iter().find(|entry| entry.key == key)?;
    Some(tag.value.trim()).filter(|value| !value.is_empty())
}

fn same_person(one: &str, other: &str) -> bool {
    one.trim().to_lowercase() == other.trim().to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use example_common::evidence::{context, version};

    fn decide(version_tag: Option<&str>, run_tag: Option<&str>) -> Verdict {
        let tag = |value: &str| Entry { key: "approved-by".to_owned(), value: value.to_owned() };
        let mut target = version(2, &[]);
        target.tags.extend(version_tag.map(tag));
        if let Some(run) = &mut target.run {
            run.tags.extend(run_tag.map(tag));
        }
        promotion(&target, &context(&[("tag", "approved-by")], None)).unwrap()
    }

    #[test]
    fn approval_by_another_person_counts() {
        assert!(matches!(decide(Some("bob"), None), Verdict::Approve(_)));
        assert!(matches!(decide(None, Some("bob")), Verdict::Approve(_)));
    }

    #[test]
    fn missing_approval_and_approval_by_the_requester_are_held() {
        assert!(matches!(decide(None, None), Verdict::Hold(_)));
        assert!(matches!(decide(Some(" "), None), Verdict::Hold(_)));
        assert!(matches!(decide(Some("Ann "), None), Verdict::Hold(_)));
        assert!(matches!(decide(Some("ann"), Some("bob")), Verdict::Hold(_)));
    }
}
