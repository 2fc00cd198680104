//! One pass over a file of rows scores all models, and [`measure`](crate::measure) does the rest.

mod cells;
mod collect;
mod segments;
mod task;
#[cfg(test)]
mod tests;

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;

use crate::dataset::Dataset;
use crate::document::{DatasetRecord, Evaluation, VersionId};
use crate::measure::{Options, measure};
use crate::metric::{Metric, Task};
use crate::scores::Scores;
use collect::Collector;
use hydra_base::names::DatasetName;
use hydra_base::time::now;
use hydra_base::{Error, ErrorKind, Result, Sha256};
use hydra_lightgbm::arrow::OutputType;
use hydra_lightgbm::{Model, ModelLimits};
use hydra_tables::{FileFormat, RowBatch, RowReader, Source};
use task::Classes;

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
    fn names(&self) -> Vec<String> {
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
    /// The number of resamples of the bootstrap.
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

    fn with_sorted_segments(mut self) -> Self {
        self.columns.segments.sort_unstable();
        self.columns.segments.dedup();
        self
    }

    /// The dataset in the document.
    fn record(&self, digest: Sha256, rows: u64) -> DatasetRecord {
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

/// What an evaluation is doing, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading and scoring rows. The position is in units of the length, which is unknown for a stream.
    Scoring {
        /// How far the input was read.
        position: u64,
        /// The length of the input.
        length: Option<u64>,
        /// Whether position and length count bytes; otherwise rows or batches.
        in_bytes: bool,
    },
    /// Computing metrics and intervals.
    Measuring {
        /// The work done.
        done: u64,
        /// All of the work.
        total: u64,
    },
}

/// Scores `subjects` on the rows of `source` in one pass, and measures each in comparison with subject number `baseline`.
///
/// Memory for each row is 8 bytes for each output of a subject, 4 for an order of each subject, and the row's label, weight,
/// group and segments. `report` receives the progress.
///
/// The errors of the input: [`ErrorKind::MissingColumns`] if a column is missing, [`ErrorKind::NoRows`] without rows,
/// [`ErrorKind::InvalidLabels`] for a missing or unsuitable label, [`ErrorKind::UnknownLabel`] for a label that is not a class of
/// the models, [`ErrorKind::OneClass`] if all labels are equal, [`ErrorKind::InvalidWeights`] for a missing or negative weight,
/// [`ErrorKind::InvalidGroups`] for a missing or too large group, [`ErrorKind::TooManySegments`],
/// [`ErrorKind::TooManyRows`], and those of [`RowReader`]. Of the models: [`ErrorKind::InvalidArgument`] if two have the same id, [`ErrorKind::ModelsDiffer`] if their tasks or classes
/// differ, [`ErrorKind::MetricMismatch`] if a metric is for another task, [`ErrorKind::InvalidScores`] if a score is not what a
/// metric needs.
pub fn evaluate(
    subjects: Vec<Subject>,
    baseline: usize,
    source: Source,
    format: FileFormat,
    request: &Request,
    report: &(dyn Fn(Work) + Sync),
) -> Result<Evaluation> {
    let began_at = now();
    if let Some(twice) = subjects.iter().enumerate().find_map(|(index, subject)| {
        subjects[..index].iter().any(|other| other.id == subject.id).then_some(&subject.id)
    }) {
        return Err(Error::new(ErrorKind::InvalidArgument, "a version is to be measured twice")
            .with_context("version", twice));
    }
    let request = &request.clone().with_sorted_segments();
    let models: Vec<&Model> = subjects.iter().map(|subject| &subject.model).collect();
    let (task, metrics) = task::metrics_of(&models, request.metrics.as_deref())?;
    let has_classes = matches!(task, Task::Binary | Task::Multiclass);
    let classes = has_classes.then(|| Classes::of(&models)).transpose()?;
    let class_names = classes.as_ref().map(Classes::names).unwrap_or_default();
    if task == Task::Ranking && request.columns.group.is_none() {
        return Err(Error::new(
            ErrorKind::MissingColumns,
            "the metrics of a ranking need a column of groups",
        )
        .with_hint("name the column of the groups with --group"));
    }

    let file = source.name().to_owned();
    let (source, digest) = source.digest()?;
    let ids: Vec<(VersionId, Sha256)> =
        subjects.iter().map(|subject| (subject.id.clone(), subject.model_sha256)).collect();
    let models = subjects.into_iter().map(|subject| subject.model.with_threads(request.threads)).collect();
    let reader = RowReader::open(models, &request.columns.names(), source, format);
    let reader = reader.map_err(name_missing)?;
    let collector = Collector::new(&request.columns, task, classes);
    let located = |error: Error| error.with_context("file", &file);
    let (dataset, scores) = score(reader, collector, digest, request, report)?;

    let options = Options {
        metrics,
        threshold: request.threshold,
        resamples: request.resamples,
        threads: request.threads,
    };
    let measuring = |done, total| report(Work::Measuring { done, total });
    let measured = measure(&dataset, &scores, baseline, &options, &measuring).map_err(located)?;
    let record = request.record(digest, dataset.rows() as u64);
    Evaluation::new(record, &ids, class_names, measured, &options, [began_at, now()])
}

/// The error about missing columns, in terms of an evaluation.
fn name_missing(error: Error) -> Error {
    if error.kind() != ErrorKind::MissingColumns {
        return error;
    }
    let named =
        Error::new(ErrorKind::MissingColumns, "columns that the evaluation needs are missing from the input");
    error.context().iter().fold(named, |named, (key, value)| named.with_context(key, value))
}

/// Reads and scores all rows.
fn score(
    mut reader: RowReader,
    mut collector: Collector<'_>,
    digest: Sha256,
    request: &Request,
    report: &(dyn Fn(Work) + Sync),
) -> Result<(Dataset, Vec<Scores>)> {
    let file = reader.file().to_owned();
    let located = |error: Error| error.with_context("file", &file);
    let mut scores: Vec<Vec<f64>> = reader.models().iter().map(|_| Vec::new()).collect();
    while let Some(batch) = reader.next_batch()? {
        collector.push(&batch.kept).map_err(located)?;
        score_batch(reader.models(), &batch, &mut scores).map_err(located)?;
        let (position, length, in_bytes) = (reader.position(), reader.length(), reader.is_in_bytes());
        report(Work::Scoring { position, length, in_bytes });
    }
    let dataset =
        collector.finish(digest, request.segment_rows, request.anonymous_segments).map_err(located)?;
    let scores =
        reader.models().iter().zip(scores).map(|(model, values)| Scores::new(values, model.num_outputs()));
    Ok((dataset, scores.collect::<Result<_>>().map_err(located)?))
}

/// Appends each model's outputs for the rows of a batch, row by row.
fn score_batch(models: &[Model], batch: &RowBatch, scores: &mut [Vec<f64>]) -> Result<()> {
    if batch.kept.num_rows() == 0 {
        return Ok(());
    }
    for (index, (model, scores)) in models.iter().zip(scores).enumerate() {
        append_rows(&model.predict_batch(&batch.features(index)?, OutputType::Output)?, scores);
    }
    Ok(())
}

fn append_rows(predictions: &RecordBatch, scores: &mut Vec<f64>) {
    let columns: Vec<&[f64]> = predictions
        .columns()
        .iter()
        .map(|column| column.as_primitive::<Float64Type>().values().as_ref())
        .collect();
    match columns.as_slice() {
        [column] => scores.extend_from_slice(column),
        columns => {
            scores.extend(
                (0..predictions.num_rows()).flat_map(|row| columns.iter().map(move |column| column[row])),
            );
        }
    }
}

impl Subject {
    /// Reads a model file: text, pickle or skops.
    ///
    /// Fails like [`Model::open`].
    pub fn open(path: &Path) -> Result<Self> {
        let bytes = std::fs::read(path).map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot read the model file")
                .with_context("file", path.display())
                .with_source(error)
        })?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let model = Model::from_artifact(name, "", &bytes, &ModelLimits::default())
            .map_err(|error| error.with_context("file", path.display()))?;
        let id = VersionId::File(path.display().to_string());
        Ok(Self { id, model_sha256: Sha256::of(&bytes), model })
    }
}
