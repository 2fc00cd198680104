//! `evaluate`: measures versions on the same labelled rows.

use crate::args::EvaluateArgs;
use crate::evaluate::{self, EvaluationReport, load, record};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::names::{Alias, Version};
use hydra_base::{ErrorKind, Result};
use hydra_evaluation::{Subject, VersionId};
use hydra_registry::{ModelRegistry, VersionSelector};
use hydra_tables::write_file;

/// Loads the versions, measures them on the rows of a file, prints them side by side, and records the evaluation.
pub async fn run(
    args: &EvaluateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let EvaluateArgs { rows, versions, measure, out, no_record } = args;
    // What is wrong with the arguments shows before a model is downloaded.
    measure.files(rows)?;
    measure.request(rows)?;
    let registry = match versions.selected.as_slice() {
        [Selected::File(_), rest @ ..] if rest.iter().all(|one| matches!(one, Selected::File(_))) => None,
        _ => Some(ModelRegistry::connect(settings.options.clone()).await?),
    };
    let selected = match &registry {
        Some(registry) if versions.selected.is_empty() => usual(registry).await?,
        _ => versions.selected.clone(),
    };
    let mut subjects: Vec<Subject> = Vec::new();
    for one in &selected {
        let subject = match (one, &registry) {
            (Selected::File(path), _) => Subject::open(path)?,
            (Selected::Registered(selector), Some(registry)) => load(registry, selector).await?,
            (Selected::Registered(_), None) => continue,
        };
        // An alias and a number can select the same version.
        if subjects.iter().all(|other| other.id != subject.id) {
            subjects.push(subject);
        }
    }
    let champion = match &registry {
        Some(registry) => champion(registry).await?.map(VersionId::Registered),
        None => None,
    };
    let baseline = subjects.iter().position(|subject| Some(&subject.id) == champion.as_ref()).unwrap_or(0);
    let evaluated = evaluate::run(subjects, baseline, rows, measure, printer)?;
    if let Some(path) = out {
        write_file(path, &evaluated.evaluation.to_json()?)?;
    }
    let recorded = match &registry {
        Some(registry) if !no_record => Some(record(registry, rows, &evaluated).await),
        _ => None,
    };
    // What was measured is shown even if it cannot be recorded.
    let model = registry.as_ref().map(ModelRegistry::model);
    let report = EvaluationReport::new(model, evaluated.evaluation)?;
    let report = report.recorded(recorded.as_ref().and_then(|recorded| recorded.as_ref().ok()));
    printer.report(&report, EvaluationReport::text)?;
    recorded.transpose()?;
    Ok(ExitStatus::Done)
}

/// The champion and the candidate, or the one of them that there is.
async fn usual(registry: &ModelRegistry) -> Result<Vec<Selected>> {
    let mut selected = Vec::new();
    let mut missing = None;
    for alias in [Alias::CHAMPION, Alias::CANDIDATE] {
        let selector = VersionSelector::Alias(alias);
        match registry.find_version(&selector).await {
            Ok(_) => selected.push(Selected::Registered(selector)),
            Err(error) if matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::NoCandidate) => {
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
        Err(error) if error.kind() == ErrorKind::NoChampion => Ok(None),
        Err(error) => Err(error),
    }
}
