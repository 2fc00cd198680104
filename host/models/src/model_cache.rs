//! Downloaded models, kept by content digest in a private directory.
//!
//! `blobs/<sha256>` holds a model file, `index/<key>` says which blob a model version is, where the key digests what
//! identifies the version. A blob is used only when the bytes read have the digest of its name; which blob a version is, the
//! index decides, so both directories must be this user's alone. The directory is bounded: the blobs used longest ago go
//! first.

mod records;
mod served;

use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::{Deserialize, Serialize};

use crate::candidate::SHA256_TAG;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::private_dir::{self, write_whole};
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::entities::ModelVersion;

pub(crate) use records::{FileState, Record, Verdict};
pub use served::ServedRecord;

/// The cache's size limit unless another is given: 2 GiB.
pub const DEFAULT_CACHE_BYTES: u64 = 2 << 30;

/// The most bytes of a file of the index.
const MAX_INDEX_BYTES: u64 = 64 << 10;

/// What the directories hold, for messages.
const CONTENTS: &str = "cached models";

/// A model file and what `MLmodel` says about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CachedModel {
    data_file: String,
    model_class: String,
    bytes: Vec<u8>,
    sha256: Sha256,
}

impl CachedModel {
    /// A model of these bytes, which are hashed here and nowhere else. `data_file` is the file's name in the model directory,
    /// `model_class` the class that the flavor names.
    #[must_use]
    pub fn new(data_file: String, model_class: String, bytes: Vec<u8>) -> Self {
        let sha256 = Sha256::of(&bytes);
        Self { data_file, model_class, bytes, sha256 }
    }

    /// The file's name; its extension names the format.
    #[must_use]
    pub fn data_file(&self) -> &str {
        &self.data_file
    }

    /// The class that the flavor names.
    #[must_use]
    pub fn model_class(&self) -> &str {
        &self.model_class
    }

    /// The file's bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.sha256
    }
}

/// A private, bounded directory of model files.
#[derive(Debug, Clone)]
pub struct ModelCache {
    root: PathBuf,
    /// Distinguishes stores that use the same model names. A digest, because a store's URI may hold a password.
    store: Sha256,
    max_bytes: u64,
}

#[derive(Serialize, Deserialize)]
struct IndexEntry {
    sha256: Sha256,
    data_file: String,
    model_class: String,
}

impl ModelCache {
    /// A cache in `root` (made with mode 0700 when first written) for the store that `store` identifies.
    #[must_use]
    pub fn new(root: PathBuf, store: impl Into<String>, max_bytes: u64) -> Self {
        Self { root, store: Sha256::of(store.into().as_bytes()), max_bytes }
    }

    /// The model of a version, if it is here and intact. A damaged entry is removed and counts as absent, and so does a cache
    /// that other users can change.
    #[must_use]
    pub fn get(&self, version: &ModelVersion) -> Option<CachedModel> {
        let index = self.root.join("index");
        if !index.exists() {
            return None;
        }
        for directory in [index, self.root.join("blobs")] {
            if let Err(error) = private_dir::check(&directory, CONTENTS) {
                tracing::warn!(%error, "not using the cache of models");
                return None;
            }
        }
        let entry = read_index(&self.index_path(version))?;
        let path = self.blob_path(entry.sha256);
        let bytes = read_small(&path, ModelLimits::default().file_bytes(&entry.data_file))?;
        let model = CachedModel::new(entry.data_file, entry.model_class, bytes);
        if model.sha256 != entry.sha256 {
            tracing::warn!(path = %path.display(), "a cached model is damaged; downloading it again");
            let _ = fs::remove_file(&path);
            return None;
        }
        // Remembers that it was used; a read-only cache still serves.
        let _ = fs::File::open(&path).and_then(|file| file.set_modified(SystemTime::now()));
        Some(model)
    }

    /// Keeps the model of a version, and drops models used longest ago while the cache is over its limit.
    pub fn put(&self, version: &ModelVersion, model: &CachedModel) -> Result<()> {
        if model.bytes.len() as u64 > self.max_bytes {
            return Ok(());
        }
        let sha256 = model.sha256;
        let entry =
            IndexEntry { sha256, data_file: model.data_file.clone(), model_class: model.model_class.clone() };
        let entry =
            serde_json::to_vec(&entry).map_err(io::Error::from).map_err(|error| self.failed(error))?;
        let (blobs, index) = (self.private("blobs")?, self.private("index")?);
        write_whole(&blobs, &sha256.to_string(), &model.bytes)
            .and_then(|()| write_whole(&index, &self.key(version).to_string(), &entry))
            .and_then(|()| self.evict(&sha256.to_string()))
            .map_err(|error| self.failed(error))
    }

    fn evict(&self, keep: &str) -> io::Result<()> {
        let mut blobs = Vec::new();
        for entry in fs::read_dir(self.root.join("blobs"))? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            blobs.push((metadata.modified()?, metadata.len(), entry.path()));
        }
        let mut total: u64 = blobs.iter().map(|(_, size, _)| size).sum();
        if total <= self.max_bytes {
            return Ok(());
        }
        blobs.sort();
        for (_, size, path) in blobs {
            if total <= self.max_bytes {
                break;
            }
            if path.file_name().is_some_and(|name| name != keep) {
                fs::remove_file(&path)?;
                total -= size;
            }
        }
        self.remove_stale_index_files()
    }

    /// Removes the index files of blobs that were evicted, so that the index does not grow forever.
    fn remove_stale_index_files(&self) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("index"))? {
            let path = entry?.path();
            let blob = read_index(&path).map(|entry| self.blob_path(entry.sha256));
            if !blob.is_some_and(|blob| blob.exists()) {
                fs::remove_file(&path)?;
            }
        }
        Ok(())
    }

    fn private(&self, name: &str) -> Result<PathBuf> {
        let directory = self.root.join(name);
        private_dir::create(&directory).map_err(|error| self.failed(error))?;
        private_dir::check(&directory, CONTENTS)?;
        Ok(directory)
    }

    fn key(&self, version: &ModelVersion) -> Sha256 {
        let digest = version.tags.get(SHA256_TAG).map_or("", String::as_str);
        let identity: [&str; 6] = [
            &self.store.to_string(),
            version.name.as_str(),
            &version.version.to_string(),
            &version.created_at.to_string(),
            &version.source,
            digest,
        ];
        Sha256::of(identity.join("\n").as_bytes())
    }

    fn index_path(&self, version: &ModelVersion) -> PathBuf {
        self.root.join("index").join(self.key(version).to_string())
    }

    fn blob_path(&self, sha256: Sha256) -> PathBuf {
        self.root.join("blobs").join(sha256.to_string())
    }

    fn failed(&self, source: io::Error) -> Error {
        Error::new(ErrorKind::Storage, "cannot write the model cache")
            .with_context("path", self.root.display())
            .with_source(source)
            .with_hint(
                "set HYDRA_CACHE_DIR to another directory, or HYDRA_CACHE_BYTES=0 to disable the cache",
            )
    }
}

fn read_index(path: &Path) -> Option<IndexEntry> {
    serde_json::from_slice(&read_small(path, MAX_INDEX_BYTES)?).ok()
}

/// The bytes of a file, unless it has more than `most`: then something else has put it there.
pub fn read_small(path: &Path, most: u64) -> Option<Vec<u8>> {
    let file = fs::File::open(path).ok()?;
    let size = file.metadata().ok()?.len();
    if size > most {
        tracing::warn!(path = %path.display(), bytes = size, limit = most, "not using a file of the cache that is too large");
        return None;
    }
    let mut bytes = Vec::with_capacity(usize::try_from(size).ok()?);
    file.take(most).read_to_end(&mut bytes).ok()?;
    Some(bytes)
}

#[cfg(test)]
mod tests;
