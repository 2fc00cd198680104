//! Measuring a policy.

use std::time::Duration;

use hydra_base::error::Result;
use hydra_policy::{Input, Policy};

/// What decisions cost, over many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BenchReport {
    /// How many decisions were measured.
    pub runs: u32,
    /// The time that half of them stayed below.
    pub p50: Duration,
    /// The time that 99 of 100 stayed below.
    pub p99: Duration,
    /// The longest.
    pub max: Duration,
    /// The fuel of each: the same for all.
    pub fuel: u64,
    /// The memory of each, in bytes: the same for all.
    pub memory: u64,
}

/// Decides `runs` times (at least once) on the same input, after a few runs that are not counted.
pub fn bench(policy: &Policy, input: &Input, runs: u32) -> Result<BenchReport> {
    let runs = runs.max(1);
    let mut last = policy.decide(input)?;
    for _ in 0..runs.min(20) {
        last = policy.decide(input)?;
    }
    let mut times = Vec::with_capacity(runs as usize);
    for _ in 0..runs {
        last = policy.decide(input)?;
        times.push(last.usage.elapsed);
    }
    times.sort_unstable();
    let below = |percent: usize| times[(times.len() - 1) * percent / 100];
    Ok(BenchReport {
        runs,
        p50: below(50),
        p99: below(99),
        max: below(100),
        fuel: last.usage.fuel,
        memory: last.usage.memory,
    })
}
