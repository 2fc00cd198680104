//! `predict`: reads rows from a file and writes predictions.

mod args;
mod rows;

use std::fmt;
use std::path::{Path, PathBuf};

use crate::delimiter::delimiter_note;
use crate::{Extras, Printer};
use hydra_base::names::{ModelName, Version};
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::loaded::Model;
use hydra_tables::{FileFormat, Output, Scoring, Source};

use args::EngineArg;

pub use args::{FormatArg, PredictArgs};

/// Where a model comes from.
#[derive(Debug)]
pub enum Origin {
    /// A version of a registered model.
    Registered(ModelName, Version),
    /// A model file.
    File(PathBuf),
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registered(name, version) => write!(f, "{name} version {version}"),
            Self::File(path) => path.display().fmt(f),
        }
    }
}

/// Predicts for every row of the input with `model`, and returns how many rows there were.
///
/// The number of threads of `model` becomes that of `args`. Fails like [`Scoring::run`], and with
/// [`ErrorKind::InvalidArgument`] if the rows are to have the version of a model file.
pub fn run(
    model: Model,
    origin: &Origin,
    args: &PredictArgs,
    extras: &Extras,
    printer: &mut Printer,
) -> anyhow::Result<u64> {
    let (in_format, out_format, output) = (args.input_format()?, args.output_format()?, args.output()?);
    let mut model = model.with_threads(args.threads);
    if !args.categories.is_empty() {
        model = model.with_categories(&args.categories)?;
    }
    let oracle = match args.engine {
        EngineArg::Native => None,
        EngineArg::Lightgbm => Some(extras.engine(&model)?),
    };
    let meaning = model.meaning_of(output);
    let mut scoring = Scoring::new(model).keep(&args.rows.keep).output(output);
    match origin {
        Origin::Registered(name, version) => scoring = scoring.version(name.clone(), *version),
        Origin::File(_) if args.with_version => {
            return Err(Error::new(ErrorKind::InvalidArgument, "a model file does not have a version")
                .with_hint("remove --with-version, or select a registered version")
                .into());
        }
        Origin::File(_) => {}
    }
    if args.with_version {
        scoring = scoring.with_version();
    }
    if let Some(oracle) = oracle {
        scoring = scoring.engine(oracle);
    }
    if let Some(rows) = args.batch_rows {
        scoring = scoring.batch_rows(rows as usize);
    }

    refuse_overwriting(args)?;
    let source = Source::open(&args.rows.input)?.delimited_by(args.delimiter);
    let run = scoring.open(source, in_format)?;
    if let Some(delimiter) = run.delimiter() {
        printer.note(delimiter_note(delimiter));
    }
    if !run.ignored().is_empty() {
        printer.note(format!("ignored columns: {}", listed(run.ignored())));
    }
    // The columns of the other formats say it themselves.
    if matches!(out_format, FileFormat::Csv | FileFormat::Jsonl) {
        printer.note(format!("predictions of {origin}, output: {meaning}"));
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

/// Refuses an output that would take the place of the input, also under another name.
fn refuse_overwriting(args: &PredictArgs) -> hydra_base::Result<()> {
    let Some(out) = args.out_file() else { return Ok(()) };
    if !is_same_file(out, &args.rows.input) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::InvalidArgument, "the output is the input")
        .with_context("file", out.display())
        .with_hint("name another file with --out"))
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    if let (Ok(one), Ok(other)) = (one.canonicalize(), other.canonicalize())
        && one == other
    {
        return one.is_file();
    }
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // A hard link.
        let file = |path: &Path| {
            path.metadata().ok().filter(|found| found.is_file()).map(|found| (found.dev(), found.ino()))
        };
        file(one).is_some_and(|one| Some(one) == file(other))
    }
    #[cfg(not(unix))]
    false
}

#[cfg(test)]
mod tests;
