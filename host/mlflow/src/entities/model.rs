//! Registered models and their versions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Tags;
use hydra_base::Timestamp;
use hydra_base::names::{Alias, Key, LoggedModelId, ModelName, RunId, Version};
use hydra_base::pattern::NamePattern;

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

/// The tag by which MLflow's prompt registry, which keeps prompts as registered models, recognises them.
const PROMPT_TAG: &str = "mlflow.prompt.is_prompt";

fn tagged_as_prompt(tags: &Tags) -> bool {
    tags.get(PROMPT_TAG).is_some_and(|value| value.eq_ignore_ascii_case("true"))
}

impl RegisteredModel {
    /// Whether it is a prompt of MLflow's prompt registry.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        tagged_as_prompt(&self.tags)
    }

    /// A registered model without description, tags and aliases.
    #[must_use]
    pub fn new(name: ModelName, created_at: Timestamp) -> Self {
        Self { name, created_at, description: String::new(), tags: Tags::new(), aliases: BTreeMap::new() }
    }
}

/// Which registered models a listing shows.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ModelFilter {
    /// Those with a tag of this key and value.
    Tag(Key, String),
    /// Those whose name fits the pattern.
    Name(NamePattern),
}

impl ModelFilter {
    /// Whether the listing shows `model`; prompts are never shown.
    #[must_use]
    pub fn matches(&self, model: &RegisteredModel) -> bool {
        !model.is_prompt()
            && match self {
                Self::Tag(key, value) => model.tags.get(key.as_str()) == Some(value),
                Self::Name(pattern) => pattern.matches(model.name.as_str()),
            }
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
    /// Whether it is a version of a prompt.
    #[must_use]
    pub fn is_prompt(&self) -> bool {
        tagged_as_prompt(&self.tags)
    }

    /// A ready version of no run, without description, tags and aliases.
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
