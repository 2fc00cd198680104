//! Evaluations, as the command line makes them.

use std::future::pending;
use std::path::{Path, PathBuf};

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{DatasetName, Version};
use hydra_evaluation::{Columns, Evaluated, Request, Subject};
use hydra_registry::{DecisionRequest, ModelRegistry};
use hydra_registry_cli::evaluate::{self, EvaluationReport};
use hydra_tables::RowFiles;
use serde::{Deserialize, Serialize};

use crate::call::Selector;
use crate::calls::{Answer, json};

/// What to measure, and on which rows.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measure {
    /// A file or a directory of files.
    rows: PathBuf,
    /// Whether the file holds rows that the caller made, and goes away after the call.
    in_memory: bool,
    /// The name of the dataset; none for that of the file.
    dataset: Option<String>,
    /// The column of the labels.
    label: String,
    /// The column of the weights.
    weight: Option<String>,
    /// The column of the groups.
    group: Option<String>,
    /// The columns of the segments.
    segments: Vec<String>,
    /// The metrics; none for those of the objective.
    metrics: Option<Vec<String>>,
}

/// An evaluation.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EvaluateCall {
    measure: Measure,
    /// The versions; empty for the champion and the candidate.
    versions: Vec<Selector>,
    /// Whether to record it.
    record: bool,
}

impl Measure {
    fn request(&self) -> Result<Request> {
        let name = match &self.dataset {
            Some(name) => DatasetName::new(name)?,
            None => DatasetName::of_path(&self.rows).filter(|_| !self.in_memory).ok_or_else(|| {
                Error::new(ErrorKind::InvalidArgument, "the rows do not have a name that a dataset can have")
                    .with_hint("name them with the argument `dataset`")
            })?,
        };
        let mut columns = Columns::new(&self.label);
        columns.weight.clone_from(&self.weight);
        columns.group.clone_from(&self.group);
        columns.segments.clone_from(&self.segments);
        let mut request = Request::new(name, columns);
        let metrics = self.metrics.as_ref().filter(|metrics| !metrics.is_empty());
        request.metrics =
            metrics.map(|metrics| metrics.iter().map(|name| name.parse()).collect()).transpose()?;
        Ok(request)
    }

    /// Measures in the background: it takes seconds.
    async fn run(&self, subjects: Vec<Subject>, baseline: usize) -> Result<Evaluated> {
        let (request, rows) = (self.request()?, self.rows.clone());
        blocking(move || {
            let files = RowFiles::open(&rows, None)?;
            evaluate::measure(subjects, baseline, files, &request, &[], &|_| ())
        })
        .await
    }

    /// The rows as the run names them.
    fn source(&self) -> &Path {
        if self.in_memory { Path::new("-") } else { &self.rows }
    }
}

/// Measures versions side by side, and records it.
pub async fn evaluate(registry: &ModelRegistry, call: EvaluateCall) -> Answer {
    let EvaluateCall { measure, versions, record } = call;
    // What is wrong with the arguments shows before a model is downloaded.
    measure.request()?;
    let mut selected: Vec<_> = versions.into_iter().map(Into::into).collect();
    if selected.is_empty() {
        selected = evaluate::usual(registry).await?;
    }
    let mut subjects: Vec<Subject> = Vec::new();
    for selector in &selected {
        let subject = evaluate::load(registry, selector).await?;
        // An alias and a number can select the same version.
        if subjects.iter().all(|known| known.id != subject.id) {
            subjects.push(subject);
        }
    }
    let baseline = evaluate::baseline(&subjects, evaluate::champion(registry).await?);
    let evaluated = measure.run(subjects, baseline).await?;
    let recorded = if record {
        Some(evaluate::record(registry, &[measure.source()], &evaluated, pending()).await?)
    } else {
        None
    };
    json(&EvaluationReport::new(Some(registry.model()), evaluated.evaluation)?.recorded(recorded.as_ref()))
}

/// A request to promote a version, by default the candidate, with what was measured for it.
pub async fn measured(
    registry: &ModelRegistry,
    version: Option<Version>,
    measure: &Measure,
    dry_run: bool,
) -> Result<DecisionRequest> {
    measure.request()?;
    let (request, subjects) = evaluate::promotion(registry, version).await?;
    if subjects.is_empty() {
        return Ok(request);
    }
    let evaluated = measure.run(subjects, 0).await?;
    if !dry_run {
        evaluate::record(registry, &[measure.source()], &evaluated, pending()).await?;
    }
    Ok(request.first_hand(evaluated.evaluation))
}
