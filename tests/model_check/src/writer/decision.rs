//! What a writer concludes from its reads: the state of the ledger, its next phase, and its outcome.

use super::{Outcome, Phase, Task};
use crate::mutation::Mutation;
use crate::rules::{self, AliasView, Found, Situation};
use crate::world::{Aliases, CAPACITY, Entry, Kind, Setup, WINDOWS, World, find_head, targets};

/// Assesses the last reads with the shared rules, changed by the mutation if there is one.
pub(super) fn judge(setup: &Setup, world: &mut World, who: usize, confirmed: bool) {
    let mutation = setup.mutation;
    let writer = world.writers[who];
    let entry = *world.entry(writer.head);
    let (slots, len) = world.slots();
    let mut recent = [[None; 2]; CAPACITY + 2];
    let mut recents = 0;
    let mut newer_age: Option<u8> = None;
    for (number, _) in rules::valid_entries(1, &slots[..len], writer.head.into()) {
        let candidate = world.entry(number as u8);
        if newer_age.is_some_and(|age| WINDOWS.may_be_slow(age.into())) {
            recent[recents] = targets(world.existing(candidate.after));
            recents += 1;
        }
        newer_age = Some(candidate.created);
    }
    for wrote in [writer.wrote, writer.wrote_before] {
        if wrote != 0 && wrote != writer.head && mutation != Some(Mutation::NoOwnMemory) {
            recent[recents] = targets(world.existing(world.entry(wrote).after));
            recents += 1;
        }
    }
    match mutation {
        Some(Mutation::NoReassert) => recents = 0,
        Some(Mutation::SlowWriterOneEntryBack) => recents = recents.min(1),
        Some(Mutation::SlowWriterWholeState) => {
            let seen = targets(world.existing(writer.seen));
            let whole = recent[..recents].contains(&seen);
            recent[0] = seen;
            recents = usize::from(whole);
        }
        _ => {}
    }
    let mut recent_slices = [[].as_slice(); CAPACITY + 2];
    for (slice, state) in recent_slices.iter_mut().zip(&recent) {
        *slice = state;
    }
    let windows = match mutation {
        Some(Mutation::NoExpiry) => rules::Windows { expiry: 99, ..WINDOWS },
        Some(Mutation::NoGuard) => rules::Windows { guard: 0, ..WINDOWS },
        _ => WINDOWS,
    };
    let moves_champion = entry.after[0] != entry.before[0] && entry.after[0] != 0;
    let target_gone = moves_champion && world.is_gone(entry.after[0]);
    let view = AliasView {
        before: &targets(world.existing(entry.before)),
        after: &targets(world.existing(entry.after)),
        actual: &targets(world.existing(writer.seen)),
        confirmed: confirmed || mutation == Some(Mutation::NoConfirmation),
        observation: entry.is_observation(),
        settled: writer.settled,
        timeliness: windows.timeliness(entry.decided.into()),
        target_gone: target_gone && mutation != Some(Mutation::IgnoreDeletedTarget),
        recent: &recent_slices[..recents],
    };
    let mut judged = rules::assess(&view);
    let expired = view.timeliness == rules::Timeliness::Expired;
    if mutation == Some(Mutation::AbortStarted) && judged == Situation::RollForward && expired {
        judged = Situation::Abort(rules::AbortReason::Expired);
    }
    let writer = &mut world.writers[who];
    writer.judged = judged;
    writer.confirmed = confirmed;
    writer.mask = (0..2).filter(|&i| rules::is_written(&view, i)).fold(0, |mask, i| mask | 1 << i);
}

/// The next phase on a settled ledger: ends, or decides and appends.
pub(super) fn proceed(setup: &Setup, world: &World, who: usize) -> Phase {
    let writer = world.writers[who];
    if setup.mutation != Some(Mutation::NoOperationId)
        && let Some(outcome) = own_outcome(world, who)
    {
        return Phase::Done(outcome);
    }
    if setup.mutation == Some(Mutation::NoOperationId) && world.entry(writer.head).operation == who as u8 + 1
    {
        return Phase::Done(Outcome::Committed);
    }
    let state = world.existing(world.entry(writer.head).after);
    let decided = match writer.task {
        Task::Promote(version) if world.is_gone(version) => None,
        Task::Promote(version) if state[0] == version => None,
        Task::Promote(version) => {
            let archived = if state[0] != 0 { state[0] } else { state[1] };
            Some([version, if archived == version { 0 } else { archived }])
        }
        Task::Rollback if state[1] == 0 => None,
        Task::Rollback => Some([state[1], state[0]]),
        Task::Repair => None,
    };
    let Some(after) = decided else { return Phase::Done(Outcome::Nothing) };
    let repeat = if setup.mutation == Some(Mutation::NoRedecision) { writer.repeat } else { None };
    let entry = new_entry(Kind::Operation, writer.head, state, repeat.unwrap_or(after));
    Phase::Append(Entry { operation: who as u8 + 1, ..entry })
}

/// The outcome of the writer's operation; `None` if no valid entry records it.
#[must_use]
pub fn own_outcome(world: &World, who: usize) -> Option<Outcome> {
    if !world.keep_all {
        return world.recorded[who];
    }
    let (slots, len) = world.slots();
    let Found::Head { number: head, .. } = find_head(world) else { return None };
    let mut newer: Option<&Entry> = None;
    for (number, _) in rules::valid_entries(1, &slots[..len], head) {
        let entry = world.entry(number as u8);
        if entry.operation == who as u8 + 1 {
            let aborted = newer.is_some_and(|newer| newer.kind == Kind::Aborted);
            return Some(if aborted { Outcome::Aborted } else { Outcome::Committed });
        }
        newer = Some(entry);
    }
    None
}

pub(super) fn new_entry(kind: Kind, base: u8, before: Aliases, after: Aliases) -> Entry {
    Entry { kind, base, before, after, justified: true, ..Entry::default() }
}
