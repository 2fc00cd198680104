//! The host's checks of a policy's verdict: they decide which moves may be made.
//!
//! A policy proposes; these guards only ever make its verdict stricter. They are pure functions of the verdict and of what
//! the host knows, tried in order; the first that objects ends the matter with an error of kind
//! [`ErrorKind::Guard`] or [`ErrorKind::Quarantined`], and nothing moves.

use std::collections::{BTreeMap, BTreeSet};

use crate::ledger::Standing;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_policy::{Operation, Verdict};

/// The host's data about the request.
#[derive(Debug, Clone)]
pub struct Facts<'a> {
    /// The requested operation.
    pub operation: Operation,
    /// The version that the request names.
    pub target: Option<Version>,
    /// Every alias of the model, as read before the decision.
    pub aliases: &'a AliasState,
    /// The aliases that a policy may move.
    pub managed: &'a [Alias],
    /// The quarantines.
    pub standing: &'a Standing,
    /// The versions that the verdict names ([`named_versions`]) and that exist, each with whether it is READY.
    pub versions: &'a BTreeMap<Version, bool>,
}

/// The result of the guards.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// The moves that change an alias, `champion` first, otherwise in the policy's order. Empty unless approved.
    pub moves: Vec<AliasMove>,
    /// The aliases after those moves.
    pub after: AliasState,
    /// Whether the policy approved and the champion stays, as in one step of several, such as by way of a challenger.
    pub staged: bool,
}

/// The versions to which a verdict would move aliases. The host looks them up before [`review`].
#[must_use]
pub fn named_versions(verdict: &Verdict) -> BTreeSet<Version> {
    verdict.moves().iter().filter_map(|step| step.version).collect()
}

/// Checks a verdict against every guard and returns the resulting moves.
///
/// For every verdict: if this succeeds and aliases are to move, then only managed aliases move, each once and to a
/// version that exists and is READY; the champion goes to the version that was asked for, if one was, is not removed, and
/// goes to no version in quarantine; and `archived` is not on the champion.
pub fn review(verdict: &Verdict, facts: &Facts<'_>) -> Result<Plan> {
    let moves = verdict.moves();
    for guard in GUARDS {
        guard(moves, facts)?;
    }
    let mut effective: Vec<AliasMove> =
        moves.iter().filter(|step| facts.aliases.get(&step.alias) != step.version).cloned().collect();
    // A stable sort: the alias that readers follow moves first, and the others keep their order.
    effective.sort_by_key(|step| step.alias != Alias::CHAMPION);
    let after = after(&effective, facts);
    let staged = matches!(verdict, Verdict::Approve(_))
        && after.get(&Alias::CHAMPION) == facts.aliases.get(&Alias::CHAMPION);
    Ok(Plan { moves: effective, after, staged })
}

type Guard = fn(&[AliasMove], &Facts<'_>) -> Result<()>;

const GUARDS: [Guard; 7] = [
    only_managed_aliases,
    each_alias_once,
    named_versions_exist,
    champion_goes_to_the_target,
    champion_is_not_removed,
    champion_is_not_quarantined,
    archived_is_not_champion,
];

fn only_managed_aliases(moves: &[AliasMove], facts: &Facts<'_>) -> Result<()> {
    match moves.iter().find(|step| !facts.managed.contains(&step.alias)) {
        Some(step) => {
            Err(refuse(format!("the policy moves the alias `{}`, which is not managed", step.alias))
                .with_hint(format!(
                    "use only {}, or add the alias to `managed-aliases` in hydra.toml",
                    facts.managed.iter().map(Alias::as_str).collect::<Vec<_>>().join(", ")
                )))
        }
        None => Ok(()),
    }
}

fn each_alias_once(moves: &[AliasMove], _: &Facts<'_>) -> Result<()> {
    let mut seen = BTreeSet::new();
    match moves.iter().find(|step| !seen.insert(&step.alias)) {
        Some(step) => Err(refuse(format!("the policy moves the alias `{}` twice", step.alias))),
        None => Ok(()),
    }
}

fn named_versions_exist(moves: &[AliasMove], facts: &Facts<'_>) -> Result<()> {
    for step in moves {
        let Some(version) = step.version else { continue };
        match facts.versions.get(&version) {
            Some(true) => {}
            Some(false) => {
                return Err(refuse(format!(
                    "the policy moves `{}` to version {version}, which is not READY",
                    step.alias
                )));
            }
            None => {
                return Err(refuse(format!(
                    "the policy moves `{}` to version {version}, which does not exist",
                    step.alias
                )));
            }
        }
    }
    Ok(())
}

/// A promotion may leave the champion unchanged, but it must not promote another version than the requested one. The
/// same holds for a rollback to a named version.
fn champion_goes_to_the_target(moves: &[AliasMove], facts: &Facts<'_>) -> Result<()> {
    let (Some(target), Some(version)) = (facts.target, champion_move(moves).and_then(|step| step.version))
    else {
        return Ok(());
    };
    if version == target {
        return Ok(());
    }
    Err(refuse(format!(
        "the policy moves `champion` to version {version}, but the request was for version {target}"
    )))
}

fn champion_is_not_removed(moves: &[AliasMove], _: &Facts<'_>) -> Result<()> {
    match champion_move(moves) {
        Some(AliasMove { version: None, .. }) => {
            Err(refuse("the policy removes the alias `champion`".to_owned()))
        }
        _ => Ok(()),
    }
}

fn champion_is_not_quarantined(moves: &[AliasMove], facts: &Facts<'_>) -> Result<()> {
    match champion_move(moves).and_then(|step| step.version) {
        Some(version) if facts.aliases.get(&Alias::CHAMPION) != Some(version) => {
            refuse_quarantined(version, facts.standing)
        }
        _ => Ok(()),
    }
}

fn archived_is_not_champion(moves: &[AliasMove], facts: &Facts<'_>) -> Result<()> {
    let after = after(moves, facts);
    match after.get(&Alias::CHAMPION) {
        Some(version) if !moves.is_empty() && after.get(&Alias::ARCHIVED) == Some(version) => {
            Err(refuse(format!("the policy would leave version {version} both `champion` and `archived`")))
        }
        _ => Ok(()),
    }
}

fn champion_move(moves: &[AliasMove]) -> Option<&AliasMove> {
    moves.iter().find(|step| step.alias == Alias::CHAMPION)
}

fn after(moves: &[AliasMove], facts: &Facts<'_>) -> AliasState {
    let mut after = facts.aliases.clone();
    for step in moves {
        after.apply(step);
    }
    after
}

/// Refuses a version in quarantine, with [`ErrorKind::Quarantined`].
pub(crate) fn refuse_quarantined(version: Version, standing: &Standing) -> Result<()> {
    if standing.quarantine(version).is_some() { Err(quarantined(version, standing)) } else { Ok(()) }
}

/// The error for a version that may not become champion, with the quarantine that `standing` has of it.
pub(crate) fn quarantined(version: Version, standing: &Standing) -> Error {
    let error = Error::new(ErrorKind::Quarantined, format!("version {version} is in quarantine")).with_hint(
        format!("choose another version, or end the quarantine with `hydra-registry release {version}`"),
    );
    match standing.quarantine(version) {
        Some(quarantine) => {
            error.with_context("reason", &quarantine.reason).with_context("by", &quarantine.by)
        }
        None => error,
    }
}

fn refuse(message: String) -> Error {
    Error::new(ErrorKind::Guard, message)
}

#[cfg(test)]
mod tests;
