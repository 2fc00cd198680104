//! Documents in the private cache, by digest.

use std::fs;
use std::io;
use std::path::PathBuf;

use hydra_base::Sha256;
use hydra_base::blocking;
use hydra_base::error::Result;
use hydra_base::private_dir::{self, write_whole};
use hydra_models::model_cache::read_small;

/// The length of a digest in hexadecimal digits.
const DIGEST_CHARS: usize = 64;

/// The most bytes of a document, unless a cache has another limit.
const MAX_BYTES: u64 = 16 << 20;

/// How many documents a cache keeps, unless it has another limit.
const MAX_DOCUMENTS: usize = 256;

/// A private directory of documents, whose names are their digests, and one beside it for what has the digest of something else
/// as its name.
#[derive(Debug, Clone)]
pub struct DocumentCache {
    directory: PathBuf,
    contents: &'static str,
    /// The most bytes of a document.
    most_bytes: u64,
    /// How many documents it keeps.
    most_documents: usize,
}

impl DocumentCache {
    /// A cache in `directory`, which is made with mode 0700 when the first document is kept. `contents` says what it holds,
    /// for messages.
    #[must_use]
    pub fn new(directory: PathBuf, contents: &'static str) -> Self {
        Self { directory, contents, most_bytes: MAX_BYTES, most_documents: MAX_DOCUMENTS }
    }

    /// The same cache with other limits: the most bytes of a document, and how many documents it keeps.
    #[must_use]
    pub fn with_limits(self, most_bytes: u64, most_documents: usize) -> Self {
        Self { most_bytes, most_documents, ..self }
    }

    /// The same cache, for that many documents.
    #[must_use]
    pub fn keeping(self, most_documents: usize) -> Self {
        Self { most_documents, ..self }
    }

    /// The document, if it is here with the digest. A cache that other users can change counts as empty.
    pub(crate) async fn get(&self, sha256: Sha256) -> Result<Option<Vec<u8>>> {
        let cache = self.clone();
        blocking(move || Ok(cache.read(sha256))).await
    }

    /// Keeps a document, and drops the oldest ones over the limit. A disk that is full must not stop a decision.
    pub(crate) async fn put(&self, sha256: Sha256, bytes: Vec<u8>) -> Result<()> {
        let cache = self.clone();
        blocking(move || {
            if let Err(error) = cache.write(sha256, &bytes) {
                let Self { directory, contents, .. } = cache;
                tracing::warn!(%error, path = %directory.display(), "cannot add to the cache of {contents}");
            }
            Ok(())
        })
        .await
    }

    /// The bytes that were kept under the digest of something else.
    pub(crate) async fn get_named(&self, name: Sha256) -> Result<Option<Vec<u8>>> {
        let cache = self.beside();
        blocking(move || {
            let Some(mut bytes) = cache.read_file(name) else { return Ok(None) };
            let Some(at) = bytes.len().checked_sub(DIGEST_CHARS) else { return Ok(None) };
            let digest = bytes.split_off(at);
            Ok((Sha256::of(&bytes).to_string().as_bytes() == digest).then_some(bytes))
        })
        .await
    }

    /// Keeps bytes under the digest of something else, followed by their own digest: in a directory beside the documents.
    pub(crate) async fn put_named(&self, name: Sha256, bytes: Vec<u8>) -> Result<()> {
        let digest = Sha256::of(&bytes).to_string();
        self.beside().put(name, [bytes.as_slice(), digest.as_bytes()].concat()).await
    }

    fn beside(&self) -> Self {
        let mut directory = self.directory.clone().into_os_string();
        directory.push("-past");
        Self { directory: directory.into(), ..self.clone() }
    }

    fn read(&self, sha256: Sha256) -> Option<Vec<u8>> {
        self.read_file(sha256).filter(|bytes| Sha256::of(bytes) == sha256)
    }

    fn read_file(&self, sha256: Sha256) -> Option<Vec<u8>> {
        if !self.directory.exists() {
            return None;
        }
        if let Err(error) = private_dir::check(&self.directory, self.contents) {
            tracing::warn!(%error, "not using the cache of {}", self.contents);
            return None;
        }
        read_small(&self.directory.join(sha256.to_string()), self.most_bytes)
    }

    fn write(&self, sha256: Sha256, bytes: &[u8]) -> io::Result<()> {
        private_dir::create(&self.directory)?;
        private_dir::check(&self.directory, self.contents).map_err(io::Error::other)?;
        write_whole(&self.directory, &sha256.to_string(), bytes)?;
        let names: Vec<_> = fs::read_dir(&self.directory)?.collect::<io::Result<_>>()?;
        if names.len() <= self.most_documents {
            return Ok(());
        }
        let mut documents = Vec::new();
        for document in names {
            // Another process may have dropped it meanwhile.
            if let Some(metadata) = unless_gone(document.metadata())? {
                documents.push((metadata.modified()?, document.path()));
            }
        }
        documents.sort();
        let excess = documents.len().saturating_sub(self.most_documents);
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
