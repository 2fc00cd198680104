//! `evaluate`: measures versions on the same labelled rows.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use crate::args::EvaluateArgs;
use crate::evaluate::{self, EvaluationReport, load, record};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::names::{Alias, Version};
use hydra_base::{Error, ErrorKind, Result};
use hydra_evaluation::{Subject, VersionId};
use hydra_registry::{ModelRegistry, VersionSelector};
use hydra_tables::{is_dash, write_file};

/// Loads the versions, measures them on the rows of a file, prints them side by side, and records the evaluation.
pub async fn run(
    args: &EvaluateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let EvaluateArgs { rows, versions, measure, out, no_record } = args;
    // What is wrong with the arguments shows before a model is downloaded.
    let (files, request) = (measure.files(rows)?, measure.request(rows)?);
    let (registry, mut subjects) = match only_files(&versions.selected) {
        Some(files) => (None, files.into_iter().map(Subject::open).collect::<Result<_>>()?),
        None => {
            let registry = ModelRegistry::connect(settings.options.clone()).await?;
            let subjects = load_all(&registry, &versions.selected).await?;
            (Some(registry), subjects)
        }
    };
    // An alias and a number can select the same version.
    let mut seen = HashSet::new();
    subjects.retain(|subject| seen.insert(subject.id.clone()));
    let champion = match &registry {
        Some(registry) => champion(registry).await?.map(VersionId::Registered),
        None => None,
    };
    let baseline = subjects.iter().position(|subject| Some(&subject.id) == champion.as_ref()).unwrap_or(0);
    let evaluated = evaluate::run(subjects, baseline, files, &request, &measure.categories, printer)?;
    let is_to_stdout = out.as_deref().is_some_and(is_dash);
    if let Some(path) = out.as_deref().filter(|_| !is_to_stdout) {
        write_file(path, &evaluated.evaluation.to_json()?)?;
    }
    let recorded = match &registry {
        Some(registry) if !no_record => Some(record(registry, rows, &evaluated).await),
        _ => None,
    };
    // What was measured is shown even if it cannot be recorded.
    if is_to_stdout {
        printer.data().write_all(&evaluated.evaluation.to_json()?)?;
    } else {
        let model = registry.as_ref().map(ModelRegistry::model);
        let report = EvaluationReport::new(model, evaluated.evaluation)?;
        let report = report.recorded(recorded.as_ref().and_then(|recorded| recorded.as_ref().ok()));
        printer.report(&report, EvaluationReport::text)?;
    }
    recorded.transpose()?;
    Ok(ExitStatus::Done)
}

/// The paths that are selected; none if a registered version is measured, too.
fn only_files(selected: &[Selected]) -> Option<Vec<&Path>> {
    let files = selected.iter().map(|one| match one {
        Selected::File(path) => Some(path.as_path()),
        Selected::Registered(_) => None,
    });
    if selected.is_empty() { None } else { files.collect() }
}

/// Loads what is selected; the champion and the candidate if nothing is.
async fn load_all(registry: &ModelRegistry, selected: &[Selected]) -> Result<Vec<Subject>> {
    let usual = if selected.is_empty() { usual(registry).await? } else { Vec::new() };
    let mut subjects = Vec::new();
    for one in selected.iter().chain(&usual) {
        subjects.push(match one {
            Selected::File(path) => Subject::open(path)?,
            Selected::Registered(selector) => load(registry, selector).await?,
        });
    }
    Ok(subjects)
}

/// The champion and the candidate, or the one of them that there is.
async fn usual(registry: &ModelRegistry) -> Result<Vec<Selected>> {
    let mut selected = Vec::new();
    let mut missing = None;
    for alias in [Alias::CHAMPION, Alias::CANDIDATE] {
        let selector = VersionSelector::Alias(alias);
        match registry.find_version(&selector).await {
            Ok(_) => selected.push(Selected::Registered(selector)),
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
pub(super) async fn champion(registry: &ModelRegistry) -> Result<Option<Version>> {
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
