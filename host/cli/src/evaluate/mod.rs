//! `evaluate`: versions on the same rows, side by side.

mod args;
mod report;
mod table;

use std::path::Path;
use std::sync::OnceLock;

use indicatif::ProgressBar;
use serde_json::json;

use crate::Printer;
use hydra_base::Result;
use hydra_evaluation::{Evaluated, ReadColumn, Request, Subject, VersionId, Work, evaluate};
use hydra_mlflow::entities::DatasetInput;
use hydra_mlflow::flavor::ColumnSpec;
use hydra_registry::{ModelRegistry, RecordedEvaluation, VersionSelector};
use hydra_tables::{RowFiles, is_dash};

pub use args::{EvaluateArgs, MeasureArgs};
pub use report::EvaluationReport;

/// Measures `subjects` in comparison with subject number `baseline`, and shows the progress.
///
/// Fails like [`evaluate`], and with [`ErrorKind::InvalidArgument`](hydra_base::ErrorKind::InvalidArgument) if `categories` do
/// not fit a model.
pub fn run(
    subjects: Vec<Subject>,
    baseline: usize,
    files: RowFiles,
    request: &Request,
    categories: &[String],
    printer: &Printer,
) -> Result<Evaluated> {
    let with_categories = |subject: Subject| match categories {
        [] => Ok(subject),
        categories => Ok(Subject { model: subject.model.with_categories(categories)?, ..subject }),
    };
    let subjects = subjects.into_iter().map(with_categories).collect::<Result<_>>()?;
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
    let evaluated = evaluate(subjects, baseline, files, request, &report);
    [scoring, measuring].iter().filter_map(OnceLock::get).for_each(ProgressBar::finish_and_clear);
    evaluated
}

/// Loads a version to measure it.
pub async fn load(registry: &ModelRegistry, selector: &VersionSelector) -> Result<Subject> {
    let loaded = registry.load_version(selector).await?;
    let id = VersionId::Registered(loaded.version);
    Ok(Subject { id, model_sha256: loaded.sha256, model: loaded.model })
}

/// Records what was measured on `rows`: a run, and a tag on each version.
pub async fn record(
    registry: &ModelRegistry,
    rows: &Path,
    evaluated: &Evaluated,
) -> Result<RecordedEvaluation> {
    registry.record_evaluation(&evaluated.evaluation, &dataset_input(rows, evaluated)).await
}

/// The rows, as MLflow describes a dataset. Features may be missing in a row; a label and a weight may not.
fn dataset_input(rows: &Path, Evaluated { evaluation, columns, .. }: &Evaluated) -> DatasetInput {
    let dataset = &evaluation.dataset;
    let (name, digest) = (dataset.name.as_str(), dataset.short_digest());
    let input = if is_dash(rows) {
        // As MLflow describes data that a program made.
        let source = json!({"tags": {"mlflow.source.name": "hydra-registry", "mlflow.source.type": "LOCAL"}});
        DatasetInput::new(name, digest, "code", source.to_string())
    } else {
        DatasetInput::of_file(name, digest, &std::path::absolute(rows).unwrap_or_else(|_| rows.to_owned()))
    };
    let needed = [&dataset.label, &dataset.weight];
    let column = |column: &ReadColumn| {
        let mut spec = ColumnSpec::required(&column.name, column.kind);
        spec.required = needed.into_iter().flatten().any(|needed| *needed == column.name);
        spec
    };
    let columns: Vec<ColumnSpec> = columns.iter().map(column).collect();
    input.table(&columns, dataset.rows).context("eval")
}

#[cfg(test)]
mod tests;
