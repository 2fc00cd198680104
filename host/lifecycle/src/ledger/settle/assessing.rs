//! Comparing the aliases with the head, by the rules of the protocol.

use std::collections::BTreeSet;

use crate::ledger::chain::Record;
use crate::ledger::entry::tracked;
use crate::ledger::look::Snapshot;
use crate::ledger::mark::Mark;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{AliasView, Situation, Target, Timeliness, Windows};

/// The head compared with the aliases.
pub(in crate::ledger) struct Assessed {
    pub situation: Situation,
    /// The aliases to write, `champion` first, and where to.
    pub writes: Vec<AliasMove>,
    /// Where the ledger's aliases are, versions that are gone taken out.
    pub actual: AliasState,
}

/// What the aliases of a snapshot mean. `wrote`: the entries whose aliases this writer itself may have written.
pub(in crate::ledger) fn assess(
    snapshot: &Snapshot,
    head: &Record,
    windows: Windows,
    wrote: &[Record],
) -> Assessed {
    let (before, after) = (snapshot.existing(&head.entry.before), snapshot.existing(&head.entry.after));
    let names = names(&[&before, &after]);
    let recent: Vec<Vec<Option<Target>>> =
        recent(snapshot, head, windows, wrote).map(|record| late_writes(snapshot, record, &names)).collect();
    let recent: Vec<&[Option<Target>]> = recent.iter().map(Vec::as_slice).collect();
    let actual: AliasState =
        names.iter().map(|alias| (alias.clone(), snapshot.registered.aliases.get(alias).copied())).collect();
    let actual = snapshot.existing(&actual);
    let row = |aliases: &AliasState| -> Vec<Target> {
        names.iter().map(|alias| aliases.get(alias).map(Version::get)).collect()
    };
    let (before, after_row, actual_row) = (row(&before), row(&after), row(&actual));
    let view = AliasView {
        before: &before,
        after: &after_row,
        actual: &actual_row,
        confirmed: snapshot.confirmed,
        observation: head.entry.is_observation(),
        settled: head.is_settled(),
        timeliness: timeliness(snapshot, head, windows),
        target_gone: head.entry.target.is_some_and(|target| snapshot.gone.contains(&target)),
        leaves_gone: head.state().iter_set().any(|(_, version)| snapshot.gone.contains(&version)),
        recent: &recent,
    };
    let situation = hydra_ledger_rules::assess(&view);
    let writes = (0..names.len()).filter(|&index| hydra_ledger_rules::is_written(&view, index));
    let writes = writes
        .map(|index| AliasMove { alias: names[index].clone(), version: after.get(&names[index]) })
        .collect();
    Assessed { situation, writes, actual }
}

/// Where in its life the head's transition is: since the store took it, or since its author decided, which is longer if the request
/// was on its way for long.
fn timeliness(snapshot: &Snapshot, head: &Record, windows: Windows) -> Timeliness {
    let entry = &head.entry;
    let life = u64::try_from(entry.expires.saturating_sub(entry.at)).unwrap_or(0);
    let decided_at = entry.at.saturating_add(entry.clock_ms.unwrap_or(0));
    let age = snapshot.age(decided_at).max(snapshot.age(head.created_at));
    Windows { expiry: life, ..windows }.timeliness(age)
}

/// The aliases after the head was undone: what it never moved stays as it is.
pub(in crate::ledger) fn restored(snapshot: &Snapshot, head: &Record) -> AliasState {
    let (before, after) = (snapshot.existing(&head.entry.before), snapshot.existing(&head.entry.after));
    let former = |(alias, version): (&Alias, Option<Version>)| {
        (alias.clone(), if before.contains(alias) { before.get(alias) } else { version })
    };
    after.iter().map(former).collect()
}

/// The entries that were superseded so recently that a slow writer may still be carrying them out, and those that this
/// writer carried out.
fn recent<'r>(
    snapshot: &'r Snapshot,
    head: &'r Record,
    windows: Windows,
    wrote: &'r [Record],
) -> impl Iterator<Item = &'r Record> {
    let superseded = snapshot.window.valid_from(head.number).skip(1);
    let superseded = snapshot
        .window
        .valid_from(head.number)
        .zip(superseded)
        .take_while(move |(newer, _)| windows.may_be_slow(snapshot.age(newer.created_at)))
        .map(|(_, record)| record)
        // A transaction leaves no writer behind that could be slow.
        .filter(|record| record.applied != Some(Mark::Atomic));
    superseded.chain(wrote.iter().filter(|wrote| wrote.digest != head.digest))
}

/// The values that writers of a superseded entry may still give the aliases `names`.
fn late_writes(snapshot: &Snapshot, record: &Record, names: &[Alias]) -> Vec<Option<Target>> {
    let entry = &record.entry;
    let on = |state: &AliasState, alias: &Alias| state.get(alias).map(Version::get);
    // A writer that knows of the deletion of a version removes the alias instead.
    let existing = snapshot.existing(&entry.after);
    let late = |alias: &Alias| {
        let (before, after) = (on(&entry.before, alias), on(&entry.after, alias));
        let late = hydra_ledger_rules::late_write(entry.is_observation(), before, after);
        late.map(|_| on(&existing, alias))
    };
    names.iter().map(late).collect()
}

fn names(states: &[&AliasState]) -> Vec<Alias> {
    let mut names: BTreeSet<Alias> =
        states.iter().flat_map(|state| tracked(state).aliases().cloned().collect::<Vec<_>>()).collect();
    names.remove(&Alias::CHAMPION);
    std::iter::once(Alias::CHAMPION).chain(names).collect()
}
