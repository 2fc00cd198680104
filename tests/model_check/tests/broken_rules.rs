//! Each deliberately broken rule violates the expected property, within bounds no wider than those in which
//! `protocol.rs` checks the intact rules.

use ledger_model_check::explore::explore;
use ledger_model_check::mutation::Mutation;
use ledger_model_check::properties::Property;
use ledger_model_check::standing::{ASKING, Standing};
use ledger_model_check::world::Setup;
use ledger_model_check::writer::Task::{
    Activate, ApprovePolicy, Promote, PromoteApproved, Quarantine, Repair, Rollback,
};

const SETUP: Setup = Setup {
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
const REPAIRED: Setup = Setup { tasks: [Promote(2), Rollback, Repair], ..SETUP };
/// The clock of the writer that repairs is ahead of the store's by more than a transition lives.
const AHEAD: Setup = Setup { skews: [0, 0, 4], ..REPAIRED };
/// It is behind by as much.
const BEHIND: Setup = Setup { skews: [0, 0, -4], ..REPAIRED };
const QUARANTINED: Setup = Setup { tasks: [Promote(2), Quarantine(2), Repair], ..SETUP };
const APPROVED: Setup = Setup {
    tasks: [PromoteApproved(2), PromoteApproved(2), Rollback],
    standing: Standing { approved: 1 << 2, ..Standing::NONE },
    ..SETUP
};
/// A promotion that uses an approval may expire.
const EXPIRING: Setup = Setup {
    tasks: [PromoteApproved(2), Rollback, Repair],
    crashes: 1,
    ticks: Some(3),
    appends: 2,
    ..APPROVED
};

const ACTIVATED: Setup = Setup { tasks: [Promote(2), Activate(1), Repair], ..SETUP };
/// A policy is active that asks for an approval before it changes.
const ASKED: Setup = Setup {
    tasks: [Activate(1), Activate(0), ApprovePolicy(1)],
    standing: Standing { active: ASKING, ..Standing::NONE },
    ..SETUP
};

fn caught(mutation: Mutation, setup: Setup, expected: Property) {
    let broken = explore(&Setup { mutation: Some(mutation), ..setup });
    let property = broken.violation.as_ref().map(|(property, _)| *property);
    assert_eq!(property, Some(expected), "{mutation:?}: {broken}");
}

macro_rules! broken_rules {
    ($($name:ident: $mutation:ident, $setup:expr => $property:ident;)*) => {
        $(#[test] fn $name() { caught(Mutation::$mutation, $setup, Property::$property); })*
    };
}

broken_rules! {
    void_entries_count: VoidEntriesCount, SETUP => Recoverable;
    no_redecision: NoRedecision, SETUP => ArchivedIsFormerChampion;
    no_operation_id: NoOperationId, Setup { lost_answers: 1, ..SETUP } => NoDecisionDoubled;
    no_read_back: NoReadBack, Setup { twins: 1, ..SETUP } => NothingInvented;
    no_expiry: NoExpiry, Setup { crashes: 1, ticks: Some(4), appends: 3, ..REPAIRED } => NoSurpriseDeploy;
    no_guard: NoGuard, Setup { crashes: 1, ticks: Some(4), appends: 3, ..REPAIRED } => NoSurpriseDeploy;
    a_writers_own_clock_is_ahead: OwnClock, Setup { appends: 3, ..AHEAD } => NoDecisionLost;
    a_writers_own_clock_is_behind: OwnClock, Setup { crashes: 1, ticks: Some(4), appends: 3, ..BEHIND } => NoSurpriseDeploy;
    abort_started: AbortStarted, Setup { ticks: Some(4), appends: 3, ..REPAIRED } => NoDecisionLost;
    abort_without_restore: AbortWithoutRestore, Setup { crashes: 1, ticks: Some(3), appends: 2, split_writes: true, ..REPAIRED } => ArchivedIsFormerChampion;
    no_lease: NoLease, Setup { ticks: Some(2), ..REPAIRED } => LateWritesAreRecognised;
    no_reassert: NoReassert, Setup { ticks: Some(1), ..REPAIRED } => NothingInvented;
    slow_writer_one_entry_back: SlowWriterOneEntryBack, Setup { ticks: Some(1), ..SETUP } => NothingInvented;
    slow_writer_whole_state: SlowWriterWholeState, Setup { split_writes: true, ..REPAIRED } => NothingInvented;
    observations_have_writers: ObservationsHaveWriters, Setup { outside_moves: 2, appends: 3, ..REPAIRED } => OutsideMovesStand;
    unmoved_aliases_have_writers: UnmovedAliasesHaveWriters, Setup { outside_moves: 1, appends: 3, ..REPAIRED } => OutsideMovesStand;
    no_verify: NoVerify, Setup { ticks: Some(1), ..REPAIRED } => ChampionIsExplained;
    no_own_memory: NoOwnMemory, Setup { ticks: Some(2), ..REPAIRED } => NothingInvented;
    no_confirmation: NoConfirmation, Setup { split_reads: true, appends: 3, ..REPAIRED } => NothingInvented;
    trust_observations: TrustObservations, Setup { outside_moves: 1, appends: 3, ..REPAIRED } => ChampionIsExplained;
    ignore_damage: IgnoreDamage, Setup { deleted_entries: 1, ..REPAIRED } => NoDecisionDoubled;
    ignore_deleted_target: IgnoreDeletedTarget, Setup { deleted_versions: 1, crashes: 1, appends: 3, ..REPAIRED } => ChampionSurvives;
    ignore_deleted_champion: IgnoreDeletedChampion, Setup { deleted_versions: 1, appends: 3, ..REPAIRED } => Recoverable;
    ignore_quarantine: IgnoreQuarantine, QUARANTINED => QuarantineHolds;
    stale_quarantine: StaleStanding, QUARANTINED => QuarantineHolds;
    no_redecision_after_a_quarantine: NoRedecision, QUARANTINED => QuarantineHolds;
    quarantine_unsettled: QuarantineUnsettled, QUARANTINED => ChampionIsExplained;
    stale_approval: StaleStanding, APPROVED => ApprovalUsedOnce;
    stale_policy: StaleStanding, ACTIVATED => ActivePolicyDecides;
    ignore_activation_approvals: IgnoreActivationApprovals, ASKED => ActivationApproved;
    activation_approvals_stay: ApprovalsStay, ASKED => StandingCarried;
    repairs_forget_the_active_policy: RepairsForgetStanding, Setup { outside_moves: 1, ..ACTIVATED } => StandingCarried;
    approvals_stay: ApprovalsStay, APPROVED => StandingCarried;
    abort_keeps_standing: AbortKeepsStanding, EXPIRING => StandingCarried;
    repairs_forget_standing: RepairsForgetStanding, Setup { outside_moves: 1, ..QUARANTINED } => StandingCarried;
}
