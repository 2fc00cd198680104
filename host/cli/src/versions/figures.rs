//! What is known of the versions of a list, and of those that are compared.

use std::collections::BTreeMap;

use super::condition::Field;
use hydra_base::error::{ErrorKind, Result};
use hydra_evaluation::{Evaluation, VersionId};
use hydra_mlflow::entities::{Run, Tags};
use hydra_registry::{ModelRegistry, RunId, Version, VersionInfo};

/// What the run of a version recorded, and what was measured of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The latest value of each metric of the run, and the figures of evaluations as `DATASET.METRIC`.
    pub metrics: BTreeMap<String, f64>,
    pub params: BTreeMap<String, String>,
    pub run_tags: Tags,
}

/// A version of a list.
#[derive(Debug)]
pub(crate) struct Listed {
    pub info: VersionInfo,
    pub facts: Facts,
}

impl Facts {
    /// Reads the run of a version. Empty if there is none any more.
    pub async fn of_run(registry: &ModelRegistry, run_id: Option<&RunId>) -> Result<Self> {
        let Some(id) = run_id else { return Ok(Self::default()) };
        match registry.backend().tracking.run(id).await {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error),
            Ok(run) => Ok(Self::from(run)),
        }
    }

    /// Adds what the recorded evaluations of a version with these tags measured on all rows.
    pub async fn measured(mut self, registry: &ModelRegistry, version: Version, tags: &Tags) -> Self {
        for document in registry.evaluations_of(version, tags).await {
            self.metrics.extend(metrics_of(&document, version));
        }
        self
    }
}

impl From<Run> for Facts {
    fn from(run: Run) -> Self {
        let metrics = run.metrics.into_iter().map(|metric| (metric.key, metric.value));
        Self { metrics: metrics.collect(), params: run.params, run_tags: run.tags }
    }
}

/// What a document measured of a version on all rows, by `DATASET.METRIC`.
fn metrics_of(document: &Evaluation, version: Version) -> BTreeMap<String, f64> {
    let is_of = |id: &VersionId| *id == VersionId::Registered(version);
    let all_rows = document.measurements.iter().filter(|one| one.segment.is_none() && is_of(&one.version));
    all_rows.map(|one| (format!("{}.{}", document.dataset.name, one.metric), one.value)).collect()
}

/// The params and tags of a run that people set.
pub(crate) fn config_of(facts: &Facts) -> (&BTreeMap<String, String>, BTreeMap<&String, &String>) {
    (&facts.params, facts.run_tags.iter().filter(|(key, _)| !key.starts_with("mlflow.")).collect())
}

impl Listed {
    pub fn metric(&self, name: &str) -> Option<f64> {
        self.facts.metrics.get(name).copied()
    }

    pub(super) fn has(&self, field: &Field, value: &str) -> bool {
        match field {
            Field::Alias => self.info.aliases.iter().any(|alias| alias.as_str() == value),
            Field::Quarantine => self.info.quarantine.is_some() == (value == "yes"),
            Field::Param(key) => self.facts.params.get(key).is_some_and(|found| found == value),
            Field::Tag(key) => {
                let found = self.info.tags.get(key).or_else(|| self.facts.run_tags.get(key));
                found.is_some_and(|found| found == value)
            }
        }
    }
}
