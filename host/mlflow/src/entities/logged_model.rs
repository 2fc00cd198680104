//! LoggedModels of MLflow 3.

use super::Tags;
use hydra_base::names::{ExperimentId, LoggedModelId, RunId};

/// The state of a LoggedModel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
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

impl LoggedModelStatus {
    /// MLflow's number for the state, in files and databases.
    pub(crate) fn number(self) -> i64 {
        match self {
            Self::Unspecified => 0,
            Self::Pending => 1,
            Self::Ready => 2,
            Self::UploadFailed => 3,
        }
    }

    /// The state with MLflow's number `number`.
    pub(crate) fn of(number: Option<i64>) -> Self {
        match number {
            Some(1) => Self::Pending,
            Some(2) => Self::Ready,
            Some(3) => Self::UploadFailed,
            _ => Self::Unspecified,
        }
    }
}

/// A LoggedModel: a model as an entity with its own artifacts, independent of registration.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedModel {
    /// The id: `m-` and 32 hexadecimal digits in MLflow's own stores.
    pub id: LoggedModelId,
    /// The id of its experiment.
    pub experiment_id: ExperimentId,
    /// The name; not unique.
    pub name: String,
    /// The root of its artifacts. Untrusted: see [`Backend::artifact_store`](crate::connect::Backend::artifact_store).
    pub artifact_uri: String,
    /// The state.
    pub status: LoggedModelStatus,
    /// The run that created it.
    pub source_run_id: Option<RunId>,
}

impl LoggedModel {
    /// A pending LoggedModel without a run.
    #[must_use]
    pub fn new(
        id: LoggedModelId,
        experiment_id: ExperimentId,
        name: impl Into<String>,
        artifact_uri: impl Into<String>,
    ) -> Self {
        Self {
            id,
            experiment_id,
            name: name.into(),
            artifact_uri: artifact_uri.into(),
            status: LoggedModelStatus::Pending,
            source_run_id: None,
        }
    }
}

/// The input for a new LoggedModel.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewLoggedModel {
    /// The experiment, which must be active.
    pub experiment_id: ExperimentId,
    /// The name: not empty, without `/ : . % " '`.
    pub name: String,
    /// The run that creates it.
    pub source_run_id: RunId,
    /// Params copied from the run, in any number.
    pub params: Vec<(String, String)>,
    /// Tags by key.
    pub tags: Tags,
}

impl NewLoggedModel {
    /// A LoggedModel of the run `source_run_id`, without params and tags.
    #[must_use]
    pub fn new(experiment_id: ExperimentId, name: impl Into<String>, source_run_id: RunId) -> Self {
        Self { experiment_id, name: name.into(), source_run_id, params: Vec::new(), tags: Tags::new() }
    }

    /// Sets all params.
    #[must_use]
    pub fn params(self, params: Vec<(String, String)>) -> Self {
        Self { params, ..self }
    }

    /// Sets all tags.
    #[must_use]
    pub fn tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }
}
