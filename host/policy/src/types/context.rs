//! The context of a decision.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::evaluation::Evaluation;
use super::is_default;
use super::transition::{OverrideKind, Transition};
use super::version::ModelVersion;
use crate::json::{self, Decimal, Signed};
use hydra_base::names::{Alias, Version};

/// The context of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Context {
    /// The name of the registered model.
    pub model_name: String,
    /// The tags of the registered model.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub model_tags: BTreeMap<String, String>,
    /// The time of the decision, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub now: u64,
    /// The clock of the server minus that of the host, in milliseconds; none if the store has no clock of its own.
    #[serde(default, with = "json::optional_signed", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Signed>")]
    pub clock_difference_ms: Option<i64>,
    /// The self-declared name of the requester.
    pub actor: String,
    /// The user that the server says this host is authenticated as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The reason that the requester gave.
    #[serde(default)]
    pub reason: Option<String>,
    /// The rules of the host that the request sets aside.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overrides: BTreeSet<OverrideKind>,
    /// Where the target comes from; a target without an origin counts as named by the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_origin: Option<TargetOrigin>,
    /// The policy's settings, checked and completed according to its descriptor.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The version behind the alias `champion`.
    #[serde(default)]
    pub champion: Option<ModelVersion>,
    /// Since when that version has been champion, by the ledger, in milliseconds since the epoch.
    #[serde(default, with = "json::optional_decimal", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Decimal>")]
    pub champion_since: Option<u64>,
    /// The version behind the alias `archived`.
    #[serde(default)]
    pub archived: Option<ModelVersion>,
    /// Where the managed aliases point; those that are not set have no version.
    #[serde(default, with = "json::alias_targets", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(with = "BTreeMap<String, Option<Decimal>>")]
    pub aliases: BTreeMap<Alias, Option<Version>>,
    /// The versions that are in quarantine.
    #[serde(default, with = "json::versions", skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<Decimal>")]
    pub quarantined: BTreeSet<Version>,
    /// The newest evaluation of each dataset in which the target and the champion were measured, by the dataset's name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evaluations: Vec<Evaluation>,
    /// The newest transitions, newest first; the caller gives at most [`Context::HISTORY`] of them.
    #[serde(default)]
    pub history: Vec<Transition>,
    /// How often the champion changed.
    #[serde(default, skip_serializing_if = "is_default")]
    pub activity: Activity,
    /// The policies that decide together.
    #[serde(default, skip_serializing_if = "is_default")]
    pub panel: Panel,
}

/// How often the champion changed before the decision, by the ledger: decisions of policies that moved `champion`. Aborted
/// ones do not count.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Activity {
    /// Promotions in the last 24 hours.
    pub promotions_last_day: u32,
    /// Promotions in the last 7 days.
    pub promotions_last_week: u32,
    /// Promotions in the last 30 days.
    pub promotions_last_month: u32,
    /// Rollbacks in the last 30 days.
    pub rollbacks_last_month: u32,
}

/// Where the target of a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum TargetOrigin {
    /// The request names the version.
    Request,
    /// The request is about the candidate.
    Candidate,
    /// The request names no version. The champion was moved by other means, and by the ledger this version was champion
    /// before that.
    Ledger,
}

/// The policies that decide together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Panel {
    /// The part of this policy.
    pub role: PanelRole,
    /// The number of policies.
    pub size: u32,
    /// Whether the panel is the active one of the model, by its ledger.
    pub active: bool,
}

/// The part of a policy among those that decide together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PanelRole {
    /// Its moves count.
    #[default]
    Leader,
    /// Its yes or no counts.
    Gate,
    /// Its answer is recorded and does not count.
    Monitor,
}

impl Context {
    /// The most transitions that a policy gets to see.
    pub const HISTORY: usize = 20;

    /// The context of a request for which nothing but the model, the time and the actor is known.
    #[must_use]
    pub fn new(model_name: impl Into<String>, now: u64, actor: impl Into<String>) -> Self {
        Self {
            model_name: model_name.into(),
            model_tags: BTreeMap::new(),
            now,
            clock_difference_ms: None,
            actor: actor.into(),
            user: None,
            reason: None,
            overrides: BTreeSet::new(),
            target_origin: None,
            settings: BTreeMap::new(),
            champion: None,
            champion_since: None,
            archived: None,
            aliases: BTreeMap::new(),
            quarantined: BTreeSet::new(),
            evaluations: Vec::new(),
            history: Vec::new(),
            activity: Activity::default(),
            panel: Panel::default(),
        }
    }
}

impl Panel {
    /// A policy with this part among `size` policies, which are not the active panel.
    #[must_use]
    pub fn new(role: PanelRole, size: u32) -> Self {
        Self { role, size, active: false }
    }
}

impl fmt::Display for PanelRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Leader => "leader",
            Self::Gate => "gate",
            Self::Monitor => "monitor",
        })
    }
}

impl Default for Panel {
    /// A policy that decides alone.
    fn default() -> Self {
        Self::new(PanelRole::Leader, 1)
    }
}
