//! The words of the contract as domain types: what a policy is shown, and what it answers.
//!
//! Their JSON form is what the ledger archives and what case files contain. It survives canonical JSON (RFC 8785)
//! without loss: 64-bit integers and the numbers that JSON cannot write (NaN, infinities, negative zero) are strings,
//! and everything keyed is a sorted map, so equal evidence is equal bytes. Reading is more lenient than writing: small
//! integers may be plain numbers, and lists and optional fields may be left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::json::{self, Decimal, Float};
use hydra_base::aliases::AliasMove;
use hydra_base::names::{Alias, Version};

/// A version of the registered model, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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
    /// What the run recorded; none when there is no run, or it was deleted or cannot be read.
    #[serde(default)]
    pub run: Option<RunData>,
    /// The tags of the model version itself.
    #[serde(default)]
    pub tags: BTreeMap<String, String>,
}

/// What the run behind a model version recorded.
#[derive(Debug, Clone, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
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

/// The circumstances of a decision.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// The name of the registered model.
    pub model_name: String,
    /// The time of the decision, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub now: u64,
    /// Who asks, as they call themselves.
    pub actor: String,
    /// Why they ask.
    #[serde(default)]
    pub reason: Option<String>,
    /// The policy's settings, checked and completed as its descriptor says.
    #[serde(default)]
    pub settings: BTreeMap<String, String>,
    /// The version behind the alias `champion`.
    #[serde(default)]
    pub champion: Option<ModelVersion>,
    /// The version behind the alias `archived`.
    #[serde(default)]
    pub archived: Option<ModelVersion>,
    /// The newest transitions, newest first; the caller gives at most [`Context::HISTORY`] of them.
    #[serde(default)]
    pub history: Vec<Transition>,
}

/// A change of the aliases that took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Transition {
    /// What kind of change it was.
    pub operation: Operation,
    /// The version that was to be promoted or rolled back to, if one was named.
    #[serde(default, with = "json::optional_decimal")]
    #[schemars(with = "Option<Decimal>")]
    pub target: Option<Version>,
    /// The aliases that moved, in order.
    #[serde(with = "json::alias_moves")]
    #[schemars(with = "Vec<json::AliasMove>")]
    pub moves: Vec<AliasMove>,
    /// When it was decided (or found, for [`Operation::External`]), in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub at: u64,
    /// Who asked for it, as they call themselves.
    pub actor: String,
    /// Why they asked for it.
    #[serde(default)]
    pub reason: Option<String>,
    /// The explanation that the policy gave.
    #[serde(default)]
    pub explanation: String,
}

/// What kind of change a transition was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Operation {
    /// A promotion.
    Promote,
    /// A rollback.
    Rollback,
    /// Aliases moved by other means and found later.
    External,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "verdict", rename_all = "lowercase")]
pub enum Verdict {
    /// Do it.
    Approve(Approval),
    /// No: the evidence speaks against it.
    Reject {
        /// Why, for people.
        explanation: String,
    },
    /// Not yet: the evidence is not sufficient.
    Hold {
        /// What is missing, for people.
        explanation: String,
    },
}

/// A yes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The aliases to move, in order.
    #[serde(default, with = "json::alias_moves")]
    #[schemars(with = "Vec<json::AliasMove>")]
    pub moves: Vec<AliasMove>,
    /// Why, for people.
    pub explanation: String,
}

/// A verdict without its words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum VerdictKind {
    /// Do it.
    Approve,
    /// No.
    Reject,
    /// Not yet.
    Hold,
}

impl ModelVersion {
    /// A version without run, aliases or tags.
    #[must_use]
    pub fn new(version: Version, created_at: u64) -> Self {
        Self { version, run_id: None, created_at, aliases: BTreeSet::new(), run: None, tags: BTreeMap::new() }
    }
}

impl Context {
    /// How many transitions a policy is shown at most.
    pub const HISTORY: usize = 20;

    /// Circumstances without champion, archived version, history, settings and reason.
    #[must_use]
    pub fn new(model_name: impl Into<String>, now: u64, actor: impl Into<String>) -> Self {
        Self {
            model_name: model_name.into(),
            now,
            actor: actor.into(),
            reason: None,
            settings: BTreeMap::new(),
            champion: None,
            archived: None,
            history: Vec::new(),
        }
    }
}

/// Metrics are compared by their bits: evidence that holds a NaN is equal to itself.
impl PartialEq for RunData {
    fn eq(&self, other: &Self) -> bool {
        let bits = |metrics: &BTreeMap<String, f64>| {
            metrics.iter().map(|(key, value)| (key.clone(), value.to_bits())).collect::<Vec<_>>()
        };
        self.params == other.params && self.tags == other.tags && bits(&self.metrics) == bits(&other.metrics)
    }
}

impl Verdict {
    /// A rejection.
    #[must_use]
    pub fn reject(explanation: impl Into<String>) -> Self {
        Self::Reject { explanation: explanation.into() }
    }

    /// A hold.
    #[must_use]
    pub fn hold(explanation: impl Into<String>) -> Self {
        Self::Hold { explanation: explanation.into() }
    }

    /// The verdict without its words.
    #[must_use]
    pub fn kind(&self) -> VerdictKind {
        match self {
            Self::Approve(_) => VerdictKind::Approve,
            Self::Reject { .. } => VerdictKind::Reject,
            Self::Hold { .. } => VerdictKind::Hold,
        }
    }

    /// The words.
    #[must_use]
    pub fn explanation(&self) -> &str {
        match self {
            Self::Approve(Approval { explanation, .. })
            | Self::Reject { explanation }
            | Self::Hold { explanation } => explanation,
        }
    }

    /// The aliases to move: none unless approved.
    #[must_use]
    pub fn moves(&self) -> &[AliasMove] {
        match self {
            Self::Approve(approval) => &approval.moves,
            Self::Reject { .. } | Self::Hold { .. } => &[],
        }
    }
}

impl fmt::Display for VerdictKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Approve => "approve",
            Self::Reject => "reject",
            Self::Hold => "hold",
        })
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::External => "external",
        })
    }
}
