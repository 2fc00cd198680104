//! Decisions of the default policy: decisions per second, and the time of one. Decisions of the examples in Rust: what
//! evaluations cost.

use std::fs;
use std::process::Command;
use std::thread;

use anyhow::{Result, bail};

use crate::paths;
use crate::shell::say;

use super::document::{Document, Goal};
use super::samples::{Samples, digits, seconds, times};
use super::worker::Worker;
use super::{Effort, built};

/// The measurements of one way to run the policy.
#[derive(Default)]
struct Rates {
    per_second: Samples,
    half: Samples,
    most: Samples,
}

/// The measurements of one example.
#[derive(Default)]
struct Evaluations {
    without: Samples,
    with: Samples,
    fuel: Samples,
    memory: Samples,
}

/// Measures decisions with one thread and with one per core, alternating, and then the examples.
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
    say("policy: the examples, without and with evaluations");
    let mut examples = Vec::new();
    for name in rust_examples()? {
        // The first answer builds the example.
        worker.measure(&format!("example {name} 0"))?;
        examples.push((name, Evaluations::default()));
    }
    for _ in 0..rounds {
        for (name, evaluations) in &mut examples {
            let numbers = worker.measure(&format!("example {name} {slice}"))?;
            evaluations.without.push(numbers[0]);
            evaluations.with.push(numbers[1]);
            evaluations.fuel.push(numbers[2]);
            evaluations.memory.push(numbers[3]);
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
    document.paragraph(
        "The examples in Rust on the same promotion, without evaluations and with 8 of them: 3 metrics with intervals, on all rows \
         and in 20 segments, and the agreement of the two versions. Instances on demand, one thread, medians; the default budget has \
         1,000,000,000 units of fuel and 128 MiB.",
    );
    let rows: Vec<_> = examples
        .iter()
        .map(|(name, evaluations)| {
            let [without, with] = [&evaluations.without, &evaluations.with].map(Samples::median);
            vec![
                format!("`{name}`"),
                seconds(without),
                seconds(with),
                times(with, without),
                digits(evaluations.fuel.median()),
                format!("{} KiB", digits(evaluations.memory.median() / 1024.0)),
            ]
        })
        .collect();
    document.table(&["", "p50 without", "p50 with evaluations", "ratio", "fuel", "memory"], &rows);
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
    let ratios = examples.iter().map(|(_, one)| one.with.median() / one.without.median());
    goals.push(Goal::at_most(
        "a decision with 8 evaluations of 3 metrics in 20 segments compared with one without, the slowest example",
        10.0,
        ratios.fold(0.0, f64::max),
        " ×",
    ));
    Ok((document, goals))
}

/// The names of the example policies in Rust: those with a manifest and golden cases.
fn rust_examples() -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(paths::root().join("examples/policies"))? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() && entry.path().join("cases").is_dir() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}
