//! Whether the intervals hold the true value as often as they promise, by simulation with fixed seeds.

use super::{Random, measured, metrics, scores};
use crate::{Dataset, Labels, Measured, Options, Scores};
use hydra_base::Sha256;

const ROWS: usize = 2_000;

/// Rows on which the truth is approximated.
const POPULATION: usize = 2_000_000;

/// Rows of a population, with the scores of two versions.
struct Sample {
    dataset: Dataset,
    versions: [Scores; 2],
}

/// Draws rows from a population.
type Draw = fn(&mut Random, usize) -> Sample;

/// Two classes; the versions see the truth through noise, the second through `noise` as much. `weighted` rows have
/// weights.
fn binary(random: &mut Random, rows: usize, noise: f64, weighted: bool) -> Sample {
    let (mut labels, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let common = random.normal();
        let probability = 1.0 / (1.0 + (-1.5 * common + 0.5).exp());
        labels.push(u16::from(random.uniform() < probability));
        let score = |noise: f64, random: &mut Random| {
            1.0 / (1.0 + (-(1.5 * common - 0.5 + noise * random.normal())).exp())
        };
        first.push(score(1.0, random));
        second.push(score(noise, random));
    }
    let mut dataset = Dataset::new(Labels::classes(labels, 2).unwrap(), digest(random));
    if weighted {
        dataset = dataset.with_weights((0..rows).map(|_| 0.5 + random.uniform()).collect()).unwrap();
    }
    Sample { dataset, versions: [scores(first), scores(second)] }
}

/// Numbers; the versions are off by noise, the second by `noise` as much.
fn regression(random: &mut Random, rows: usize, noise: f64) -> Sample {
    let (mut labels, mut first, mut second) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rows {
        let label = 2.0 + random.normal();
        labels.push(label);
        first.push(label + random.normal());
        second.push(label + noise * random.normal());
    }
    let dataset = Dataset::new(Labels::values(labels).unwrap(), digest(random));
    Sample { dataset, versions: [scores(first), scores(second)] }
}

fn digest(random: &mut Random) -> Sha256 {
    Sha256::of(&random.bits().to_le_bytes())
}

/// What intervals are about: the values of both versions, and the difference.
fn estimates(measured: &Measured, metric: usize, of_all: usize) -> [(f64, Option<crate::Interval>); 3] {
    let value = |version: usize| {
        let one = &measured.measurements[version * of_all + metric];
        (one.value, one.interval)
    };
    let difference = &measured.comparisons[metric];
    [value(0), value(1), (difference.difference, difference.interval)]
}

/// Counts how often the intervals of `names` hold the truth, and compares the shares with the bounds.
fn check(draw: Draw, experiments: usize, bounds: &[(&str, f64, f64)]) {
    let names: Vec<&str> = bounds.iter().map(|(name, _, _)| *name).collect();
    let options = |resamples| Options { resamples, ..Options::new(metrics(&names)) };
    let population = draw(&mut Random(1), POPULATION);
    let truth = measured(&population.dataset, &population.versions, &options(0));
    let mut held = vec![[0; 3]; names.len()];
    for experiment in 0..experiments {
        let sample = draw(&mut Random(1_000 + experiment as u64), ROWS);
        let found = measured(&sample.dataset, &sample.versions, &options(1_000));
        for (metric, held) in held.iter_mut().enumerate() {
            let truths = estimates(&truth, metric, names.len());
            for ((held, (truth, _)), (_, interval)) in
                held.iter_mut().zip(truths).zip(estimates(&found, metric, names.len()))
            {
                *held += usize::from(interval.is_some_and(|one| one.low <= truth && truth <= one.high));
            }
        }
    }
    for ((name, low, high), held) in bounds.iter().zip(held) {
        for (what, held) in ["first", "second", "difference"].into_iter().zip(held) {
            let share = held as f64 / experiments as f64;
            println!("{name} {what}: {share}");
            assert!((*low..=*high).contains(&share), "{name}, {what}: {share} of {experiments}");
        }
    }
}

/// Of the AUC and of metrics that are means.
const ADDITIVE: (f64, f64) = (0.93, 0.97);
const OTHER: (f64, f64) = (0.92, 0.98);

fn binary_bounds((low, high): (f64, f64), other: (f64, f64)) -> Vec<(&'static str, f64, f64)> {
    let additive = ["auc", "log_loss", "brier", "accuracy"].map(|name| (name, low, high));
    let others = ["average_precision", "f1", "balanced_accuracy"].map(|name| (name, other.0, other.1));
    additive.into_iter().chain(others).collect()
}

fn regression_bounds((low, high): (f64, f64), other: (f64, f64)) -> Vec<(&'static str, f64, f64)> {
    let additive = ["mae", "pinball@0.9"].map(|name| (name, low, high));
    let others = ["rmse", "r2"].map(|name| (name, other.0, other.1));
    additive.into_iter().chain(others).collect()
}

/// 60 experiments can only tell gross errors: of 95 %, 52 or more hold with a probability of 98 %.
const SHORT: ((f64, f64), (f64, f64)) = ((0.85, 1.0), (0.85, 1.0));

#[test]
fn intervals_hold_the_truth_in_a_short_simulation() {
    check(|random, rows| binary(random, rows, 1.3, false), 60, &binary_bounds(SHORT.0, SHORT.1));
    check(|random, rows| binary(random, rows, 1.0, true), 60, &binary_bounds(SHORT.0, SHORT.1));
    check(|random, rows| regression(random, rows, 1.2), 60, &regression_bounds(SHORT.0, SHORT.1));
}

#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn intervals_of_equal_models_hold_the_truth() {
    check(|random, rows| binary(random, rows, 1.0, false), 1_000, &binary_bounds(ADDITIVE, OTHER));
    check(|random, rows| regression(random, rows, 1.0), 1_000, &regression_bounds(ADDITIVE, OTHER));
}

#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn intervals_of_unequal_models_hold_the_truth() {
    check(|random, rows| binary(random, rows, 1.5, false), 1_000, &binary_bounds(ADDITIVE, OTHER));
    check(|random, rows| regression(random, rows, 1.3), 1_000, &regression_bounds(ADDITIVE, OTHER));
}

#[test]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
fn intervals_with_weights_hold_the_truth() {
    check(|random, rows| binary(random, rows, 1.0, true), 1_000, &binary_bounds(ADDITIVE, OTHER));
    check(|random, rows| binary(random, rows, 1.5, true), 1_000, &binary_bounds(ADDITIVE, OTHER));
}
