//! Decisions of the default policy, and of the Rust policies in `examples/policies`.

use std::collections::HashMap;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use hydra_policy::{Budget, EngineOptions, Input, Policy, PolicyEngine, Pooling};

use crate::Worker;

use hydra_policy::testing as common;

/// The default policy, with instances created on demand and from a pool, and the examples that were asked for.
pub struct Session {
    on_demand: Policy,
    pooled: Policy,
    input: Input,
    examples: HashMap<String, Example>,
}

/// An example, with a promotion without and with evaluations.
struct Example {
    policy: Policy,
    plain: Input,
    measured: Input,
}

impl Session {
    pub fn new() -> Result<Self> {
        let policy =
            |options: &EngineOptions| Policy::load_default(&PolicyEngine::new(options)?, &Budget::default());
        Ok(Self {
            on_demand: policy(&EngineOptions::default())?,
            pooled: policy(&EngineOptions::default().with_pooling(Pooling::default()))?,
            input: common::promotion(),
            examples: HashMap::new(),
        })
    }

    /// Decides in turn without and with evaluations, and returns the median times in seconds, the fuel of the decision with
    /// evaluations, and its memory in bytes.
    fn compare(&mut self, name: &str, seconds: f64) -> Result<Vec<f64>> {
        if !self.examples.contains_key(name) {
            self.examples.insert(name.to_owned(), Example::build(name)?);
        }
        let Example { policy, plain, measured } = &self.examples[name];
        let end = Instant::now() + Duration::from_secs_f64(seconds);
        let (mut without, mut with) = (Vec::new(), Vec::new());
        let usage = loop {
            without.extend(decide_until(policy, plain, Instant::now())?);
            let start = Instant::now();
            let usage = policy.decide(measured)?.usage;
            with.push(start.elapsed());
            if Instant::now() >= end {
                break usage;
            }
        };
        let median = |times: &mut Vec<Duration>| {
            times.sort_unstable();
            times[times.len() / 2].as_secs_f64()
        };
        Ok(vec![median(&mut without), median(&mut with), usage.fuel as f64, usage.memory as f64])
    }
}

impl Example {
    /// Builds an example into a component and loads it on demand, under the default budget.
    fn build(name: &str) -> Result<Self> {
        let (_, settings) =
            common::EXAMPLES.iter().find(|(example, _)| *example == name).context("no such example")?;
        let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/policies").join(name);
        // `<target>/release/bench-worker`
        let worker = std::env::current_exe()?;
        let target = worker.ancestors().nth(2).context("the worker is not in a target directory")?;
        let guests = target.join("guests");
        let component = guests.join("examples").join(name).with_extension("wasm");
        let component = hydra_policy_kit::build(&project, Some(&component), Some(&guests))?;
        let policy = Policy::load_file(
            &PolicyEngine::new(&EngineOptions::default())?,
            &component,
            &Budget::default(),
        )?;
        let given = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let settings = policy.descriptor().resolve(&given)?;
        let [plain, measured] = [common::promotion(), common::measured_promotion()].map(|mut input| {
            input.context_mut().settings.clone_from(&settings);
            input
        });
        Ok(Self { policy, plain, measured })
    }
}

impl Worker for Session {
    /// `on-demand THREADS SECONDS` or `pooled THREADS SECONDS`: decisions per second, and median and 99th percentile of
    /// a decision's time in seconds. `example NAME SECONDS`: see [`Session::compare`].
    fn answer(&mut self, what: &str, arguments: &[&str]) -> Result<Vec<f64>> {
        if let ("example", [name, seconds]) = (what, arguments) {
            return self.compare(name, seconds.parse()?);
        }
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
