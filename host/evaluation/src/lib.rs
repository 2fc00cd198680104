//! Measures several versions of a model on the same rows, with paired intervals.
//!
//! `evaluate` scores versions on the rows of a file in one pass and returns an [`Evaluation`], a document. It needs the feature
//! `rows`, which is on by default; without it, the crate depends neither on Arrow nor on model files.
//!
//! [`measure`] is mathematics over labels and scores, without input or output: metrics that equal those of scikit-learn or
//! LightGBM ([`Metric`] names which), in all rows and in segments; for each metric a confidence interval, and for each other
//! version one of its difference from a baseline; and how far two versions agree.
//!
//! **Intervals** have a confidence level of 95 %. The AUC without weights and groups has that of DeLong, in O(n log n), and so
//! has the paired difference. Everything else has the percentiles of a paired bootstrap: each version is measured on the
//! same resamples. How often a resample draws a row is a function of the data's digest, the row and the number of the
//! resample, so resamples need no memory, segments are measured on the same ones, and the results are the same bits for
//! any number of threads. With groups, resamples draw whole groups.
//!
//! **Memory** per row and version is 8 bytes for each output, which the caller holds, and 4 for an order; 4 more
//! for one version. Sums of resamples do not grow with the rows. Metrics of rankings need 8 bytes for each group besides.

mod accumulate;
mod calibration;
mod check;
mod dataset;
mod delong;
mod deviance;
mod distribution;
mod document;
mod figures;
mod grouped;
mod live;
mod measure;
mod metric;
mod pointwise;
mod resample;
#[cfg(feature = "rows")]
mod rows;
mod run;
mod scores;
mod threads;

pub use calibration::CalibrationBin;
pub use dataset::{Dataset, Labels, MOST_ROWS, Segments};
pub use distribution::Distribution;
pub use document::{
    AgreementRecord, CalibrationRecord, ComparisonRecord, DatasetRecord, DistributionRecord, Evaluation,
    EvaluationKind, IntervalRecord, MeasurementRecord, QuantileRecord, SCHEMA, SegmentRecord, SettingsRecord,
    VersionId, VersionRecord,
};
pub use live::{LIVE_DATASETS, LiveAgreement, LiveVersion, stability_of_counts};
pub use measure::{Agreement, Comparison, Measured, Measurement, Options, Segment, measure};
pub use metric::{Direction, Metric, Task};
pub use resample::interval::{FEWEST_RESAMPLES, Interval, LEVEL, Method};
#[cfg(feature = "rows")]
pub use rows::{Columns, Evaluated, ReadColumn, Request, Subject, Work, class_names, evaluate, task_of};
pub use scores::Scores;

#[cfg(test)]
mod tests;
