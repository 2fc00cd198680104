//! What happened before: past changes of the aliases.

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json::{self, Decimal};
use hydra_base::aliases::AliasMove;
use hydra_base::names::Version;

/// A change of the aliases that took place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[non_exhaustive]
pub struct Transition {
    /// The kind of change.
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
    /// The self-declared name of the requester.
    pub actor: String,
    /// The user that the server said was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The reason that the requester gave.
    #[serde(default)]
    pub reason: Option<String>,
    /// The explanation that the policy gave.
    #[serde(default)]
    pub explanation: String,
    /// The rules of the host that the request set aside.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overrides: BTreeSet<OverrideKind>,
}

/// The kind of a transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Operation {
    /// A promotion.
    Promote,
    /// A rollback.
    Rollback,
    /// Aliases that were moved by other means and detected later.
    External,
}

/// A rule of the host that a request sets aside, on record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum OverrideKind {
    /// The version may become champion although its model cannot be loaded.
    UnloadableModel,
    /// The decision is by another policy than the active one.
    InactivePolicy,
}

impl Transition {
    /// A change without target, moves, reason, explanation and overrides.
    #[must_use]
    pub fn new(operation: Operation, at: u64, actor: impl Into<String>) -> Self {
        Self {
            operation,
            target: None,
            moves: Vec::new(),
            at,
            actor: actor.into(),
            user: None,
            reason: None,
            explanation: String::new(),
            overrides: BTreeSet::new(),
        }
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

impl fmt::Display for OverrideKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::UnloadableModel => "unloadable-model",
            Self::InactivePolicy => "inactive-policy",
        })
    }
}
