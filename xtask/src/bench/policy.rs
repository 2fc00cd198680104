//! Decisions of the default policy: decisions per second, and the time of one.

use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::shell::say;

use super::document::{Document, Goal};
use super::samples::{Samples, digits, seconds};
use super::worker::Worker;
use super::{Effort, built};

/// The measurements of one way to run the policy.
#[derive(Default)]
struct Rates {
    per_second: Samples,
    half: Samples,
    most: Samples,
}

/// Measures decisions with one thread and with one per core, alternating.
pub fn run(effort: Effort) -> Result<(Document, Vec<Goal>)> {
    say("policy: decisions per second");
    let cores = thread::available_parallelism()?.get();
    let (rounds, slice) = if effort == Effort::Full { (9, 1.0) } else { (2, 0.2) };
    let mut worker = Worker::start("policy", Command::new(built("bench-worker")).arg("policy"))?;
    let ways: Vec<(&str, usize)> =
        [("on-demand", 1), ("on-demand", cores), ("pooled", 1), ("pooled", cores)].into_iter().collect();
    let mut rates: Vec<Rates> = ways.iter().map(|_| Rates::default()).collect();
    for _ in 0..rounds {
        for ((mode, threads), rates) in ways.iter().zip(&mut rates) {
            let numbers = worker.measure(&format!("{mode} {threads} {slice}"))?;
            rates.per_second.push(numbers[0]);
            rates.half.push(numbers[1]);
            rates.most.push(numbers[2]);
        }
    }
    let mut document = Document::default();
    document.paragraph(
        "The embedded default policy on a promotion with two versions of twenty metrics each: a fresh WebAssembly instance \
         per decision, under the default budget. The table shows medians of the rounds.",
    );
    let rows: Vec<_> = ways
        .iter()
        .zip(&rates)
        .map(|((mode, threads), rates)| {
            let per_second = rates.per_second.median();
            vec![
                format!("instances {}", if *mode == "pooled" { "from a pool" } else { "on demand" }),
                threads.to_string(),
                digits(per_second),
                digits(per_second / *threads as f64),
                seconds(rates.half.median()),
                seconds(rates.most.median()),
            ]
        })
        .collect();
    document.table(&["", "threads", "decisions / s", "per core", "p50", "p99"], &rows);
    let [on_demand, _, pooled, shared] = &rates[..] else { bail!("expected four measurements") };
    let goal = |what: &str, limit, seconds: f64| Goal::at_most(what, limit, seconds * 1e6, " µs");
    let mut goals = vec![
        goal("a decision on demand, p50", 60.0, on_demand.half.median()),
        goal("a decision on demand, p99", 300.0, on_demand.most.median()),
    ];
    if cores > 1 {
        goals.push(Goal::at_least(
            format!("decisions from a pool, {cores} threads compared with one"),
            0.75 * cores as f64,
            shared.per_second.median() / pooled.per_second.median(),
            " ×",
        ));
    }
    Ok((document, goals))
}
