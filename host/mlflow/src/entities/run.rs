//! Runs and the data logged in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{DatasetInput, LifecycleStage, Tags};
use hydra_base::Timestamp;
use hydra_base::names::{ExperimentId, LoggedModelId, RunId};
use hydra_base::time::now;

/// The state of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum RunStatus {
    /// In progress, or killed before it ended.
    Running,
    /// Waiting to start.
    Scheduled,
    /// Ended with success.
    Finished,
    /// Ended with an error.
    Failed,
    /// Ended by a user.
    Killed,
}

#[cfg(any(feature = "rest", feature = "sqlite"))]
impl RunStatus {
    const ALL: [Self; 5] = [Self::Running, Self::Scheduled, Self::Finished, Self::Failed, Self::Killed];

    /// MLflow's name of the state.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Scheduled => "SCHEDULED",
            Self::Finished => "FINISHED",
            Self::Failed => "FAILED",
            Self::Killed => "KILLED",
        }
    }

    /// Parses MLflow's name of a state; `None` for an unknown name.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// One point of a metric.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The metric's key.
    pub key: String,
    /// The value; NaN and infinities are valid.
    pub value: f64,
    /// The time of the measurement; not negative.
    pub timestamp: Timestamp,
    /// The training step; 0 for a final value.
    pub step: i64,
}

impl Metric {
    /// A final value: a point at step 0.
    #[must_use]
    pub fn new(key: impl Into<String>, value: f64, timestamp: Timestamp) -> Self {
        Self { key: key.into(), value, timestamp, step: 0 }
    }

    /// Sets the training step.
    #[must_use]
    pub fn step(self, step: i64) -> Self {
        Self { step, ..self }
    }
}

/// A run: one execution of training code.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Run {
    /// The id: 32 hexadecimal digits in MLflow's own stores.
    pub id: RunId,
    /// The id of its experiment.
    pub experiment_id: ExperimentId,
    /// The name in MLflow's UI; not unique.
    pub name: String,
    /// The state.
    pub status: RunStatus,
    /// When it started.
    pub start_time: Option<Timestamp>,
    /// The end; `None` while it runs.
    pub end_time: Option<Timestamp>,
    /// The root of the run's artifacts. Untrusted: see
    /// [`Backend::artifact_store`](crate::connect::Backend::artifact_store).
    pub artifact_uri: String,
    /// Active or deleted.
    pub lifecycle_stage: LifecycleStage,
    /// The user that the client reported.
    pub user_id: String,
    /// The latest point of each metric (greatest step, then timestamp, then value), sorted by key.
    pub metrics: Vec<Metric>,
    /// Params by key.
    pub params: BTreeMap<String, String>,
    /// Tags by key.
    pub tags: Tags,
}

impl Run {
    /// A running, active run without name, times, artifacts or logged data.
    #[must_use]
    pub fn new(id: RunId, experiment_id: ExperimentId) -> Self {
        Self {
            id,
            experiment_id,
            name: String::new(),
            status: RunStatus::Running,
            start_time: None,
            end_time: None,
            artifact_uri: String::new(),
            lifecycle_stage: LifecycleStage::Active,
            user_id: String::new(),
            metrics: Vec::new(),
            params: BTreeMap::new(),
            tags: Tags::new(),
        }
    }
}

/// The input for a new run.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewRun {
    /// The experiment, which must be active.
    pub experiment_id: ExperimentId,
    /// The name; also stored as the tag `mlflow.runName`.
    pub name: String,
    /// When it starts.
    pub start_time: Timestamp,
    /// The user; also stored as the tag `mlflow.user`.
    pub user_id: String,
    /// Further tags.
    pub tags: Tags,
}

impl NewRun {
    /// A run that starts now, without user and tags.
    #[must_use]
    pub fn new(experiment_id: ExperimentId, name: impl Into<String>) -> Self {
        Self {
            experiment_id,
            name: name.into(),
            start_time: now(),
            user_id: String::new(),
            tags: Tags::new(),
        }
    }

    /// Sets the start.
    #[must_use]
    pub fn start_time(self, start_time: Timestamp) -> Self {
        Self { start_time, ..self }
    }

    /// Sets the user.
    #[must_use]
    pub fn user(self, id: impl Into<String>) -> Self {
        Self { user_id: id.into(), ..self }
    }

    /// Sets all tags.
    #[must_use]
    pub fn tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }
}

/// Metrics, params and tags for a run. A store splits them into requests within its limits.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct RunBatch {
    /// Metric points.
    pub metrics: Vec<Metric>,
    /// Params; the value of a param never changes.
    pub params: Vec<(String, String)>,
    /// Tags.
    pub tags: Vec<(String, String)>,
    /// The LoggedModel that the metrics measure. They are stored as its metrics as well as the run's.
    pub model_id: Option<LoggedModelId>,
    /// Name and digest of the dataset on which the LoggedModel was measured; without a LoggedModel it has no effect. They
    /// contain no white space, because a file store separates them with it.
    pub dataset: Option<(String, String)>,
}

impl RunBatch {
    /// Adds metric points.
    #[must_use]
    pub fn metrics(mut self, metrics: impl IntoIterator<Item = Metric>) -> Self {
        self.metrics.extend(metrics);
        self
    }

    /// Adds params.
    #[must_use]
    pub fn params(mut self, params: impl IntoIterator<Item = (String, String)>) -> Self {
        self.params.extend(params);
        self
    }

    /// Adds tags.
    #[must_use]
    pub fn tags(mut self, tags: impl IntoIterator<Item = (String, String)>) -> Self {
        self.tags.extend(tags);
        self
    }

    /// Sets the LoggedModel that the metrics measure.
    #[must_use]
    pub fn logged_model(self, id: LoggedModelId) -> Self {
        Self { model_id: Some(id), ..self }
    }

    /// Sets the dataset on which the LoggedModel was measured.
    #[must_use]
    pub fn dataset(self, input: &DatasetInput) -> Self {
        Self { dataset: Some((input.name.clone(), input.digest.clone())), ..self }
    }
}

#[cfg(all(test, any(feature = "rest", feature = "sqlite")))]
mod tests {
    use super::*;

    #[test]
    fn the_words_for_a_runs_state_are_those_of_its_json() {
        for status in RunStatus::ALL {
            assert_eq!(serde_json::json!(status), status.word());
            assert_eq!(RunStatus::of(status.word()), Some(status));
        }
        assert_eq!(RunStatus::of("running"), None);
    }
}
