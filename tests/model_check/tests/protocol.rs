//! Explores the protocol as designed, within bounds that take seconds; `--ignored` uses wider bounds.

use ledger_model_check::explore::{explore, replay};
use ledger_model_check::standing::{ASKING, Standing};
use ledger_model_check::world::Setup;
use ledger_model_check::writer::Task::{
    Activate, Approve, ApprovePolicy, Promote, PromoteApproved, Quarantine, Release, Repair, Rollback,
    RollbackAndQuarantine,
};

const CALM: Setup = Setup {
    tasks: [Promote(2), Promote(3), Rollback],
    skews: [0; 3],
    standing: Standing::NONE,
    appends: 4,
    ticks: Some(0),
    crashes: 0,
    lost_answers: 0,
    outside_moves: 0,
    deleted_versions: 0,
    deleted_entries: 0,
    twins: 0,
    split_writes: false,
    split_reads: false,
    mutation: None,
};

/// One operation fewer, and one writer that only repairs.
const REPAIRED: Setup = Setup { tasks: [Promote(2), Rollback, Repair], ..CALM };

/// A quarantine of the version that another writer promotes.
const QUARANTINED: Setup = Setup { tasks: [Promote(2), Quarantine(2), Repair], ..CALM };

/// Two promotions that need the same approval.
const APPROVED: Setup = Setup {
    tasks: [PromoteApproved(2), PromoteApproved(2), Rollback],
    standing: Standing { approved: 1 << 2, ..Standing::NONE },
    ..CALM
};

/// A policy becomes the active one while others decide.
const ACTIVATED: Setup = Setup { tasks: [Promote(2), Activate(1), Repair], ..CALM };

/// A policy is active that asks for an approval before it changes.
const ASKED: Setup = Setup {
    tasks: [Activate(1), Activate(0), ApprovePolicy(1)],
    standing: Standing { active: ASKING, ..Standing::NONE },
    ..CALM
};

fn holds(setup: Setup) {
    let report = explore(&setup);
    if let Some((property, actions)) = &report.violation {
        panic!("{}{property:?} is violated", replay(&setup, actions));
    }
    assert!(report.states > 1_000, "the search was cut short: {report}");
}

#[test]
fn three_operations_race() {
    holds(CALM);
}

#[test]
fn alias_writes_interleave_in_any_order() {
    holds(Setup { split_writes: true, ..REPAIRED });
}

#[test]
fn reads_of_one_round_are_answered_at_different_times() {
    holds(Setup { split_reads: true, ticks: Some(1), appends: 3, ..REPAIRED });
}

#[test]
fn writers_are_slow() {
    holds(Setup { ticks: Some(2), ..REPAIRED });
}

#[test]
fn writers_are_slow_between_alias_writes() {
    holds(Setup { ticks: Some(1), split_writes: true, appends: 3, ..REPAIRED });
}

#[test]
fn writers_crash_and_transitions_expire() {
    holds(Setup { ticks: Some(4), crashes: 2, appends: 3, ..REPAIRED });
}

#[test]
fn writers_crash_between_alias_writes() {
    holds(Setup { ticks: Some(3), crashes: 1, split_writes: true, appends: 2, ..REPAIRED });
}

/// The clocks of the writers differ by more than a transition lives, in both directions.
#[test]
fn clocks_differ_by_more_than_a_transition_lives() {
    for skews in [[4, -4, 0], [-4, 0, 4]] {
        holds(Setup { skews, ticks: Some(3), crashes: 1, appends: 2, ..REPAIRED });
    }
}

#[test]
fn creates_land_after_their_answer_was_given_up() {
    holds(Setup { lost_answers: 2, ticks: Some(1), appends: 3, ..REPAIRED });
}

#[test]
fn aliases_are_moved_outside() {
    holds(Setup { outside_moves: 1, appends: 3, ..REPAIRED });
}

#[test]
fn versions_are_deleted() {
    holds(Setup { deleted_versions: 1, ticks: Some(1), crashes: 1, appends: 3, ..REPAIRED });
}

#[test]
fn entries_are_deleted() {
    holds(Setup { deleted_entries: 1, appends: 3, ..REPAIRED });
}

/// A file store behind a server: one entry overwrites another one of the same number.
#[test]
fn two_entries_get_one_number() {
    holds(Setup { twins: 2, ..CALM });
    let tasks = [Promote(2), Promote(3), Repair];
    holds(Setup { tasks, twins: 1, appends: 3, crashes: 1, split_writes: true, ..CALM });
}

#[test]
fn quarantines_race_with_decisions() {
    holds(Setup { tasks: [Promote(2), Quarantine(2), RollbackAndQuarantine], ..CALM });
}

#[test]
fn a_quarantine_ends_while_others_decide() {
    holds(Setup { tasks: [Quarantine(2), Release(2), Promote(2)], ticks: Some(2), crashes: 1, ..CALM });
}

#[test]
fn a_quarantine_lands_behind_an_unfinished_promotion() {
    holds(Setup { ticks: Some(4), crashes: 1, appends: 3, ..QUARANTINED });
}

#[test]
fn a_quarantine_lands_behind_half_a_promotion() {
    holds(Setup { ticks: Some(3), crashes: 1, split_writes: true, appends: 2, ..QUARANTINED });
}

#[test]
fn aliases_are_moved_outside_around_a_quarantine() {
    holds(Setup { outside_moves: 1, appends: 3, ..QUARANTINED });
}

#[test]
fn entries_are_deleted_around_a_quarantine() {
    holds(Setup { deleted_entries: 1, appends: 3, ..QUARANTINED });
}

#[test]
fn an_approval_is_used_once() {
    holds(APPROVED);
}

#[test]
fn an_aborted_promotion_gives_its_approval_back() {
    let tasks = [PromoteApproved(2), Approve(2), Repair];
    holds(Setup { tasks, ticks: Some(4), crashes: 1, appends: 3, ..APPROVED });
}

#[test]
fn activations_race_with_decisions() {
    holds(Setup { tasks: [Promote(2), Activate(1), Rollback], ..CALM });
}

#[test]
fn two_policies_are_activated_while_another_writer_decides() {
    holds(Setup { tasks: [Activate(1), Activate(2), Promote(2)], ticks: Some(1), ..CALM });
}

#[test]
fn an_activation_lands_behind_an_unfinished_promotion() {
    holds(Setup { ticks: Some(4), crashes: 1, appends: 3, ..ACTIVATED });
}

#[test]
fn an_activation_lands_behind_half_a_promotion() {
    holds(Setup { ticks: Some(3), crashes: 1, split_writes: true, appends: 2, ..ACTIVATED });
}

#[test]
fn aliases_are_moved_and_entries_deleted_around_an_activation() {
    holds(Setup { outside_moves: 1, appends: 3, ..ACTIVATED });
    holds(Setup { deleted_entries: 1, appends: 3, ..ACTIVATED });
}

#[test]
fn an_activation_waits_for_its_approval() {
    holds(Setup { ticks: Some(2), crashes: 1, ..ASKED });
    holds(Setup { tasks: [Activate(1), ApprovePolicy(1), Promote(2)], ticks: Some(1), ..ASKED });
}

#[test]
#[ignore = "a minute"]
fn an_approval_is_used_once_by_slow_writers() {
    holds(Setup { ticks: Some(2), ..APPROVED });
}

#[test]
#[ignore = "a minute"]
fn three_operations_race_slowly_between_alias_writes() {
    holds(Setup { ticks: Some(2), appends: 3, split_writes: true, ..CALM });
}

#[test]
#[ignore = "two minutes"]
fn aliases_are_moved_outside_while_writers_are_slow() {
    holds(Setup { outside_moves: 1, ticks: Some(2), appends: 3, ..REPAIRED });
}

#[test]
#[ignore = "two minutes"]
fn writers_crash_slowly_between_alias_writes() {
    holds(Setup { crashes: 1, ticks: Some(4), split_writes: true, appends: 3, ..REPAIRED });
}
