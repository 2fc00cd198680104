//! `evaluate`: versions on the same rows, side by side.

mod args;
mod report;
mod table;

use std::sync::OnceLock;

use indicatif::ProgressBar;

use crate::Printer;
use hydra_base::{Error, ErrorKind};
use hydra_evaluation::{Evaluation, Subject, Work, evaluate};
use hydra_tables::Source;

pub use args::EvaluateArgs;
pub use report::EvaluationReport;

/// Measures `subjects` in comparison with subject number `baseline`, and shows the progress.
///
/// Fails like [`evaluate`], and with [`ErrorKind::InvalidArgument`] if `--categories` does not fit a model.
pub fn run(
    subjects: Vec<Subject>,
    baseline: usize,
    args: &EvaluateArgs,
    printer: &Printer,
) -> anyhow::Result<Evaluation> {
    let (format, request) = (args.format()?, args.request()?);
    let with_categories = |subject: Subject| match args.categories.as_slice() {
        [] => Ok(subject),
        categories => {
            Ok::<_, Error>(Subject { model: subject.model.with_categories(categories)?, ..subject })
        }
    };
    let subjects = subjects.into_iter().map(with_categories).collect::<Result<_, _>>()?;
    let (scoring, measuring) = (OnceLock::<ProgressBar>::new(), OnceLock::<ProgressBar>::new());
    let report = |work: Work| match work {
        Work::Scoring { position, length, in_bytes } => {
            scoring.get_or_init(|| printer.progress(length, in_bytes, "scoring")).set_position(position);
        }
        Work::Measuring { done, total } => {
            scoring.get().into_iter().for_each(ProgressBar::finish_and_clear);
            measuring.get_or_init(|| printer.progress(Some(total), false, "resampling")).set_position(done);
        }
    };
    let evaluation = evaluate(subjects, baseline, Source::open(&args.rows)?, format, &request, &report);
    [scoring, measuring].iter().filter_map(OnceLock::get).for_each(ProgressBar::finish_and_clear);
    let evaluation = evaluation?;
    if let Some(path) = &args.out {
        let written = std::fs::write(path, evaluation.to_json()?);
        written.map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot write the evaluation")
                .with_context("file", path.display())
                .with_source(error)
        })?;
    }
    Ok(evaluation)
}

#[cfg(test)]
mod tests;
