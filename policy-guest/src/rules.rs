//! The moves of aliases on a promotion and on a rollback.

use crate::contract::{AliasMove, Approval, Context, ModelVersion, Verdict};

const CHAMPION: &str = "champion";
const ARCHIVED: &str = "archived";
const CANDIDATE: &str = "candidate";

/// Every promotion is approved: `champion` goes to the target, `archived` to the former champion, and `candidate`
/// leaves the target.
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

/// Back to `target`, or to the archived version when no target is named. The champion until now is archived, so that a
/// second rollback undoes the first.
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

/// No version is champion and archived at once.
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
