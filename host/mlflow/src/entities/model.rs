//! Registered models and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tags;
use hydra_base::Timestamp;
use hydra_base::names::{Alias, LoggedModelId, ModelName, RunId, Version};

/// A registered model: a named sequence of versions, with aliases.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RegisteredModel {
    /// The name, which is unique in the store.
    pub name: ModelName,
    /// The time of creation. Part of the identity, because the name of a deleted model can be used again.
    pub created_at: Timestamp,
    /// Free text; empty if not set.
    pub description: String,
    /// Tags by key.
    pub tags: Tags,
    /// The version of each alias. An alias may point to a deleted version.
    pub aliases: BTreeMap<Alias, Version>,
}

impl RegisteredModel {
    /// A registered model without description, tags and aliases.
    #[must_use]
    pub fn new(name: ModelName, created_at: Timestamp) -> Self {
        Self { name, created_at, description: String::new(), tags: Tags::new(), aliases: BTreeMap::new() }
    }
}

/// The state of a model version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[non_exhaustive]
pub enum VersionStatus {
    /// The server is copying the version.
    PendingRegistration,
    /// The copy failed.
    FailedRegistration,
    /// Usable.
    Ready,
}

impl VersionStatus {
    /// Parses MLflow's name of a state in a file or row. A version without a state is ready.
    pub(crate) fn of(word: Option<&str>) -> Self {
        match word {
            Some("PENDING_REGISTRATION") => Self::PendingRegistration,
            Some("FAILED_REGISTRATION") => Self::FailedRegistration,
            _ => Self::Ready,
        }
    }
}

/// A version of a registered model.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelVersion {
    /// The registered model.
    pub name: ModelName,
    /// The number, from 1.
    pub version: Version,
    /// When it was created.
    pub created_at: Timestamp,
    /// Free text; empty if not set.
    pub description: String,
    /// The origin of the model: an artifact URI, `runs:/…` or `models:/…`.
    pub source: String,
    /// The run that created it, if known.
    pub run_id: Option<RunId>,
    /// The state.
    pub status: VersionStatus,
    /// Tags by key.
    pub tags: Tags,
    /// The aliases of this version, sorted. Listings of several versions leave it empty; read the aliases from the
    /// [`RegisteredModel`] instead.
    pub aliases: Vec<Alias>,
}

impl ModelVersion {
    /// A ready version without a run, description, tags and aliases.
    #[must_use]
    pub fn new(name: ModelName, version: Version, created_at: Timestamp, source: impl Into<String>) -> Self {
        Self {
            name,
            version,
            created_at,
            description: String::new(),
            source: source.into(),
            run_id: None,
            status: VersionStatus::Ready,
            tags: Tags::new(),
            aliases: Vec::new(),
        }
    }
}

/// The input for a new model version.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct NewModelVersion {
    /// The registered model, which must exist.
    pub name: ModelName,
    /// The location of the model: an artifact URI, `runs:/…` or `models:/…`.
    pub source: String,
    /// The run that created the model.
    pub run_id: Option<RunId>,
    /// The LoggedModel of the version; required if `source` is `models:/m-…`.
    pub model_id: Option<LoggedModelId>,
    /// Tags, which SQL-backed stores write in the same transaction as the version.
    pub tags: Tags,
    /// Free text; may be empty.
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

    /// Sets the run that created the model.
    #[must_use]
    pub fn run(self, id: RunId) -> Self {
        Self { run_id: Some(id), ..self }
    }

    /// Sets the LoggedModel of the version.
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
