//! The contract of a backend. The conformance suite has a test for each sentence.
//!
//! Every method maps failures onto the same [`ErrorKind`](hydra_base::ErrorKind) in every backend. Reads never write. A
//! write that returns `Ok` is visible to the next read of any client of the same store.
//!
//! ```
//! use hydra_base::names::{Alias, ModelName};
//! use hydra_mlflow::entities::{NewModelVersion, Tags};
//! use hydra_mlflow::memory::MemoryStore;
//! use hydra_mlflow::store::RegistryStore;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> hydra_base::Result<()> {
//! let store = MemoryStore::new()?;
//! let name = ModelName::new("churn")?;
//! store.create_registered_model(&name, &Tags::new(), "").await?;
//! let new = NewModelVersion::new(name.clone(), "s3://bucket/model");
//! let version = store.create_model_version(&new).await?.version;
//! store.set_alias(&name, &Alias::CHAMPION, version).await?;
//! let champion = store.version_by_alias(&name, &Alias::CHAMPION).await?;
//! assert_eq!(champion.map(|champion| champion.version), Some(version));
//! # Ok(())
//! # }
//! ```

use std::fmt::Debug;

use async_trait::async_trait;

use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, ModelVersion, NewLoggedModel, NewModelVersion, NewRun, Page,
    RegisteredModel, Run, RunBatch, RunStatus, Tags,
};
use hydra_base::Timestamp;
use hydra_base::aliases::AliasMove;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ExperimentId, Key, LoggedModelId, ModelName, RunId, Version};

/// Experiments, runs and LoggedModels.
#[async_trait]
pub trait TrackingStore: Debug + Send + Sync {
    /// The experiment with this name, or `None`. Deleted experiments are included.
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>>;

    /// The experiment with this id; `NotFound` if it does not exist.
    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment>;

    /// Creates an experiment. `AlreadyExists` if the name is taken, also by a deleted experiment.
    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId>;

    /// Creates a run in state RUNNING with the tags `mlflow.runName` and `mlflow.user`. `NotFound` for an unknown
    /// experiment, `InvalidState` for a deleted one.
    async fn create_run(&self, run: &NewRun) -> Result<Run>;

    /// The run with its latest metrics, params and tags; `NotFound` if it does not exist.
    async fn run(&self, id: &RunId) -> Result<Run>;

    /// Logs metrics, params and tags, in as many requests as the store's limits require. Writing a param again is
    /// `InvalidArgument` with another value and has no effect with the same value. A key that MLflow rejects is
    /// `InvalidName`, and then nothing is logged. NaN and infinities are preserved, except that SQL-backed stores store
    /// an infinity as the finite number of greatest magnitude, and a NaN in a metric of a LoggedModel as 0. Long values
    /// are truncated at MLflow's limits: params at 6,000 characters, tags at 8,000, on MLflow 2.9 at 5,000.
    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()>;

    /// Ends a run, or sets it running again. Without an `end_time`, the stored one stays, as in MLflow.
    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()>;

    /// Active runs of an experiment in the state `status`, newest first.
    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>>;

    /// Creates a LoggedModel in state pending; `None` if the store has no LoggedModels (MLflow 2.x).
    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>>;

    /// The LoggedModel with this id; `NotFound` if it does not exist.
    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel>;

    /// Sets the state of a LoggedModel after its artifacts were uploaded.
    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()>;

    /// Links a LoggedModel to the run as its output. A repeated call has no effect.
    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()>;

    /// Records in MLflow's tag `mlflow.modelVersions` that a LoggedModel was registered as this version. Servers do
    /// that when they create the version, so this call does nothing on them.
    async fn note_version(&self, model: &LoggedModelId, name: &ModelName, version: Version) -> Result<()>;
}

/// Registered models, their versions and aliases.
#[async_trait]
pub trait RegistryStore: Debug + Send + Sync {
    /// Creates a registered model; `AlreadyExists` if the name is taken, `InvalidName` for a name that MLflow could not
    /// read back from such a store.
    async fn create_registered_model(
        &self,
        name: &ModelName,
        tags: &Tags,
        description: &str,
    ) -> Result<RegisteredModel>;

    /// The registered model with its tags and aliases; `ModelNotFound` if it does not exist.
    async fn registered_model(&self, name: &ModelName) -> Result<RegisteredModel>;

    /// Sets a tag of a registered model; `ModelNotFound` if the model does not exist.
    async fn set_registered_model_tag(&self, name: &ModelName, key: &Key, value: &str) -> Result<()>;

    /// Deletes a registered model with its versions and aliases; `ModelNotFound` if it does not exist.
    async fn delete_registered_model(&self, name: &ModelName) -> Result<()>;

    /// Creates a version with its tags. Numbers increase by one and are never reused, not even those of deleted
    /// versions. On SQL-backed and local stores, the version and its tags appear in one transaction. `ModelNotFound` if
    /// the registered model does not exist.
    async fn create_model_version(&self, version: &NewModelVersion) -> Result<ModelVersion>;

    /// The version with its tags and aliases; `VersionNotFound` if it is missing or deleted.
    async fn model_version(&self, name: &ModelName, version: Version) -> Result<ModelVersion>;

    /// Versions, newest first, without deleted ones; only those below `below`, if it is given. Their `aliases` are
    /// empty. An unknown model has no versions.
    async fn model_versions(
        &self,
        name: &ModelName,
        below: Option<Version>,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<ModelVersion>>;

    /// Sets a tag of a version; `VersionNotFound` if it is missing or deleted.
    async fn set_version_tag(&self, name: &ModelName, version: Version, key: &Key, value: &str)
    -> Result<()>;

    /// Deletes a version; `VersionNotFound` if it is missing or deleted already. Its number is never reused. Its
    /// aliases are removed, or dangle in stores of older MLflow releases.
    async fn delete_model_version(&self, name: &ModelName, version: Version) -> Result<()>;

    /// Points `alias` to `version`, and moves it if it is set. `VersionNotFound` if the version is missing or deleted.
    async fn set_alias(&self, name: &ModelName, alias: &Alias, version: Version) -> Result<()>;

    /// Removes an alias. An alias that is not set is not an error. `ModelNotFound` for an unknown model.
    async fn delete_alias(&self, name: &ModelName, alias: &Alias) -> Result<()>;

    /// The version of an alias, with its tags and aliases; `None` if the alias is not set or the model does not exist.
    /// `VersionNotFound` if the alias dangles because its version was deleted.
    async fn version_by_alias(&self, name: &ModelName, alias: &Alias) -> Result<Option<ModelVersion>>;

    /// The artifact URI of the version's model directory. The store resolves `models:/` and `runs:/` sources as far as
    /// MLflow does; the caller resolves a `runs:/` result through the run.
    async fn download_uri(&self, name: &ModelName, version: Version) -> Result<String>;

    /// The atomic operations of a local store; `None` for a remote store.
    fn atomic(&self) -> Option<&dyn AtomicRegistry> {
        None
    }
}

/// A ledger append and its alias moves, which are applied together or not at all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AtomicTransition {
    /// The model whose aliases move.
    pub model: ModelName,
    /// All managed aliases as the caller read them; any difference is a conflict.
    pub expected_aliases: Vec<AliasMove>,
    /// The alias moves, in order.
    pub moves: Vec<AliasMove>,
    /// The entry to append: a version of the ledger model.
    pub entry: NewModelVersion,
    /// The newest version of the ledger model (deleted ones included) as the caller read it; another one is a conflict.
    /// `None` if the ledger had no version.
    pub expected_newest: Option<Version>,
}

impl AtomicTransition {
    /// Appends `entry` as the first version of its model, without alias moves and expectations.
    #[must_use]
    pub fn new(model: ModelName, entry: NewModelVersion) -> Self {
        Self { model, expected_aliases: Vec::new(), moves: Vec::new(), entry, expected_newest: None }
    }
}

/// The result of an atomic transition.
#[derive(Debug, Clone)]
pub enum AtomicOutcome {
    /// The entry was appended and the aliases moved.
    Committed(ModelVersion),
    /// The ledger or the aliases changed after the caller read them; nothing was changed.
    Conflict,
}

/// The addition of local stores to MLflow: an append and its alias moves in one crash-safe transaction.
#[async_trait]
pub trait AtomicRegistry: Send + Sync {
    /// Checks the expectations, appends the entry and moves the aliases, all or nothing, under the store's lock.
    /// Versions in `moves` must exist, else `VersionNotFound`, and nothing is changed.
    async fn commit(&self, transition: &AtomicTransition) -> Result<AtomicOutcome>;
}
