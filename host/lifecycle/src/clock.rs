//! The time of a decision, and what speaks against the clock of this machine.
//!
//! The time of a decision is evidence: a policy may forbid deployments on Fridays. A server has a clock of its own, with which this
//! machine's is compared. A local store has none; there, time may only not run backwards along the ledger.

use std::time::Duration;

use crate::ledger::chain::Record;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::time::{now, roughly};
use hydra_mlflow::connect::Backend;

/// How far the clock of this machine may be from the store's, unless a setting says otherwise.
pub const DEFAULT_TOLERANCE: Duration = Duration::from_mins(1);

/// The time of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time by the clock of this machine, in milliseconds; on a store without a clock of its own, not before that of the newest
    /// entry.
    pub now: Timestamp,
    /// The clock of the store minus that of this machine, in milliseconds; none for a store without one.
    pub difference: Option<i64>,
}

impl Moment {
    /// The present moment, if the clock of this machine may be right: `ClockDifference` if it differs from the server's by more than
    /// `tolerance`, and on a store without a clock of its own `ClockBackwards` if it is behind the newest entry by more than that.
    pub fn of(backend: &Backend, tolerance: Duration, newest: Option<&Record>) -> Result<Self> {
        let now = now();
        if let Some(clock) = backend.registry.clock() {
            let difference = clock.certain();
            if exceeds(difference, tolerance) {
                return Err(different(difference));
            }
            return Ok(Self { now, difference: Some(clock.estimate()) });
        }
        let Some(newest) = newest else { return Ok(Self { now, difference: None }) };
        let behind = time_of(newest).saturating_sub(now);
        if exceeds(behind.max(0), tolerance) {
            return Err(backwards(newest, behind));
        }
        Ok(Self { now: now.max(time_of(newest)), difference: None })
    }
}

/// The time by the clock of the store, as far as it is known.
pub(crate) fn store_time(backend: &Backend) -> Timestamp {
    now().saturating_add(backend.registry.clock().map_or(0, |clock| clock.estimate()))
}

/// Whether a difference in milliseconds is greater than the tolerance.
pub(crate) fn exceeds(difference: i64, tolerance: Duration) -> bool {
    u128::from(difference.unsigned_abs()) > tolerance.as_millis()
}

/// The time of an entry on a store without a clock of its own: by the clock of its author, or of the program that stored it.
pub(crate) fn time_of(record: &Record) -> Timestamp {
    record.entry.at.max(record.created_at)
}

/// A difference of clocks for people: `2 days ahead of` or `15 minutes behind`. Positive if the store's clock is ahead.
pub(crate) fn in_words(difference: i64) -> String {
    let side = if difference < 0 { "ahead of" } else { "behind" };
    format!("{} {side}", roughly(difference.unsigned_abs()))
}

/// A time for people, in UTC.
pub(crate) fn in_utc(time: Timestamp) -> String {
    jiff::Timestamp::from_millisecond(time).map_or_else(|_| time.to_string(), |time| format!("{time:.0}"))
}

fn different(difference: i64) -> Error {
    let what = format!("this machine's clock is {} the server's", in_words(difference));
    Error::new(ErrorKind::ClockDifference, what)
        .with_hint("set the clock that is wrong, and repeat the command; `--clock-tolerance` allows a greater difference, on record")
}

fn backwards(newest: &Record, behind: i64) -> Error {
    let what = format!("this machine's clock is {} {newest} of the ledger", in_words(behind));
    Error::new(ErrorKind::ClockBackwards, what)
        .with_hint("set this machine's clock if it is wrong; if it is right, run `hydra-registry doctor --fix`, which bridges the entry")
}
