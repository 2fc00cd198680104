//! Entries of the ledger, as they are written into one tag of a model version.
//!
//! The tag holds canonical JSON (RFC 8785): equal entries are equal bytes, and the digest of an entry is the SHA-256 of
//! those bytes. 64-bit numbers are decimal strings, since JSON readers disagree about large numbers.

pub(crate) mod forms;
pub(super) mod parts;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};

use super::HOST;
use forms::{optional_number, text_aliases, text_number, text_version, text_versions};
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::names::{Alias, Version};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::Number;
use hydra_policy::{OverrideKind, VerdictKind};

pub use parts::{
    Activation, Bridge, Decided, EvaluationNote, NewArchive, Origin, PanelAnswer, PanelVerdict, SideMove,
    StandingRef, Subject,
};
pub use text::Undecodable;

/// The schema that this release writes; it reads all up to it.
pub const SCHEMA: u32 = 2;

/// The most bytes that an entry may have. MLflow 2.x stores at most 5,000, and longer tags are slow there.
pub const MAX_ENTRY_BYTES: usize = 4_500;

/// Where the ledger has its aliases: those of `state`, and `champion` and `archived` in any case.
#[must_use]
pub fn tracked(state: &AliasState) -> AliasState {
    let mut all = state.clone();
    for alias in [Alias::CHAMPION, Alias::ARCHIVED] {
        all.set_if_missing(alias, None);
    }
    all
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The beginning, with the aliases found then.
    Genesis,
    /// A decision about a promotion.
    Promote,
    /// A decision about a rollback.
    Rollback,
    /// The entry before never took effect; its aliases are restored.
    Aborted,
    /// Aliases were moved without the ledger.
    External,
    /// A slow writer overwrote aliases; they are restored.
    Reassert,
    /// Damage in the ledger is bridged; the aliases are taken as found.
    Checkpoint,
    /// A version became the candidate.
    Nominate,
    /// A person approved a version, or a policy as the active one.
    Approve,
    /// A version went into quarantine.
    Quarantine,
    /// The quarantine of a version ended.
    Release,
    /// A panel of policies became the active one.
    Activate,
    /// The active panel of policies ended.
    Deactivate,
    /// A new run holds the archive.
    Archive,
}

/// An entry. The parts from `standing` to `archive` exist since schema 2.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The id of the ledger.
    pub ledger: String,
    /// What it records.
    pub operation: EntryKind,
    /// 32 random hexadecimal digits, the same in all attempts of a request.
    pub operation_id: String,
    /// The head that the author saw; for a checkpoint, the newest number that the author saw.
    #[serde(with = "text_number")]
    pub base: Number,
    /// The digest of the head that the author saw; none for the first entry.
    pub previous: Option<Sha256>,
    /// The version it is about.
    #[serde(default, with = "text_version", skip_serializing_if = "Option::is_none")]
    pub target: Option<Version>,
    /// The requester's own name for itself; may be cut.
    pub actor: String,
    /// The requester's reason; may be cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the entry was made, by the author's clock, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// From when on it may no longer take effect, by the author's clock, in milliseconds.
    #[serde(with = "text_number")]
    pub expires: Timestamp,
    /// The policy's explanation, or a sentence of the author; may be cut.
    pub explanation: String,
    /// The ledger's aliases before. An alias that no entry ever moved is not in it.
    #[serde(with = "text_aliases")]
    pub before: AliasState,
    /// The ledger's aliases after.
    #[serde(with = "text_aliases")]
    pub after: AliasState,
    /// Moves of other aliases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub side: BTreeMap<Alias, SideMove>,
    /// The policy's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// The genesis' part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The checkpoint's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,
    /// The standing that holds after it; none before the first one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub standing: Option<StandingRef>,
    /// The user that the server says the author is authenticated as.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The clock of the server minus that of the author, in milliseconds.
    #[serde(default, with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub clock_ms: Option<i64>,
    /// The rules of the host that the request set aside.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub overrides: BTreeSet<OverrideKind>,
    /// The part of a verb about one version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Subject>,
    /// The versions that a rollback puts in quarantine.
    #[serde(default, with = "text_versions", skip_serializing_if = "BTreeSet::is_empty")]
    pub quarantines: BTreeSet<Version>,
    /// The part of an activation, and of an approval of one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub activation: Option<Activation>,
    /// The part of an entry about the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<NewArchive>,
    /// The program that wrote it, such as `hydra-registry/0.1.0`.
    pub host: String,
}

impl Entry {
    /// An entry of this release on top of entry `base`, made at the time `at`, that leaves the aliases `state`. It may take effect
    /// for `expiry` milliseconds.
    pub(super) fn new(
        ledger: &str,
        operation: EntryKind,
        (base, previous): (Number, Option<Sha256>),
        state: AliasState,
        at: Timestamp,
        expiry: u64,
    ) -> Self {
        Self {
            schema: SCHEMA,
            ledger: ledger.to_owned(),
            operation,
            operation_id: uuid::Uuid::new_v4().simple().to_string(),
            base,
            previous,
            target: None,
            actor: String::new(),
            reason: None,
            at,
            expires: at.saturating_add(i64::try_from(expiry).unwrap_or(i64::MAX)),
            explanation: String::new(),
            before: state.clone(),
            after: state,
            side: BTreeMap::new(),
            decided: None,
            origin: None,
            bridge: None,
            standing: None,
            user: None,
            clock_ms: None,
            overrides: BTreeSet::new(),
            subject: None,
            quarantines: BTreeSet::new(),
            activation: None,
            archive: None,
            host: HOST.into(),
        }
    }

    /// Whether it records what was found rather than what was decided.
    #[must_use]
    pub fn is_observation(&self) -> bool {
        matches!(self.operation, EntryKind::Genesis | EntryKind::External | EntryKind::Checkpoint)
    }

    /// Whether it is a decision of a policy, as opposed to an entry of the protocol.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(self.operation, EntryKind::Promote | EntryKind::Rollback)
    }

    /// The version that it makes champion, if the champion moves to one.
    #[must_use]
    pub fn crowned(&self) -> Option<Version> {
        let champion = self.after.get(&Alias::CHAMPION);
        champion.filter(|_| champion != self.before.get(&Alias::CHAMPION))
    }

    /// Its moves of other aliases that are still to be made, given where these are.
    pub(super) fn side_moves(&self, aliases: &BTreeMap<Alias, Version>) -> Vec<AliasMove> {
        let moves = self
            .side
            .iter()
            .filter(|(alias, side)| aliases.get(*alias).copied() == side.from && side.from != side.to);
        moves.map(|(alias, side)| AliasMove { alias: alias.clone(), version: side.to }).collect()
    }

    /// Whether it is a decision that the policy approved.
    #[must_use]
    pub fn is_approved(&self) -> bool {
        self.is_decision()
            && self.decided.as_ref().is_some_and(|decided| decided.verdict == VerdictKind::Approve)
    }

    /// The versions that it puts in quarantine.
    #[must_use]
    pub fn quarantined(&self) -> BTreeSet<Version> {
        match self.operation {
            EntryKind::Quarantine => self.target.into_iter().collect(),
            _ if self.is_approved() => self.quarantines.clone(),
            _ => BTreeSet::new(),
        }
    }

    /// Whether it has only parts that schema 1 has.
    fn is_of_schema_1(&self) -> bool {
        let old_kind = self.is_decision()
            || self.is_observation()
            || matches!(self.operation, EntryKind::Aborted | EntryKind::Reassert);
        let old_decision = self.decided.as_ref().is_none_or(Decided::is_of_schema_1);
        let stated = self.standing.is_some() || self.subject.is_some() || !self.quarantines.is_empty();
        let observed = self.user.is_some() || self.clock_ms.is_some() || !self.overrides.is_empty();
        old_kind
            && old_decision
            && !stated
            && !observed
            && self.activation.is_none()
            && self.archive.is_none()
    }

    /// Whether the recorded explanation is `full`, or `full` cut to fit.
    #[must_use]
    pub fn explains(&self, full: &str) -> bool {
        text::is_cut(&self.explanation, full)
    }

    /// Whether the recorded actor is `full`, or `full` cut to fit.
    #[must_use]
    pub fn names_actor(&self, full: &str) -> bool {
        text::is_cut(&self.actor, full)
    }

    /// Whether the recorded reason is `full`, or `full` cut to fit.
    #[must_use]
    pub fn gives_reason(&self, full: Option<&str>) -> bool {
        match (&self.reason, full) {
            (Some(reason), Some(full)) => text::is_cut(reason, full),
            (reason, full) => reason.is_none() && full.is_none(),
        }
    }
}

impl EntryKind {
    /// What the actor of such an entry did, for people: the actor of an entry about moves without the ledger found them, and
    /// need not have made them.
    #[must_use]
    pub fn role_of_actor(self) -> &'static str {
        match self {
            Self::External => "found by",
            Self::Genesis | Self::Aborted | Self::Reassert | Self::Checkpoint | Self::Archive => "written by",
            Self::Promote
            | Self::Rollback
            | Self::Nominate
            | Self::Approve
            | Self::Quarantine
            | Self::Release
            | Self::Activate
            | Self::Deactivate => "requested by",
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Genesis => "genesis",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Aborted => "aborted",
            Self::External => "external",
            Self::Reassert => "reassert",
            Self::Checkpoint => "checkpoint",
            Self::Nominate => "nominate",
            Self::Approve => "approve",
            Self::Quarantine => "quarantine",
            Self::Release => "release",
            Self::Activate => "activate",
            Self::Deactivate => "deactivate",
            Self::Archive => "archive",
        })
    }
}

#[cfg(test)]
pub(crate) mod tests;
