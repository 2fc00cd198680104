//! Experiments.

use serde::{Deserialize, Serialize};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::ExperimentId;

/// Whether an entity is active or in MLflow's trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LifecycleStage {
    /// In use.
    Active,
    /// In the trash: readable by id, not writable.
    Deleted,
}

impl LifecycleStage {
    /// Parses MLflow's name of a stage. Entities of old releases have none and are active.
    pub(crate) fn of(word: Option<&str>) -> Self {
        if word == Some("deleted") { Self::Deleted } else { Self::Active }
    }
}

/// An experiment: a named group of runs with a root for their artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Experiment {
    /// The id; digits in MLflow's own stores.
    pub id: ExperimentId,
    /// The name, which is unique in the store, deleted experiments included.
    pub name: String,
    /// The artifact URI of the directory that contains the directories of runs and LoggedModels.
    pub artifact_location: String,
    /// Active or deleted.
    pub lifecycle_stage: LifecycleStage,
}

impl Experiment {
    /// An active experiment.
    #[must_use]
    pub fn new(id: ExperimentId, name: impl Into<String>, artifact_location: impl Into<String>) -> Self {
        Self {
            id,
            name: name.into(),
            artifact_location: artifact_location.into(),
            lifecycle_stage: LifecycleStage::Active,
        }
    }

    /// The id, if the experiment accepts runs: `InvalidState` for a deleted experiment.
    pub fn usable(self) -> Result<ExperimentId> {
        if self.lifecycle_stage == LifecycleStage::Active {
            return Ok(self.id);
        }
        Err(Error::new(ErrorKind::InvalidState, format!("the experiment `{}` is deleted", self.name))
            .with_hint("restore it in MLflow, or set MLFLOW_EXPERIMENT_NAME to another one"))
    }
}
