//! The in-memory store, the reference for the conformance suite.
//!
//! It lives as long as the value. Artifacts go to a private temporary directory, so code that uses local artifact roots
//! works unchanged; dropping the store removes the directory.

mod registry;
mod tracking;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tempfile::TempDir;

#[cfg(any(test, feature = "testing"))]
use crate::entities::LifecycleStage;
use crate::entities::{Experiment, LoggedModel, ModelVersion, RegisteredModel, Run, RunInputs, Tags};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

/// A store in memory, with artifacts in a temporary directory.
#[derive(Debug)]
pub struct MemoryStore {
    state: Mutex<State>,
    artifacts: TempDir,
}

impl MemoryStore {
    /// An empty store with MLflow's experiment `Default` (id 0). `Storage` if a temporary directory cannot be created.
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

    /// The parent directory of all artifact URIs of this store.
    #[must_use]
    pub fn artifact_root(&self) -> &Path {
        self.artifacts.path()
    }

    /// Moves an experiment to the trash, which the store traits cannot do.
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

    /// The whole contents, as text.
    #[cfg(any(test, feature = "testing"))]
    pub(crate) fn dump(&self) -> String {
        format!("{:?}", self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every change is made after the last check, so a panic cannot leave a partial change.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Debug, Default)]
struct State {
    experiments: BTreeMap<ExperimentId, Experiment>,
    runs: BTreeMap<RunId, Run>,
    inputs: BTreeMap<RunId, RunInputs>,
    logged_models: BTreeMap<LoggedModelId, LoggedModel>,
    models: BTreeMap<ModelName, StoredModel>,
}

#[derive(Debug)]
struct StoredModel {
    model: RegisteredModel,
    versions: BTreeMap<Version, StoredVersion>,
    /// The greatest number that was ever assigned.
    newest: Option<Version>,
}

#[derive(Debug)]
struct StoredVersion {
    version: ModelVersion,
    storage: String,
}
