//! `predict`: rows of a file in, predictions out, in constant memory.
//!
//! A thread reads batches ahead while this one scores them and writes the answers.

mod args;
mod rows;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;

use arrow_array::RecordBatch;
use arrow_schema::Schema;

use crate::Printer;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::OutputType;
use hydra_lightgbm::loaded::{Engine, Model};
use hydra_tables::{BATCH_ROWS, Batch, BatchReader, Input, Output, Wanted, guarded};
use hydra_training::booster::Booster;

use args::EngineArg;

pub use args::PredictArgs;

/// Most values that a batch holds unless the caller says otherwise: 32 MB.
const BATCH_VALUES: usize = 1 << 22;

/// Predicts for every row of the input and returns how many there were.
///
/// The number of threads of `model` becomes that of `args`. Fails with [`ErrorKind::InvalidData`] when the
/// input lacks columns or is damaged, and says where; an output file appears only after the last row.
pub fn run(model: Model, args: &PredictArgs, printer: &mut Printer) -> anyhow::Result<u64> {
    let (in_format, out_format) = (args.input_format()?, args.output_format()?);
    let mut model = model.with_threads(args.threads);
    if !args.categories.is_empty() {
        model = model.with_categories(&args.categories)?;
    }
    let oracle = match args.engine {
        EngineArg::Native => None,
        EngineArg::Lightgbm => Some(Booster::of(&model)?),
    };
    let output = args.output();
    let batch_rows = args.batch_rows.map_or_else(|| batch_rows(&model, output), |rows| rows as usize);

    let wanted = Wanted::new(&model, &args.rows.keep, batch_rows);
    let mut input = Input::open(&args.rows.input, in_format, wanted, &model)?;
    let model = match input.columns.take() {
        Some(columns) => model.with_columns(&columns)?,
        None => model,
    };
    if !input.ignored.is_empty() {
        printer.note(format!("ignored columns: {}", listed(&input.ignored)));
    }
    let progress = printer.progress(input.length, input.in_bytes, "predicting");
    let mut predictions = Output::open(args.out_file(), out_format, printer.data())?;

    let engine: &dyn Engine = match &oracle {
        Some(oracle) => oracle,
        None => &model,
    };
    let batches = read_ahead(input.reader, args.input_name())?;
    let mut rows = 0;
    while let Some(batch) = next_batch(&batches)? {
        let predicted = predict(&model, engine, &batch, output)
            .map_err(|error| error.with_context("file", args.input_name()))?;
        predictions.write(&predicted)?;
        rows += batch.features.num_rows() as u64;
        progress.set_position(batch.position);
    }
    predictions.finish()?;
    progress.finish_and_clear();
    Ok(rows)
}

/// The rows of a batch, so that neither features nor predictions take more than [`BATCH_VALUES`].
fn batch_rows(model: &Model, output: OutputType) -> usize {
    let outputs = if output == OutputType::Leaves { model.num_trees() } else { model.num_outputs() };
    let widest = model.feature_names().len().max(outputs).max(1);
    (BATCH_VALUES / widest).clamp(1, BATCH_ROWS)
}

/// A batch, the end, or what went wrong.
type Message = Result<Option<Batch>>;

/// Lets a thread read the next batch while the one before it is scored.
///
/// The thread is not joined: when nobody wants more batches it may still wait for its input.
fn read_ahead(mut reader: Box<dyn BatchReader>, file: String) -> Result<Receiver<Message>> {
    let (sender, receiver) = sync_channel(1);
    let read = move || {
        loop {
            let message = guarded(|| reader.next())
                .map_err(|error| if named(&error) { error } else { error.with_context("file", &file) });
            let last = !matches!(message, Ok(Some(_)));
            // Nobody listens any more when writing has failed.
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

fn next_batch(batches: &Receiver<Message>) -> Message {
    batches
        .recv()
        .unwrap_or_else(|_| Err(Error::new(ErrorKind::Internal, "the thread that reads the input panicked")))
}

/// The kept columns, then the predictions.
fn predict(model: &Model, engine: &dyn Engine, batch: &Batch, output: OutputType) -> Result<RecordBatch> {
    let predictions = model.predict_batch_by(engine, &batch.features, output)?;
    let (kept, predicted) = (batch.kept.schema_ref(), predictions.schema_ref());
    if let Some(field) = predicted.fields().iter().find(|field| kept.index_of(field.name()).is_ok()) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "a column to keep has the same name as a column of predictions",
        )
        .with_context("column", excerpt(field.name(), QUOTED_CHARS)));
    }
    let fields: Vec<_> = kept.fields().iter().chain(predicted.fields()).cloned().collect();
    let columns = batch.kept.columns().iter().chain(predictions.columns()).cloned().collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| {
        Error::new(ErrorKind::Internal, "the number of predictions is not the number of rows")
            .with_source(error)
    })
}

#[cfg(test)]
mod tests;
