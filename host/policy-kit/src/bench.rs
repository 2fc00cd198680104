//! Measuring a policy.

use std::time::Duration;

use hydra_base::error::Result;
use hydra_policy::{Input, Policy};

/// The cost of many decisions.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct BenchReport {
    /// How many decisions were measured.
    pub runs: u32,
    /// The median time of a decision.
    pub p50: Duration,
    /// The 99th percentile of the time of a decision.
    pub p99: Duration,
    /// The longest time of a decision.
    pub max: Duration,
    /// The fuel of each: the same for all.
    pub fuel: u64,
    /// The memory of each, in bytes: the same for all.
    pub memory: u64,
}

/// Decides `runs` times (at least once) on the same input, after up to 21 decisions that are not counted.
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
