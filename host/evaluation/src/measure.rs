//! Measures several versions on the same rows.

use hydra_base::Result;

use crate::calibration::CalibrationBin;
use crate::check;
use crate::dataset::Dataset;
use crate::distribution::Distribution;
use crate::metric::{Metric, Task};
use crate::resample::interval::Interval;
use crate::run::Run;
use crate::scores::Scores;

/// What to measure, and how.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Options {
    /// The metrics, all of one task.
    pub metrics: Vec<Metric>,
    /// A score above it predicts the second of two classes.
    pub threshold: f64,
    /// The number of resamples of the bootstrap. With 0, only the AUC without weights has intervals.
    pub resamples: u32,
    /// The number of threads; 0 is as many as the machine has. The results do not depend on it.
    pub threads: usize,
}

impl Options {
    /// Measures these metrics, with a threshold of 0.5, 1,000 resamples, and all threads.
    #[must_use]
    pub fn new(metrics: Vec<Metric>) -> Self {
        Self { metrics, threshold: 0.5, resamples: 1_000, threads: 0 }
    }
}

/// What was measured. Versions are numbered in the order in which their scores were given.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Measured {
    /// The task of all metrics.
    pub task: Task,
    /// The number of the version that the others are compared with.
    pub baseline: usize,
    /// The segments, by column in the order of the dataset.
    pub segments: Vec<Segment>,
    /// By version, metric and segment; all rows come before the segments.
    pub measurements: Vec<Measurement>,
    /// Each other version compared with the baseline; by version, metric and segment.
    pub comparisons: Vec<Comparison>,
    /// By version and segment.
    pub agreements: Vec<Agreement>,
    /// The distribution of each version's outputs.
    pub distributions: Vec<Vec<Distribution>>,
    /// The calibration of each version's probabilities on all rows; empty unless [`Metric::Ece`] was measured.
    pub calibrations: Vec<Vec<CalibrationBin>>,
}

/// A segment of the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// The column.
    pub column: String,
    /// The value that all rows have in the column; none for the rest, the rows with rare values.
    pub value: Option<String>,
    /// The number of rows.
    pub rows: u64,
}

/// A metric of a version.
#[derive(Debug, Clone, PartialEq)]
pub struct Measurement {
    /// The number of the version.
    pub version: usize,
    /// The metric.
    pub metric: Metric,
    /// The segment of the rows, as an index into [`Measured::segments`]; none for all rows.
    pub segment: Option<u32>,
    /// The value; NaN if the rows do not define it.
    pub value: f64,
    /// The interval of the value.
    pub interval: Option<Interval>,
}

/// A metric of a version compared with that of the baseline on the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct Comparison {
    /// The number of the version.
    pub challenger: usize,
    /// The number of the version that it is compared with.
    pub baseline: usize,
    /// The metric.
    pub metric: Metric,
    /// The segment of the rows, as an index into [`Measured::segments`]; none for all rows.
    pub segment: Option<u32>,
    /// The challenger's value minus the baseline's; NaN if the rows do not define it.
    pub difference: f64,
    /// The paired interval of the difference.
    pub interval: Option<Interval>,
}

/// How far a version agrees with the baseline on the same rows. Weights do not count.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The number of the version.
    pub challenger: usize,
    /// The number of the version that it is compared with.
    pub baseline: usize,
    /// The segment of the rows, as an index into [`Measured::segments`]; none for all rows.
    pub segment: Option<u32>,
    /// The share of rows with scores that are equal to the bit.
    pub equal: f64,
    /// The share of rows whose label changes; NaN if the task has no labels.
    pub label_changes: f64,
    /// The mean of the absolute difference of the scores, over all outputs.
    pub mean_difference: f64,
    /// The population stability index of the challenger's scores, by the deciles of the baseline's: `Σ (a - b) ln(a / b)`
    /// over the parts between the deciles, where `a` and `b` are the shares of the two versions' rows. A part in which
    /// only one of them has rows counts half a row for the other. The greatest of several outputs.
    pub psi: f64,
    /// The Kolmogorov-Smirnov distance of the scores. The greatest of several outputs.
    pub ks: f64,
}

/// Measures `versions` on `dataset`, each in comparison with the version number `baseline`.
///
/// `progress` receives how much of the work is done and how much there is.
///
/// [`ErrorKind::MetricMismatch`](hydra_base::ErrorKind::MetricMismatch) if a metric is not for these labels and scores;
/// [`ErrorKind::ModelsDiffer`](hydra_base::ErrorKind::ModelsDiffer) if the versions have different numbers of outputs;
/// [`ErrorKind::InvalidLabels`](hydra_base::ErrorKind::InvalidLabels) and
/// [`ErrorKind::InvalidScores`](hydra_base::ErrorKind::InvalidScores) if these are outside a metric's domain;
/// [`ErrorKind::InvalidArgument`](hydra_base::ErrorKind::InvalidArgument) if the number of scores is not the number of
/// labels, the baseline is not a version, or metrics are missing or repeated.
///
/// ```
/// use hydra_base::Sha256;
/// use hydra_evaluation::{Dataset, Labels, Metric, Options, Scores, measure};
///
/// # fn main() -> hydra_base::Result<()> {
/// let labels = Labels::classes(vec![0, 1, 1, 0, 1, 0], 2)?;
/// let dataset = Dataset::new(labels, Sha256::of(b"the rows"));
/// let champion = Scores::new(vec![0.3, 0.6, 0.4, 0.5, 0.9, 0.1], 1)?;
/// let candidate = Scores::new(vec![0.2, 0.7, 0.6, 0.5, 0.9, 0.1], 1)?;
/// let options = Options::new(vec![Metric::Auc, Metric::LogLoss]);
///
/// let measured = measure(&dataset, &[champion, candidate], 0, &options, &|_, _| ())?;
/// assert_eq!(measured.measurements[2].value, 1.0);
/// assert!(measured.comparisons[0].interval.is_some());
/// # Ok(())
/// # }
/// ```
pub fn measure(
    dataset: &Dataset,
    versions: &[Scores],
    baseline: usize,
    options: &Options,
    progress: &(dyn Fn(u64, u64) + Sync),
) -> Result<Measured> {
    let task = check::input(dataset, versions, baseline, options)?;
    let partitions = dataset.partitions();
    let sizes = partitions.sizes(dataset.rows());
    let run = Run { dataset, partitions: &partitions, sizes: &sizes, versions, baseline, options, task };
    Ok(run.measure(progress))
}
