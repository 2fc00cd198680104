//! `evaluate`: measures versions on the same labelled rows.

use crate::args::EvaluateArgs;
use crate::evaluate::{self, EvaluationReport};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings};
use hydra_base::ErrorKind;
use hydra_base::names::{Alias, Version};
use hydra_evaluation::{Subject, VersionId};
use hydra_registry::{ModelRegistry, VersionSelector};

/// Loads the versions, measures them on the rows of a file, and prints them side by side.
pub async fn run(
    args: &EvaluateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    // What is wrong with the arguments shows before a model is downloaded.
    args.format()?;
    args.request()?;
    let registry = match args.versions.selected.as_slice() {
        [Selected::File(_), rest @ ..] if rest.iter().all(|one| matches!(one, Selected::File(_))) => None,
        _ => Some(ModelRegistry::connect(settings.options.clone()).await?),
    };
    let selected = match &registry {
        Some(registry) if args.versions.selected.is_empty() => usual(registry).await?,
        _ => args.versions.selected.clone(),
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
    let evaluation = evaluate::run(subjects, baseline, args, printer)?;
    let report = EvaluationReport::new(registry.as_ref().map(ModelRegistry::model), evaluation)?;
    printer.report(&report, EvaluationReport::text)?;
    Ok(ExitStatus::Done)
}

async fn load(registry: &ModelRegistry, selector: &VersionSelector) -> anyhow::Result<Subject> {
    let loaded = registry.load_version(selector).await?;
    let id = VersionId::Registered(loaded.version);
    Ok(Subject { id, model_sha256: loaded.sha256, model: loaded.model })
}

/// The champion and the candidate, or the one of them that there is.
async fn usual(registry: &ModelRegistry) -> anyhow::Result<Vec<Selected>> {
    let mut selected = Vec::new();
    let mut missing = None;
    for alias in [Alias::CHAMPION, Alias::CANDIDATE] {
        let selector = VersionSelector::Alias(alias);
        match registry.find_version(&selector).await {
            Ok(_) => selected.push(Selected::Registered(selector)),
            Err(error) if matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::NoCandidate) => {
                missing.get_or_insert(error);
            }
            Err(error) => return Err(error.into()),
        }
    }
    match missing {
        Some(error) if selected.is_empty() => Err(error.into()),
        _ => Ok(selected),
    }
}

/// The number of the champion.
async fn champion(registry: &ModelRegistry) -> anyhow::Result<Option<Version>> {
    match registry.find_version(&VersionSelector::Alias(Alias::CHAMPION)).await {
        Ok(version) => Ok(Some(version.version)),
        Err(error) if matches!(error.kind(), ErrorKind::NoChampion | ErrorKind::ModelNotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
