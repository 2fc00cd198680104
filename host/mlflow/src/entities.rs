//! MLflow's entities as values, the same for every backend. Times are milliseconds since the epoch.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, LoggedModelId, ModelName, RunId, Version};

/// Key-value pairs, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// The tag that holds a caller's own id for the operation that creates a run, a model version or a logged model. With
/// it, a store can tell after a lost answer whether the operation took place; without it, such a failure is returned.
pub const OPERATION_ID_TAG: &str = "hydra.operation_id";

/// Whether an entity is in use or in MLflow's trash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LifecycleStage {
    /// In use.
    Active,
    /// In the trash: still readable by id, not writable.
    Deleted,
}

/// An experiment: a named group of runs with a root for their artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Experiment {
    /// The id.
    pub id: ExperimentId,
    /// The unique name.
    pub name: String,
    /// The artifact URI under which runs and logged models get their directories.
    pub artifact_location: String,
    /// Active or deleted.
    pub lifecycle_stage: LifecycleStage,
}

impl Experiment {
    /// The id, if runs can be logged in it: `InvalidState` for a deleted experiment.
    pub fn usable(self) -> Result<ExperimentId> {
        if self.lifecycle_stage == LifecycleStage::Active {
            return Ok(self.id);
        }
        Err(Error::new(ErrorKind::InvalidState, format!("the experiment `{}` is deleted", self.name))
            .with_hint("restore it in MLflow, or set MLFLOW_EXPERIMENT_NAME to another one"))
    }
}

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RunStatus {
    /// In progress, or its process was killed.
    Running,
    /// Waiting to start.
    Scheduled,
    /// Ended well.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended by a person.
    Killed,
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// The metric's key.
    pub key: String,
    /// The value; NaN and infinities are legal.
    pub value: f64,
    /// When it was measured.
    pub timestamp: Timestamp,
    /// The training step, 0 for a final value.
    pub step: i64,
}

/// A run: one execution of training code.
#[derive(Debug, Clone, PartialEq)]
pub struct Run {
    /// The id.
    pub id: RunId,
    /// The experiment it belongs to.
    pub experiment_id: ExperimentId,
    /// The name shown in MLflow's UI.
    pub name: String,
    /// The state.
    pub status: RunStatus,
    /// When it started.
    pub start_time: Option<Timestamp>,
    /// When it ended; `None` while it runs.
    pub end_time: Option<Timestamp>,
    /// The root of the run's artifacts.
    pub artifact_uri: String,
    /// Active or deleted.
    pub lifecycle_stage: LifecycleStage,
    /// Who started it.
    pub user_id: String,
    /// The latest value of each metric (greatest step, then timestamp, then value), sorted by key.
    pub metrics: Vec<Metric>,
    /// Params by key.
    pub params: BTreeMap<String, String>,
    /// Tags by key.
    pub tags: Tags,
}

/// What it takes to create a run.
#[derive(Debug, Clone)]
pub struct NewRun {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The name; also stored as the tag `mlflow.runName`.
    pub name: String,
    /// When it starts.
    pub start_time: Timestamp,
    /// Who starts it; also stored as the tag `mlflow.user`.
    pub user_id: String,
    /// Further tags.
    pub tags: Tags,
}

/// Metrics, params and tags to log on a run; a store splits it into requests that fit its limits.
#[derive(Debug, Clone, Default)]
pub struct RunBatch {
    /// Metric points.
    pub metrics: Vec<Metric>,
    /// Params; a param never changes once written.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The LoggedModel that the metrics measure: they are then its metrics as well as the run's.
    pub model_id: Option<LoggedModelId>,
}

/// The state of an MLflow 3 LoggedModel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LoggedModelStatus {
    /// Artifacts are being uploaded.
    Pending,
    /// Complete.
    Ready,
    /// The upload failed.
    UploadFailed,
    /// Any other state.
    Unspecified,
}

/// An MLflow 3 LoggedModel: a model as an entity of its own, with its own artifacts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoggedModel {
    /// The id, `m-…`.
    pub id: LoggedModelId,
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The name.
    pub name: String,
    /// The root of its artifacts.
    pub artifact_uri: String,
    /// The state.
    pub status: LoggedModelStatus,
    /// The run that made it.
    pub source_run_id: Option<RunId>,
}

/// What it takes to create a LoggedModel.
#[derive(Debug, Clone)]
pub struct NewLoggedModel {
    /// The experiment.
    pub experiment_id: ExperimentId,
    /// The name: not empty, without `/ : . % " '`.
    pub name: String,
    /// The run that makes it.
    pub source_run_id: RunId,
    /// Params copied from the run, however many.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Tags,
}

/// A registered model: a named line of versions, with aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisteredModel {
    /// The name.
    pub name: ModelName,
    /// When it was created; part of its identity, since a deleted model's name can be taken again.
    pub created_at: Timestamp,
    /// Free text.
    pub description: String,
    /// Tags by key.
    pub tags: Tags,
    /// Which version each alias points to. An alias may point to a version that was deleted.
    pub aliases: BTreeMap<Alias, Version>,
}

/// The state of a model version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum VersionStatus {
    /// Being copied by the server.
    PendingRegistration,
    /// The copy failed.
    FailedRegistration,
    /// Usable.
    Ready,
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelVersion {
    /// The registered model.
    pub name: ModelName,
    /// The number.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// Free text.
    pub description: String,
    /// Where the model came from: an artifact URI, `runs:/…` or `models:/…`.
    pub source: String,
    /// The run that made it, when known.
    pub run_id: Option<RunId>,
    /// The state.
    pub status: VersionStatus,
    /// Tags by key.
    pub tags: Tags,
    /// Aliases on this version, sorted. Listings of many versions leave it empty: read the aliases
    /// of the [`RegisteredModel`] instead.
    pub aliases: Vec<Alias>,
}

/// What it takes to create a model version.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewModelVersion {
    /// The registered model, which must exist.
    pub name: ModelName,
    /// Where the model is.
    pub source: String,
    /// The run that made it.
    pub run_id: Option<RunId>,
    /// The LoggedModel behind it; needed when `source` is `models:/m-…`.
    pub model_id: Option<LoggedModelId>,
    /// Tags, stored in the same transaction as the version on SQL-backed stores.
    pub tags: Tags,
    /// Free text.
    pub description: String,
}

impl NewModelVersion {
    /// A version of `name`, which must exist, with the model at `source`.
    #[must_use]
    pub fn new(name: ModelName, source: impl Into<String>) -> Self {
        Self {
            name,
            source: source.into(),
            run_id: None,
            model_id: None,
            tags: Tags::new(),
            description: String::new(),
        }
    }

    /// Sets the run that made the model.
    #[must_use]
    pub fn run(self, id: RunId) -> Self {
        Self { run_id: Some(id), ..self }
    }

    /// Sets the LoggedModel behind the version.
    #[must_use]
    pub fn logged_model(self, id: LoggedModelId) -> Self {
        Self { model_id: Some(id), ..self }
    }

    /// Sets all tags.
    #[must_use]
    pub fn tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }

    /// Sets the description.
    #[must_use]
    pub fn description(self, text: impl Into<String>) -> Self {
        Self { description: text.into(), ..self }
    }
}

/// One page of a listing and the token of the next.
#[derive(Debug, Clone)]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// The token that fetches the next page; `None` on the last.
    pub next: Option<String>,
}

/// An artifact below some root.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArtifactInfo {
    /// The path relative to the root listed, with `/` separators.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The size in bytes, when the store tells it. MLflow leaves it out for empty files.
    pub size: Option<u64>,
}
