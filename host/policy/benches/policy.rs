//! What a decision costs: the default policy, two model versions of twenty metrics each, a fresh instance every time.
//!
//! `cargo bench --workspace --bench policy` prints criterion's estimates, then percentiles of single decisions,
//! throughput by threads, and memory over a million decisions.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]

use std::thread;
use std::time::{Duration, Instant};

use criterion::{Criterion, criterion_group, criterion_main};
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine, Pooling};

use hydra_policy::testing as common;

fn policy(options: &EngineOptions) -> Policy {
    let engine = PolicyEngine::new(options).expect("the engine starts");
    Policy::load_default(&engine, &Budget::default()).expect("the default policy loads")
}

fn pooled() -> EngineOptions {
    EngineOptions::default().with_pooling(Pooling::default())
}

fn decisions(criterion: &mut Criterion) {
    let input = common::promotion();
    for (name, options) in [("on demand", EngineOptions::default()), ("pooled", pooled())] {
        let policy = policy(&options);
        criterion.bench_function(&format!("decide/{name}"), |bencher| {
            bencher.iter(|| policy.decide(&input).expect("the policy decides"));
        });
    }
    let (policy, measured) = (policy(&EngineOptions::default()), common::measured_promotion());
    criterion.bench_function("decide/on demand, with evaluations", |bencher| {
        bencher.iter(|| policy.decide(&measured).expect("the policy decides"));
    });
    criterion.bench_function("load/default policy, cached", |bencher| {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let engine = PolicyEngine::new(&EngineOptions::default().with_cache_dir(dir.path().join("code")))
            .expect("the engine starts");
        bencher.iter(|| Policy::load_default(&engine, &Budget::default()).expect("the default policy loads"));
    });
}

fn percentiles(_: &mut Criterion) {
    let input = common::promotion();
    for (name, options) in [("on demand", EngineOptions::default()), ("pooled", pooled())] {
        let policy = policy(&options);
        let mut times: Vec<Duration> = (0..50_000)
            .map(|_| {
                let started = Instant::now();
                policy.decide(&input).expect("the policy decides");
                started.elapsed()
            })
            .collect();
        times.sort();
        let at = |percent: usize| times[times.len() * percent / 100];
        println!("single decisions, {name}: p50 {:.1?}, p99 {:.1?} (wanted: 60 us, 300 us)", at(50), at(99));
    }
}

fn threads(_: &mut Criterion) {
    let input = common::promotion();
    let cores = thread::available_parallelism().map_or(1, usize::from);
    for (name, options) in [("on demand", EngineOptions::default()), ("pooled", pooled())] {
        let policy = policy(&options);
        let mut single = 0.0;
        for count in (0..).map(|power| 1 << power).take_while(|count| *count <= cores.max(2)) {
            let each = 20_000;
            let started = Instant::now();
            thread::scope(|scope| {
                for _ in 0..count {
                    scope.spawn(|| {
                        (0..each).for_each(|_| drop(policy.decide(&input).expect("the policy decides")));
                    });
                }
            });
            let rate = (each * count) as f64 / started.elapsed().as_secs_f64();
            if count == 1 {
                single = rate;
            }
            println!(
                "throughput, {name}, {count} threads: {rate:.0} decisions/s ({:.2} x one thread)",
                rate / single
            );
        }
    }
}

#[cfg(target_os = "linux")]
fn memory(_: &mut Criterion) {
    let resident = || {
        let statm = std::fs::read_to_string("/proc/self/statm").expect("Linux has /proc");
        statm.split_whitespace().nth(1).and_then(|pages| pages.parse::<u64>().ok()).expect("a page count") * 4
    };
    let (policy, input) = (policy(&EngineOptions::default()), common::promotion());
    let decide =
        |times: u32| (0..times).for_each(|_| drop(policy.decide(&input).expect("the policy decides")));
    decide(10_000);
    let before = resident();
    decide(1_000_000);
    println!("resident memory over 1,000,000 decisions: {before} KiB before, {} KiB after", resident());
}

#[cfg(not(target_os = "linux"))]
fn memory(_: &mut Criterion) {}

criterion_group!(benches, decisions, percentiles, threads, memory);
criterion_main!(benches);
