//! `evaluate`: measures versions on the same labelled rows.

use std::collections::HashSet;
use std::io::Write as _;
use std::path::Path;

use crate::args::EvaluateArgs;
use crate::evaluate::{self, EvaluationReport, champion, load, record, usual};
use crate::selector::Selected;
use crate::{ExitStatus, Printer, Settings, interrupt};
use hydra_base::Result;
use hydra_evaluation::Subject;
use hydra_registry::ModelRegistry;
use hydra_tables::{NewFile, is_dash};

/// Loads the versions, measures them on the rows of a file, prints them side by side, and records the evaluation.
pub async fn run(
    args: &EvaluateArgs,
    settings: &Settings,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let EvaluateArgs { rows, versions, measure, out, no_record } = args;
    // What is wrong with the arguments shows before a model is downloaded.
    let (files, request) = (measure.files(rows, &settings.environment)?, measure.request(rows)?);
    let is_to_stdout = out.as_deref().is_some_and(is_dash);
    let out = out.as_deref().filter(|_| !is_to_stdout);
    if out.is_some() {
        interrupt::remove_partial_files()?;
    }
    let document = out.map(NewFile::create).transpose()?;
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
        Some(registry) => champion(registry).await?,
        None => None,
    };
    let baseline = evaluate::baseline(&subjects, champion);
    let evaluated = evaluate::run(subjects, baseline, files, &request, &measure.categories, printer)?;
    if let Some(document) = document {
        document.write(&evaluated.evaluation.to_json()?)?;
    }
    let recorded = match &registry {
        Some(registry) if !no_record => Some(record(registry, rows, &evaluated, interrupt::first()?).await),
        _ => None,
    };
    // What was measured is shown even if it cannot be recorded.
    if is_to_stdout {
        printer.data().write_all(&evaluated.evaluation.to_json()?)?;
    } else {
        let model = registry.as_ref().map(ModelRegistry::model);
        let report = EvaluationReport::new(model, evaluated.evaluation)?;
        let report = report.recorded(recorded.as_ref().and_then(|recorded| recorded.as_ref().ok()));
        let view = printer.view();
        printer.report(&report, |report| report.text(&view))?;
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
    let mut subjects = Vec::new();
    for one in selected {
        subjects.push(match one {
            Selected::File(path) => Subject::open(path)?,
            Selected::Registered(selector) => load(registry, selector).await?,
        });
    }
    if selected.is_empty() {
        for selector in usual(registry).await? {
            subjects.push(load(registry, &selector).await?);
        }
    }
    Ok(subjects)
}
