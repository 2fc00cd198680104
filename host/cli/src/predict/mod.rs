//! `predict`: reads rows from a file and writes predictions.

mod args;
mod rows;

use crate::{Printer, training};
use hydra_base::text::listed;
use hydra_lightgbm::loaded::Model;
use hydra_tables::{Output, Scoring, Source};

use args::EngineArg;

pub use args::PredictArgs;

/// Predicts for every row of the input and returns the number of rows.
///
/// Sets the number of threads of `model` to that of `args`. Fails like [`Scoring::run`].
pub fn run(model: Model, args: &PredictArgs, printer: &mut Printer) -> anyhow::Result<u64> {
    let (in_format, out_format) = (args.input_format()?, args.output_format()?);
    let mut model = model.with_threads(args.threads);
    if !args.categories.is_empty() {
        model = model.with_categories(&args.categories)?;
    }
    let oracle = match args.engine {
        EngineArg::Native => None,
        EngineArg::Lightgbm => Some(training::engine(&model)?),
    };
    let mut scoring = Scoring::new(model).keep(&args.rows.keep).output(args.output());
    if let Some(oracle) = oracle {
        scoring = scoring.engine(oracle);
    }
    if let Some(rows) = args.batch_rows {
        scoring = scoring.batch_rows(rows as usize);
    }

    let run = scoring.open(Source::open(&args.rows.input)?, in_format)?;
    if !run.ignored().is_empty() {
        printer.note(format!("ignored columns: {}", listed(run.ignored())));
    }
    let progress = printer.progress(run.length(), run.is_in_bytes(), "predicting");
    let output = match args.out_file() {
        Some(path) => Output::to_file(path, out_format)?,
        None => Output::to_stdout(printer.data(), out_format)?,
    };
    let rows = run.write_to(output, |position| progress.set_position(position))?;
    progress.finish_and_clear();
    Ok(rows)
}

#[cfg(test)]
mod tests;
