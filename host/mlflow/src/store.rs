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

use crate::clock::ClockDifference;
use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, ModelFilter, ModelVersion, NewLoggedModel, NewModelVersion,
    NewRun, Page, RegisteredModel, Run, RunBatch, RunInputs, RunStatus, Tags,
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

    /// The runs of `ids`, deleted ones included, in no particular order. A run that does not exist is left out, and one of
    /// an experiment that is not among `experiments` may be: a server is asked with one search of these experiments.
    async fn runs(&self, experiments: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>>;

    /// Logs metrics, params and tags, in as many requests as the store's limits ask for. Writing a param again with
    /// another value is `InvalidArgument`; with the same value it changes nothing; a key that MLflow refuses is
    /// `InvalidName`, and nothing is logged. NaN and infinities survive, except that SQL-backed stores keep an infinity as
    /// the finite number of greatest magnitude. Values are cut where MLflow cuts them (params at 6,000 characters, tags
    /// at 8,000 and on 2.9 at 5,000). SQL-backed stores keep a NaN of a LoggedModel's metric as 0. A dataset of a LoggedModel's
    /// metrics is `InvalidArgument` if its name or digest is empty or contains white space.
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

    /// Records datasets and LoggedModels as inputs of a run, as `mlflow.log_input` does. A repeated call has no effect: an
    /// experiment keeps the first description of a dataset with this name and digest, and a run the first tags of an input.
    /// `InvalidArgument` for a description beyond MLflow's limits, and nothing is recorded. `NotFound` for an unknown run,
    /// `InvalidState` for a deleted one, `Unsupported` if the server has no datasets, unlike MLflow since 2.4.
    async fn log_inputs(&self, run: &RunId, inputs: &RunInputs) -> Result<()>;

    /// The inputs of a run; `NotFound` if it does not exist.
    async fn inputs(&self, run: &RunId) -> Result<RunInputs>;

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

    /// Registered models with their tags and aliases, by name, those that the filter shows. A page may hold fewer than
    /// `page_size`, or none, and yet have a next one. Prompts are left out.
    async fn registered_models(
        &self,
        filter: &ModelFilter,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<RegisteredModel>>;

    /// Sets a tag on a registered model; `ModelNotFound` if there is none.
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

    /// The versions with numbers from `lowest` to `highest`, newest first, deleted ones left out, with one request. The
    /// versions' `aliases` are empty. An unknown model has no versions. `InvalidArgument` for more than 1,000 numbers.
    async fn versions_between(
        &self,
        name: &ModelName,
        lowest: Version,
        highest: Version,
    ) -> Result<Vec<ModelVersion>>;

    /// Sets a tag on a version; `VersionNotFound` when it is missing or deleted.
    async fn set_version_tag(&self, name: &ModelName, version: Version, key: &Key, value: &str)
    -> Result<()>;

    /// Removes a tag of a version; one that is not set is fine. `VersionNotFound` when the version is missing or deleted.
    async fn delete_version_tag(&self, name: &ModelName, version: Version, key: &Key) -> Result<()>;

    /// Deletes a version; `VersionNotFound` when it is missing or deleted already. Its number is never used again. Its
    /// aliases go with it, or dangle where an older MLflow leaves them.
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

    /// By how much the clock of the store is ahead of this machine's, as far as answers have shown; `None` for a store without a
    /// clock of its own, and as long as no answer has shown it. Sends no request.
    fn clock(&self) -> Option<ClockDifference> {
        None
    }

    /// The user as whom the store has authenticated this program, and `None` where it names none. It is asked once, and says what
    /// this program was told: a writer of another kind can write any name.
    async fn authenticated_user(&self) -> Result<Option<String>> {
        Ok(None)
    }

    /// Whether a listing of versions showed their aliases. Those of MLflow's file store do, also behind a server, and those of a
    /// database do not. Sends no request.
    fn lists_aliases(&self) -> bool {
        false
    }

    /// The atomic operations of a local store; `None` for a remote store.
    fn atomic(&self) -> Option<&dyn AtomicRegistry> {
        None
    }
}

/// A tag of a version that is set or deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionTag {
    /// The version.
    pub version: Version,
    /// The tag's key.
    pub key: Key,
    /// The value; none deletes the tag.
    pub value: Option<String>,
}

/// A tag of a registered model that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelTag {
    /// The tag's key.
    pub key: Key,
    /// The value.
    pub value: String,
}

/// A ledger append with the alias moves and tags it stands for, applied together or not at all.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AtomicTransition {
    /// The model whose aliases move.
    pub model: ModelName,
    /// All managed aliases as the caller read them; any difference is a conflict.
    pub expected_aliases: Vec<AliasMove>,
    /// The alias moves, in order.
    pub moves: Vec<AliasMove>,
    /// The tags of versions of the model. Those of versions that do not exist are left out.
    pub tags: Vec<VersionTag>,
    /// The tags of the model itself.
    pub model_tags: Vec<ModelTag>,
    /// The entry to append, a version of the ledger model.
    pub entry: NewModelVersion,
    /// The newest version of the ledger model (deleted ones included) as the caller read it; another one is a conflict.
    /// `None` if the ledger had no version.
    pub expected_newest: Option<Version>,
}

impl AtomicTransition {
    /// The append of `entry`, the first version of its model, with no alias of `model` moved or expected, and no tag.
    #[must_use]
    pub fn new(model: ModelName, entry: NewModelVersion) -> Self {
        Self {
            model,
            expected_aliases: Vec::new(),
            moves: Vec::new(),
            tags: Vec::new(),
            model_tags: Vec::new(),
            entry,
            expected_newest: None,
        }
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

/// What local stores offer beyond MLflow: an append with its alias moves and tags in one transaction, safe against crashes.
#[async_trait]
pub trait AtomicRegistry: Send + Sync {
    /// Checks the expectations, appends the entry, moves the aliases, sets and deletes the tags: all of it or nothing, under
    /// the store's lock.
    /// Versions named in `moves` must exist, else `VersionNotFound` and nothing is changed.
    async fn commit(&self, transition: &AtomicTransition) -> Result<AtomicOutcome>;

    /// The greatest number that a version of the model was ever given, that of a deleted one included; `None` if there was
    /// none, or the model does not exist.
    async fn newest_number(&self, name: &ModelName) -> Result<Option<Version>>;
}
