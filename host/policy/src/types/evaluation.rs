//! What was measured on one dataset.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{self, Decimal, Float};
use hydra_base::Sha256;
use hydra_base::names::Version;

/// What was measured on one dataset, for the versions of a decision and others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Evaluation {
    /// The name of the dataset.
    pub dataset: String,
    /// The digest of the dataset, as in MLflow's record of it.
    pub dataset_digest: String,
    /// The number of rows.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub rows: u64,
    /// How the rows came about.
    pub kind: EvaluationKind,
    /// The column with the labels; none if the rows have no labels.
    #[serde(default)]
    pub label: Option<String>,
    /// The column with the weights; none if every row counts the same.
    #[serde(default)]
    pub weight: Option<String>,
    /// Whether this host measured it in the command that decides. Otherwise it was recorded before.
    #[serde(default)]
    pub first_hand: bool,
    /// When the measurement began, in milliseconds since the epoch: for live traffic, when the first row was scored.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub began_at: u64,
    /// When it ended, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub measured_at: u64,
    /// The SHA-256 of the evaluation's document.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The confidence level of all intervals, such as 0.95.
    pub confidence: Float,
    /// The groups of rows, by column, then by value; the group of rare values is the last of its column.
    #[serde(default)]
    pub segments: Vec<Segment>,
    /// The metrics, by name.
    #[serde(default)]
    pub metrics: Vec<MeasuredMetric>,
    /// The agreements, by challenger, then by baseline, then by segment, all rows first.
    #[serde(default)]
    pub agreements: Vec<Agreement>,
}

/// How the rows of an evaluation came about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum EvaluationKind {
    /// Labelled rows that were set aside.
    Holdout,
    /// Rows of live traffic that two versions scored.
    Shadow,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Greater is better.
    Higher,
    /// Less is better.
    Lower,
}

/// How an interval was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntervalMethod {
    /// The variance of DeLong, DeLong and Clarke-Pearson, for AUC.
    Delong,
    /// Percentiles of paired resamples with replacement.
    Bootstrap,
}

/// A group of the rows of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Segment {
    /// The column that divides the rows, such as `region`.
    pub column: String,
    /// The value of the group in that column, as text, or a stand-in if the evaluation does not disclose values; empty for
    /// the rows without a value. None for the group that holds the rows with rare values together.
    #[serde(default)]
    pub value: Option<String>,
    /// The number of rows.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub rows: u64,
}

/// A metric with its figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct MeasuredMetric {
    /// The name, such as `auc`.
    pub name: String,
    /// Which way it is better.
    pub direction: Direction,
    /// The figures of single versions, by version, then by segment, all rows first.
    #[serde(default)]
    pub measurements: Vec<Measurement>,
    /// The comparisons, by challenger, then by baseline, then by segment, all rows first.
    #[serde(default)]
    pub comparisons: Vec<Comparison>,
}

/// A figure that was measured on one version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Measurement {
    /// The version.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub version: Version,
    /// The rows: a position in the evaluation's segments, from 0; none for all rows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The figure; NaN if the rows do not define it.
    pub value: Float,
    /// The interval of the figure; none for a metric without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// A paired comparison of two versions on the same rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Comparison {
    /// The version that is compared.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub challenger: Version,
    /// The version that it is compared with.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub baseline: Version,
    /// The rows, as in [`Measurement`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The figure of the challenger minus that of the baseline; NaN if the rows do not define it.
    pub difference: Float,
    /// The paired interval of the difference; none for a metric without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interval: Option<Interval>,
}

/// A confidence interval, at the level of the evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Interval {
    /// The lower bound.
    pub low: Float,
    /// The upper bound.
    pub high: Float,
    /// How it was computed.
    pub method: IntervalMethod,
}

/// How far two versions agree on the same rows. A figure is none if it was not measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Agreement {
    /// The version that is compared.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub challenger: Version,
    /// The version that it is compared with.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub baseline: Version,
    /// The rows, as in [`Measurement`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub segment: Option<u32>,
    /// The share of rows with scores that are equal to the bit.
    pub equal: Float,
    /// The share of rows whose label changes; none if the models give no labels.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label_changes: Option<Float>,
    /// The mean of the absolute difference of the scores.
    pub mean_difference: Float,
    /// Quantiles of the absolute difference of the scores, by their share.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub difference_quantiles: Vec<Quantile>,
    /// The population stability index of the challenger's scores, by deciles of the baseline's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psi: Option<Float>,
    /// The Kolmogorov-Smirnov distance of the two distributions of scores.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ks: Option<Float>,
    /// The time that scoring with the challenger took, as a multiple of the baseline's; live traffic only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency_ratio: Option<Float>,
}

/// A quantile of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Quantile {
    /// The share of the distribution at or below it, from 0 to 1.
    pub share: Float,
    /// The quantile.
    pub value: Float,
}

impl Evaluation {
    /// A recorded evaluation of labelled rows that were set aside, at the confidence level 0.95, of which no figure is known.
    #[must_use]
    pub fn new(
        dataset: impl Into<String>,
        dataset_digest: impl Into<String>,
        rows: u64,
        measured_at: u64,
        sha256: Sha256,
    ) -> Self {
        Self {
            dataset: dataset.into(),
            dataset_digest: dataset_digest.into(),
            rows,
            kind: EvaluationKind::Holdout,
            label: None,
            weight: None,
            first_hand: false,
            began_at: measured_at,
            measured_at,
            sha256,
            confidence: Float::from(0.95),
            segments: Vec::new(),
            metrics: Vec::new(),
            agreements: Vec::new(),
        }
    }
}

impl Segment {
    /// The rows with this value in a column; without a value, those with rare values.
    #[must_use]
    pub fn new(column: impl Into<String>, value: Option<String>, rows: u64) -> Self {
        Self { column: column.into(), value, rows }
    }
}

impl MeasuredMetric {
    /// A metric without figures.
    #[must_use]
    pub fn new(name: impl Into<String>, direction: Direction) -> Self {
        Self { name: name.into(), direction, measurements: Vec::new(), comparisons: Vec::new() }
    }
}

impl Measurement {
    /// The figure of a version on all rows, without an interval.
    #[must_use]
    pub fn new(version: Version, value: f64) -> Self {
        Self { version, segment: None, value: value.into(), interval: None }
    }
}

impl Comparison {
    /// The difference of two versions on all rows, without an interval.
    #[must_use]
    pub fn new(challenger: Version, baseline: Version, difference: f64) -> Self {
        Self { challenger, baseline, segment: None, difference: difference.into(), interval: None }
    }
}

impl Interval {
    /// The interval between two bounds.
    #[must_use]
    pub fn new(low: f64, high: f64, method: IntervalMethod) -> Self {
        Self { low: low.into(), high: high.into(), method }
    }
}

impl Agreement {
    /// The agreement of two versions on all rows, of which only the two figures are known.
    #[must_use]
    pub fn new(challenger: Version, baseline: Version, equal: f64, mean_difference: f64) -> Self {
        Self {
            challenger,
            baseline,
            segment: None,
            equal: equal.into(),
            label_changes: None,
            mean_difference: mean_difference.into(),
            difference_quantiles: Vec::new(),
            psi: None,
            ks: None,
            latency_ratio: None,
        }
    }
}

impl Quantile {
    /// The quantile of that share.
    #[must_use]
    pub fn new(share: f64, value: f64) -> Self {
        Self { share: share.into(), value: value.into() }
    }
}
