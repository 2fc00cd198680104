//! How the scores of live requests differ from those of a recorded evaluation.

use std::sync::atomic::{AtomicU64, Ordering};

use hydra_base::names::Version;
use hydra_base::{Sha256, Timestamp};
use hydra_evaluation::{DistributionRecord, Evaluation, EvaluationKind, VersionId, stability_of_counts};

/// The number of parts of a distribution.
const PARTS: usize = 10;

/// Rows below which the index says nothing.
const FEWEST_ROWS: u64 = 100;

/// The recorded distribution of each output of a version, and the live scores that were counted in its parts.
#[derive(Debug)]
pub(crate) struct Drift {
    /// The dataset of the evaluation.
    pub(crate) dataset: String,
    /// When the evaluation ended, in milliseconds.
    pub(crate) measured_at: Timestamp,
    outputs: Vec<OutputDrift>,
}

#[derive(Debug)]
struct OutputDrift {
    /// The nine deciles.
    deciles: [f64; PARTS - 1],
    recorded: [u64; PARTS],
    live: [AtomicU64; PARTS],
}

impl Drift {
    /// The drift from the newest evaluation in which the version was measured on rows that were set aside.
    pub(crate) fn from_evaluations(
        evaluations: &[Evaluation],
        version: Version,
        sha256: Sha256,
    ) -> Option<Self> {
        let holdouts = evaluations.iter().filter(|evaluation| evaluation.kind == EvaluationKind::Holdout);
        let mut found: Vec<_> = holdouts
            .filter_map(|evaluation| {
                let own = |one: &&hydra_evaluation::VersionRecord| {
                    one.version == VersionId::Registered(version) && one.model_sha256 == sha256
                };
                Some((evaluation, evaluation.versions.iter().find(own)?))
            })
            .collect();
        found.sort_by_key(|(evaluation, _)| evaluation.measured_at);
        let (evaluation, version) = found.pop()?;
        let outputs = version.scores.iter().map(OutputDrift::new).collect::<Option<Vec<_>>>()?;
        let dataset = evaluation.dataset.name.to_string();
        let measured_at = evaluation.measured_at;
        (!outputs.is_empty()).then_some(Self { dataset, measured_at, outputs })
    }

    /// Whether both are about the same evaluation.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        (&self.dataset, self.measured_at) == (&other.dataset, other.measured_at)
    }

    /// Counts the outputs of rows, row-major.
    pub(crate) fn count(&self, outputs: &[f64]) {
        for row in outputs.chunks_exact(self.outputs.len()) {
            for (output, score) in self.outputs.iter().zip(row) {
                let part = output.deciles.partition_point(|edge| *edge < *score);
                output.live[part].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    /// The population stability index of the live scores, the greatest of all outputs; none before enough rows.
    pub(crate) fn index(&self) -> Option<f64> {
        let of_output = |output: &OutputDrift| {
            let live: Vec<u64> = output.live.iter().map(|count| count.load(Ordering::Relaxed)).collect();
            let rows: u64 = live.iter().sum();
            (rows >= FEWEST_ROWS).then(|| stability_of_counts(&output.recorded, &live))
        };
        self.outputs.iter().filter_map(of_output).reduce(f64::max)
    }
}

impl OutputDrift {
    /// None for a distribution that is not in ten parts, or whose edges are not in order.
    fn new(record: &DistributionRecord) -> Option<Self> {
        let edges = record.edges.get(1..PARTS)?;
        let is_sorted = edges.is_sorted() && edges.iter().all(|edge| edge.is_finite());
        let recorded: [u64; PARTS] = record.counts.as_slice().try_into().ok()?;
        let deciles = edges.try_into().ok().filter(|_| is_sorted)?;
        Some(Self { deciles, recorded, live: Default::default() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drift() -> Drift {
        let edges: Vec<f64> = (0..=PARTS).map(|edge| edge as f64 / 10.0).collect();
        let record: DistributionRecord =
            serde_json::from_value(serde_json::json!({"edges": edges, "counts": vec![50; PARTS]}))
                .expect("a record");
        let outputs = vec![OutputDrift::new(&record).expect("ten parts")];
        Drift { dataset: "holdout".to_owned(), measured_at: 1, outputs }
    }

    #[test]
    fn the_same_distribution_has_no_drift_and_another_one_has() {
        let (same, other) = (drift(), drift());
        assert_eq!(same.index(), None);
        let scores: Vec<f64> = (0..1000).map(|row| (f64::from(row) + 0.5) / 1000.0).collect();
        same.count(&scores);
        assert!(same.index().expect("enough rows") < 1e-12, "{:?}", same.index());
        other.count(&scores.iter().map(|score| score * score).collect::<Vec<_>>());
        assert!(other.index().expect("enough rows") > 0.25, "{:?}", other.index());
    }

    #[test]
    fn scores_outside_of_the_recorded_range_count_in_the_outer_parts() {
        let drift = drift();
        drift.count(&[-5.0, 7.0, f64::NAN]);
        let counts: Vec<u64> =
            drift.outputs[0].live.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        assert_eq!(counts.iter().sum::<u64>(), 3);
        assert_eq!((counts[0], counts[PARTS - 1]), (2, 1));
    }
}
