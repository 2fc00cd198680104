//! A model version: what its run recorded, the state of its files, and what people say of it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::facts::ModelState;
use super::is_default;
use crate::json::{self, Decimal, Float};
use hydra_base::Sha256;
use hydra_base::names::{Alias, Version};

/// A version of the registered model, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ModelVersion {
    /// The version's number.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub version: Version,
    /// The id of the run that logged the model, if one did.
    #[serde(default)]
    pub run_id: Option<String>,
    /// When it was registered, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub created_at: u64,
    /// The aliases that point at it.
    #[serde(default)]
    #[schemars(with = "BTreeSet<String>")]
    pub aliases: BTreeSet<Alias>,
    /// The data of the run; none if there is no run, or if it was deleted or cannot be read.
    #[serde(default)]
    pub run: Option<RunData>,
    /// The tags of the model version itself.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
    /// The state of its files.
    #[serde(default, skip_serializing_if = "is_default")]
    pub model: ModelState,
    /// The approvals that count at the time of the decision, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub approvals: Vec<ApprovalRecord>,
    /// The quarantine, if it is in quarantine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<QuarantineRecord>,
}

/// The data that the run behind a model version recorded.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct RunData {
    /// The latest value of every metric.
    #[serde(default, with = "json::floats")]
    #[schemars(with = "BTreeMap<String, Float>")]
    pub metrics: BTreeMap<String, f64>,
    /// Every param.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Every tag of the run.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// An approval of a version by a person. It ends when it expires, when the version becomes champion, and when the bytes of
/// the model change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct ApprovalRecord {
    /// The self-declared name of the approver.
    pub actor: String,
    /// The user that the server says was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub at: u64,
    /// When it ends, in milliseconds since the epoch; none if only use ends it.
    #[serde(default, with = "json::optional_decimal", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Decimal>")]
    pub expires: Option<u64>,
    /// The SHA-256 of the model file that was approved.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// The reason that the approver gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the approver also logged the version.
    #[serde(default, skip_serializing_if = "is_default")]
    pub own: bool,
}

/// A quarantine: the version cannot become champion until it is released.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct QuarantineRecord {
    /// The self-declared name of the person who put the version in quarantine.
    pub actor: String,
    /// The user that the server says was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub at: u64,
    /// The reason.
    pub reason: String,
}

impl ModelVersion {
    /// A version without run, aliases, tags, approvals and quarantine, whose files were not opened.
    #[must_use]
    pub fn new(version: Version, created_at: u64) -> Self {
        Self {
            version,
            run_id: None,
            created_at,
            aliases: BTreeSet::new(),
            run: None,
            tags: BTreeMap::new(),
            model: ModelState::Unopened,
            approvals: Vec::new(),
            quarantine: None,
        }
    }
}

impl RunData {
    /// The same run with these metrics.
    #[must_use]
    pub fn with_metrics(mut self, metrics: impl IntoIterator<Item = (String, f64)>) -> Self {
        self.metrics = metrics.into_iter().collect();
        self
    }

    /// The same run with these params.
    #[must_use]
    pub fn with_params(mut self, params: BTreeMap<String, String>) -> Self {
        self.params = params;
        self
    }

    /// The same run with these tags.
    #[must_use]
    pub fn with_tags(mut self, tags: BTreeMap<String, String>) -> Self {
        self.tags = tags;
        self
    }
}

impl ApprovalRecord {
    /// An approval without expiry and reason, of a version that another person logged.
    #[must_use]
    pub fn new(actor: impl Into<String>, at: u64, sha256: Sha256) -> Self {
        Self { actor: actor.into(), user: None, at, expires: None, sha256, reason: None, own: false }
    }
}

impl QuarantineRecord {
    /// A quarantine by an actor that no server has authenticated.
    #[must_use]
    pub fn new(actor: impl Into<String>, at: u64, reason: impl Into<String>) -> Self {
        Self { actor: actor.into(), user: None, at, reason: reason.into() }
    }
}

/// Compares metrics by their bits, so that evidence with a NaN is equal to itself.
impl PartialEq for RunData {
    fn eq(&self, other: &Self) -> bool {
        let bits = |metrics: &BTreeMap<String, f64>| {
            metrics.iter().map(|(key, value)| (key.clone(), value.to_bits())).collect::<Vec<_>>()
        };
        self.params == other.params && self.tags == other.tags && bits(&self.metrics) == bits(&other.metrics)
    }
}
