//! `evaluate`: versions on the same rows, side by side.

mod args;
mod report;

use std::path::Path;
use std::sync::OnceLock;

use indicatif::ProgressBar;
use serde_json::json;

use crate::Printer;
use hydra_base::names::{Alias, Version};
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};
use hydra_evaluation::{Evaluated, ReadColumn, Request, Subject, VersionId, Work};
use hydra_mlflow::entities::DatasetInput;
use hydra_mlflow::flavor::ColumnSpec;
use hydra_mlflow::uri::redact;
use hydra_registry::{DecisionRequest, ModelRegistry, RecordedEvaluation, Target, VersionSelector};
use hydra_tables::{RowFiles, is_dash};

use crate::delimiter::delimiter_note;
use crate::remote::uri_of;

pub(crate) use args::{EvaluateArgs, MeasureArgs};
pub use report::{EvaluationReport, RecordedReport};

/// Measures `subjects` as [`hydra_evaluation::evaluate`] does. The columns `categories` had pandas' category type in training.
///
/// Fails like it, and with [`ErrorKind::InvalidArgument`] if `categories` do not fit a model.
pub fn measure(
    subjects: Vec<Subject>,
    baseline: usize,
    files: RowFiles,
    request: &Request,
    categories: &[String],
    report: &(dyn Fn(Work) + Sync),
) -> Result<Evaluated> {
    let with_categories = |subject: Subject| match categories {
        [] => Ok(subject),
        categories => Ok(Subject { model: subject.model.with_categories(categories)?, ..subject }),
    };
    let subjects = subjects.into_iter().map(with_categories).collect::<Result<_>>()?;
    hydra_evaluation::evaluate(subjects, baseline, files, request, report)
}

/// [`measure`], and shows the progress.
pub(crate) fn run(
    subjects: Vec<Subject>,
    baseline: usize,
    files: RowFiles,
    request: &Request,
    categories: &[String],
    printer: &Printer,
) -> Result<Evaluated> {
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
    let evaluated = measure(subjects, baseline, files, request, categories, &report);
    [scoring, measuring].iter().filter_map(OnceLock::get).for_each(ProgressBar::finish_and_clear);
    if let Some(delimiter) = evaluated.as_ref().ok().and_then(|evaluated| evaluated.delimiter) {
        printer.note(delimiter_note(delimiter));
    }
    evaluated
}

/// Loads a version to measure it.
pub async fn load(registry: &ModelRegistry, selector: &VersionSelector) -> Result<Subject> {
    let loaded = registry.load_to_measure(selector).await?;
    let id = VersionId::Registered(loaded.version);
    Ok(Subject { id, model_sha256: loaded.sha256, model: loaded.model })
}

/// What is measured if no version is named: the champion and the candidate, or the one of them that there is.
///
/// [`ErrorKind::NoChampion`] if there is neither.
pub async fn usual(registry: &ModelRegistry) -> Result<Vec<VersionSelector>> {
    let mut selected = Vec::new();
    let mut missing = None;
    for alias in [Alias::CHAMPION, Alias::CANDIDATE] {
        let selector = VersionSelector::Alias(alias);
        match registry.find_version(&selector).await {
            Ok(_) => selected.push(selector),
            Err(error) if is_missing(&error) => {
                missing.get_or_insert(error);
            }
            Err(error) => return Err(error),
        }
    }
    match missing {
        Some(error) if selected.is_empty() => Err(error),
        _ => Ok(selected),
    }
}

/// The number of the champion; none if there is no champion.
pub async fn champion(registry: &ModelRegistry) -> Result<Option<Version>> {
    match registry.find_version(&Alias::CHAMPION.into()).await {
        Ok(version) => Ok(Some(version.version)),
        Err(error) if is_missing(&error) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Whether an alias is not set, or its version was deleted.
fn is_missing(error: &Error) -> bool {
    matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::NoCandidate | ErrorKind::VersionNotFound)
}

/// The place of the champion among `subjects`, with which the others are compared; the first one's if it is not among them.
#[must_use]
pub fn baseline(subjects: &[Subject], champion: Option<Version>) -> usize {
    let champion = champion.map(VersionId::Registered);
    subjects.iter().position(|subject| Some(&subject.id) == champion.as_ref()).unwrap_or(0)
}

/// A request to promote a version, by default the candidate, and the models to measure for it: the champion's and the version's.
/// Nothing is to be measured if the version is the champion.
pub async fn promotion(
    registry: &ModelRegistry,
    version: Option<Version>,
) -> Result<(DecisionRequest, Vec<Subject>)> {
    let selector = version.map_or_else(|| Alias::CANDIDATE.into(), VersionSelector::from);
    // By number from here: `candidate` may move while it is measured.
    let target = registry.find_version(&selector).await?.version;
    let request = registry.promote(match version {
        Some(_) => Target::Version(target),
        None => Target::CandidateThen(target),
    });
    let champion = champion(registry).await?;
    let mut subjects = Vec::new();
    if champion != Some(target) {
        for version in champion.into_iter().chain([target]) {
            subjects.push(load(registry, &version.into()).await?);
        }
    }
    Ok((request, subjects))
}

/// Records what was measured on `rows`: a run, and a tag on each version; until `interrupted` is ready.
pub async fn record(
    registry: &ModelRegistry,
    rows: &[impl AsRef<Path>],
    evaluated: &Evaluated,
    interrupted: impl Future<Output = ()> + Send,
) -> Result<RecordedEvaluation> {
    let dataset = dataset_input(rows, evaluated);
    registry.record_evaluation_until(&evaluated.evaluation, &dataset, interrupted).await
}

/// The rows, as MLflow describes a dataset. Features may be missing in a row; a label and a weight may not.
fn dataset_input(
    rows: &[impl AsRef<Path>],
    Evaluated { evaluation, columns, .. }: &Evaluated,
) -> DatasetInput {
    let dataset = &evaluation.dataset;
    let (name, digest) = (dataset.name.as_str(), dataset.short_digest());
    let rows: Vec<&Path> = rows.iter().map(AsRef::as_ref).collect();
    let uri = |rows: &Path| uri_of(rows).map(redact);
    let input = match (&rows[..], rows.first().and_then(|rows| uri(rows))) {
        ([_], Some(uri)) => {
            let scheme = uri.split("://").next().unwrap_or_default().to_ascii_lowercase();
            // The names of MLflow's sources.
            let (kind, key) = if scheme.starts_with("http") { ("http", "url") } else { (&*scheme, "uri") };
            DatasetInput::new(name, digest, kind, json!({ key: uri }).to_string())
        }
        ([rows], None) if !is_dash(rows) => {
            let path = std::path::absolute(rows).unwrap_or_else(|_| rows.to_path_buf());
            DatasetInput::of_file(name, digest, &path)
        }
        (several, _) => {
            // As MLflow describes data that a program made.
            let mut tags = json!({"mlflow.source.name": "hydra-registry", "mlflow.source.type": "LOCAL"});
            if several.len() > 1 {
                let named = |rows: &&Path| uri(rows).unwrap_or_else(|| rows.display().to_string());
                tags["hydra.inputs"] = listed(&several.iter().map(named).collect::<Vec<_>>()).into();
            }
            DatasetInput::new(name, digest, "code", json!({ "tags": tags }).to_string())
        }
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
