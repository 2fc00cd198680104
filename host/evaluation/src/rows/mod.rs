//! One pass over a file of rows scores all models, and [`measure`](crate::measure) does the rest.

mod cells;
mod collect;
mod request;
mod segments;
mod task;
#[cfg(test)]
mod tests;

use arrow_array::RecordBatch;
use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;

use crate::FEWEST_RESAMPLES;
use crate::document::{Evaluation, VersionId};
use crate::measure::{Options, measure};
use crate::metric::Task;
use crate::scores::Scores;
use collect::Collector;
use hydra_base::time::now;
use hydra_base::{Error, ErrorKind, Result, Sha256};
use hydra_lightgbm::Model;
use hydra_lightgbm::arrow::OutputType;
use hydra_tables::{RowBatch, RowFiles, RowReader};
use task::Classes;

pub use request::{Columns, Request, Subject};
pub use task::{class_names, task_of};

/// What an evaluation is doing, and how far it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Reading and scoring rows. The position is in units of the length, which is unknown for a stream.
    Scoring {
        /// How far the input was read.
        position: u64,
        /// The length of the input.
        length: Option<u64>,
        /// Whether position and length count bytes; otherwise rows, batches, or the files of a directory.
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

/// The result of [`evaluate`].
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Evaluated {
    /// The document.
    pub evaluation: Evaluation,
    /// The columns that were read: the features of the models, then the others.
    pub columns: Vec<ReadColumn>,
    /// What separates the columns of CSV, if a header decided so and it is not the comma.
    pub delimiter: Option<u8>,
}

/// A column that an evaluation read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadColumn {
    /// The name.
    pub name: String,
    /// The type in MLflow's schemas: `boolean`, `integer`, `long`, `float`, `double`, `string`, `binary` or `datetime`.
    pub kind: &'static str,
}

/// Scores `subjects` on the rows of `files` in one pass, and measures each in comparison with subject number `baseline`.
///
/// Memory for each row is 8 bytes for each output of a subject, 4 for an order of each subject, and the row's label, weight,
/// group and segments. `report` receives the progress.
///
/// The errors of the input: [`ErrorKind::MissingColumns`] if a column is missing, [`ErrorKind::NoRows`] without rows,
/// [`ErrorKind::InvalidLabels`] for a missing or unsuitable label, [`ErrorKind::UnknownLabel`] for a label that is not a class of
/// the models, [`ErrorKind::OneClass`] if all labels are equal, [`ErrorKind::InvalidWeights`] for a missing or negative weight,
/// [`ErrorKind::InvalidGroups`] for a missing or too large group, [`ErrorKind::TooManySegments`],
/// [`ErrorKind::TooManyRows`], and those of [`RowReader`].
///
/// [`ErrorKind::InvalidArgument`] for resamples that are too few. The errors of the models: [`ErrorKind::InvalidArgument`] if two have the same id, [`ErrorKind::ModelsDiffer`] if their tasks or
/// classes differ, [`ErrorKind::MetricMismatch`] if a metric is for another task, [`ErrorKind::InvalidScores`] if a score is not
/// what a metric needs.
pub fn evaluate(
    subjects: Vec<Subject>,
    baseline: usize,
    files: RowFiles,
    request: &Request,
    report: &(dyn Fn(Work) + Sync),
) -> Result<Evaluated> {
    let began_at = now();
    if let Some(twice) = subjects.iter().enumerate().find_map(|(index, subject)| {
        subjects[..index].iter().any(|other| other.id == subject.id).then_some(&subject.id)
    }) {
        return Err(Error::new(ErrorKind::InvalidArgument, "a version is to be measured twice")
            .with_context("version", twice));
    }
    if (1..FEWEST_RESAMPLES).contains(&request.resamples) {
        return Err(Error::new(ErrorKind::InvalidArgument, "there are too few resamples for intervals")
            .with_context("resamples", request.resamples)
            .with_hint(format!("choose at least {FEWEST_RESAMPLES}, or 0 for no bootstrap")));
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

    let name = files.name().to_owned();
    let located = |error: Error| if named(&error) { error } else { error.with_context("file", &name) };
    let (files, digest) = files.digest()?;
    let ids: Vec<(VersionId, Sha256)> =
        subjects.iter().map(|subject| (subject.id.clone(), subject.model_sha256)).collect();
    let models = subjects.into_iter().map(|subject| subject.model.with_threads(request.threads)).collect();
    let collector = Collector::new(&request.columns, task, classes);
    let Scored { collector, scores, columns, delimiter } =
        score(models, files, collector, request, report).map_err(located)?;
    let dataset =
        collector.finish(digest, request.segment_rows, request.anonymous_segments).map_err(located)?;

    let options = Options {
        metrics,
        threshold: request.threshold,
        resamples: request.resamples,
        threads: request.threads,
    };
    let measuring = |done, total| report(Work::Measuring { done, total });
    let measured = measure(&dataset, &scores, baseline, &options, &measuring).map_err(located)?;
    let record = request.record(digest, dataset.rows() as u64);
    let evaluation = Evaluation::new(record, &ids, class_names, measured, &options, [began_at, now()])?;
    Ok(Evaluated { evaluation, columns, delimiter })
}

/// The error about missing columns, which has a kind of its own here for features too.
fn name_missing(error: Error) -> Error {
    if error.context().iter().all(|(key, _)| *key != "missing") {
        return error;
    }
    let named =
        Error::new(ErrorKind::MissingColumns, "columns that the evaluation needs are missing from the input");
    let named = error.context().iter().fold(named, |named, (key, value)| named.with_context(key, value));
    match error.hint() {
        Some(hint) => named.with_hint(hint),
        None => named,
    }
}

/// What is known after all rows were read.
struct Scored<'a> {
    collector: Collector<'a>,
    scores: Vec<Scores>,
    columns: Vec<ReadColumn>,
    delimiter: Option<u8>,
}

/// Reads and scores all rows. The first file determines which columns are categories, where the models do not.
fn score<'a>(
    mut models: Vec<Model>,
    files: RowFiles,
    mut collector: Collector<'a>,
    request: &Request,
    report: &(dyn Fn(Work) + Sync),
) -> Result<Scored<'a>> {
    let mut scores: Vec<Vec<f64>> = models.iter().map(|_| Vec::new()).collect();
    let (mut columns, mut delimiter) = (Vec::new(), None);
    let (keep, count) = (request.columns.names(), files.count());
    for (number, file) in files.sources().enumerate() {
        let (source, format) = file?;
        let mut reader = RowReader::open(models, &keep, source, format).map_err(name_missing)?;
        delimiter = delimiter.or(reader.delimiter());
        let file = reader.file().to_owned();
        let located = |error: Error| error.with_context("file", &file);
        collector.begin_file();
        while let Some(batch) = reader.next_batch()? {
            if columns.is_empty() {
                columns = collector.columns(batch.fields());
            }
            collector.push(&batch.kept).map_err(located)?;
            score_batch(reader.models(), &batch, &mut scores).map_err(located)?;
            report(match count {
                1 => Work::Scoring {
                    position: reader.position(),
                    length: reader.length(),
                    in_bytes: reader.is_in_bytes(),
                },
                _ => Work::Scoring { position: number as u64, length: Some(count as u64), in_bytes: false },
            });
        }
        models = reader.into_models();
    }
    let scores = models.iter().zip(scores).map(|(model, values)| Scores::new(values, model.num_outputs()));
    Ok(Scored { collector, scores: scores.collect::<Result<_>>()?, columns, delimiter })
}

/// Whether an error names its file.
fn named(error: &Error) -> bool {
    error.context().iter().any(|(key, _)| *key == "file")
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
