//! The paired bootstrap: every version is measured on the same resamples of the rows.

pub(crate) mod interval;
mod random;
pub(crate) mod ranked;
pub(crate) mod sums;

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::threads::parallel;

pub(crate) use random::Counts;
use random::LANES;

/// How many times [`LANES`] resamples a thread computes in one pass over the rows.
const LANES_PER_PASS: u32 = 3;

/// Some resamples, in units of [`LANES`].
pub(crate) type LaneRange = Range<u32>;

/// Which resamples there are, and who computes them.
pub(crate) struct Plan<'a> {
    pub(crate) counts: Counts,
    /// How many resamples are wanted.
    pub(crate) resamples: u32,
    pub(crate) threads: usize,
    pub(crate) progress: &'a Progress<'a>,
}

impl Plan<'_> {
    /// The results of `pass` for all ranges of resamples, in order.
    pub(crate) fn run<R: Send>(&self, pass: impl Fn(LaneRange) -> R + Sync) -> Vec<R> {
        let lanes = Self::length(self.resamples) as u32;
        let starts = (0..lanes).step_by(LANES_PER_PASS as usize);
        let ranges = starts.map(|start| start..(start + LANES_PER_PASS).min(lanes)).collect();
        parallel(self.threads, ranges, |range: LaneRange| {
            let passed = range.len() as u64;
            let result = pass(range);
            self.progress.add(passed);
            result
        })
    }

    /// The units of progress that a [`Plan::run`] of so many resamples adds.
    pub(crate) fn length(resamples: u32) -> u64 {
        u64::from(resamples.div_ceil(LANES as u32))
    }
}

/// Counts the work that is done.
pub(crate) struct Progress<'a> {
    done: AtomicU64,
    total: u64,
    report: &'a (dyn Fn(u64, u64) + Sync),
}

impl<'a> Progress<'a> {
    /// Calls `report` with what is done of `total`.
    pub(crate) fn new(total: u64, report: &'a (dyn Fn(u64, u64) + Sync)) -> Self {
        Self { done: AtomicU64::new(0), total, report }
    }

    fn add(&self, work: u64) {
        let done = self.done.fetch_add(work, Ordering::Relaxed) + work;
        (self.report)(done, self.total);
    }
}
