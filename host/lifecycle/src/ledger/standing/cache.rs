//! Standing documents in the private cache, by digest.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::ledger::entry::StandingRef;
use hydra_base::Sha256;
use hydra_base::private_dir;
use hydra_models::model_cache::write_whole;

/// What the directory holds, for messages.
const CONTENTS: &str = "cached standing documents";

/// How many documents the cache keeps.
const MAX_DOCUMENTS: usize = 256;

/// A private directory of standing documents, whose names are their digests.
#[derive(Debug, Clone)]
pub struct StandingCache {
    directory: PathBuf,
}

impl StandingCache {
    /// A cache in `directory`, which is made with mode 0700 when the first document is kept.
    #[must_use]
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// The document, if it is here with the digest. A cache that other users can change counts as empty.
    pub(super) fn get(&self, reference: StandingRef) -> Option<Vec<u8>> {
        if !self.directory.exists() {
            return None;
        }
        if let Err(error) = private_dir::check(&self.directory, CONTENTS) {
            tracing::warn!(%error, "not using the cache of standing documents");
            return None;
        }
        let bytes = fs::read(self.directory.join(reference.sha256.to_string())).ok()?;
        (Sha256::of(&bytes) == reference.sha256).then_some(bytes)
    }

    /// Keeps a document, and drops the oldest ones over the limit. A disk that is full must not stop a decision.
    pub(super) fn put(&self, reference: StandingRef, bytes: &[u8]) {
        if let Err(error) = self.try_put(reference, bytes) {
            tracing::warn!(%error, path = %self.directory.display(), "cannot cache a standing document");
        }
    }

    fn try_put(&self, reference: StandingRef, bytes: &[u8]) -> io::Result<()> {
        private_dir::create(&self.directory)?;
        private_dir::check(&self.directory, CONTENTS).map_err(io::Error::other)?;
        write_whole(&self.directory, &reference.sha256.to_string(), bytes)?;
        let mut documents = Vec::new();
        for document in fs::read_dir(&self.directory)? {
            let document = document?;
            // Another process may have dropped it meanwhile.
            if let Some(metadata) = unless_gone(document.metadata())? {
                documents.push((metadata.modified()?, document.path()));
            }
        }
        documents.sort();
        let excess = documents.len().saturating_sub(MAX_DOCUMENTS);
        documents[..excess].iter().try_for_each(|(_, path)| unless_gone(fs::remove_file(path)).map(drop))
    }
}

/// The result of an operation on a file, or `None` if there is no such file.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
