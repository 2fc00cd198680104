//! Scores the rows of a file in constant memory.
//!
//! A thread reads batches ahead while the caller's thread scores and writes.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use arrow_array::{ArrayRef, RecordBatch, UInt64Array};
use arrow_schema::{DataType, Field, FieldRef, Schema};

use crate::features::Features;
use crate::guard::guarded;
use crate::input::{Batch, BatchReader, Input, Source};
use crate::wanted::Wanted;
use crate::{BATCH_ROWS, FileFormat, Output, RowFiles};
use hydra_base::names::{ModelName, Version};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::OutputType;
use hydra_lightgbm::loaded::{Engine, FeatureSurvey, Model, Survey};

/// The largest number of values in a batch, unless [`Scoring::batch_rows`] sets the rows: 32 MB.
const BATCH_VALUES: usize = 1 << 22;

/// The column that [`Scoring::with_version`] adds.
const VERSION_COLUMN: &str = "model_version";

/// Settings for scoring the rows of a file.
///
/// The model contains the number of threads and the categories: [`Model::with_threads`], [`Model::with_categories`].
pub struct Scoring<'e> {
    model: Model,
    engine: Option<Box<dyn Engine + 'e>>,
    keep: Vec<String>,
    output: OutputType,
    version: Option<(ModelName, Version)>,
    with_version: bool,
    batch_rows: Option<usize>,
}

impl<'e> Scoring<'e> {
    /// Scores with `model`; returns the result of Python's `predict`, without kept columns.
    #[must_use]
    pub fn new(model: Model) -> Self {
        Self {
            model,
            engine: None,
            keep: Vec::new(),
            output: OutputType::default(),
            version: None,
            with_version: false,
            batch_rows: None,
        }
    }

    /// Uses the scores of `engine` instead of the model's own scorer.
    #[must_use]
    pub fn engine(mut self, engine: Box<dyn Engine + 'e>) -> Self {
        self.engine = Some(engine);
        self
    }

    /// Repeats these columns of the input before the predictions, in this order, each once. Columns of CSV stay text.
    #[must_use]
    pub fn keep<S: Into<String>>(mut self, columns: impl IntoIterator<Item = S>) -> Self {
        self.keep = columns.into_iter().map(Into::into).collect();
        self
    }

    /// Sets the kind of predictions.
    #[must_use]
    pub fn output(mut self, output: OutputType) -> Self {
        self.output = output;
        self
    }

    /// Names the registered version that the model is. The columns of predictions carry it in their metadata, as
    /// `hydra.model` and `hydra.version`, beside `hydra.output`: [what the predictions mean](Model::meaning_of).
    #[must_use]
    pub fn version(mut self, model: ModelName, version: Version) -> Self {
        self.version = Some((model, version));
        self
    }

    /// Writes the number of the [version](Self::version) in each row as well: a column `model_version` before the predictions.
    #[must_use]
    pub fn with_version(mut self) -> Self {
        self.with_version = true;
        self
    }

    /// Sets the number of rows in a batch, at least 1. By default it is the number that fits in 32 MB, at most
    /// [`BATCH_ROWS`].
    #[must_use]
    pub fn batch_rows(mut self, rows: usize) -> Self {
        self.batch_rows = Some(rows.max(1));
        self
    }

    /// Reads the header or schema of `source`, finds the columns, and starts reading ahead.
    ///
    /// Columns are found by name, in any order, with spaces and underscores treated alike. They are taken by position if the model
    /// was trained without names or the columns have none ([`Model::match_columns`]).
    ///
    /// [`ErrorKind::Storage`] if the source cannot be read; [`ErrorKind::InvalidData`] if columns are missing (the
    /// message lists them), a wanted name appears twice or the file is damaged; [`ErrorKind::UnsupportedModel`] if the
    /// columns of the model's pandas categories are unknown.
    pub fn open(self, source: Source, format: FileFormat) -> Result<ScoringRun<'e>> {
        self.open_files(RowFiles::of(source, format))
    }

    /// [Opens](Self::open) files that are read one after the other. The first one determines the types of columns that the model does not
    /// determine, and which columns are [ignored](ScoringRun::ignored).
    pub fn open_files(self, files: RowFiles) -> Result<ScoringRun<'e>> {
        let count = files.count();
        let mut rest = files.sources();
        let (source, format) = rest
            .next()
            .unwrap_or_else(|| Err(Error::new(ErrorKind::NoRows, "there are no files of rows")))?;
        let Self { model, engine, keep, output, version, with_version, batch_rows } = self;
        let number = version.as_ref().map(|(_, number)| *number).filter(|_| with_version);
        let metadata = metadata(model.meaning_of(output), version);
        let batch_rows = batch_rows.unwrap_or_else(|| default_batch_rows(&model, output));
        let file = source.name().to_owned();
        let wanted = Wanted::new(model.feature_names(), &keep, batch_rows);
        let input = Input::open(source, format, wanted, Some(&Features::of([&model])))?;
        let model = match &input.columns {
            Some(columns) => model.with_columns(columns)?,
            None => model,
        };
        let survey = Survey::of(&model);
        Ok(ScoringRun {
            model,
            engine,
            output,
            metadata,
            version: number,
            batches: read_ahead(input.reader, file.clone())?,
            rest,
            keep,
            batch_rows,
            files: (count > 1).then_some((0, count as u64)),
            survey,
            file,
            ignored: input.ignored,
            delimiter: input.delimiter,
            length: input.length,
            in_bytes: input.in_bytes,
            position: 0,
            ended: false,
        })
    }

    /// Scores all rows of `source` into `output` and returns their number.
    ///
    /// Fails like [`Scoring::open`] and [`ScoringRun::write_to`]. A file of predictions becomes visible only after the
    /// last row.
    pub fn run(self, source: Source, format: FileFormat, output: Output<'_>) -> Result<u64> {
        self.open(source, format)?.write_to(output, |_| ())
    }
}

/// What was read.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ScoringSummary {
    /// The number of rows.
    pub rows: u64,
    /// The number of files, at least 1.
    pub files: u64,
    /// The features, in the model's order, with what their columns have.
    pub columns: Vec<(String, FeatureSurvey)>,
    /// The columns of the first file that are neither features nor kept.
    pub ignored: Vec<String>,
}

/// An iterator over batches of predictions.
///
/// A batch has the kept columns, then those that [`Model::predict_batch`] describes. There is at least one batch; it
/// has no rows if the input has none. An error ends the iterator. The errors, which name the file, are:
/// [`ErrorKind::InvalidData`] for a damaged row (with its line or batch), [`ErrorKind::Storage`] for a failed read,
/// [`ErrorKind::InvalidArgument`] for a kept column with the name of a prediction, [`ErrorKind::UnsupportedModel`] if
/// the model cannot produce the wanted kind of predictions.
pub struct ScoringRun<'e> {
    model: Model,
    engine: Option<Box<dyn Engine + 'e>>,
    output: OutputType,
    /// Of the columns of predictions.
    metadata: HashMap<String, String>,
    /// The version to write in each row.
    version: Option<Version>,
    batches: Receiver<Message>,
    /// The files after the one that is read.
    rest: Box<dyn Iterator<Item = Result<(Source, FileFormat)>> + Send>,
    keep: Vec<String>,
    batch_rows: usize,
    /// How many of how many files were read, if there are several.
    files: Option<(u64, u64)>,
    survey: Survey,
    file: String,
    ignored: Vec<String>,
    delimiter: Option<u8>,
    length: Option<u64>,
    in_bytes: bool,
    position: u64,
    ended: bool,
}

impl ScoringRun<'_> {
    /// The columns of the input that are neither features nor kept. For JSON lines, those of the first batch, at most
    /// 1000.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What separates the columns of CSV, if the header decided so and it is not the comma.
    #[must_use]
    pub fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// The length of the input in units of [`ScoringRun::position`], if it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.files.map_or(self.length, |(_, count)| Some(count))
    }

    /// Whether length and position count bytes. Otherwise they count rows (Parquet), record batches (Arrow files), or files if there are
    /// several.
    #[must_use]
    pub fn is_in_bytes(&self) -> bool {
        self.in_bytes && self.files.is_none()
    }

    /// The position of the reader when the last batch was complete.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.files.map_or(self.position, |(read, _)| read)
    }

    /// Writes all batches to `output`, calls `progress` with the position after each, and returns the number of rows.
    ///
    /// In addition to the errors of the batches: [`ErrorKind::Storage`] for a failed write, and
    /// [`ErrorKind::InvalidData`] if the format cannot represent a kept column.
    pub fn write_to(self, output: Output<'_>, progress: impl FnMut(u64)) -> Result<u64> {
        Ok(self.summarised_to(output, progress)?.rows)
    }

    /// [`write_to`](Self::write_to), and says what was read.
    pub fn summarised_to(
        mut self,
        mut output: Output<'_>,
        mut progress: impl FnMut(u64),
    ) -> Result<ScoringSummary> {
        let mut rows = 0;
        while let Some(batch) = self.next() {
            let batch = batch?;
            output.write(&batch)?;
            rows += batch.num_rows() as u64;
            progress(self.position());
        }
        output.finish()?;
        let columns = self.model.feature_names().iter().cloned().zip(self.survey.features().iter().cloned());
        Ok(ScoringSummary {
            rows,
            files: self.files.map_or(1, |(_, count)| count),
            columns: columns.collect(),
            ignored: self.ignored,
        })
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let batch = loop {
            let batch = self.batches.recv().unwrap_or_else(|_| {
                Err(Error::new(ErrorKind::Internal, "the thread that reads the input panicked"))
            })?;
            let is_later = self.files.is_some_and(|(read, _)| read > 0);
            match batch {
                // Only the output's header needs a batch without rows.
                Some(batch) if is_later && batch.features.num_rows() == 0 => {}
                Some(batch) => break batch,
                None if self.open_next()? => {}
                None => return Ok(None),
            }
        };
        self.position = batch.position;
        let engine = self.engine.as_deref().unwrap_or(&self.model);
        let survey = &mut self.survey;
        let predicted = self.model.predict_batch_noting(engine, &batch.features, self.output, survey);
        let joined = predicted.and_then(|predicted| self.join(&batch.kept, &predicted));
        joined.map(Some).map_err(|error| error.with_context("file", &self.file))
    }

    /// Opens the next file; `false` if there is none.
    fn open_next(&mut self) -> Result<bool> {
        let Some(next) = self.rest.next() else { return Ok(false) };
        let (source, format) = next?;
        source.name().clone_into(&mut self.file);
        let wanted = Wanted::new(self.model.feature_names(), &self.keep, self.batch_rows);
        let input = Input::open(source, format, wanted, Some(&Features::of([&self.model])))?;
        self.batches = read_ahead(input.reader, self.file.clone())?;
        if let Some((read, _)) = &mut self.files {
            *read += 1;
        }
        Ok(true)
    }

    /// The kept columns, the version if it was asked for, then the predictions.
    fn join(&self, kept: &RecordBatch, predicted: &RecordBatch) -> Result<RecordBatch> {
        let predictions = predicted.schema_ref().fields().iter().map(|field| -> FieldRef {
            Arc::new(field.as_ref().clone().with_metadata(self.metadata.clone()))
        });
        let version = self.version.map(|version| -> (FieldRef, ArrayRef) {
            let column = UInt64Array::from_value(version.get(), predicted.num_rows());
            (Arc::new(Field::new(VERSION_COLUMN, DataType::UInt64, false)), Arc::new(column))
        });
        let (mut fields, mut columns): (Vec<FieldRef>, Vec<ArrayRef>) = version.into_iter().unzip();
        fields.extend(predictions);
        columns.extend(predicted.columns().iter().cloned());
        if let Some(field) = fields.iter().find(|field| kept.schema_ref().index_of(field.name()).is_ok()) {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                "a column to keep has the same name as a column of predictions",
            )
            .with_context("column", excerpt(field.name(), QUOTED_CHARS)));
        }
        let fields: Vec<FieldRef> = kept.schema_ref().fields().iter().cloned().chain(fields).collect();
        let columns = kept.columns().iter().cloned().chain(columns).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| {
            Error::new(ErrorKind::Internal, "the number of predictions is not the number of rows")
                .with_source(error)
        })
    }
}

impl Iterator for ScoringRun<'_> {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.next_batch().transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// The rows of a batch, so that neither features nor predictions take more than [`BATCH_VALUES`].
pub(crate) fn default_batch_rows(model: &Model, output: OutputType) -> usize {
    let features = model.feature_names();
    let contributions = model.num_outputs().saturating_mul(features.len() + 1);
    let outputs = match output {
        OutputType::Leaves => model.num_trees(),
        OutputType::Contributions => contributions,
        OutputType::TopContributions(top) => {
            // Each rank has a name, which takes as much as some values, and a value.
            let longest = features.iter().map(String::len).max().unwrap_or_default();
            let ranks = top.get().min(features.len()).saturating_mul(model.num_outputs());
            contributions.max(ranks.saturating_mul(longest / size_of::<f64>() + 2))
        }
        _ => model.num_outputs(),
    };
    let widest = features.len().max(outputs).max(1);
    (BATCH_VALUES / widest).clamp(1, BATCH_ROWS)
}

/// A batch, the end, or what went wrong.
pub(crate) type Message = Result<Option<Batch>>;

/// Reads the next batch on a thread while the caller scores the one before it.
///
/// The thread is not joined: when the receiver is gone it may still be waiting for its input.
pub(crate) fn read_ahead(mut reader: Box<dyn BatchReader>, file: String) -> Result<Receiver<Message>> {
    let (sender, receiver) = sync_channel(1);
    let read = move || {
        loop {
            let message = guarded(|| reader.next())
                .map_err(|error| if named(&error) { error } else { error.with_context("file", &file) });
            let last = !matches!(message, Ok(Some(_)));
            // Sending fails if the run was dropped, for instance after a failed write.
            if sender.send(message).is_err() || last {
                break;
            }
        }
    };
    thread::Builder::new().name("predict-reader".to_owned()).spawn(read).map_err(|error| {
        Error::new(ErrorKind::Storage, "cannot start the thread that reads the input").with_source(error)
    })?;
    Ok(receiver)
}

/// Whether an error names its file.
fn named(error: &Error) -> bool {
    error.context().iter().any(|(key, _)| *key == "file")
}

/// What the columns of predictions say about themselves.
fn metadata(meaning: &str, version: Option<(ModelName, Version)>) -> HashMap<String, String> {
    let mut metadata = HashMap::from([("hydra.output".to_owned(), meaning.to_owned())]);
    if let Some((model, version)) = version {
        metadata.insert("hydra.model".to_owned(), model.to_string());
        metadata.insert("hydra.version".to_owned(), version.to_string());
    }
    metadata
}

#[cfg(test)]
mod tests;
