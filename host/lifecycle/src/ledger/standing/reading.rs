//! Where a standing document comes from: the cache, the archive, or the chain.

use futures_util::TryStreamExt as _;

use super::Standing;
use crate::ledger::archive::standing_path;
use crate::ledger::chain::Record;
use crate::ledger::entry::{EntryKind, StandingRef};
use crate::ledger::errors::is_lost;
use crate::ledger::history::Step;
use crate::ledger::{Ledger, errors};
use hydra_base::error::Result;

/// The most changes of a standing from which it is rebuilt.
const MAX_CHANGES: usize = 16_384;

impl Ledger {
    /// The standing that holds after an entry: one request, none if the document is cached. A document that is not in the
    /// archive is rebuilt from the chain, with a warning.
    ///
    /// `StandingLost` when that is impossible: the chain has damage, and the archive has no document.
    pub async fn standing(&self, record: &Record) -> Result<Standing> {
        let Some(reference) = record.entry.standing else { return Ok(Standing::none(&self.id)) };
        if let Some(cached) = self.cached(reference).await? {
            return Ok(cached);
        }
        match self.archived_standing(reference).await {
            Ok(bytes) => {
                let standing = Standing::decode(&bytes)?;
                self.keep(reference, bytes).await?;
                Ok(standing)
            }
            Err(error) if is_lost(&error) => {
                tracing::warn!(%error, entry = record.number, "the standing document is not in the archive; rebuilding it from the ledger");
                self.rebuilt(record, reference).await
            }
            Err(error) => Err(error),
        }
    }

    /// The bytes of a standing document in the archive. `ArtifactNotFound` when it is missing, `Integrity` when it is
    /// another.
    pub(in crate::ledger) async fn archived_standing(&self, reference: StandingRef) -> Result<Vec<u8>> {
        self.read_document(&standing_path(reference.sha256), reference.sha256).await
    }

    /// The standing after an entry, from the entries alone: those that changed it are folded, oldest first.
    pub(in crate::ledger) async fn rebuilt(
        &self,
        record: &Record,
        reference: StandingRef,
    ) -> Result<Standing> {
        let mut changes = Vec::new();
        // The entry whose predecessor is read next, and the standing that it carries.
        let mut newer: Option<Box<Record>> = None;
        let mut undone = false;
        let mut steps = self.read(None);
        while let Some(step) = steps.try_next().await? {
            let Step::Valid { record: older, .. } = step else { continue };
            if older.number > record.number {
                continue;
            }
            if std::mem::take(&mut undone) {
                // The abort above restored the standing from before this entry.
                continue;
            }
            if let Some(newer) = newer.take().filter(|newer| newer.entry.standing != older.entry.standing) {
                changes.push(newer);
            }
            if changes.len() > MAX_CHANGES {
                return Err(errors::standing_lost(record.number, reference));
            }
            if older.entry.standing.is_none() {
                break;
            }
            undone = older.entry.operation == EntryKind::Aborted;
            if !undone {
                newer = Some(older);
            }
        }
        changes.extend(newer);
        let mut standing = Standing::none(&self.id);
        for change in changes.iter().rev() {
            standing = standing.after(&change.entry).unwrap_or(standing);
        }
        match standing.encode()? {
            (_, found) if found == reference => Ok(standing),
            _ => Err(errors::standing_lost(record.number, reference)),
        }
    }

    async fn cached(&self, reference: StandingRef) -> Result<Option<Standing>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let bytes = cache.get(reference.sha256).await?;
        bytes.map(|bytes| Standing::decode(&bytes)).transpose()
    }

    /// Keeps a document in the cache.
    pub(in crate::ledger) async fn keep(&self, reference: StandingRef, bytes: Vec<u8>) -> Result<()> {
        let Some(cache) = &self.cache else { return Ok(()) };
        cache.put(reference.sha256, bytes).await
    }
}
