//! The values of scikit-learn and LightGBM, from `tests/fixtures/metrics`.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{Random, classes, measured, metrics, scores};
use crate::{Dataset, Labels, Measured, Metric, Options, Scores, Segments};
use hydra_base::Sha256;

#[derive(Deserialize)]
struct Case {
    name: String,
    task: String,
    labels: Vec<f64>,
    scores: Vec<Value>,
    weights: Option<Vec<f64>>,
    groups: Option<Vec<u32>>,
    segments: Vec<u16>,
    all: BTreeMap<String, Option<f64>>,
    in_segments: Vec<BTreeMap<String, Option<f64>>>,
}

#[derive(Deserialize)]
struct Pair {
    name: String,
    labels: Vec<u16>,
    baseline: Vec<f64>,
    challenger: Vec<f64>,
    delong: DeLong,
    edges: Vec<f64>,
    counts: Vec<u64>,
    psi: f64,
    ks: f64,
    equal: f64,
    label_changes: f64,
    mean_difference: f64,
}

#[derive(Deserialize)]
struct DeLong {
    auc: [f64; 2],
    standard_error: [f64; 2],
    difference: f64,
    standard_error_of_difference: f64,
}

fn fixtures<T: for<'de> Deserialize<'de>>(file: &str) -> Vec<T> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/metrics").join(file);
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Equal to 1e-12, or near zero to 1e-15.
fn same(found: f64, expected: f64) -> bool {
    (found - expected).abs() <= (1e-12 * expected.abs()).max(1e-15)
}

impl Case {
    fn labels(&self) -> Labels {
        let ids = || self.labels.iter().map(|label| *label as u16).collect();
        match self.task.as_str() {
            "binary" => Labels::classes(ids(), 2),
            "multiclass" => Labels::classes(ids(), self.scores().outputs()),
            "ranking" => Labels::grades(&self.labels),
            _ => Labels::values(self.labels.clone()),
        }
        .unwrap()
    }

    fn scores(&self) -> Scores {
        let outputs = self.scores[0].as_array().map_or(1, Vec::len);
        let values = self.scores.iter().flat_map(|row| match row {
            Value::Array(row) => row.clone(),
            one => vec![one.clone()],
        });
        Scores::new(values.map(|value| value.as_f64().unwrap()).collect(), outputs).unwrap()
    }

    /// The rows in another order, in which rows of a group keep theirs.
    fn dataset(&self, order: &[usize]) -> (Dataset, Scores) {
        fn pick<T: Clone>(order: &[usize], values: &[T]) -> Vec<T> {
            order.iter().map(|row| values[*row].clone()).collect()
        }
        let case = Self {
            name: self.name.clone(),
            task: self.task.clone(),
            labels: pick(order, &self.labels),
            scores: pick(order, &self.scores),
            weights: self.weights.as_ref().map(|weights| pick(order, weights)),
            groups: self.groups.as_ref().map(|groups| pick(order, groups)),
            segments: pick(order, &self.segments),
            all: BTreeMap::new(),
            in_segments: Vec::new(),
        };
        let values = (0..self.in_segments.len()).map(|segment| Some(segment.to_string())).collect();
        let segments = Segments::new("segment", case.segments.clone(), values).unwrap();
        let mut dataset = Dataset::new(case.labels(), Sha256::of(b"case")).with_segments(segments).unwrap();
        if let Some(weights) = &case.weights {
            dataset = dataset.with_weights(weights.clone()).unwrap();
        }
        if let Some(groups) = &case.groups {
            let count = groups.iter().max().unwrap() + 1;
            dataset = dataset.with_groups(groups.clone(), count as usize).unwrap();
        }
        (dataset, case.scores())
    }

    fn check(&self, order: &[usize]) -> usize {
        let names: Vec<&str> = self.all.keys().map(String::as_str).collect();
        let (dataset, scores) = self.dataset(order);
        let options = Options { resamples: 0, ..Options::new(metrics(&names)) };
        let measured = measured(&dataset, &[scores], &options);
        let mut checked = 0;
        for measurement in &measured.measurements {
            let (metric, segment) = (measurement.metric.to_string(), measurement.segment);
            let expected = match segment {
                None => &self.all,
                Some(segment) => &self.in_segments[segment as usize],
            };
            // Python gives no figure where its functions refuse the data, or know no weights.
            let Some(expected) = expected.get(&metric) else { continue };
            let known = metric != "ece" || self.weights.is_none() || expected.is_some();
            if !known {
                continue;
            }
            let found = measurement.value;
            let equal = expected.map_or(found.is_nan(), |expected| same(found, expected));
            assert!(
                equal,
                "{} {}: {metric} in {segment:?} is {found}, not {expected:?}",
                self.task, self.name
            );
            checked += 1;
        }
        checked
    }
}

#[test]
fn metrics_equal_those_of_scikit_learn_and_lightgbm() {
    let cases: Vec<Case> = fixtures("cases.json");
    let checked: usize = cases
        .iter()
        .map(|case| {
            let rows = case.labels.len();
            // Rows of a group that are apart are ranked together all the same.
            let mut apart: Vec<usize> = (0..rows).collect();
            apart.sort_by_key(|row| {
                let before = case.groups.as_ref().map(|groups| groups[..*row].iter().rev());
                before.map_or(0, |before| {
                    before.take_while(|group| **group == case.groups.as_ref().unwrap()[*row]).count()
                })
            });
            case.check(&(0..rows).collect::<Vec<usize>>()) + case.check(&apart)
        })
        .sum();
    assert!(checked > 1_500, "{checked} values were compared");
}

/// Scores near great labels, labels of very different size, weights over twelve orders.
#[test]
fn metrics_are_exact_where_sums_of_doubles_lose_digits() {
    let cases: Vec<Case> = fixtures("exact.json");
    let checked: usize =
        cases.iter().map(|case| case.check(&(0..case.labels.len()).collect::<Vec<usize>>())).sum();
    assert!(checked > 350, "{checked} values were compared");
}

/// Equal weights change nothing, and their sum is wrong in the eleventh digit if it is summed in doubles one by one.
#[test]
fn metrics_are_exact_for_many_rows() {
    const ROWS: usize = 1_000_000;
    let random = &mut Random(20);
    let one_segment = || Segments::new("column", vec![0; ROWS], vec![Some("all".to_owned())]).unwrap();
    let ids: Vec<u16> = (0..ROWS).map(|_| (random.bits() % 3) as u16).collect();
    let score: Vec<f64> = (0..ROWS).map(|_| (random.uniform() * 1e4).ceil() / 1e4).collect();
    let probabilities: Vec<f64> = score.iter().flat_map(|one| [one / 2.0, one / 2.0, 1.0 - one]).collect();
    let binary = Labels::classes(ids.iter().map(|id| id % 2).collect(), 2).unwrap();
    let multiclass = Labels::classes(ids.clone(), 3).unwrap();
    let values = Labels::values(ids.iter().map(|id| f64::from(*id) + 0.1).collect()).unwrap();
    for (labels, outputs, scores, names) in [
        (binary, 1, &score, &super::bootstrap::BINARY[..]),
        (multiclass, 3, &probabilities, &["multi_logloss", "multi_error", "auc_ovr"]),
        (values, 1, &score, &["rmse", "mae", "mape", "r2", "pinball@0.9", "tweedie_deviance@1.5"]),
    ] {
        let plain = Dataset::new(labels, Sha256::of(b"rows")).with_segments(one_segment()).unwrap();
        let weighted = plain.clone().with_weights(vec![0.1; ROWS]).unwrap();
        let versions = [Scores::new(scores.clone(), outputs).unwrap()];
        let options = Options { resamples: 0, ..Options::new(metrics(names)) };
        let [plain, weighted] = [plain, weighted].map(|dataset| measured(&dataset, &versions, &options));
        for (plain, weighted) in plain.measurements.iter().zip(&weighted.measurements) {
            let (metric, segment, value) = (plain.metric, plain.segment, plain.value);
            assert!(same(weighted.value, value), "{metric} in {segment:?}: {} {value}", weighted.value);
        }
        // The segment is all rows.
        for pair in weighted.measurements.chunks_exact(2) {
            assert!(same(pair[0].value, pair[1].value), "{}", pair[0].metric);
        }
    }
}

#[test]
fn delong_has_the_variances_of_its_definition() {
    for pair in fixtures::<Pair>("pairs.json") {
        let measured = measured_pair(&pair);
        let half = |low: f64, high: f64| (high - low) / 2.0 / 1.959963984540054;
        for (measurement, (auc, error)) in
            measured.measurements.iter().zip(pair.delong.auc.iter().zip(pair.delong.standard_error))
        {
            assert!(same(measurement.value, *auc), "{}", pair.name);
            let interval = measurement.interval.unwrap();
            let cut = interval.low == 0.0 || interval.high == 1.0;
            assert!(cut || (half(interval.low, interval.high) - error).abs() < 1e-12, "{}", pair.name);
        }
        let comparison = &measured.comparisons[0];
        assert!((comparison.difference - pair.delong.difference).abs() < 1e-15, "{}", pair.name);
        let interval = comparison.interval.unwrap();
        let error = half(interval.low, interval.high);
        assert!((error - pair.delong.standard_error_of_difference).abs() < 1e-12, "{}: {error}", pair.name);
        assert!((f64::midpoint(interval.low, interval.high) - pair.delong.difference).abs() < 1e-12);
    }
}

#[test]
fn agreement_is_what_numpy_and_scipy_compute() {
    for pair in fixtures::<Pair>("pairs.json") {
        let measured = measured_pair(&pair);
        let distribution = &measured.distributions[0][0];
        for (found, expected) in distribution.edges.iter().zip(&pair.edges) {
            assert!(same(*found, *expected), "{}: {found} is not {expected}", pair.name);
        }
        assert_eq!(distribution.counts, pair.counts, "{}", pair.name);
        let agreement = &measured.agreements[0];
        for (what, found, expected) in [
            ("psi", agreement.psi, pair.psi),
            ("ks", agreement.ks, pair.ks),
            ("equal", agreement.equal, pair.equal),
            ("label changes", agreement.label_changes, pair.label_changes),
            ("mean difference", agreement.mean_difference, pair.mean_difference),
        ] {
            assert!(same(found, expected), "{}: {what} is {found}, not {expected}", pair.name);
        }
    }
}

fn measured_pair(pair: &Pair) -> Measured {
    let versions = [scores(pair.baseline.clone()), scores(pair.challenger.clone())];
    measured(&classes(&pair.labels), &versions, &Options::new(vec![Metric::Auc]))
}
