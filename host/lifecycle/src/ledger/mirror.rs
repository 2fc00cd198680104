//! The mirrors of the standing in tags: of each quarantine in a tag of the version, so that readers of the version see it, and of
//! the active policy in a tag of the model, so that it is not lost with the ledger. Decisions do not read the first, and of the
//! second only that the ledger must have what it names.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::identity::set_tag;
use crate::ledger::standing::{Quarantine, Standing};
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{Key, Version};
use hydra_base::text::printable;
use hydra_base::{Sha256, Timestamp};
use hydra_mlflow::entities::{ModelVersion, Tags};
use hydra_mlflow::listing::Listing;

/// The tag of a version in quarantine.
pub const QUARANTINE_TAG: &str = "hydra.quarantine";

/// The tag of a registered model that names its active policy.
pub const POLICY_TAG: &str = "hydra.policy";

/// What that tag begins with if no policy is active.
const NO_POLICY: &str = "none";

/// How many versions one request of a listing asks for.
const VERSIONS: usize = 500;

/// The most characters of its value.
const MAX_CHARS: usize = 500;

/// A tag to set or to delete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mirror {
    /// The version.
    pub version: Version,
    /// The value; none deletes the tag.
    pub value: Option<String>,
}

/// What the tag of the model says of its active policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NamedPolicy {
    /// The SHA-256 of its document.
    pub sha256: Sha256,
    /// How many people must approve of another one.
    pub approvals: u32,
    /// Who activated it when, and why, for people.
    pub since: String,
}

impl NamedPolicy {
    /// The policy that the tags of a registered model name as the active one. A value that is not one of this program's names a
    /// policy that does not exist: it must not look like none.
    pub fn of(tags: &Tags) -> Option<Self> {
        let value = tags.get(POLICY_TAG)?;
        let (first, rest) = value.split_once(' ').unwrap_or((value, ""));
        if first == NO_POLICY {
            return None;
        }
        let (approvals, since) = rest.split_once(' ').unwrap_or((rest, ""));
        Some(Self {
            sha256: first.parse().unwrap_or(Sha256::NONE),
            approvals: approvals.parse().unwrap_or(0),
            since: since.to_owned(),
        })
    }
}

/// Whether the tags of a registered model name an active policy.
#[must_use]
pub fn names_active_policy(tags: &Tags) -> bool {
    NamedPolicy::of(tags).is_some()
}

impl Entry {
    /// The value of the model's tag that carrying the entry out sets.
    pub(super) fn policy_mirror(&self) -> Option<String> {
        let value = text(self.at, &self.actor, self.reason.as_deref().unwrap_or_default());
        match (self.operation, &self.activation) {
            (EntryKind::Activate, Some(activation)) => {
                Some(shortened(format!("{} {} {value}", activation.panel_sha256, activation.approvals)))
            }
            (EntryKind::Deactivate, _) => Some(shortened(format!("{NO_POLICY} {value}"))),
            _ => None,
        }
    }

    /// Whether carrying the entry out sets or deletes a tag.
    pub(super) fn has_mirrors(&self) -> bool {
        !self.mirrors().is_empty() || self.policy_mirror().is_some()
    }

    /// The tags of versions that carrying the entry out sets or deletes.
    pub(super) fn mirrors(&self) -> Vec<Mirror> {
        let released = (self.operation == EntryKind::Release).then_some(self.target).flatten();
        let value = || text(self.at, &self.actor, self.quarantine_reason());
        let quarantined =
            self.quarantined().into_iter().map(|version| Mirror { version, value: Some(value()) });
        quarantined.chain(released.map(|version| Mirror { version, value: None })).collect()
    }

    /// The reason of the quarantines that the entry begins.
    pub(super) fn quarantine_reason(&self) -> &str {
        self.reason.as_deref().unwrap_or("left by a rollback")
    }
}

impl Standing {
    /// The value of the model's tag.
    pub(super) fn policy_mirror(&self) -> String {
        let Some(active) = self.panel() else { return NO_POLICY.to_owned() };
        let value = text(active.at, &active.by, active.reason.as_deref().unwrap_or_default());
        shortened(format!("{} {} {value}", active.sha256, active.approvals))
    }

    /// Whether the model's tag says otherwise than this standing which policy is active.
    pub(super) fn differs_from_tag(&self, tags: &Tags) -> bool {
        match (self.panel(), NamedPolicy::of(tags)) {
            (Some(active), Some(named)) => {
                (active.sha256, active.approvals) != (named.sha256, named.approvals)
            }
            (None, None) => false,
            _ => true,
        }
    }

    /// The tags of all versions in quarantine.
    pub(super) fn mirrors(&self) -> Vec<Mirror> {
        self.mirrors_of(&self.quarantines().map(|(version, _)| version).collect())
    }

    /// The tags of these versions.
    pub(super) fn mirrors_of(&self, versions: &BTreeSet<Version>) -> Vec<Mirror> {
        let value = |quarantine: &Quarantine| text(quarantine.at, &quarantine.by, &quarantine.reason);
        let mirror =
            |version: &Version| Mirror { version: *version, value: self.quarantine(*version).map(value) };
        versions.iter().map(mirror).collect()
    }
}

impl Ledger {
    /// The tags of versions in quarantine that are missing or have another value. Versions that were deleted have none.
    pub(super) async fn missing_mirrors(&self, standing: &Standing) -> Result<Vec<Mirror>> {
        let mut missing = Vec::new();
        let mirrors = standing.mirrors();
        let versions =
            mirrors.iter().map(|mirror| self.backend.registry.model_version(&self.model, mirror.version));
        for (mirror, version) in mirrors.iter().zip(join_all(versions).await) {
            match version {
                Ok(version) if version.tags.get(QUARANTINE_TAG) == mirror.value.as_ref() => {}
                Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                found => {
                    found?;
                    missing.push(mirror.clone());
                }
            }
        }
        Ok(missing)
    }

    /// Whether the tag of the version contradicts the standing; readers trust the tag.
    pub(super) async fn mirror_finding(
        &self,
        version: Version,
        standing: &Standing,
    ) -> Result<Option<LedgerFinding>> {
        let found = match self.backend.registry.model_version(&self.model, version).await {
            Err(error) if error.kind() == ErrorKind::VersionNotFound => return Ok(None),
            found => found?,
        };
        let tag = found.tags.get(QUARANTINE_TAG);
        let mirrors = standing.mirrors_of(&BTreeSet::from([version]));
        let expected = mirrors.first().and_then(|mirror| mirror.value.as_ref());
        Ok(match (expected, tag) {
            (None, Some(_)) => Some(LedgerFinding::StrayQuarantineTag { version }),
            (expected, tag) if expected != tag => Some(LedgerFinding::MissingQuarantineTag { version }),
            _ => None,
        })
    }

    /// The versions that have the tag and are not in quarantine, with no other tag.
    pub(super) async fn stray_mirrors(&self, standing: &Standing) -> Result<Vec<ModelVersion>> {
        let mut stray = Vec::new();
        let mut listing = Listing::default();
        while !listing.is_at_end() {
            let registry = &self.backend.registry;
            let page = registry.model_versions(&self.model, None, VERSIONS, listing.token()).await?;
            listing.advance(&page)?;
            let free = page.items.into_iter().filter(|found| standing.quarantine(found.version).is_none());
            stray.extend(free.filter_map(only_quarantine));
        }
        Ok(stray)
    }
}

impl LedgerWriter {
    /// Sets the tag of the model that names its active policy.
    pub(super) async fn mirror_policy(&self, value: &str) -> Result<()> {
        set_tag(&self.ledger.backend, &self.ledger.model, POLICY_TAG, value).await
    }

    /// Sets and deletes tags of versions. Versions that were deleted have none.
    pub(super) async fn mirror(&self, mirrors: &[Mirror]) -> Result<()> {
        let (registry, model) = (&self.ledger.backend.registry, &self.ledger.model);
        let key = Key::new(QUARANTINE_TAG)?;
        let written = mirrors.iter().map(|Mirror { version, value }| {
            let key = &key;
            async move {
                match value {
                    Some(value) => registry.set_version_tag(model, *version, key, value).await,
                    None => registry.delete_version_tag(model, *version, key).await,
                }
            }
        });
        for result in join_all(written).await {
            match result {
                Err(error) if error.kind() == ErrorKind::VersionNotFound => {}
                other => other?,
            }
        }
        Ok(())
    }
}

/// The version with the tag of its quarantine alone, so that any number of them fits in memory.
fn only_quarantine(mut version: ModelVersion) -> Option<ModelVersion> {
    let value = version.tags.remove(QUARANTINE_TAG)?;
    version.tags = Tags::from([(QUARANTINE_TAG.to_owned(), value.chars().take(MAX_CHARS).collect())]);
    (version.description, version.source) = (String::new(), String::new());
    Some(version)
}

/// `<time> <person>: <reason>`, on one line.
fn text(at: Timestamp, by: &str, reason: &str) -> String {
    let time =
        jiff::Timestamp::from_millisecond(at).map_or_else(|_| at.to_string(), |time| format!("{time:.3}"));
    shortened(printable(&format!("{time} {by}: {reason}")))
}

fn shortened(text: String) -> String {
    if text.chars().count() <= MAX_CHARS { text } else { text.chars().take(MAX_CHARS).collect() }
}
