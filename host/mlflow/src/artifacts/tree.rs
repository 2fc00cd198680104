//! All files below an artifact root, on this machine.

use std::path::Path;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::whole::DOWNLOADS;
use super::{ArtifactStore, OnProgress, parent, read_error, segments};
use hydra_base::error::{Error, ErrorKind, Result};

/// The deepest directory.
const DEPTH: usize = 32;

/// How much is downloaded at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TreeLimits {
    /// The number of files and directories.
    pub files: usize,
    /// The bytes of all files.
    pub bytes: u64,
}

/// Writes all files of a root below `to`, an empty directory. `Unsupported` if they are beyond the limits, and `Untrusted` if the store
/// lists paths that are not below those that it was asked for.
pub async fn download_tree(
    store: &dyn ArtifactStore,
    to: &Path,
    limits: TreeLimits,
    progress: OnProgress<'_>,
) -> Result<()> {
    let mut directories = vec![String::new()];
    let (mut files, mut left) = (0, limits.bytes);
    while let Some(directory) = directories.pop() {
        for listed in store.list(&directory).await? {
            files += 1;
            let names = segments(&listed.path)?;
            if names.is_empty() || parent(&listed.path) != directory {
                let message =
                    "the store lists an artifact that is not in the directory that it was asked for";
                return Err(Error::new(ErrorKind::Untrusted, message).with_context("path", &listed.path));
            }
            if files > limits.files || names.len() > DEPTH {
                return Err(too_large(&limits));
            }
            let path = names.iter().fold(to.to_path_buf(), |path, name| path.join(name));
            if listed.is_dir {
                tokio::fs::create_dir(&path).await.map_err(|source| unwritable(source, &path))?;
                directories.push(listed.path);
            } else {
                let written = download(store, &listed.path, &path, left, progress).await?;
                left = left.checked_sub(written).ok_or_else(|| too_large(&limits))?;
            }
        }
    }
    Ok(())
}

/// Writes an artifact into a file, of which at most a byte more than `most` is read. A failed download starts again, at most twice.
async fn download(
    store: &dyn ArtifactStore,
    artifact: &str,
    to: &Path,
    most: u64,
    progress: OnProgress<'_>,
) -> Result<u64> {
    let mut started = 1;
    loop {
        match download_once(store, artifact, to, most, progress).await {
            Err(error) if error.retryable() && error.kind() != ErrorKind::Timeout && started < DOWNLOADS => {
                started += 1;
                tracing::warn!(%error, started, of = DOWNLOADS, "a download failed; starting again");
            }
            result => return result,
        }
    }
}

async fn download_once(
    store: &dyn ArtifactStore,
    artifact: &str,
    to: &Path,
    most: u64,
    progress: OnProgress<'_>,
) -> Result<u64> {
    let mut reader = store.open(artifact).await?.take(most.saturating_add(1));
    let mut file = tokio::fs::File::create(to).await.map_err(|source| unwritable(source, to))?;
    let mut buffer = vec![0; 1 << 16];
    let mut written = 0;
    loop {
        let count = reader.read(&mut buffer).await.map_err(read_error)?;
        let Some(read) = buffer.get(..count).filter(|read| !read.is_empty()) else { break };
        file.write_all(read).await.map_err(|source| unwritable(source, to))?;
        written += count as u64;
        progress(count as u64);
    }
    file.flush().await.map_err(|source| unwritable(source, to))?;
    Ok(written)
}

fn too_large(limits: &TreeLimits) -> Error {
    Error::new(ErrorKind::Unsupported, "the artifacts of the version are too many or too large")
        .with_context("most files", limits.files)
        .with_context("most bytes", limits.bytes)
}

fn unwritable(source: std::io::Error, path: &Path) -> Error {
    Error::new(ErrorKind::Storage, "cannot write a downloaded artifact")
        .with_context("path", path.display())
        .with_source(source)
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::artifacts::{ArtifactReader, LocalArtifacts};
    use crate::entities::ArtifactInfo;

    const LIMITS: TreeLimits = TreeLimits { files: 10, bytes: 1_000 };

    /// A store that lists what a test says.
    #[derive(Debug)]
    struct Listing(&'static str, bool);

    #[async_trait]
    impl ArtifactStore for Listing {
        fn uri(&self) -> &'static str {
            "test:/"
        }

        async fn list(&self, _: &str) -> Result<Vec<ArtifactInfo>> {
            Ok(vec![ArtifactInfo { path: self.0.to_owned(), is_dir: self.1, size: None, stamp: None }])
        }

        async fn open(&self, _: &str) -> Result<ArtifactReader> {
            Ok(ArtifactReader::new(tokio::io::repeat(1), None))
        }

        async fn put_file(&self, _: &str, _: &Path, _: OnProgress<'_>) -> Result<()> {
            unreachable!("nothing is written")
        }

        async fn put_bytes(&self, _: &str, _: Vec<u8>) -> Result<()> {
            unreachable!("nothing is written")
        }
    }

    #[tokio::test]
    async fn all_files_come_down() {
        let (root, home) = (tempfile::tempdir().expect("a root"), tempfile::tempdir().expect("a home"));
        std::fs::create_dir_all(root.path().join("a/b")).expect("directories");
        for (name, bytes) in [("MLmodel", &b"x"[..]), ("a/b/ü.bin", &[0; 900]), ("a/empty", b"")] {
            std::fs::write(root.path().join(name), bytes).expect("a file");
        }
        let store = LocalArtifacts::new("file:///root", root.path());
        let seen = std::sync::atomic::AtomicU64::new(0);
        let progress = |bytes| {
            seen.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        };
        download_tree(&store, home.path(), LIMITS, &progress).await.expect("downloaded");
        assert_eq!(std::fs::read(home.path().join("a/b/ü.bin")).expect("a file"), [0; 900]);
        assert_eq!(std::fs::read(home.path().join("a/empty")).expect("a file"), b"");
        assert_eq!(seen.into_inner(), 901);
        for limits in [TreeLimits { files: 3, ..LIMITS }, TreeLimits { bytes: 900, ..LIMITS }] {
            let home = tempfile::tempdir().expect("a home");
            let error = download_tree(&store, home.path(), limits, &|_| {}).await.expect_err("too large");
            assert_eq!(error.kind(), ErrorKind::Unsupported);
        }
    }

    #[tokio::test]
    async fn a_hostile_listing_writes_nothing_elsewhere_and_comes_to_an_end() {
        for (path, is_dir, kind) in [
            ("../escaped", false, ErrorKind::Untrusted),
            ("/etc/escaped", false, ErrorKind::Untrusted),
            ("below/escaped", false, ErrorKind::Untrusted),
            ("", true, ErrorKind::Untrusted),
            ("loop", true, ErrorKind::Untrusted),
            ("endless", false, ErrorKind::Unsupported),
        ] {
            let home = tempfile::tempdir().expect("a home");
            let store = Listing(path, is_dir);
            let error = download_tree(&store, home.path(), LIMITS, &|_| {}).await.expect_err("refused");
            assert_eq!(error.kind(), kind, "{path}");
            assert!(!home.path().with_file_name("escaped").exists());
        }
    }
}
