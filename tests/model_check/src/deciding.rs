//! What a writer appends: its decision on a settled ledger, or the entry that a repair needs.

use crate::mutation::Mutation;
use crate::rules::{self, Found};
use crate::standing::{Standing, Statement};
use crate::world::{Aliases, Entry, Kind, Setup, World, find_head};
use crate::writer::{Outcome, Phase, Task};

/// The next phase on a settled ledger: ends, or decides and appends.
pub(crate) fn proceed(setup: &Setup, world: &mut World, who: usize) -> Phase {
    let writer = world.writers[who];
    let mutation = setup.mutation;
    if mutation != Some(Mutation::NoOperationId)
        && let Some(outcome) = own_outcome(world, who)
    {
        return Phase::Done(outcome);
    }
    let head = *world.entry(writer.head);
    if mutation == Some(Mutation::NoOperationId) && head.operation == who as u8 + 1 {
        return Phase::Done(Outcome::Committed);
    }
    let standing = match mutation {
        Some(Mutation::StaleStanding) => *world.writers[who].first_standing.get_or_insert(head.standing),
        _ => head.standing,
    };
    let state = world.existing(head.after);
    let Some((decided, statement)) = decide(writer.task, world, state, standing) else {
        return Phase::Done(Outcome::Nothing);
    };
    let repeat = if mutation == Some(Mutation::NoRedecision) { writer.repeat } else { None };
    let after = repeat.unwrap_or(decided);
    let entry = Entry { statement, ..new_entry(Kind::Operation, writer.head, state, after) };
    let entry = Entry { policy: if entry.is_decision() { standing.active } else { 0 }, ..entry };
    let ignored = matches!(mutation, Some(Mutation::IgnoreQuarantine | Mutation::IgnoreActivationApprovals));
    let guarded = !ignored && repeat.is_none();
    if guarded && entry.is_forbidden(&standing) {
        return Phase::Done(Outcome::Nothing);
    }
    if mutation == Some(Mutation::NoRedecision) {
        world.writers[who].repeat = Some(after);
    }
    Phase::Append(Entry { operation: who as u8 + 1, ..on_top(world, mutation, entry) })
}

/// The aliases and the statement that a task asks for; `None` if there is nothing to do.
fn decide(task: Task, world: &World, state: Aliases, standing: Standing) -> Option<(Aliases, Statement)> {
    match task {
        Task::PromoteApproved(version) if !standing.is_approved(version) => None,
        Task::Promote(version) | Task::PromoteApproved(version)
            if world.is_gone(version) || state[0] == version =>
        {
            None
        }
        Task::Promote(version) | Task::PromoteApproved(version) => {
            let archived = if state[0] != 0 { state[0] } else { state[1] };
            Some(([version, if archived == version { 0 } else { archived }], Statement::None))
        }
        Task::Rollback | Task::RollbackAndQuarantine if state[1] == 0 => None,
        Task::RollbackAndQuarantine if state[0] != 0 => {
            Some(([state[1], state[0]], Statement::Leave(state[0])))
        }
        Task::Rollback | Task::RollbackAndQuarantine => Some(([state[1], state[0]], Statement::None)),
        Task::Quarantine(version) => {
            (!standing.is_quarantined(version)).then_some((state, Statement::Quarantine(version)))
        }
        Task::Release(version) => {
            standing.is_quarantined(version).then_some((state, Statement::Release(version)))
        }
        Task::Approve(version) => Some((state, Statement::Approve(version))),
        Task::Activate(policy) => (standing.active != policy).then_some((state, Statement::Activate(policy))),
        Task::ApprovePolicy(policy) => Some((state, Statement::ApprovePolicy(policy))),
        Task::Repair => None,
    }
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

/// An entry that its author appends on top of `base`.
pub(crate) fn new_entry(kind: Kind, base: u8, before: Aliases, after: Aliases) -> Entry {
    Entry { kind, base, before, after, justified: true, ..Entry::default() }
}

/// `entry` with the standing that it carries.
pub(crate) fn on_top(world: &World, mutation: Option<Mutation>, entry: Entry) -> Entry {
    let base = world.entry(entry.predecessor());
    let mut standing = entry.standing_after(base);
    match (mutation, entry.kind) {
        (Some(Mutation::ApprovalsStay), Kind::Operation) => {
            standing.approved |= base.standing.approved;
            standing.policies_approved |= base.standing.policies_approved;
        }
        (Some(Mutation::AbortKeepsStanding), Kind::Aborted) => standing = base.standing,
        (Some(Mutation::RepairsForgetStanding), Kind::External | Kind::Reassert | Kind::Checkpoint) => {
            standing = Standing::default();
        }
        _ => {}
    }
    Entry { standing, standing_before: base.standing, ..entry }
}
