//! Deliberately broken rules. Each one changes a writer's input to the shared rules, or its use of the result.

/// A broken rule; `None` in a [`crate::world::Setup`] means that the protocol is explored as designed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// An append counts even if another valid entry precedes it.
    VoidEntriesCount,
    /// After losing a race, a writer appends its old decision again on the new base.
    NoRedecision,
    /// After a lost answer, a writer repeats the create without looking for its operation id.
    NoOperationId,
    /// A writer rests on an entry without reading it again, although the store may give two entries one number.
    NoReadBack,
    /// Interrupted transitions never expire.
    NoExpiry,
    /// Writers carry out interrupted transitions until they expire, without the guard interval.
    NoGuard,
    /// Writers measure ages by their own clocks, not by the store's.
    OwnClock,
    /// A writer aborts an expired transition although its champion is already set.
    AbortStarted,
    /// Aborting a transition does not restore its aliases.
    AbortWithoutRestore,
    /// A writer sends alias writes regardless of the time since it read the head.
    NoLease,
    /// Every difference counts as an outside move.
    NoReassert,
    /// Only the valid entry directly before the head can have a slow writer.
    SlowWriterOneEntryBack,
    /// A slow writer is recognised only if all aliases equal those of an earlier entry.
    SlowWriterWholeState,
    /// Entries that record what was found count as if writers carried them out.
    ObservationsHaveWriters,
    /// Every alias of an entry counts as one that its writers may write, moved or not.
    UnmovedAliasesHaveWriters,
    /// A writer does not read again after its alias writes.
    NoVerify,
    /// A writer does not recognise its own late alias writes.
    NoOwnMemory,
    /// Aliases that were read before the head count as evidence of an outside move.
    NoConfirmation,
    /// A recorded outside move is final, even if the aliases changed before the append.
    TrustObservations,
    /// Writers ignore missing entries.
    IgnoreDamage,
    /// Writers carry out the remaining moves of a transition whose version was deleted.
    IgnoreDeletedTarget,
    /// A settled ledger whose champion was deleted needs no entry.
    IgnoreDeletedChampion,
    /// A decision makes a version champion although it is in quarantine.
    IgnoreQuarantine,
    /// A policy takes the place of one that asks for an approval first, and has none.
    IgnoreActivationApprovals,
    /// After losing a race, a writer decides by the standing that it read at first.
    StaleStanding,
    /// A quarantine is appended without settling the ledger first.
    QuarantineUnsettled,
    /// A promotion leaves the approvals of its version in the standing.
    ApprovalsStay,
    /// An entry that aborts another carries on the standing of the aborted one.
    AbortKeepsStanding,
    /// Entries that repair the ledger or record outside moves carry no standing.
    RepairsForgetStanding,
}
