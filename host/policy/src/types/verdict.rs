//! The answer of a policy.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::json;
use hydra_base::aliases::AliasMove;

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
#[non_exhaustive]
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

impl Verdict {
    /// An approval of these alias moves.
    #[must_use]
    pub fn approve(moves: Vec<AliasMove>, explanation: impl Into<String>) -> Self {
        Self::Approve(Approval { moves, explanation: explanation.into() })
    }

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

    /// The verdict without its explanation.
    #[must_use]
    pub fn kind(&self) -> VerdictKind {
        match self {
            Self::Approve(_) => VerdictKind::Approve,
            Self::Reject { .. } => VerdictKind::Reject,
            Self::Hold { .. } => VerdictKind::Hold,
        }
    }

    /// Why the policy decided so, for users.
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
