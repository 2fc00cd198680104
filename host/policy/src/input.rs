//! The question put to a policy, and its JSON.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::types::{Context, ModelVersion, Operation};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};

/// One request with all its evidence: everything that a decision depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "lowercase", deny_unknown_fields)]
#[non_exhaustive]
pub enum Input {
    /// May `target` become champion?
    Promote {
        /// The version to promote.
        target: ModelVersion,
        /// The context.
        context: Context,
    },
    /// May the champion be rolled back?
    Rollback {
        /// The version to return to; none leaves the choice to the policy.
        #[serde(default)]
        target: Option<ModelVersion>,
        /// The context.
        context: Context,
    },
}

impl Input {
    /// The question whether `target` may become champion.
    #[must_use]
    pub fn promotion(target: ModelVersion, context: Context) -> Self {
        Self::Promote { target, context }
    }

    /// The question whether the champion may be rolled back, to `target` if one is named.
    #[must_use]
    pub fn rollback(target: Option<ModelVersion>, context: Context) -> Self {
        Self::Rollback { target, context }
    }

    /// What is asked for.
    #[must_use]
    pub fn operation(&self) -> Operation {
        match self {
            Self::Promote { .. } => Operation::Promote,
            Self::Rollback { .. } => Operation::Rollback,
        }
    }

    /// The version that the request names.
    #[must_use]
    pub fn target(&self) -> Option<&ModelVersion> {
        match self {
            Self::Promote { target, .. } => Some(target),
            Self::Rollback { target, .. } => target.as_ref(),
        }
    }

    /// The circumstances of the decision.
    #[must_use]
    pub fn context(&self) -> &Context {
        match self {
            Self::Promote { context, .. } | Self::Rollback { context, .. } => context,
        }
    }

    /// The circumstances of the decision, mutable.
    #[must_use]
    pub fn context_mut(&mut self) -> &mut Context {
        match self {
            Self::Promote { context, .. } | Self::Rollback { context, .. } => context,
        }
    }

    /// The versions with evidence, mutable: the target, the champion and the archived version. One version may be two of them.
    pub fn versions_mut(&mut self) -> impl Iterator<Item = &mut ModelVersion> {
        let (target, context) = match self {
            Self::Promote { target, context } => (Some(target), context),
            Self::Rollback { target, context } => (target.as_mut(), context),
        };
        [target, context.champion.as_mut(), context.archived.as_mut()].into_iter().flatten()
    }

    /// The canonical JSON (RFC 8785) of the input. Equal inputs give equal bytes, and reading them gives an equal input.
    pub fn canonical_json(&self) -> Result<Vec<u8>> {
        serde_json_canonicalizer::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the policy input as JSON").with_source(error)
        })
    }

    /// Reads canonical JSON, and the shorter form that users write in case files.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "the policy input is malformed").with_source(error)
        })
    }

    /// The SHA-256 of the canonical JSON.
    pub fn sha256(&self) -> Result<Sha256> {
        Ok(Sha256::of(&self.canonical_json()?))
    }

    /// The SHA-256 of the evidence alone: like [`Input::sha256`], without the time of the decision and the difference of the
    /// clocks, which is another one each time it is measured. Two requests on equal evidence have equal digests.
    pub fn evidence_sha256(&self) -> Result<Sha256> {
        let mut timeless = self.clone();
        let context = timeless.context_mut();
        context.now = 0;
        context.clock_difference_ms = None;
        timeless.sha256()
    }
}
