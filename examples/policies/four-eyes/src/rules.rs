//! Looks for an approval by another person than the requester.
//!
//! Names of actors are self-declared: an account that can write to the registry can approve with any name. Where the server
//! authenticates its users, their names are compared too. The policy documents a convention of the team in the ledger; it
//! is not a lock.

use example_common::contract::{
    ApprovalRecord, Context, ModelVersion, PolicyError, Requester, Setting, SettingKind, Verdict,
};
use example_common::{approve, declare, hours_and_minutes, setting, shortened, take_over};

/// How many digits of a digest the explanation shows.
const DIGITS: usize = 12;

pub fn settings() -> Vec<Setting> {
    vec![declare(
        "own",
        SettingKind::Boolean,
        Some("false"),
        "whether the approval of the person who logged the version counts",
    )]
}

pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    let own_counts = setting(context, "own")? == "true";
    let objection = |approval: &ApprovalRecord| {
        if same_person(&approval.by, &context.requester) {
            Some("requests the promotion")
        } else if approval.own_version && !own_counts {
            Some("logged the version")
        } else {
            None
        }
    };
    let version = target.version;
    if let Some(approval) = target.approvals.iter().find(|approval| objection(approval).is_none()) {
        let explanation = format!(
            "version {version} (sha256 {}) was approved by {} {} ago and is promoted by {}",
            approval.sha256.get(..DIGITS).unwrap_or(&approval.sha256),
            shortened(&approval.by.actor),
            hours_and_minutes(context.now.saturating_sub(approval.at)),
            shortened(&context.requester.actor)
        );
        return Ok(approve(take_over(target, context), explanation));
    }
    Ok(Verdict::Hold(
        match target.approvals.last().and_then(|approval| Some((approval, objection(approval)?))) {
            Some((approval, objection)) => format!(
                "version {version} is approved by {}, who also {objection}: another person must approve it",
                shortened(&approval.by.actor)
            ),
            None => format!(
                "version {version} waits for an approval: another person than {} must approve it",
                shortened(&context.requester.actor)
            ),
        },
    ))
}

/// Whether two names are those of one person, self-declared or as the server authenticated them.
fn same_person(one: &Requester, other: &Requester) -> bool {
    let same = |one: &str, other: &str| one.trim().to_lowercase() == other.trim().to_lowercase();
    let same_user =
        one.user.as_deref().zip(other.user.as_deref()).is_some_and(|(one, other)| same(one, other));
    same_user || same(&one.actor, &other.actor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use example_common::evidence::{context, requester, version};

    fn by(actor: &str, own_version: bool) -> ApprovalRecord {
        ApprovalRecord {
            by: requester(actor),
            at: 0,
            expires: None,
            sha256: "0123456789abcdef".repeat(4),
            reason: None,
            own_version,
        }
    }

    fn decide(approvals: Vec<ApprovalRecord>, own: &str) -> Verdict {
        let mut context = context(&[("own", own)], None);
        context.now = 90 * 60_000;
        context.requester.user = Some("ann@example.com".to_owned());
        let mut target = version(2, &[]);
        target.approvals = approvals;
        promotion(&target, &context).unwrap()
    }

    #[test]
    fn the_approval_of_another_person_counts() {
        let Verdict::Approve(approval) = decide(vec![by("ann", false), by("bob", false)], "false") else {
            panic!("not approved");
        };
        let expected =
            "version 2 (sha256 0123456789ab) was approved by bob 1 h 30 min ago and is promoted by ann";
        assert_eq!(approval.explanation, expected);
    }

    #[test]
    fn the_requesters_approval_or_none_is_held() {
        assert!(matches!(decide(Vec::new(), "false"), Verdict::Hold(_)));
        assert!(matches!(decide(vec![by("Ann ", false)], "true"), Verdict::Hold(_)));
        let mut same_user = by("bob", false);
        same_user.by.user = Some("Ann@example.com".to_owned());
        assert!(matches!(decide(vec![same_user.clone()], "false"), Verdict::Hold(_)));
        same_user.by.user = Some("bob@example.com".to_owned());
        assert!(matches!(decide(vec![same_user], "false"), Verdict::Approve(_)));
    }

    /// A name may have as many characters as its owner likes; an explanation may not.
    #[test]
    fn long_names_are_shortened_in_explanations() {
        let bob = "🦀".repeat(1_200);
        let Verdict::Approve(approval) = decide(vec![by(&bob, false)], "false") else {
            panic!("not approved")
        };
        assert!(approval.explanation.len() < 400, "{}", approval.explanation);
        let Verdict::Hold(held) = decide(vec![by(&bob, true)], "false") else { panic!("not held") };
        assert!(held.len() < 400, "{held}");
    }

    #[test]
    fn an_approval_of_ones_own_version_counts_if_the_settings_say_so() {
        let Verdict::Hold(held) = decide(vec![by("bob", true)], "false") else { panic!("not held") };
        assert_eq!(
            held,
            "version 2 is approved by bob, who also logged the version: another person must approve it"
        );
        assert!(matches!(decide(vec![by("bob", true)], "true"), Verdict::Approve(_)));
    }
}
