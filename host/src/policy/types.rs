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
use sha2::{Digest, Sha256};

use super::json::{self, Decimal, Float};
use crate::error::{Error, ErrorKind, Result};

/// One request with all its evidence: everything that a decision depends on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "operation", rename_all = "lowercase", deny_unknown_fields)]
pub enum Input {
    /// May `target` become champion?
    Promote {
        /// The version to promote.
        target: ModelVersion,
        /// The circumstances.
        context: Context,
    },
    /// May the champion be rolled back?
    Rollback {
        /// The version to go back to; none leaves the choice to the policy.
        #[serde(default)]
        target: Option<ModelVersion>,
        /// The circumstances.
        context: Context,
    },
}

/// A version of the registered model, with its evidence.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelVersion {
    /// The version's number.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub version: u64,
    /// The id of the run that logged the model, if one did.
    #[serde(default)]
    pub run_id: Option<String>,
    /// When it was registered, in milliseconds since the epoch.
    #[serde(with = "json::decimal")]
    #[schemars(with = "Decimal")]
    pub created_at: u64,
    /// The aliases that point at it.
    #[serde(default)]
    pub aliases: BTreeSet<String>,
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
    /// The policy's settings as [`Descriptor::resolve`] returns them.
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
    pub target: Option<u64>,
    /// The aliases that moved, in order.
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
pub enum Operation {
    /// A promotion.
    Promote,
    /// A rollback.
    Rollback,
    /// Aliases moved by other means and found later.
    External,
}

/// Where one alias is to point.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AliasMove {
    /// The alias.
    pub alias: String,
    /// The version it is to point at; none removes the alias.
    #[serde(default, with = "json::optional_decimal")]
    #[schemars(with = "Option<Decimal>")]
    pub version: Option<u64>,
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
    #[serde(default)]
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

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Descriptor {
    /// A short name.
    pub name: String,
    /// The policy's own version.
    pub version: String,
    /// What it decides.
    pub summary: String,
    /// The settings it understands, in the policy's order.
    pub settings: Vec<Setting>,
}

/// A setting that a policy understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Setting {
    /// The name by which it is set.
    pub key: String,
    /// The type of the value.
    pub kind: SettingKind,
    /// The value when none is given.
    pub default: Option<String>,
    /// Whether a value must be given when there is no default.
    pub required: bool,
    /// What it does.
    pub doc: String,
}

/// The type of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum SettingKind {
    /// Any text.
    Text,
    /// A 64-bit integer.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A length of time such as `12h`.
    Duration,
    /// One of these texts.
    Choice(Vec<String>),
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

    /// The circumstances.
    #[must_use]
    pub fn context(&self) -> &Context {
        match self {
            Self::Promote { context, .. } | Self::Rollback { context, .. } => context,
        }
    }

    /// The circumstances, to change them.
    #[must_use]
    pub fn context_mut(&mut self) -> &mut Context {
        match self {
            Self::Promote { context, .. } | Self::Rollback { context, .. } => context,
        }
    }

    /// The bytes that count against the budget: all text, plus 16 for each list item.
    pub(super) fn weight(&self) -> u64 {
        self.target().map_or(0, ModelVersion::weight) + self.context().weight()
    }

    /// The canonical JSON (RFC 8785) of the input. Equal inputs give equal bytes, and reading them gives an equal input.
    pub fn canonical_json(&self) -> Result<Vec<u8>> {
        serde_json_canonicalizer::to_vec(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the policy input as JSON").with_source(error)
        })
    }

    /// Reads what [`Input::canonical_json`] wrote, or a person.
    pub fn from_json(bytes: &[u8]) -> Result<Self> {
        serde_json::from_slice(bytes).map_err(|error| {
            Error::new(ErrorKind::InvalidArgument, "the policy input is malformed").with_source(error)
        })
    }

    /// The SHA-256 of the canonical JSON, in hexadecimal.
    pub fn sha256(&self) -> Result<String> {
        Ok(hex_sha256(&self.canonical_json()?))
    }

    /// The SHA-256 of the evidence alone: like [`Input::sha256`], with the time of the decision taken out. Two requests
    /// on equal evidence have equal digests.
    pub fn evidence_sha256(&self) -> Result<String> {
        let mut timeless = self.clone();
        timeless.context_mut().now = 0;
        timeless.sha256()
    }
}

impl ModelVersion {
    /// A version without run, aliases or tags.
    #[must_use]
    pub fn new(version: u64, created_at: u64) -> Self {
        Self { version, run_id: None, created_at, aliases: BTreeSet::new(), run: None, tags: BTreeMap::new() }
    }

    fn weight(&self) -> u64 {
        let aliases: u64 = self.aliases.iter().map(|alias| ITEM + bytes(alias)).sum();
        let run = self.run.as_ref().map_or(0, |run| {
            let metrics: u64 = run.metrics.keys().map(|key| ITEM + bytes(key)).sum();
            metrics + map_weight(&run.params) + map_weight(&run.tags)
        });
        aliases + run + map_weight(&self.tags) + self.run_id.as_deref().map_or(0, bytes)
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

    fn weight(&self) -> u64 {
        let versions: u64 = self.champion.iter().chain(&self.archived).map(ModelVersion::weight).sum();
        let history: u64 = self.history.iter().map(Transition::weight).sum();
        let reason = self.reason.as_deref().map_or(0, bytes);
        bytes(&self.model_name)
            + bytes(&self.actor)
            + reason
            + map_weight(&self.settings)
            + versions
            + history
    }
}

impl Transition {
    fn weight(&self) -> u64 {
        let moves: u64 = self.moves.iter().map(|step| ITEM + bytes(&step.alias)).sum();
        let reason = self.reason.as_deref().map_or(0, bytes);
        ITEM + moves + bytes(&self.actor) + reason + bytes(&self.explanation)
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

impl AliasMove {
    /// `alias` is to point at `version`.
    #[must_use]
    pub fn set(alias: impl Into<String>, version: u64) -> Self {
        Self { alias: alias.into(), version: Some(version) }
    }

    /// `alias` is to be removed.
    #[must_use]
    pub fn unset(alias: impl Into<String>) -> Self {
        Self { alias: alias.into(), version: None }
    }
}

impl fmt::Display for AliasMove {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.version {
            Some(version) => write!(f, "{} -> {version}", self.alias),
            None => write!(f, "{} removed", self.alias),
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

impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Boolean => f.write_str("boolean"),
            Self::Duration => f.write_str("duration"),
            Self::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
        }
    }
}

/// What a list item counts beside its text.
const ITEM: u64 = 16;

fn bytes(text: &str) -> u64 {
    text.len() as u64
}

fn map_weight(map: &BTreeMap<String, String>) -> u64 {
    map.iter().map(|(key, value)| ITEM + bytes(key) + bytes(value)).sum()
}

/// The SHA-256 of `bytes` in hexadecimal.
pub(crate) fn hex_sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut hex, byte| {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}
