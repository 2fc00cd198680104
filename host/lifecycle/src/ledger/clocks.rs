//! What the entries say of the clocks of their authors.

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use crate::clock::{exceeds, in_words, time_of};
use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::EntryKind;
use crate::ledger::look::Snapshot;
use hydra_base::Timestamp;
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

/// How long an honest entry may be on its way to a server after its time: as long as a request is tried.
const ON_ITS_WAY: Duration = Duration::from_mins(2);

/// What speaks against the time of `record`, beyond `tolerance`, as far as the entry itself shows.
pub(super) fn wrong_time(record: &Record, tolerance: Duration) -> Option<WrongTime> {
    let claimed = record.entry.clock_ms;
    if let Some(difference) = claimed.filter(|difference| exceeds(*difference, tolerance)) {
        return Some(WrongTime::Recorded(difference));
    }
    // The clock that the author was shown may not be that of the store: a proxy can send a date of its own.
    let difference = record.created_at.saturating_sub(time_claimed(record));
    let on_its_way = if claimed.is_some() && difference > 0 { ON_ITS_WAY } else { Duration::ZERO };
    exceeds(difference, tolerance.saturating_add(on_its_way)).then_some(WrongTime::Stored(difference))
}

/// The time of the entry by the clock of the store, as its author believed that clock to be.
fn time_claimed(record: &Record) -> Timestamp {
    record.entry.at.saturating_add(record.entry.clock_ms.unwrap_or(0))
}

/// Whether `newer` is earlier than `older`, which it follows, although no clock of a server was known to either.
pub(super) fn backwards(newer: &Record, older: &Record, tolerance: Duration) -> Option<WrongTime> {
    let by = older.entry.at.saturating_sub(newer.entry.at);
    let unknown = newer.entry.clock_ms.is_none() && older.entry.clock_ms.is_none();
    (unknown && by > 0 && exceeds(by, tolerance)).then_some(WrongTime::Backwards { older: older.number, by })
}

/// The entry whose time a checkpoint bridges, if it bridges that and no damage.
fn time_bridged_by(record: &Record) -> Option<Number> {
    let bridge = record.entry.bridge.as_ref()?;
    (bridge.trusted == bridge.damaged).then_some(bridge.trusted)
}

/// The decisions above a checkpoint that lets time go on before that of an older entry, as they are met from the newest entry down.
#[derive(Debug, Default)]
pub(super) struct AboveCheckpoint {
    /// The decisions that were met last, with their times.
    decisions: VecDeque<(Number, Timestamp)>,
    /// The checkpoint, and the entry that it bridges.
    checkpoint: Option<(Number, Number)>,
}

/// The most decisions above a checkpoint that are named.
const MAX_NAMED: usize = 1_000;

impl AboveCheckpoint {
    /// Takes in the next older entry. Returns the decisions, oldest first, that the checkpoint let be earlier than this entry,
    /// with what is to be said of them.
    pub fn step(&mut self, record: &Record) -> Vec<(Number, String)> {
        let mut named = Vec::new();
        if let Some((checkpoint, _)) = self.checkpoint.take().filter(|(_, bridged)| *bridged == record.number)
        {
            let until = time_of(record);
            let earlier = self.decisions.iter().rev().take_while(|(_, at)| *at < until);
            named.extend(earlier.map(|(number, _)| {
                let what = format!(
                    "its time is before that of entry {}, which the checkpoint, entry {checkpoint}, bridged",
                    record.number
                );
                (*number, what)
            }));
        }
        if let Some(bridged) = time_bridged_by(record) {
            self.checkpoint = Some((record.number, bridged));
        } else if self.checkpoint.is_none() {
            if !named.is_empty() {
                self.decisions.clear();
            }
            if record.entry.is_decision() {
                self.decisions.push_back((record.number, time_of(record)));
                if self.decisions.len() > MAX_NAMED {
                    self.decisions.pop_front();
                }
            }
        }
        named
    }
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
        ahead.into_iter().chain(wrong).chain(self.bridged_time(snapshot, head)).collect()
    }

    /// A checkpoint among the newest entries that let time go on before that of an entry which this machine's clock finds in the
    /// past, until an entry is later than that one.
    fn bridged_time(&self, snapshot: &Snapshot, head: &Record) -> Option<LedgerFinding> {
        if self.backend.registry.clock().is_some() {
            return None;
        }
        let mut above = 0;
        let mut latest = Timestamp::MIN;
        for record in snapshot.window.valid_from(head.number) {
            let Some(bridged) = time_bridged_by(record) else {
                above += usize::from(record.entry.is_decision());
                latest = latest.max(time_of(record));
                continue;
            };
            let bridged = snapshot.window.record(bridged)?;
            let is_past = time_of(bridged) <= now() && latest < time_of(bridged);
            return is_past.then(|| LedgerFinding::TimeBridged {
                entry: record.number,
                actor: record.entry.actor.clone(),
                at: record.entry.at,
                bridged: bridged.number,
                bridged_at: time_of(bridged),
                decisions: above,
            });
        }
        None
    }
}
