//! Measures the readers of untrusted models: bytes of text per second on one core, and the cost of malicious pickles.
//!
//! `cargo bench --workspace --bench reader`. The targets are 300 MB/s of model text, and an error within 100 ms for
//! each bomb.

#![expect(clippy::print_stdout, reason = "a bench reports on stdout")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use hydra_lightgbm::extracted::ExtractLimits;
use hydra_lightgbm::pickle::{bombs, read_pickle};
use hydra_lightgbm::text::{Limits, TextModel, check};
use lightgbm3::{Booster, Dataset};
use serde_json::json;

/// Roughly normal values, the same in every run.
fn values(count: usize, mut state: u64) -> Vec<f64> {
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count).map(|_| (0..6).map(|_| unit()).sum::<f64>() - 3.0).collect()
}

/// The text of a model that LightGBM trained, with numbers in its format.
fn train(trees: usize, leaves: usize, features: usize) -> String {
    let data = values(20_000 * features, 1);
    let label = |row: &[f64]| (row[0] + row[1] * row[2] + (3.0 * row[3]).sin()) as f32;
    let labels: Vec<f32> = data.chunks_exact(features).map(label).collect();
    let dataset = Dataset::from_slice(&data, &labels, features as i32, true).expect("a dataset");
    let parameters = json!({
        "objective": "regression", "num_iterations": trees, "num_leaves": leaves, "min_data_in_leaf": 5,
        "verbosity": -1, "seed": 1,
    });
    Booster::train(dataset, &parameters).and_then(|booster| booster.save_string()).expect("a model's text")
}

fn texts(criterion: &mut Criterion) {
    let fixture = |name: &str| {
        let path = format!("{}/../../tests/fixtures/scores/{name}.txt", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(path).expect("a fixture")
    };
    let models = [
        ("200 x 63", train(200, 63, 20)),
        ("1000 x 255", train(1000, 255, 50)),
        ("linear", fixture("linear")),
        ("categorical", fixture("categorical")),
    ];
    let mut group = criterion.benchmark_group("text");
    for (name, text) in &models {
        group.sample_size(20).throughput(Throughput::Bytes(text.len() as u64));
        group.bench_function(format!("parse/{name}"), |bencher| {
            bencher.iter(|| TextModel::parse(black_box(text.as_bytes()), &Limits::default()).expect("valid"));
        });
        group.bench_function(format!("check as a stream/{name}"), |bencher| {
            bencher.iter(|| check(black_box(text.as_bytes()), &Limits::default()).expect("valid"));
        });
    }
    group.finish();
}

fn pickles(_: &mut Criterion) {
    let mut report = String::new();
    let mut worst = 0.0_f64;
    for (name, bomb) in bombs::BOMBS {
        let bomb = bomb();
        let started = Instant::now();
        let error = read_pickle(black_box(&bomb), &ExtractLimits::default()).expect_err("a bomb");
        let ms = started.elapsed().as_secs_f64() * 1e3;
        worst = worst.max(ms);
        // Writing to a string cannot fail.
        let _ = writeln!(report, "  {name:<24} {:>9} bytes {ms:>7.1} ms  {error}", bomb.len());
    }
    println!("malicious pickles (wanted: 100 ms each; worst {worst:.1} ms)\n{report}");
}

criterion_group!(benches, texts, pickles);
criterion_main!(benches);
