//! Decisions of the default policy.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use hydra_policy::{Budget, EngineOptions, Input, Policy, PolicyEngine, Pooling};

use crate::Worker;

use hydra_policy::testing as common;

/// The default policy, with instances created on demand and from a pool.
pub struct Session {
    on_demand: Policy,
    pooled: Policy,
    input: Input,
}

impl Session {
    pub fn new() -> Result<Self> {
        let policy =
            |options: &EngineOptions| Policy::load_default(&PolicyEngine::new(options)?, &Budget::default());
        Ok(Self {
            on_demand: policy(&EngineOptions::default())?,
            pooled: policy(&EngineOptions::default().with_pooling(Pooling::default()))?,
            input: common::promotion(),
        })
    }
}

impl Worker for Session {
    /// `on-demand THREADS SECONDS` or `pooled THREADS SECONDS`: decisions per second, and median and 99th percentile of
    /// a decision's time in seconds.
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        let policy = match what {
            "on-demand" => &self.on_demand,
            "pooled" => &self.pooled,
            _ => bail!("no such request"),
        };
        let [threads, seconds] = arguments else { bail!("how many threads, and for how many seconds?") };
        let (threads, seconds): (usize, f64) = (threads.parse()?, seconds.parse()?);
        let start = Instant::now();
        let end = start + Duration::from_secs_f64(seconds);
        let mut times = thread::scope(|scope| {
            let workers: Vec<_> =
                (0..threads).map(|_| scope.spawn(|| decide_until(policy, &self.input, end))).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("deciding does not panic"))
                .collect::<Result<Vec<_>>>()
        })?
        .concat();
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        times.sort_unstable();
        let below = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64();
        Ok(vec![rate, below(50), below(99)])
    }
}

/// Repeats a decision and returns the time of each.
fn decide_until(policy: &Policy, input: &Input, end: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    let mut last = Instant::now();
    while last < end || times.is_empty() {
        policy.decide(input)?;
        let now = Instant::now();
        times.push(now - last);
        last = now;
    }
    Ok(times)
}
