//! The evaluation as a document: `evaluation.json`, canonical JSON of schema 1, described in `docs/formats.md`.

mod convert;
#[cfg(test)]
mod tests;

use std::fmt;

use hydra_base::names::{DatasetName, Version};
use hydra_base::text::excerpt;
use hydra_base::{Error, Result, Sha256, Timestamp};
use serde::{Deserialize, Serialize};

use crate::metric::{Direction, Task};
use crate::resample::interval::Method;
use convert::{decimal, number};

/// The schema of the document that this release writes and reads.
pub const SCHEMA: u32 = 1;

/// The most characters of a path in the id of a version.
const PATH_CHARS: usize = 200;

/// How an evaluation names a version.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
#[non_exhaustive]
pub enum VersionId {
    /// A registered version; its number in decimal.
    Registered(Version),
    /// A model file: `file:` and its path.
    File(String),
}

impl fmt::Display for VersionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(version) => version.fmt(f),
            Self::File(path) => write!(f, "file:{}", excerpt(path, PATH_CHARS)),
        }
    }
}

impl From<VersionId> for String {
    fn from(id: VersionId) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for VersionId {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        match text.strip_prefix("file:") {
            Some(path) => Ok(Self::File(path.to_owned())),
            None => text.parse().map(Self::Registered),
        }
    }
}

/// How the rows of an evaluation came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum EvaluationKind {
    /// Labelled rows that were set aside.
    Holdout,
    /// Rows of live traffic that two versions scored.
    Shadow,
}

/// What was measured of several versions on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Evaluation {
    /// The schema: [`SCHEMA`].
    pub schema: u32,
    /// How the rows came about.
    pub kind: EvaluationKind,
    /// The rows.
    pub dataset: DatasetRecord,
    /// When the measuring began, by the host's clock.
    #[serde(with = "decimal")]
    pub began_at: Timestamp,
    /// When it ended.
    #[serde(with = "decimal")]
    pub measured_at: Timestamp,
    /// The release that measured: `hydra-registry/` and its version.
    pub host: String,
    /// The task of the models.
    pub task: Task,
    /// The classes of the models, in the order of their probabilities; empty without classes.
    pub classes: Vec<String>,
    /// What the measurements depend on besides rows and models.
    pub settings: SettingsRecord,
    /// The version that the others are compared with.
    pub baseline: VersionId,
    /// The versions, in the order of the request.
    pub versions: Vec<VersionRecord>,
    /// The segments of the rows, by column, then by value; the rest is the last of its column.
    pub segments: Vec<SegmentRecord>,
    /// By version, metric and segment; all rows come before the segments.
    pub measurements: Vec<MeasurementRecord>,
    /// By challenger, metric and segment.
    pub comparisons: Vec<ComparisonRecord>,
    /// By challenger and segment.
    pub agreements: Vec<AgreementRecord>,
}

/// The rows of an evaluation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DatasetRecord {
    /// The dataset's name.
    pub name: DatasetName,
    /// The SHA-256 of the bytes of its file.
    pub digest: Sha256,
    /// The number of rows.
    pub rows: u64,
    /// The name of the column of labels; none if the rows have no labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The name of the column of weights.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub weight: Option<String>,
    /// The name of the column of groups.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// The names of the columns of segments.
    pub segments: Vec<String>,
}

/// What the measurements depend on besides rows and models.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SettingsRecord {
    /// A score above it predicts the second of two classes.
    pub threshold: f64,
    /// The number of resamples of the bootstrap.
    pub resamples: u32,
    /// The confidence level of all intervals, such as 0.95.
    pub confidence: f64,
}

/// The rows with the same value in a column.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct SegmentRecord {
    /// The name of the column.
    pub column: String,
    /// The value, or `#` and a number if the segments are anonymous; empty for the rows without a value. None for the rest,
    /// the rows with rare values.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The number of rows.
    pub rows: u64,
}

/// A version that was measured.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct VersionRecord {
    /// The version.
    pub version: VersionId,
    /// The SHA-256 of the model file.
    pub model_sha256: Sha256,
    /// The distribution of each output.
    pub scores: Vec<DistributionRecord>,
    /// Ten bins of the probabilities, from 0 to 1; empty unless the calibration error was measured.
    pub calibration: Vec<CalibrationRecord>,
}

/// The distribution of one output of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct DistributionRecord {
    /// The least score, the nine deciles, and the greatest score.
    pub edges: Vec<f64>,
    /// The number of rows between each two edges; a score on an edge counts below it.
    pub counts: Vec<u64>,
}

/// The rows with probabilities in one of ten bins of equal width.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct CalibrationRecord {
    /// The number of rows.
    pub rows: u64,
    /// The weighted mean of the probabilities; NaN without weight.
    #[serde(with = "number")]
    pub mean_score: f64,
    /// The share of the weight that the second class has; NaN without weight.
    #[serde(with = "number")]
    pub positive_share: f64,
}

/// A confidence interval, at the level in [`SettingsRecord::confidence`].
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct IntervalRecord {
    /// The lower bound.
    #[serde(with = "number")]
    pub low: f64,
    /// The upper bound.
    #[serde(with = "number")]
    pub high: f64,
    /// How it was computed.
    pub method: Method,
}

/// A metric of a version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MeasurementRecord {
    /// The version.
    pub version: VersionId,
    /// The metric's name.
    pub metric: String,
    /// Which way the metric is better.
    pub direction: Direction,
    /// The segment of the rows, as an index into [`Evaluation::segments`]; none for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The value; NaN if the rows do not define it.
    #[serde(with = "number")]
    pub value: f64,
    /// The interval of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<IntervalRecord>,
}

/// A metric of a version compared with that of the baseline on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ComparisonRecord {
    /// The version that is compared.
    pub challenger: VersionId,
    /// The version that it is compared with.
    pub baseline: VersionId,
    /// The metric's name.
    pub metric: String,
    /// Which way the metric is better.
    pub direction: Direction,
    /// The segment of the rows, as an index into [`Evaluation::segments`]; none for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The challenger's value minus the baseline's; NaN if the rows do not define it.
    #[serde(with = "number")]
    pub difference: f64,
    /// The paired interval of the difference.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<IntervalRecord>,
}

/// How far a version agrees with the baseline on the same rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct AgreementRecord {
    /// The version that is compared.
    pub challenger: VersionId,
    /// The version that it is compared with.
    pub baseline: VersionId,
    /// The segment of the rows, as an index into [`Evaluation::segments`]; none for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The share of rows with scores that are equal to the bit.
    #[serde(with = "number")]
    pub equal: f64,
    /// The share of rows whose label changes; NaN if the task has no labels.
    #[serde(with = "number")]
    pub label_changes: f64,
    /// The mean of the absolute difference of the scores.
    #[serde(with = "number")]
    pub mean_difference: f64,
    /// The population stability index of the challenger's scores, by deciles of the baseline's.
    #[serde(with = "number")]
    pub psi: f64,
    /// The Kolmogorov-Smirnov distance of the scores.
    #[serde(with = "number")]
    pub ks: f64,
    /// Quantiles of the absolute difference of the scores, by their shares; empty where they were not measured.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference_quantiles: Vec<QuantileRecord>,
    /// The time that the challenger took for the rows, divided by the time of the baseline; none where it was not measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ratio: Option<f64>,
}

/// A quantile of a figure of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuantileRecord {
    /// The share of rows that do not exceed the value.
    pub share: f64,
    /// The value.
    #[serde(with = "number")]
    pub value: f64,
}
