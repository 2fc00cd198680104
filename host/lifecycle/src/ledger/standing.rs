//! The standing: the versions in quarantine, the approvals that were not used yet, the active panel of policies.
//!
//! It is a document in the archive, and every entry names the newest one by number and digest: a decision reads the head
//! and that document, however long the ledger is. The document is a fold over the chain ([`Standing::after`]) that uses
//! nothing but what the entries hold. So it can be rebuilt when the archive is lost, and the verification compares the
//! two. [`hydra_ledger_rules::standing`] decides what an entry changes.

mod active;
pub(in crate::ledger) mod audit;
mod reading;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ledger::document;
use crate::ledger::entry::forms::{by_version, optional_number, text_number};
use crate::ledger::entry::{Activation, Entry, EntryKind, StandingRef};
use hydra_base::actor;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Version;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Sha256, Timestamp};
use hydra_ledger_rules::standing as rules;

pub use active::{ActivePanel, MAX_PANEL_APPROVALS, PanelApproval};
use active::{active_panel, panel_approval};

/// The schema of the document that this release writes and reads.
const SCHEMA: u32 = 1;

/// The name of the document in errors.
const WHAT: &str = "the standing document";

/// The most live approvals of one version.
pub const MAX_APPROVALS_OF_VERSION: usize = 64;

/// The most live approvals of all versions.
pub const MAX_APPROVALS: usize = 512;

/// A standing document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Standing {
    schema: u32,
    ledger: String,
    #[serde(with = "text_number")]
    number: u64,
    #[serde(with = "by_version")]
    quarantines: BTreeMap<Version, Quarantine>,
    approvals: Vec<Approval>,
    panel: Option<ActivePanel>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    panel_approvals: Vec<PanelApproval>,
}

/// A version that cannot become champion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quarantine {
    /// The self-declared name of the person who put it there.
    pub by: String,
    /// The user that the server said was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// Why.
    pub reason: String,
    /// The SHA-256 of the version's model file, if it was known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
    /// The request that put it there.
    pub operation_id: String,
}

/// An approval that was not used yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Approval {
    /// The version.
    #[serde(with = "text_number")]
    pub version: Version,
    /// The SHA-256 of the model file that was approved.
    pub sha256: Sha256,
    /// The self-declared name of the approver.
    pub by: String,
    /// The user that the server said was authenticated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// When, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// When it ends, in milliseconds; none if only its use ends it.
    #[serde(default, with = "optional_number", skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The reason that the approver gave.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether the approver also logged the version.
    pub own: bool,
    /// The request that gave it.
    pub operation_id: String,
}

impl Standing {
    /// The standing of a ledger before its first standing document.
    #[must_use]
    pub fn none(ledger: &str) -> Self {
        Self {
            schema: SCHEMA,
            ledger: ledger.to_owned(),
            number: 0,
            quarantines: BTreeMap::new(),
            approvals: Vec::new(),
            panel: None,
            panel_approvals: Vec::new(),
        }
    }

    /// The number of the document; zero before the first one.
    #[must_use]
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The quarantine of a version, if it is in quarantine.
    #[must_use]
    pub fn quarantine(&self, version: Version) -> Option<&Quarantine> {
        self.quarantines.get(&version)
    }

    /// Every version in quarantine.
    pub fn quarantines(&self) -> impl Iterator<Item = (Version, &Quarantine)> {
        self.quarantines.iter().map(|(version, quarantine)| (*version, quarantine))
    }

    /// Whether it is a document of that ledger.
    #[must_use]
    pub fn is_of(&self, ledger: &str) -> bool {
        self.ledger == ledger
    }

    /// Every approval that was not used, in the order in which they were given. Some may have expired.
    #[must_use]
    pub fn approvals(&self) -> &[Approval] {
        &self.approvals
    }

    /// The approvals of a version that count at `now`, oldest first: those that have not expired, of a model file with
    /// the digest `sha256`.
    pub fn counting_approvals(
        &self,
        version: Version,
        sha256: Sha256,
        now: Timestamp,
    ) -> impl Iterator<Item = &Approval> {
        self.approvals.iter().filter(move |approval| {
            approval.version == version && approval.sha256 == sha256 && approval.is_live(now)
        })
    }

    /// Makes sure that there is room for an approval: `TooManyApprovals` beyond the limits. An approval by the same person is
    /// replaced, and takes no room.
    pub fn ensure_room_for_approval(&self, version: Version, by: &str, now: Timestamp) -> Result<()> {
        let live = || {
            let live = self.approvals.iter().filter(|approval| approval.is_live(now));
            live.filter(|approval| !approval.is_replaced_by(version, by))
        };
        let refused = |message: String, hint: String| {
            Err(Error::new(ErrorKind::TooManyApprovals, message).with_hint(hint))
        };
        if live().filter(|approval| approval.version == version).count() >= MAX_APPROVALS_OF_VERSION {
            return refused(
                format!(
                    "version {version} has {MAX_APPROVALS_OF_VERSION} live approvals, the most that a version can have"
                ),
                format!("`hydra-registry promote {version}` uses them; no further approval is needed"),
            );
        }
        match live().next() {
            Some(oldest) if live().count() >= MAX_APPROVALS => {
                let (version, by) = (oldest.version, excerpt(&oldest.by, QUOTED_CHARS));
                refused(
                    format!("the model has {MAX_APPROVALS} live approvals, the most that a model can have"),
                    format!(
                        "a promotion uses the approvals of its version; the oldest approval is of version {version} by {by}, who can replace it with one that expires"
                    ),
                )
            }
            _ => Ok(()),
        }
    }

    /// The standing after `entry`, where this one is the standing that the entry starts from; `None` if the entry carries
    /// it on. The number counts up by one, and approvals that have expired by the time of the entry are dropped.
    #[must_use]
    pub fn after(&self, entry: &Entry) -> Option<Self> {
        let mut fold = Fold { standing: self.clone(), entry };
        entry.with_act(|act| act.apply(&mut fold));
        let mut next = fold.standing;
        if next == *self {
            return None;
        }
        next.approvals.retain(|approval| approval.is_live(entry.at));
        next.panel_approvals.retain(|approval| approval.is_live(entry.at));
        next.number = self.number.saturating_add(1);
        Some(next)
    }

    /// The bytes of the document, and what an entry names it by.
    pub fn encode(&self) -> Result<(Vec<u8>, StandingRef)> {
        let bytes = document::encode(self, WHAT)?;
        let sha256 = Sha256::of(&bytes);
        Ok((bytes, StandingRef { number: self.number, sha256 }))
    }

    /// Reads the bytes of a document. `LedgerNewer` for one of a newer schema, `LedgerBroken` for anything else that is
    /// not a document.
    pub fn decode(bytes: &[u8]) -> Result<Self> {
        document::decode(bytes, WHAT, SCHEMA)
    }
}

impl Approval {
    /// Whether it has not expired at `now`.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.expires.is_none_or(|expires| now < expires)
    }

    /// Whether an approval of `version` by `by` takes its place.
    fn is_replaced_by(&self, version: Version, by: &str) -> bool {
        self.version == version && actor::is_same(&self.by, by)
    }
}

impl Entry {
    /// Calls `with` with what the entry means for the standing.
    pub fn with_act<T>(&self, with: impl FnOnce(rules::Act<'_>) -> T) -> T {
        let quarantines: Vec<u64> = self.quarantines.iter().map(|version| version.get()).collect();
        let policy = || self.activation.as_ref().map(Activation::policy);
        let act = match (self.operation, self.target.map(Version::get)) {
            (EntryKind::Aborted, _) => rules::Act::Abort,
            (EntryKind::Quarantine, Some(version)) => rules::Act::Quarantine(version),
            (EntryKind::Release, Some(version)) => rules::Act::Release(version),
            (EntryKind::Approve, Some(version)) => rules::Act::Approve(version),
            (EntryKind::Approve, None) => policy().map_or(rules::Act::Carry, rules::Act::ApprovePolicy),
            (EntryKind::Activate, _) => match policy() {
                Some(policy @ Some(_)) => rules::Act::Activate(policy),
                _ => rules::Act::Carry,
            },
            (EntryKind::Deactivate, _) => rules::Act::Activate(None),
            (EntryKind::External, _) => rules::Act::Found { crowned: self.crowned().map(Version::get) },
            _ if self.is_approved() => {
                rules::Act::Decision { crowned: self.crowned().map(Version::get), quarantines: &quarantines }
            }
            _ => rules::Act::Carry,
        };
        with(act)
    }
}

/// A standing that an entry is about to change.
struct Fold<'a> {
    standing: Standing,
    entry: &'a Entry,
}

impl rules::Standing for Fold<'_> {
    fn quarantine(&mut self, version: u64) {
        let Ok(version) = Version::new(version) else { return };
        let entry = self.entry;
        let about = entry.target == Some(version);
        let sha256 =
            entry.subject.as_ref().filter(|_| about).and_then(|subject| subject.model_sha256.clone());
        let quarantine = Quarantine {
            by: entry.actor.clone(),
            user: entry.user.clone(),
            at: entry.at,
            reason: entry.quarantine_reason().to_owned(),
            sha256,
            operation_id: entry.operation_id.clone(),
        };
        self.standing.quarantines.insert(version, quarantine);
    }

    fn release(&mut self, version: u64) {
        self.standing.quarantines.retain(|quarantined, _| quarantined.get() != version);
    }

    fn approve(&mut self, version: u64) {
        let entry = self.entry;
        let Some(subject) = &entry.subject else { return };
        let sha256 = subject.model_sha256.as_deref().and_then(|sha256| sha256.parse().ok());
        let (Ok(version), Some(sha256)) = (Version::new(version), sha256) else { return };
        let approvals = &mut self.standing.approvals;
        approvals.retain(|earlier| !earlier.is_replaced_by(version, &entry.actor));
        approvals.push(Approval {
            version,
            sha256,
            by: entry.actor.clone(),
            user: entry.user.clone(),
            at: entry.at,
            expires: subject.expires,
            reason: entry.reason.clone(),
            own: subject.own,
            operation_id: entry.operation_id.clone(),
        });
    }

    fn use_approvals(&mut self, version: u64) {
        self.standing.approvals.retain(|approval| approval.version.get() != version);
    }

    fn activate(&mut self, policy: Option<rules::PolicyDigest>) {
        self.standing.panel = active_panel(self.entry).filter(|_| policy.is_some());
    }

    fn approve_policy(&mut self, policy: Option<rules::PolicyDigest>) {
        let given = panel_approval(self.entry);
        let approvals = &mut self.standing.panel_approvals;
        approvals.retain(|earlier| {
            !(earlier.policy() == policy && actor::is_same(&earlier.by, &self.entry.actor))
        });
        approvals.extend(given);
    }

    fn use_policy_approvals(&mut self, policy: Option<rules::PolicyDigest>) {
        self.standing.panel_approvals.retain(|approval| approval.policy() != policy);
    }
}
