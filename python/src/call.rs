//! The calls of a registry, as they are written between the interpreter's process and the worker.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hydra_base::Timestamp;
use hydra_base::names::{Alias, Version};
use hydra_registry::{Sha256, VersionSelector};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::evaluating::{EvaluateCall, Measure};

/// A call with one answer. Times are in milliseconds since 1970.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Call {
    /// Checks the options and connects; answers the registered model's name.
    Connect,
    /// Logs a candidate.
    Log(LogCall),
    /// Asks for a promotion.
    Promote(PromoteCall),
    /// Asks for a rollback.
    Rollback(RollbackCall),
    /// Makes a version the candidate.
    Nominate(StatementCall),
    /// Approves a version.
    Approve(StatementCall),
    /// Puts a version in quarantine.
    Quarantine(StatementCall),
    /// Ends the quarantine of a version.
    Release(StatementCall),
    /// Makes the policies of the registry the active ones.
    ActivatePolicy(PolicyCall),
    /// Ends the active policy.
    DeactivatePolicy(PolicyCall),
    /// Approves that a policy becomes the active one.
    ApprovePolicy(PolicyCall),
    /// The digest of the document of the policies of the registry.
    PolicyDigest,
    /// Describes the active policy.
    ActivePolicy,
    /// Describes the champion.
    ChampionInfo,
    /// The champion at a time, according to the ledger.
    ChampionAt { at: Timestamp },
    /// Describes a version.
    Describe(Selector),
    /// What is not as it should be.
    Diagnose,
    /// Repairs what needs no human decision.
    Repair,
    /// Several models at a glance.
    Statuses { models: String },
    /// Measures versions on the same rows.
    Evaluate(EvaluateCall),
    /// The text of the `MLmodel` of a version.
    Mlmodel(Selector),
}

/// A candidate.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogCall {
    /// Where the model is.
    pub source: Source,
    /// Numbers, or `"NaN"`, `"Infinity"` and `"-Infinity"`.
    pub metrics: BTreeMap<String, Value>,
    /// The configuration.
    pub config: Map<String, Value>,
    /// The tags of the run.
    pub tags: BTreeMap<String, String>,
    /// The name of the run.
    pub run_name: Option<String>,
}

/// Where the model of a candidate is.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A file of LightGBM's text.
    File(PathBuf),
    /// A model directory as MLflow saves it, with its `MLmodel` as a JSON object.
    Directory { path: PathBuf, mlmodel: Map<String, Value> },
}

/// A request for a promotion.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PromoteCall {
    /// None for the candidate.
    pub version: Option<Version>,
    /// For the ledger and the policy.
    pub reason: Option<String>,
    /// Whether only to decide and explain.
    pub dry_run: bool,
    /// Whether to decide by the policies of the registry although others are active.
    pub override_policy: bool,
    /// What to measure before.
    pub measure: Option<Measure>,
}

/// A request for a rollback.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RollbackCall {
    /// None for the policy's choice.
    pub version: Option<Version>,
    /// For the ledger and the policy.
    pub reason: Option<String>,
    /// Whether only to decide and explain.
    pub dry_run: bool,
    /// Whether to decide by the policies of the registry although others are active.
    pub override_policy: bool,
    /// Whether the version that stops being champion goes into quarantine.
    pub quarantine: bool,
}

/// A statement about a version.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StatementCall {
    pub version: Version,
    pub reason: Option<String>,
    /// How long an approval lasts.
    pub expires_seconds: Option<f64>,
}

/// A statement about the active policy.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyCall {
    /// Of an approval: the digest of the document; none: that no policy is active.
    pub policy: Option<Sha256>,
    /// Of an activation: how many people must approve before the policy changes.
    pub activation_approvals: Option<u32>,
    pub reason: Option<String>,
    /// How long an approval lasts.
    pub expires_seconds: Option<f64>,
    pub dry_run: bool,
}

/// Which version a call is about.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Selector {
    /// The version of this number.
    Version(Version),
    /// The version behind this alias.
    Alias(Alias),
}

impl From<Selector> for VersionSelector {
    fn from(selector: Selector) -> Self {
        match selector {
            Selector::Version(version) => version.into(),
            Selector::Alias(alias) => alias.into(),
        }
    }
}
