//! Compares an entry with what was archived of its decision: every field that both hold must say the same.

use std::collections::BTreeMap;

use crate::ledger::entry::{Decided, Entry, EntryKind};
use hydra_base::aliases::AliasMove;
use hydra_base::names::{Alias, Version};
use hydra_policy::{Context, Input, ModelVersion, Operation, VerdictKind};

/// The first schema whose entries have the very time that their policy was told.
const SCHEMA_WITH_TIME: u32 = 2;

/// What the entry says otherwise than the archived input of its decision, for people; nothing if they agree.
pub(super) fn misstated(entry: &Entry, decided: &Decided, input: &Input) -> Result<(), String> {
    let context = input.context();
    let kind = match input.operation() {
        Operation::Promote => EntryKind::Promote,
        _ => EntryKind::Rollback,
    };
    let now = i64::try_from(context.now).unwrap_or(i64::MAX);
    let in_time = if entry.schema < SCHEMA_WITH_TIME { entry.at >= now } else { entry.at == now };
    let compared = [
        ("its operation is", entry.operation == kind),
        ("its target is", entry.target == input.target().map(|target| target.version)),
        ("its actor is", entry.names_actor(&context.actor)),
        ("its reason is", entry.gives_reason(context.reason.as_deref())),
        ("its user is", entry.user == context.user),
        ("its time is", in_time),
        ("its difference of clocks is", entry.clock_ms == context.clock_difference_ms),
        ("its overrides are", entry.overrides.is_subset(&context.overrides)),
        ("its quarantines are", entry.quarantines.iter().all(|version| leaves(entry, *version))),
        (
            "its aliases are",
            starts_from(entry, context) && entry.before.aliases().all(|alias| entry.after.contains(alias)),
        ),
        ("the digest of its model is", names_model(entry, decided, input)),
        ("its evaluations are", names_evaluations(decided, context)),
    ];
    match compared.into_iter().find(|(_, same)| !same) {
        Some((what, _)) => Err(format!("{what} not what the archived input has")),
        None => Ok(()),
    }
}

/// Whether the entry moves the aliases as the verdict says, which has these moves.
pub(super) fn carries_out(
    entry: &Entry,
    context: &Context,
    verdict: VerdictKind,
    moves: &[AliasMove],
) -> Result<(), String> {
    let approved = verdict == VerdictKind::Approve;
    let wanted: BTreeMap<&Alias, Option<Version>> =
        moves.iter().filter(|_| approved).map(|step| (&step.alias, step.version)).collect();
    let shown = |alias: &Alias, version: Option<Version>| {
        context.aliases.get(alias).is_none_or(|shown| *shown == version)
    };
    let all_made = wanted.iter().all(|(alias, version)| match entry.side.get(*alias) {
        Some(side) => side.to == *version,
        // An alias that is where it should be does not move.
        None if **alias == Alias::CANDIDATE => shown(alias, *version),
        None => !entry.after.contains(alias) || entry.after.get(alias) == *version,
    });
    let mut aside = entry.side.iter();
    let mut others = entry.before.moves_to(&entry.after).into_iter();
    if all_made
        && aside.all(|(alias, side)| wanted.contains_key(alias) && shown(alias, side.from))
        && others.all(|step| wanted.contains_key(&step.alias))
    {
        return Ok(());
    }
    Err("its moves are not those of the decision".to_owned())
}

/// Whether a rollback puts a version in quarantine that it leaves.
fn leaves(entry: &Entry, version: Version) -> bool {
    entry.operation == EntryKind::Rollback && entry.before.get(&Alias::CHAMPION) == Some(version)
}

/// Whether the entry starts from the aliases that the policy was shown. An alias of a deleted version may count as not set in
/// either.
fn starts_from(entry: &Entry, context: &Context) -> bool {
    let version = |shown: &Option<ModelVersion>| shown.as_ref().map(|shown| shown.version);
    let shown =
        [(Alias::CHAMPION, version(&context.champion)), (Alias::ARCHIVED, version(&context.archived))];
    let managed = context.aliases.iter().map(|(alias, version)| (alias.clone(), *version));
    shown.into_iter().chain(managed).all(|(alias, shown)| match (entry.before.get(&alias), shown) {
        (Some(before), Some(shown)) => before == shown,
        _ => true,
    })
}

/// Whether the digest of the model file is the one that the policy was shown, if the file was opened.
fn names_model(entry: &Entry, decided: &Decided, input: &Input) -> bool {
    let Some(about) = entry.crowned().or(entry.target) else { return true };
    let named = decided.model_sha256.as_deref();
    let context = input.context();
    let shown = [input.target(), context.champion.as_ref(), context.archived.as_ref()];
    let mut shown = shown.into_iter().flatten().filter(|shown| shown.version == about);
    let facts = shown.find_map(|shown| shown.model.facts());
    facts.is_none_or(|facts| named == Some(facts.sha256.to_string().as_str()))
}

/// Whether the policy received the evaluations that the entry names without a flaw.
fn names_evaluations(decided: &Decided, context: &Context) -> bool {
    let mut used = decided.evaluations.iter().filter(|note| note.flaw.is_none());
    used.all(|note| {
        context.evaluations.iter().any(|shown| {
            shown.dataset == note.dataset
                && Some(shown.sha256) == note.sha256
                && shown.first_hand == note.first_hand
        })
    })
}
