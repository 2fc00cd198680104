//! Deliberately broken rules. Each is a change to what a writer feeds into, or makes of, the shared rules.

/// A broken rule; `None` in a [`crate::world::Setup`] means that the protocol is explored as designed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// An append counts even when another valid entry came first.
    VoidEntriesCount,
    /// After losing a race the old decision is appended again on the new base.
    NoRedecision,
    /// After a lost answer the create is sent again without looking for one's own operation id.
    NoOperationId,
    /// Interrupted transitions never expire.
    NoExpiry,
    /// Interrupted transitions are carried out until they expire.
    NoGuard,
    /// An expired transition is declared aborted although its champion is in place.
    AbortStarted,
    /// An aborted transition's aliases are left where they are.
    AbortWithoutRestore,
    /// Alias writes are sent however long ago the head was read.
    NoLease,
    /// Every difference is taken for an outside move.
    NoReassert,
    /// Only the entry just before the head can have a slow writer.
    SlowWriterOneEntryBack,
    /// A slow writer is only recognised when all aliases equal an earlier state.
    SlowWriterWholeState,
    /// A writer does not look again after its alias writes.
    NoVerify,
    /// A writer that finds its own late alias writes does not know them for its own.
    NoOwnMemory,
    /// Aliases that were read before the head are taken for evidence of an outside move.
    NoConfirmation,
    /// A recorded outside move counts at once, even if it was undone before the record was appended.
    TrustObservations,
    /// Missing entries are ignored.
    IgnoreDamage,
    /// A transition whose version was deleted is carried out as far as possible.
    IgnoreDeletedTarget,
}
