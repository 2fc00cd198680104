//! The verdicts on a promotion and on a rollback, and the moves of aliases.

use crate::changes;
use crate::contract::{
    AliasMove, Approval, Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict,
};

const CHAMPION: &str = "champion";
const ARCHIVED: &str = "archived";
const CANDIDATE: &str = "candidate";

/// The settings.
#[must_use]
pub fn settings() -> Vec<Setting> {
    vec![Setting {
        key: changes::SETTING.to_owned(),
        kind: SettingKind::Texts,
        default: None,
        required: false,
        doc: "reject a promotion, or a rollback, to a version that changes one of these against the champion: `output` (what predict answers), `classes`, `columns` (of the input: names, order, which are categories)".to_owned(),
    }]
}

/// Every promotion is approved unless it changes what the settings protect: `champion` goes to the target, `archived` to the
/// former champion, and `candidate` leaves the target.
pub fn promotion(target: &ModelVersion, context: &Context) -> Result<Verdict, PolicyError> {
    if let Some(objection) = changes::objection(target, context)? {
        return Ok(Verdict::Reject(objection));
    }
    let mut approval = take_over(target, context, "becomes champion", "there was no champion before it");
    if target.aliases.iter().any(|alias| alias == CANDIDATE) {
        approval.moves.push(unset(CANDIDATE));
        approval.explanation += "; it is no longer the candidate";
    }
    Ok(Verdict::Approve(approval))
}

/// Back to `target`, or to the archived version when no target is named, unless that changes what the settings protect. The
/// champion until now is archived, so that a second rollback undoes the first.
pub fn rollback(target: Option<&ModelVersion>, context: &Context) -> Result<Verdict, PolicyError> {
    let Some(target) = target.or(context.archived.as_ref()) else {
        return Ok(Verdict::Reject("No archived model to rollback to".to_owned()));
    };
    if let Some(objection) = changes::objection(target, context)? {
        return Ok(Verdict::Reject(objection));
    }
    let approval = take_over(target, context, "becomes champion again", "there was no champion to replace");
    Ok(Verdict::Approve(approval))
}

/// The moves that make `target` champion and archive the former one, if there is one.
fn take_over(target: &ModelVersion, context: &Context, becomes: &str, alone: &str) -> Approval {
    let mut moves = vec![set(CHAMPION, target.version)];
    let mut explanation = format!("version {} {becomes}", target.version);
    match &context.champion {
        Some(former) => {
            moves.push(set(ARCHIVED, former.version));
            explanation += &format!("; version {}, champion until now, is archived", former.version);
        }
        None => {
            moves.extend(unset_archived_if_on(target.version, context));
            explanation += "; ";
            explanation += alone;
        }
    }
    Approval { moves, explanation }
}

/// Prevents that one version is champion and archived at once.
fn unset_archived_if_on(version: u64, context: &Context) -> Option<AliasMove> {
    let archived = context.archived.as_ref()?;
    (archived.version == version).then(|| unset(ARCHIVED))
}

fn set(alias: &str, version: u64) -> AliasMove {
    AliasMove { alias: alias.to_owned(), version: Some(version) }
}

fn unset(alias: &str) -> AliasMove {
    AliasMove { alias: alias.to_owned(), version: None }
}

#[cfg(test)]
mod tests;
