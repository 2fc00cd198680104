//! The in-memory store: the oracle that the conformance suite holds the other backends to.
//!
//! It lives as long as the value does. Artifacts go to a private temporary directory, so that everything that reads
//! and writes local artifact roots works on it unchanged; the directory goes when the store is dropped.

mod registry;
mod tracking;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

#[cfg(any(test, feature = "testing"))]
use crate::entities::LifecycleStage;
use crate::entities::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, Tags};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

/// Everything in memory, artifacts in a temporary directory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    artifacts: TempDir,
}

impl MemoryStore {
    /// An empty store with MLflow's experiment `Default` of id 0. `Storage` when no temporary directory can be made.
    pub fn new() -> Result<Self> {
        let artifacts = TempDir::with_prefix("hydra-registry-").map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot create a temporary directory for artifacts")
                .with_source(error)
                .with_hint("set TMPDIR to a writable directory")
        })?;
        let store = Self { state: Mutex::default(), artifacts };
        store.add_experiment("Default", &Tags::new())?;
        Ok(store)
    }

    /// The directory below which all artifact URIs of this store lie.
    #[must_use]
    pub fn artifact_root(&self) -> &Path {
        self.artifacts.path()
    }

    /// Moves an experiment to the trash, which no call of a store does.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn move_to_trash(&self, id: &ExperimentId) {
        let mut state = self.lock();
        let experiment = state.experiments.get_mut(id).expect("the experiment exists");
        experiment.lifecycle_stage = LifecycleStage::Deleted;
    }

    /// Deletes a run, which no call of a store does.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn discard_run(&self, id: &RunId) {
        let mut state = self.lock();
        state.runs.get_mut(id).expect("the run exists").lifecycle_stage = LifecycleStage::Deleted;
    }

    /// Deletes a version and leaves its aliases, which no call of a store does.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn forget_version(&self, name: &ModelName, version: Version) {
        let mut state = self.lock();
        let model = state.models.get_mut(name).expect("the model exists");
        model.versions.remove(&version).expect("the version exists");
    }

    /// All that is stored, as text.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn dump(&self) -> String {
        format!("{:?}", self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // every change is made after the last check, so that a panic elsewhere cannot leave a half-made one
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    experiments: BTreeMap<ExperimentId, Experiment>,
    runs: BTreeMap<RunId, Run>,
    logged_models: BTreeMap<LoggedModelId, LoggedModel>,
    models: BTreeMap<ModelName, StoredModel>,
}

#[derive(Debug)]
struct StoredModel {
    model: RegisteredModel,
    versions: BTreeMap<Version, StoredVersion>,
    /// The greatest number ever given out.
    newest: Option<Version>,
}

#[derive(Debug)]
struct StoredVersion {
    version: ModelVersion,
    storage: String,
}
