//! The mark of an entry that was carried out in full: the tag `hydra.applied`.

use hydra_base::Timestamp;

/// The tag with the mark.
pub const APPLIED_TAG: &str = "hydra.applied";

/// The way in which an entry was carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// In the transaction that appended it, on a local store: no writer moves its aliases later.
    Atomic,
    /// By a writer that moved the aliases and then marked the entry.
    Later,
}

impl Mark {
    /// The tag's value for [`Self::Atomic`].
    pub(super) const ATOMIC: &str = "atomic";

    /// The tag's value for [`Self::Later`], marked at `now`.
    pub(super) fn later(now: Timestamp) -> String {
        format!("later:{now}")
    }

    /// Parses the tag of an entry that was created at `at`.
    ///
    /// Release 0.1 wrote a bare number of milliseconds: the entry's own `at` meant [`Self::Atomic`], every other number
    /// [`Self::Later`].
    pub(super) fn read(value: &str, at: Timestamp) -> Self {
        if value == Self::ATOMIC || value == at.to_string() { Self::Atomic } else { Self::Later }
    }
}
