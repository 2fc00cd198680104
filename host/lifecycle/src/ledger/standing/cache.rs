//! Standing documents in the private cache, by digest.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::ledger::entry::StandingRef;
use hydra_base::Sha256;
use hydra_base::private_dir;
use hydra_models::model_cache::write_whole;

/// What the directory holds, for messages.
const CONTENTS: &str = "cached standing documents";

/// How many documents the cache keeps.
const MAX_DOCUMENTS: usize = 256;

/// The length of a digest in hexadecimal digits.
const DIGEST_CHARS: usize = 64;

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
        let bytes = read(&self.directory, reference.sha256)?;
        (Sha256::of(&bytes) == reference.sha256).then_some(bytes)
    }

    /// Keeps a document, and drops the oldest ones over the limit. A disk that is full must not stop a decision.
    pub(super) fn put(&self, reference: StandingRef, bytes: &[u8]) {
        keep(&self.directory, reference.sha256, bytes);
    }

    /// What is known of the past below the entry of that digest: bytes as they were [kept](Self::put_past).
    pub(in crate::ledger) fn past(&self, entry: Sha256) -> Option<Vec<u8>> {
        let mut bytes = read(&self.past_directory(), entry)?;
        let at = bytes.len().checked_sub(DIGEST_CHARS)?;
        let digest = bytes.split_off(at);
        (Sha256::of(&bytes).to_string().as_bytes() == digest).then_some(bytes)
    }

    /// Keeps what is known of the past below the entry of that digest, with the digest of it.
    pub(in crate::ledger) fn put_past(&self, entry: Sha256, bytes: &[u8]) {
        keep(&self.past_directory(), entry, &[bytes, Sha256::of(bytes).to_string().as_bytes()].concat());
    }

    /// Beside the documents.
    fn past_directory(&self) -> PathBuf {
        let mut directory = self.directory.clone().into_os_string();
        directory.push("-past");
        directory.into()
    }
}

fn read(directory: &Path, name: Sha256) -> Option<Vec<u8>> {
    if !directory.exists() {
        return None;
    }
    if let Err(error) = private_dir::check(directory, CONTENTS) {
        tracing::warn!(%error, "not using the cache of standing documents");
        return None;
    }
    fs::read(directory.join(name.to_string())).ok()
}

fn keep(directory: &Path, name: Sha256, bytes: &[u8]) {
    if let Err(error) = try_keep(directory, name, bytes) {
        tracing::warn!(%error, path = %directory.display(), "cannot cache a standing document");
    }
}

fn try_keep(directory: &Path, name: Sha256, bytes: &[u8]) -> io::Result<()> {
    private_dir::create(directory)?;
    private_dir::check(directory, CONTENTS).map_err(io::Error::other)?;
    write_whole(directory, &name.to_string(), bytes)?;
    let mut files = Vec::new();
    for file in fs::read_dir(directory)? {
        let file = file?;
        // Another process may have dropped it meanwhile.
        if let Some(metadata) = unless_gone(file.metadata())? {
            files.push((metadata.modified()?, file.path()));
        }
    }
    files.sort();
    let excess = files.len().saturating_sub(MAX_DOCUMENTS);
    files[..excess].iter().try_for_each(|(_, path)| unless_gone(fs::remove_file(path)).map(drop))
}

/// The result of an operation on a file, or `None` if there is no such file.
fn unless_gone<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        other => other.map(Some),
    }
}
