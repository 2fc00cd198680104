//! Artifacts: files below a root that an artifact URI names.

mod local;
#[cfg(feature = "object-stores")]
mod object;
mod roots;
mod tree;
mod whole;

use std::collections::BTreeMap;
use std::fmt::{self, Debug};
use std::io;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use async_trait::async_trait;
use tokio::io::{AsyncRead, ReadBuf};

use crate::entities::ArtifactInfo;
use hydra_base::error::{Error, ErrorKind, Result};

pub(crate) use local::LocalAccess;
pub use local::LocalArtifacts;
#[cfg(feature = "object-stores")]
pub use object::{ObjectArtifacts, ObjectFile, ObjectUpload, is_object_uri};
pub use roots::ArtifactRoots;
pub(crate) use roots::MovedArtifacts;
pub use tree::{TreeLimits, download_tree};
pub use whole::read_whole;

/// A stream of an artifact's bytes.
pub struct ArtifactReader {
    bytes: Pin<Box<dyn AsyncRead + Send>>,
    size: Option<u64>,
}

impl ArtifactReader {
    /// A stream of `size` bytes, if the store says how many.
    pub fn new(bytes: impl AsyncRead + Send + 'static, size: Option<u64>) -> Self {
        Self { bytes: Box::pin(bytes), size }
    }

    /// The number of bytes that the store says the artifact has.
    #[must_use]
    pub fn size(&self) -> Option<u64> {
        self.size
    }
}

impl AsyncRead for ArtifactReader {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.bytes.as_mut().poll_read(context, buffer)
    }
}

impl Debug for ArtifactReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ArtifactReader").field("size", &self.size).finish_non_exhaustive()
    }
}

/// Called with the number of bytes moved since the last call; drives progress bars.
pub type OnProgress<'a> = &'a (dyn Fn(u64) + Send + Sync);

/// One artifact root: the directory of a run or a LoggedModel, or a prefix in an object store.
///
/// Paths are relative to the root and use `/`. Absolute paths and paths with `..` are rejected with `Untrusted`. Files
/// are streamed: no method holds a whole file in memory.
#[async_trait]
pub trait ArtifactStore: Debug + Send + Sync {
    /// The root's artifact URI, in the form of a model version's source.
    fn uri(&self) -> &str;

    /// Where the files are, for messages: another URI than the store's if the root has [moved](ArtifactRoots).
    fn place(&self) -> &str {
        self.uri()
    }

    /// What to do about files that are missing, as far as the root shows it.
    fn remedy(&self) -> Option<String> {
        None
    }

    /// Files and directories directly below `path` (the root itself is `""`), sorted by path. A missing directory is
    /// empty. The listed paths are relative to the root.
    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>>;

    /// Opens a file; `ArtifactNotFound` if it does not exist. If the transfer ends early, the stream ends with an
    /// error; convert it with [`read_error`].
    async fn open(&self, path: &str) -> Result<ArtifactReader>;

    /// Uploads a local file to `path`, replaces an existing file, and creates missing parents. On local roots, readers
    /// never see a partial file.
    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()>;

    /// Writes a small file from memory.
    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()>;
}

/// Compares the paths and sizes in a store's listing with those of the uploaded files. `Integrity` names the first file
/// that is missing or has another size.
pub async fn verify_sizes(store: &dyn ArtifactStore, uploaded: &[(String, u64)]) -> Result<()> {
    let mut by_directory: BTreeMap<&str, Vec<(&str, u64)>> = BTreeMap::new();
    for (path, size) in uploaded {
        by_directory.entry(parent(path)).or_default().push((path, *size));
    }
    for (directory, files) in by_directory {
        let listed = store.list(directory).await?;
        for (path, size) in files {
            let found = listed.iter().find(|info| info.path == path && !info.is_dir);
            // MLflow omits the size of an empty file.
            let stored = found.map(|info| info.size.unwrap_or(0));
            if stored != Some(size) {
                let stored = stored.map_or_else(|| "missing".to_owned(), |stored| format!("{stored} bytes"));
                return Err(Error::new(
                    ErrorKind::Integrity,
                    "an uploaded artifact does not have the size that was sent",
                )
                .with_context("artifact", path)
                .with_context("sent", format!("{size} bytes"))
                .with_context("stored", stored)
                .with_context("root", crate::uri::redact(store.uri()))
                .with_retryable(true));
            }
        }
    }
    Ok(())
}

/// The error of a failed read of an [`ArtifactReader`].
#[must_use]
pub fn read_error(error: io::Error) -> Error {
    match error.downcast::<Error>() {
        Ok(error) => error,
        Err(error) => Error::new(ErrorKind::Storage, "cannot read an artifact").with_source(error),
    }
}

/// The segments of a relative artifact path; none for the root. `Untrusted` if the path is absolute, contains `.`, `..`
/// or an empty segment, or contains a backslash, NUL or another control character.
pub(crate) fn segments(path: &str) -> Result<Vec<&str>> {
    if path.is_empty() {
        return Ok(Vec::new());
    }
    let segments: Vec<&str> = path.split('/').collect();
    let drive = segments[0].len() == 2 && segments[0].ends_with(':');
    let bad = |segment: &&str| {
        matches!(*segment, "" | "." | "..") || segment.contains(|c: char| c == '\\' || c.is_control())
    };
    if drive || segments.iter().any(bad) {
        return Err(Error::new(ErrorKind::Untrusted, "the artifact path is malformed or leaves its root")
            .with_context("path", path));
    }
    Ok(segments)
}

/// The parent of a relative path; `""` for the root.
pub(crate) fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(directory, _)| directory)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_stay_below_their_root() {
        assert_eq!(segments("").expect("the root"), Vec::<&str>::new());
        assert_eq!(segments("a b/ü.txt").expect("a path"), ["a b", "ü.txt"]);
        for bad in ["/a", "a/", "a//b", "..", "a/../b", "./a", "a\\b", "a\0", "a\nb", "C:/x"] {
            assert_eq!(segments(bad).expect_err(bad).kind(), ErrorKind::Untrusted, "{bad:?}");
        }
        assert_eq!((parent("a/b/c"), parent("a")), ("a/b", ""));
    }
}
