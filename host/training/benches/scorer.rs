//! Compares loading and scoring with LightGBM itself (lightgbm3, built without OpenMP, so one thread) on the same
//! models and rows.
//!
//! `cargo bench --workspace --bench scorer`; the comparison with other tools is `cargo xtask bench`.

use std::hint::black_box;

use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::scorer::Scorer;
use hydra_lightgbm::text::{Limits, TextModel};
use lightgbm3::{Booster, Dataset};
use serde_json::json;

const ROWS: usize = 20_000;

/// Trees, leaves and features.
const MODELS: [(usize, usize, usize); 3] = [(100, 31, 20), (500, 63, 30), (1000, 255, 50)];

/// Roughly normal values, the same in every run.
fn rows(count: usize, features: usize, seed: u64) -> Vec<f64> {
    let mut state = seed;
    let mut unit = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 11) as f64 / (1_u64 << 53) as f64
    };
    (0..count * features).map(|_| (0..6).map(|_| unit()).sum::<f64>() - 3.0).collect()
}

fn train(trees: usize, leaves: usize, features: usize) -> String {
    let data = rows(ROWS, features, 1);
    let noise = rows(ROWS, 1, 2);
    let label = |(row, noise): (&[f64], &f64)| {
        (row[0]
            + row[1] * row[2]
            + (3.0 * row[3]).sin()
            + row[features - 1] * row[features / 2]
            + 0.5 * noise) as f32
    };
    let labels: Vec<f32> = data.chunks_exact(features).zip(&noise).map(label).collect();
    let dataset = Dataset::from_slice(&data, &labels, features as i32, true).expect("a dataset");
    let parameters = json!({
        "objective": "regression", "num_iterations": trees, "num_leaves": leaves, "min_data_in_leaf": 5,
        "learning_rate": 0.05, "verbosity": -1, "seed": 1,
    });
    let booster = Booster::train(dataset, &parameters).expect("a model");
    booster.save_string().expect("its text")
}

fn load(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, text: &str, model: &TextModel) {
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function("parse", |bencher| {
        bencher.iter(|| TextModel::parse(black_box(text.as_bytes()), &Limits::default()));
    });
    group.bench_function("compile", |bencher| bencher.iter(|| Scorer::compile(black_box(model))));
    group.bench_function("emit", |bencher| bencher.iter(|| black_box(model).emit()));
}

fn score(group: &mut BenchmarkGroup<'_, criterion::measurement::WallTime>, model: &TextModel) {
    let scorer = Scorer::compile(model);
    let booster = Booster::from_string(&model.emit()).expect("LightGBM reads what was written for it");
    let features = model.num_features();
    let values = rows(ROWS, features, 3);
    let data = Matrix::from_rows(&values, features).expect("whole rows");
    let mut out = vec![0.0; ROWS];

    group.throughput(Throughput::Elements(ROWS as u64));
    for threads in [1, 2] {
        group.bench_function(format!("batch/{threads} threads"), |bencher| {
            bencher.iter(|| scorer.raw(black_box(&data), threads, &mut out));
        });
    }
    group.bench_function("batch/lightgbm", |bencher| {
        bencher.iter(|| booster.raw_scores(black_box(&values), features as i32, true));
    });

    group.throughput(Throughput::Elements(1));
    let mut each = values.chunks_exact(features).cycle();
    group.bench_function("row", |bencher| {
        bencher.iter(|| scorer.raw_row(each.next().expect("the rows repeat"), &mut out[..1]));
    });
    group.bench_function("row/lightgbm", |bencher| {
        bencher.iter(|| booster.raw_scores(each.next().expect("the rows repeat"), features as i32, true));
    });
}

fn bench(criterion: &mut Criterion) {
    for (trees, leaves, features) in MODELS {
        let text = train(trees, leaves, features);
        let model = TextModel::parse(text.as_bytes(), &Limits::default()).expect("a valid model");
        let mut group = criterion.benchmark_group(format!("{trees} x {leaves}"));
        group.sample_size(10);
        load(&mut group, &text, &model);
        score(&mut group, &model);
        group.finish();
    }
}

criterion_group!(benches, bench);
criterion_main!(benches);
