//! `evaluate`: versions on the same rows, side by side.

mod args;
mod report;
mod table;

use std::sync::OnceLock;

use indicatif::ProgressBar;

use crate::Printer;
use hydra_base::Error;
use hydra_evaluation::{Evaluated, Subject, Work, evaluate};
use hydra_tables::write_file;

pub use args::EvaluateArgs;
pub use report::EvaluationReport;

/// Measures `subjects` in comparison with subject number `baseline`, and shows the progress.
///
/// Fails like [`evaluate`], with [`ErrorKind::InvalidArgument`](hydra_base::ErrorKind::InvalidArgument) if `--categories` does not
/// fit a model, and with [`ErrorKind::Storage`](hydra_base::ErrorKind::Storage) if the document cannot be written.
pub fn run(
    subjects: Vec<Subject>,
    baseline: usize,
    args: &EvaluateArgs,
    printer: &Printer,
) -> anyhow::Result<Evaluated> {
    let request = args.request()?;
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
    let evaluated = evaluate(subjects, baseline, args.files()?, &request, &report);
    [scoring, measuring].iter().filter_map(OnceLock::get).for_each(ProgressBar::finish_and_clear);
    let evaluated = evaluated?;
    if let Some(path) = &args.out {
        write_file(path, &evaluated.evaluation.to_json()?)?;
    }
    Ok(evaluated)
}

#[cfg(test)]
mod tests;
