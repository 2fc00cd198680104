//! The mirror of a quarantine: a tag of the version, so that readers of the version see it. Decisions never read it.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::standing::{Quarantine, Standing};
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::Timestamp;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{Key, Version};
use hydra_base::text::printable;
use hydra_mlflow::entities::{ModelVersion, Tags};
use hydra_mlflow::listing::Listing;

/// The tag of a version in quarantine.
pub const QUARANTINE_TAG: &str = "hydra.quarantine";

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

impl Entry {
    /// The tags that carrying the entry out sets or deletes.
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
    printable(&format!("{time} {by}: {reason}")).chars().take(MAX_CHARS).collect()
}
