//! Artifacts: files below a root that an artifact URI names.

use std::fmt::Debug;
use std::path::Path;
use std::pin::Pin;

use async_trait::async_trait;
use tokio::io::AsyncRead;

use crate::error::Result;
use crate::mlflow::entities::ArtifactInfo;

/// A stream of an artifact's bytes.
pub type ArtifactReader = Pin<Box<dyn AsyncRead + Send>>;

/// Called with the number of bytes moved since the last call; drives progress bars.
pub type OnProgress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// One artifact root: a run's directory, a LoggedModel's, a prefix in an object store.
///
/// Paths are relative to the root, use `/`, and are refused with `Untrusted` when they are absolute or hold `..`.
/// Files are streamed: no method holds a whole file in memory.
#[async_trait]
pub trait ArtifactStore: Debug + Send + Sync {
    /// The root's artifact URI, as it goes into a model version's source.
    fn uri(&self) -> &str;

    /// Files and directories directly below `path` (the root itself: `""`), sorted by path. A missing directory is empty.
    /// The paths listed are relative to the root.
    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>>;

    /// Opens a file; `ArtifactNotFound` when it is missing.
    async fn open(&self, path: &str) -> Result<ArtifactReader>;

    /// Uploads a local file to `path`, replacing what is there, parents made as needed. A file is never seen half
    /// written on local roots.
    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()>;

    /// Writes a small file from memory.
    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()>;
}
