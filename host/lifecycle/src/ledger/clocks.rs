//! What the entries say of the clocks of their authors.

use std::fmt;
use std::time::Duration;

use crate::clock::{exceeds, in_words, time_of};
use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::EntryKind;
use crate::ledger::look::Snapshot;
use hydra_base::time::{now, roughly};
use hydra_ledger_rules::Number;

/// What speaks against the time of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WrongTime {
    /// By the entry, the clock of its author differed from the server's: this is the server's minus the author's, in milliseconds.
    Recorded(i64),
    /// The time at which the store took it minus its own time, in milliseconds.
    Stored(i64),
    /// It follows an entry that is later by so many milliseconds.
    Backwards {
        /// The entry that it follows.
        older: Number,
        /// By how much that is later.
        by: i64,
    },
}

impl fmt::Display for WrongTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Recorded(difference) => {
                write!(f, "the clock of its author was {} the server's", in_words(*difference))
            }
            Self::Stored(difference) => {
                let side = if *difference < 0 { "after" } else { "before" };
                let by = roughly(difference.unsigned_abs());
                write!(f, "its time is {by} {side} that at which the store took it")
            }
            Self::Backwards { older, by } => {
                write!(f, "its time is {} before that of entry {older}", roughly(by.unsigned_abs()))
            }
        }
    }
}

/// What speaks against the time of `record`, beyond `tolerance`, as far as the entry itself shows.
pub(super) fn wrong_time(record: &Record, tolerance: Duration) -> Option<WrongTime> {
    let found = match record.entry.clock_ms {
        Some(difference) => WrongTime::Recorded(difference),
        None => WrongTime::Stored(record.created_at.saturating_sub(record.entry.at)),
    };
    let (WrongTime::Recorded(difference) | WrongTime::Stored(difference)) = found else { return None };
    exceeds(difference, tolerance).then_some(found)
}

/// Whether `newer` is earlier than `older`, which it follows, although no clock of a server was known to either.
pub(super) fn backwards(newer: &Record, older: &Record, tolerance: Duration) -> Option<WrongTime> {
    let by = older.entry.at.saturating_sub(newer.entry.at);
    let unknown = newer.entry.clock_ms.is_none() && older.entry.clock_ms.is_none();
    (unknown && by > 0 && exceeds(by, tolerance)).then_some(WrongTime::Backwards { older: older.number, by })
}

impl Ledger {
    /// By how many milliseconds the head is ahead of this machine's clock, if that keeps writers from going on: on a store without
    /// a clock of its own.
    pub(super) fn ahead(&self, head: &Record) -> Option<i64> {
        if self.backend.registry.clock().is_some() {
            return None;
        }
        let ahead = time_of(head).saturating_sub(now());
        (ahead > 0 && exceeds(ahead, self.clock_tolerance)).then_some(ahead)
    }

    /// What the newest entries say of clocks, down to the newest checkpoint. Of several entries with a wrong time, the newest is
    /// named.
    pub(super) fn time_findings(&self, snapshot: &Snapshot, head: &Record) -> Vec<LedgerFinding> {
        let ahead = self.ahead(head).map(|by| LedgerFinding::Ahead { entry: head.number, by });
        let chain: Vec<&Record> = snapshot
            .window
            .valid_from(head.number)
            .take_while(|record| record.entry.operation != EntryKind::Checkpoint)
            .collect();
        let tolerance = self.clock_tolerance;
        let older = chain.iter().skip(1).map(Some).chain([None]);
        let mut wrong = chain.iter().zip(older).filter_map(|(record, older)| {
            let what = wrong_time(record, tolerance)
                .or_else(|| older.and_then(|older| backwards(record, older, tolerance)))?;
            Some((*record, what))
        });
        let newest = wrong.next();
        let others = wrong.count();
        let wrong = newest.map(|(record, what)| LedgerFinding::WrongTime {
            entry: record.number,
            actor: record.entry.actor.clone(),
            what,
            others,
        });
        ahead.into_iter().chain(wrong).collect()
    }
}
