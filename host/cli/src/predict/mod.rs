//! `predict`: reads rows from a file and writes predictions.

mod args;
mod rows;
mod summary;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use crate::delimiter::delimiter_note;
use crate::remote::{Uploading, uri_of};
use crate::{Extras, Printer};
use hydra_base::names::{ModelName, Version};
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::loaded::Model;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::uri::redact;
use hydra_tables::{FileFormat, NewFile, Output, RowFiles, Scoring, is_dash};

use args::EngineArg;

pub use args::{FormatArg, PredictArgs};
pub use summary::PredictionReport;

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
    files: RowFiles,
    environment: &Environment,
    extras: &Extras,
    printer: &mut Printer,
) -> anyhow::Result<u64> {
    let (out_format, output) = (args.output_format(files.format())?, args.output()?);
    refuse_overwriting(args, &files)?;
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

    let report = args.report.as_deref().map(NewFile::create).transpose()?;
    let began = Instant::now();
    let run = scoring.open_files(files)?;
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
    let destination = match (args.out_file(), args.out_file().and_then(uri_of)) {
        (_, Some(uri)) => {
            Output::to_upload(&redact(uri), Box::new(Uploading::new(uri, environment)?), out_format)
        }
        (Some(path), None) => Output::to_file(path, out_format)?,
        (None, None) => Output::to_stdout(printer.data(), out_format)?,
    };
    let summary = run.summarised_to(destination, |position| progress.set_position(position))?;
    progress.finish_and_clear();
    let rows = summary.rows;
    let named = |path: &Path| redact(&path.display().to_string());
    let inputs = args.rows.inputs.iter().map(|input| named(input)).collect();
    let out = args.out_file().map(named);
    let summary = PredictionReport::new(origin, meaning, inputs, out, summary, began.elapsed());
    if let Some(report) = report {
        report.write(&serde_json::to_vec_pretty(&summary)?)?;
    }
    summary.lines().into_iter().for_each(|line| printer.note(line));
    Ok(rows)
}

/// Refuses an output and a report that would take the place of the input, or of each other, also under another name.
fn refuse_overwriting(args: &PredictArgs, files: &RowFiles) -> hydra_base::Result<()> {
    let refuse = |what: &str, file: &Path, flag: &str| {
        Err(Error::new(ErrorKind::InvalidArgument, what)
            .with_context("file", file.display())
            .with_hint(format!("name another file with {flag}")))
    };
    let is_input = |file: &Path| files.places().any(|input| is_same_file(file, input));
    if let Some(out) = args.out_file().filter(|out| is_input(out)) {
        return refuse("the output is the input", out, "--out");
    }
    match args.report.as_deref() {
        Some(report) if is_dash(report) => refuse("the report is not a file", report, "--report"),
        Some(report) if is_input(report) => refuse("the report is the input", report, "--report"),
        Some(report) if args.out_file() == Some(report) => {
            refuse("the report is the output", report, "--report")
        }
        _ => Ok(()),
    }
}

fn is_same_file(one: &Path, other: &Path) -> bool {
    if uri_of(one).is_some() {
        return one == other;
    }
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
