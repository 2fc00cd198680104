//! Helpers shared by tests and benches of policies.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::{
    Agreement, Comparison, Context, Direction, Evaluation, Input, Interval, IntervalMethod, MeasuredMetric,
    Measurement, ModelVersion, RunData, Segment,
};
use hydra_base::Sha256;
use hydra_base::names::Version;

/// The Rust policies in `examples/policies`, each with settings under which it judges all evidence of [`measured_promotion`]
/// that it reads.
pub const EXAMPLES: [(&str, &[(&str, &str)]); 7] = [
    ("budget", &[("per-day", "1"), ("per-week", "5"), ("utc-offset", "+01:00")]),
    ("challenger", &[]),
    (
        "evidence-gate",
        &[("goal", "auc"), ("guards", "brier, log_loss"), ("segment-columns", "region"), ("max-psi", "0.1")],
    ),
    ("four-eyes", &[]),
    ("freeze-window", &[("windows", "fri 16:00 to mon 08:00")]),
    ("metric-gate", &[("metric", "auc"), ("guards", "brier, log_loss")]),
    ("soak-time", &[("min-age", "0s")]),
];

/// The time of the decision about [`promotion`]: on a Tuesday, in milliseconds since the epoch.
const NOW: u64 = 1_700_000_000_000;
const CHAMPION: u64 = 2;
const TARGET: u64 = 3;

/// A promotion: two versions with twenty metrics each.
#[must_use]
pub fn promotion() -> Input {
    let mut context = Context::new("churn", NOW, "bench");
    context.champion = Some(version(CHAMPION));
    Input::promotion(version(TARGET), context)
}

/// The same promotion with evaluations of both versions on 8 datasets: 3 metrics with intervals on all rows and in 20 segments.
#[must_use]
pub fn measured_promotion() -> Input {
    let mut input = promotion();
    input.context_mut().evaluations = (0..8).map(|index| evaluation(&format!("holdout_{index}"))).collect();
    input
}

fn evaluation(dataset: &str) -> Evaluation {
    let digest = Sha256::of(dataset.as_bytes());
    let mut evaluation =
        Evaluation::new(dataset, &digest.to_string()[..36], 100_000, NOW - 3_600_000, digest);
    evaluation.segments =
        (0..20).map(|index| Segment::new("region", Some(format!("region {index:02}")), 5_000)).collect();
    let [target, champion] = [TARGET, CHAMPION].map(name);
    let places = || std::iter::once(None).chain((0..20).map(Some));
    let lower = Direction::Lower;
    evaluation.metrics = [("auc", Direction::Higher, 1.0), ("brier", lower, -1.0), ("log_loss", lower, -1.0)]
        .map(|(metric, direction, sign)| {
            let mut metric = MeasuredMetric::new(metric, direction);
            let interval = |low, high| Some(Interval::new(low, high, IntervalMethod::Bootstrap));
            metric.measurements = [(champion, 0.75), (target, 0.75 + sign * 0.004)]
                .into_iter()
                .flat_map(|(version, value)| places().map(move |segment| (version, value, segment)))
                .map(|(version, value, segment)| Measurement {
                    segment,
                    interval: interval(value - 0.01, value + 0.01),
                    ..Measurement::new(version, value)
                })
                .collect();
            let [low, high] = if sign > 0.0 { [0.001, 0.007] } else { [-0.007, -0.001] };
            metric.comparisons = places()
                .map(|segment| Comparison {
                    segment,
                    interval: interval(low, high),
                    ..Comparison::new(target, champion, sign * 0.004)
                })
                .collect();
            metric
        })
        .into();
    evaluation.agreements = places()
        .map(|segment| Agreement {
            segment,
            label_changes: Some(0.01.into()),
            psi: Some(0.02.into()),
            ks: Some(0.05.into()),
            ..Agreement::new(target, champion, 0.25, 0.01)
        })
        .collect();
    evaluation
}

fn name(version: u64) -> Version {
    Version::new(version).expect("a positive number")
}

fn version(number: u64) -> ModelVersion {
    let metrics = (0..20).map(|index| (format!("metric_{index:02}"), 1.0 / f64::from(index + 1))).collect();
    let mut version = ModelVersion::new(name(number), NOW);
    version.run_id = Some(format!("{number:032x}"));
    version.run = Some(RunData { metrics, ..RunData::default() });
    version
}

/// The files of compiled code in a cache with their modification times: compiling again changes them.
#[must_use]
pub fn compiled_code(dir: &Path) -> BTreeMap<PathBuf, SystemTime> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(dir).expect("a readable cache").map(|entry| entry.expect("a readable cache")) {
        let (path, metadata) = (entry.path(), entry.metadata().expect("a readable cache"));
        if metadata.is_dir() {
            files.extend(compiled_code(&path));
        } else if path.extension().is_none() {
            // Files with an extension hold wasmtime's usage counts.
            files.insert(path, metadata.modified().expect("a readable cache"));
        }
    }
    files
}
