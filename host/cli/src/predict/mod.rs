//! `predict`: reads rows from a file and writes predictions.

mod args;
mod rows;

use crate::{Printer, training};
use hydra_base::names::{ModelName, Version};
use hydra_base::text::listed;
use hydra_lightgbm::loaded::Model;
use hydra_tables::{FileFormat, Output, Scoring, Source};

use args::EngineArg;

pub use args::{FormatArg, PredictArgs, input_format};

/// Predicts for every row of the input with `model`, which is `version` of the registered model `name`, and returns how many
/// rows there were.
///
/// The number of threads of `model` becomes that of `args`. Fails like [`Scoring::run`].
pub fn run(
    model: Model,
    name: &ModelName,
    version: Version,
    args: &PredictArgs,
    printer: &mut Printer,
) -> anyhow::Result<u64> {
    let (in_format, out_format, output) = (args.input_format()?, args.output_format()?, args.output()?);
    let mut model = model.with_threads(args.threads);
    if !args.categories.is_empty() {
        model = model.with_categories(&args.categories)?;
    }
    let oracle = match args.engine {
        EngineArg::Native => None,
        EngineArg::Lightgbm => Some(training::engine(&model)?),
    };
    let meaning = model.meaning_of(output);
    let mut scoring = Scoring::new(model).keep(&args.rows.keep).output(output).version(name.clone(), version);
    if args.with_version {
        scoring = scoring.with_version();
    }
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
    // The columns of the other formats say it themselves.
    if matches!(out_format, FileFormat::Csv | FileFormat::Jsonl) {
        printer.note(format!("predictions of {name} version {version}, output: {meaning}"));
    }
    let progress = printer.progress(run.length(), run.is_in_bytes(), "predicting");
    let destination = match args.out_file() {
        Some(path) => Output::to_file(path, out_format)?,
        None => Output::to_stdout(printer.data(), out_format)?,
    };
    let rows = run.write_to(destination, |position| progress.set_position(position))?;
    progress.finish_and_clear();
    Ok(rows)
}

#[cfg(test)]
mod tests;
