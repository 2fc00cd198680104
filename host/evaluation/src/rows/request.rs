//! What is to be measured, and on which columns.

use std::path::Path;

use crate::document::{DatasetRecord, VersionId};
use crate::metric::Metric;
use hydra_base::names::DatasetName;
use hydra_base::{Result, Sha256};
use hydra_lightgbm::Model;

/// A model to measure.
#[derive(Debug)]
pub struct Subject {
    /// How the evaluation names it.
    pub id: VersionId,
    /// The SHA-256 of the model file.
    pub model_sha256: Sha256,
    /// The model.
    pub model: Model,
}

impl Subject {
    /// Reads a model file: text, pickle or skops.
    ///
    /// Fails like [`Model::open`].
    pub fn open(path: &Path) -> Result<Self> {
        let (model, bytes) = Model::open_with_bytes(path)?;
        let id = VersionId::File(path.display().to_string());
        Ok(Self { id, model_sha256: Sha256::of(&bytes), model })
    }
}

/// The columns of a dataset that are not features. They may be features as well.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Columns {
    /// The labels: classes of the models, numbers, or grades of relevance.
    pub label: String,
    /// The rows' weights.
    pub weight: Option<String>,
    /// The groups of a ranking, or rows that resamples draw together.
    pub group: Option<String>,
    /// Columns of segments. The document has them in the order of their names.
    pub segments: Vec<String>,
}

impl Columns {
    /// Labels only.
    #[must_use]
    pub fn new(label: impl Into<String>) -> Self {
        Self { label: label.into(), weight: None, group: None, segments: Vec::new() }
    }

    /// The columns, in the order of the fields.
    pub(super) fn names(&self) -> Vec<String> {
        let optional = [&self.weight, &self.group];
        let optional = optional.into_iter().flatten();
        [&self.label].into_iter().chain(optional).chain(&self.segments).cloned().collect()
    }
}

/// How to evaluate.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Request {
    /// The name of the dataset; newer evaluations of the same name replace older ones.
    pub dataset: DatasetName,
    /// The columns that are not features.
    pub columns: Columns,
    /// The metrics; none for those that the first model's objective asks for.
    pub metrics: Option<Vec<Metric>>,
    /// A score above it predicts the second of two classes.
    pub threshold: f64,
    /// The number of resamples of the bootstrap: none, or at least [`FEWEST_RESAMPLES`](crate::FEWEST_RESAMPLES).
    pub resamples: u32,
    /// The least number of rows of a segment; smaller ones join the rest of their column.
    pub segment_rows: u64,
    /// Whether segments are numbered instead of named by their values.
    pub anonymous_segments: bool,
    /// The number of threads; 0 is as many as the machine has. The results do not depend on it.
    pub threads: usize,
}

impl Request {
    /// Evaluates on the dataset of this name with the usual metrics, a threshold of 0.5, 1,000 resamples, segments of at
    /// least 100 rows, and all threads.
    #[must_use]
    pub fn new(dataset: DatasetName, columns: Columns) -> Self {
        Self {
            dataset,
            columns,
            metrics: None,
            threshold: 0.5,
            resamples: 1_000,
            segment_rows: 100,
            anonymous_segments: false,
            threads: 0,
        }
    }

    pub(super) fn with_sorted_segments(mut self) -> Self {
        self.columns.segments.sort_unstable();
        self.columns.segments.dedup();
        self
    }

    /// The dataset in the document.
    pub(super) fn record(&self, digest: Sha256, rows: u64) -> DatasetRecord {
        let Columns { label, weight, group, segments } = self.columns.clone();
        DatasetRecord {
            label: Some(label),
            weight,
            group,
            segments,
            ..DatasetRecord::new(self.dataset.clone(), digest, rows)
        }
    }
}
