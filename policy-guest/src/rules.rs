//! The moves of aliases on a promotion and on a rollback.

use crate::contract::{AliasMove, Approval, Context, ModelVersion, Verdict};

const CHAMPION: &str = "champion";
const ARCHIVED: &str = "archived";
const CANDIDATE: &str = "candidate";

/// Approves every promotion: `champion` moves to the target, `archived` to the former champion, and `candidate` is
/// removed from the target.
#[must_use]
pub fn promotion(target: &ModelVersion, context: &Context) -> Verdict {
    let mut moves = vec![set(CHAMPION, target.version)];
    let mut explanation = format!("version {} becomes champion", target.version);
    match &context.champion {
        Some(former) => {
            moves.push(set(ARCHIVED, former.version));
            explanation += &format!("; version {}, champion until now, is archived", former.version);
        }
        None => {
            moves.extend(unset_archived_if_on(target.version, context));
            explanation += "; there was no champion before it";
        }
    }
    if target.aliases.iter().any(|alias| alias == CANDIDATE) {
        moves.push(unset(CANDIDATE));
        explanation += "; it is no longer the candidate";
    }
    Verdict::Approve(Approval { moves, explanation })
}

/// Moves `champion` back to `target`, or to the archived version if no target is named. The former champion is
/// archived, so a second rollback undoes the first.
#[must_use]
pub fn rollback(target: Option<&ModelVersion>, context: &Context) -> Verdict {
    let Some(target) = target.or(context.archived.as_ref()) else {
        return Verdict::Reject("No archived model to rollback to".to_owned());
    };
    let mut moves = vec![set(CHAMPION, target.version)];
    let mut explanation = format!("version {} becomes champion again", target.version);
    match &context.champion {
        Some(former) => {
            moves.push(set(ARCHIVED, former.version));
            explanation += &format!("; version {}, champion until now, is archived", former.version);
        }
        None => {
            moves.extend(unset_archived_if_on(target.version, context));
            explanation += "; there was no champion to replace";
        }
    }
    Verdict::Approve(Approval { moves, explanation })
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
