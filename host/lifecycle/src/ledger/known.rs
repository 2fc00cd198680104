//! Archived documents of decisions through the private cache, for pages that show many decisions again and again.

use crate::document_cache::DocumentCache;
use crate::ledger::chain::Record;
use crate::ledger::decision::DecisionDocument;
use crate::ledger::{Ledger, archive};
use hydra_base::Sha256;
use hydra_base::error::Result;

/// The most bytes of a document that is kept: larger ones are rare, and would fill a disk.
const MOST_BYTES: usize = 1 << 20;

impl Ledger {
    /// The same ledger, with a cache of what decisions rested on.
    #[must_use]
    pub fn with_decision_cache(self, decisions: Option<DocumentCache>) -> Self {
        Self { decisions, ..self }
    }

    /// [`input`](Self::input), from the private cache if it has these bytes. Audits do not use it: they are about the archive.
    pub async fn known_input(&self, record: &Record) -> Result<Vec<u8>> {
        let Some(decided) = &record.entry.decided else { return self.input(record).await };
        let path = archive::input_path(&record.entry.operation_id, decided.input_sha256);
        self.known(&path, decided.input_sha256).await
    }

    /// [`answers`](Self::answers), from the private cache if it has these bytes.
    pub async fn known_answers(&self, record: &Record) -> Result<Option<DecisionDocument>> {
        let Some(sha256) = record.entry.decided.as_ref().and_then(|decided| decided.decision_sha256) else {
            return Ok(None);
        };
        let path = archive::decision_path(&record.entry.operation_id, sha256);
        DecisionDocument::decode(&self.known(&path, sha256).await?).map(Some)
    }

    async fn known(&self, path: &str, sha256: Sha256) -> Result<Vec<u8>> {
        if let Some(cache) = &self.decisions
            && let Some(bytes) = cache.get(sha256).await?
        {
            return Ok(bytes);
        }
        let bytes = self.read_document(path, sha256).await?;
        if let Some(cache) = self.decisions.as_ref().filter(|_| bytes.len() <= MOST_BYTES) {
            cache.put(sha256, bytes.clone()).await?;
        }
        Ok(bytes)
    }
}
