//! Artifacts in a local directory.

mod moved;

use std::io;
use std::path::{Component, Path, PathBuf};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{ArtifactReader, ArtifactStore, OnProgress, segments};
use crate::entities::ArtifactInfo;
use hydra_base::error::{Error, ErrorKind, Result};

const COPY_BUFFER: usize = 256 * 1024;

/// The local directories that artifact URIs may name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum LocalAccess {
    /// Any directory, for URIs from a local store.
    Anywhere,
    /// Only these directories and those below them, for URIs from a remote server. An empty list allows none.
    Within(Vec<PathBuf>),
}

impl LocalAccess {
    /// `Untrusted` unless `path`, with links resolved, is at or below an allowed directory.
    pub(crate) fn check(&self, path: &Path) -> Result<()> {
        let Self::Within(roots) = self else { return Ok(()) };
        let climbs = path.components().any(|component| component == Component::ParentDir);
        let allowed = path.is_absolute()
            && !climbs
            && roots.iter().filter_map(|root| root.canonicalize().ok()).any(|root| leads_below(path, &root));
        if allowed {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Untrusted, "a remote server's artifact URI is a local directory")
            .with_context("path", path.display())
            .with_hint(
                "if the server shares this disk, add the directory to HYDRA_ALLOWED_ARTIFACT_ROOTS; if the files are elsewhere, \
                 name the place with `--artifact-root-map OLD=NEW`; otherwise start the server with `--serve-artifacts`",
            ))
    }
}

/// An artifact root in a local directory, which need not exist before the first write.
///
/// Writes are atomic: a file is written under a temporary name in its directory, synced, then renamed. Links that lead
/// out of the root are rejected by reads and writes.
#[derive(Debug, Clone)]
pub struct LocalArtifacts {
    uri: String,
    root: PathBuf,
    /// The directory of the store that named the root.
    home: Option<PathBuf>,
}

impl LocalArtifacts {
    /// The artifacts below `root`, the directory that `uri` names.
    pub fn new(uri: impl Into<String>, root: impl Into<PathBuf>) -> Self {
        Self { uri: uri.into(), root: root.into(), home: None }
    }

    /// The same root, named by a local store in the directory `home`: if the store was moved with its artifacts, errors name both places,
    /// and writes do not create the old one again.
    #[must_use]
    pub fn of_store_at(self, home: Option<PathBuf>) -> Self {
        Self { home, ..self }
    }

    /// The file or directory of a relative path. Rejects `..` and links out of the root.
    fn locate(&self, path: &str) -> Result<PathBuf> {
        let mut full = self.root.clone();
        full.extend(segments(path)?);
        let anchor = canonical_ancestor(&self.root);
        if anchor.is_some_and(|anchor| leads_below(&full, &anchor)) {
            Ok(full)
        } else {
            Err(Error::new(ErrorKind::Untrusted, "the target of a link is outside the artifact root")
                .with_context("path", full.display()))
        }
    }

    /// Writes a file under a temporary name and renames it; `content` writes the bytes.
    async fn write<F>(&self, path: &str, content: F) -> Result<()>
    where
        F: AsyncFnOnce(&mut tokio::fs::File) -> io::Result<()>,
    {
        let destination = self.locate(path)?;
        if let Some(hint) = moved::hint(&self.root, self.home.as_deref()) {
            let why = "the artifacts of the store are not where it says that they are";
            return Err(Error::new(ErrorKind::ArtifactNotFound, why)
                .with_context("path", self.root.display())
                .with_hint(hint));
        }
        let failed = |error| storage_error("cannot write an artifact", &destination, error);
        let directory = destination.parent().filter(|_| !path.is_empty()).ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "an artifact needs a file name").with_context("path", path)
        })?;
        tokio::fs::create_dir_all(directory).await.map_err(failed)?;
        let temporary = temporary_file(directory).map_err(failed)?;
        let mut file = tokio::fs::File::from_std(temporary.reopen().map_err(failed)?);
        content(&mut file).await.map_err(failed)?;
        file.flush().await.map_err(failed)?;
        file.sync_all().await.map_err(failed)?;
        temporary.persist(&destination).map_err(|error| failed(error.error))?;
        sync_directory(directory).await.map_err(failed)
    }
}

#[async_trait]
impl ArtifactStore for LocalArtifacts {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn remedy(&self) -> Option<String> {
        if self.root.exists() {
            return None;
        }
        if let Some(hint) = moved::hint(&self.root, self.home.as_deref()) {
            return Some(hint);
        }
        // Where the directories around it are there, only this root is gone.
        if self.root.ancestors().skip(1).take(2).any(Path::exists) {
            return None;
        }
        Some("if the artifacts have moved, name their new root with `--artifact-root-map OLD=NEW`".to_owned())
    }

    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>> {
        let directory = self.locate(path)?;
        let failed = |error| storage_error("cannot list artifacts", &directory, error);
        let mut entries = match tokio::fs::read_dir(&directory).await {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(Vec::new()),
            Err(error) => return Err(failed(error)),
        };
        let mut infos = Vec::new();
        while let Some(entry) = entries.next_entry().await.map_err(failed)? {
            // Names that are not UTF-8 cannot be artifacts in MLflow.
            let Ok(name) = entry.file_name().into_string() else { continue };
            let relative = if path.is_empty() { name } else { format!("{path}/{name}") };
            // This follows links; a broken link is not an artifact.
            let Ok(metadata) = tokio::fs::metadata(entry.path()).await else { continue };
            let size = metadata.is_file().then_some(metadata.len());
            let is_link = entry.file_type().await.is_ok_and(|kind| kind.is_symlink());
            let stamp = metadata.is_file().then(|| stamp(&metadata, is_link));
            infos.push(ArtifactInfo { path: relative, is_dir: metadata.is_dir(), size, stamp });
        }
        infos.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(infos)
    }

    async fn open(&self, path: &str) -> Result<ArtifactReader> {
        let full = self.locate(path)?;
        let missing = || {
            let error = Error::new(ErrorKind::ArtifactNotFound, "there is no such artifact")
                .with_context("path", full.display());
            match self.remedy() {
                Some(hint) => error.with_hint(hint),
                None => error,
            }
        };
        let size = match tokio::fs::metadata(&full).await {
            // Opening a pipe would wait for its writer.
            Ok(metadata) if metadata.is_file() => metadata.len(),
            Ok(_) => return Err(missing()),
            Err(error) if is_missing(&error) => return Err(missing()),
            Err(error) => return Err(storage_error("cannot open an artifact", &full, error)),
        };
        let opened = tokio::fs::File::open(&full).await;
        let opened = opened.map_err(|error| storage_error("cannot open an artifact", &full, error))?;
        Ok(ArtifactReader::new(opened, Some(size)))
    }

    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()> {
        let mut source = tokio::fs::File::open(file)
            .await
            .map_err(|error| storage_error("cannot read the file to upload", file, error))?;
        self.write(path, async |target| {
            let mut buffer = vec![0; COPY_BUFFER];
            loop {
                let read = source.read(&mut buffer).await?;
                if read == 0 {
                    return Ok(());
                }
                target.write_all(&buffer[..read]).await?;
                progress(read as u64);
            }
        })
        .await
    }

    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.write(path, async |target| target.write_all(&bytes).await).await
    }
}

/// Whether `path`, which contains no `..`, is at or below the canonical `root` with links resolved. A path that does
/// not exist yet cannot be a link, so its nearest existing ancestor decides.
fn leads_below(path: &Path, root: &Path) -> bool {
    canonical_ancestor(path).is_some_and(|ancestor| ancestor.starts_with(root))
}

/// The nearest existing ancestor of `path`, or `path` itself, with links resolved; `None` if it is a broken link.
fn canonical_ancestor(path: &Path) -> Option<PathBuf> {
    for ancestor in path.ancestors() {
        let ancestor = if ancestor.as_os_str().is_empty() { Path::new(".") } else { ancestor };
        match ancestor.canonicalize() {
            Ok(canonical) => return Some(canonical),
            Err(_) if ancestor.is_symlink() => return None,
            // The path does not exist, or another process created it just now. It is not a link, so its parent decides.
            Err(_) => {}
        }
    }
    None
}

/// Creates a temporary file with the permissions of an ordinary new file, so that other users can read the model.
fn temporary_file(directory: &Path) -> io::Result<tempfile::NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".hydra-").suffix(".part");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        builder.permissions(std::fs::Permissions::from_mode(0o666)); // The umask still applies.
    }
    builder.tempfile_in(directory)
}

/// Makes a rename durable. Windows has no such call and does not need one.
async fn sync_directory(directory: &Path) -> io::Result<()> {
    if cfg!(unix) { tokio::fs::File::open(directory).await?.sync_all().await } else { Ok(()) }
}

/// A text that differs after each change of a file: by writing, by replacing, or by a link that takes its place.
fn stamp(metadata: &std::fs::Metadata, is_link: bool) -> String {
    let link = if is_link { "link " } else { "" };
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt as _;
        // Programs can set the time of the last modification, but not that of the last change.
        format!("{link}{} {}.{:09}", metadata.ino(), metadata.ctime(), metadata.ctime_nsec())
    }
    #[cfg(not(unix))]
    {
        format!("{link}{:?}", metadata.modified().ok())
    }
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

fn storage_error(message: &str, path: &Path, error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, message).with_context("path", path.display()).with_source(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root() -> (tempfile::TempDir, LocalArtifacts) {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("not/yet/there");
        let store = LocalArtifacts::new(root.to_string_lossy().into_owned(), root);
        (directory, store)
    }

    async fn read(store: &LocalArtifacts, path: &str) -> Vec<u8> {
        let mut bytes = Vec::new();
        store.open(path).await.expect(path).read_to_end(&mut bytes).await.expect("the bytes");
        bytes
    }

    #[tokio::test]
    async fn files_go_in_and_come_out_and_are_listed() {
        let (directory, store) = root();
        assert!(store.list("").await.expect("a missing root is empty").is_empty());
        store.put_bytes("model/MLmodel", b"flavors".to_vec()).await.expect("a small file");
        let big = directory.path().join("big");
        std::fs::write(&big, vec![7; 600_000]).expect("a file");
        let moved = std::sync::atomic::AtomicU64::new(0);
        let progress = |bytes| {
            moved.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
        };
        store.put_file("model/a b.bin", &big, &progress).await.expect("a big file");
        assert_eq!(moved.into_inner(), 600_000);
        store.put_bytes("model/MLmodel", b"replaced".to_vec()).await.expect("a second version");
        assert_eq!(read(&store, "model/MLmodel").await, b"replaced");
        assert_eq!(read(&store, "model/a b.bin").await.len(), 600_000);
        let info = |path: &str, size: Option<u64>| ArtifactInfo {
            path: path.to_owned(),
            is_dir: size.is_none(),
            size,
            stamp: None,
        };
        let listed = async |path: &str| {
            let mut found = store.list(path).await.expect("a listing");
            for info in &mut found {
                info.stamp = None;
            }
            found
        };
        assert_eq!(listed("").await, [info("model", None)]);
        let expected = [info("model/MLmodel", Some(8)), info("model/a b.bin", Some(600_000))];
        assert_eq!(listed("model").await, expected);
        assert!(store.list("model/MLmodel").await.expect("a file is an empty directory").is_empty());
        for missing in ["nothing", "model", "model/MLmodel/x"] {
            let error = store.open(missing).await.expect_err(missing);
            assert_eq!(error.kind(), ErrorKind::ArtifactNotFound, "{missing}");
        }
    }

    #[tokio::test]
    async fn an_upload_is_verified_by_its_listing() {
        let (_directory, store) = root();
        store.put_bytes("model/a", b"12345".to_vec()).await.expect("a file");
        store.put_bytes("empty", Vec::new()).await.expect("a file");
        let check = async |path: &str, size| {
            super::super::verify_sizes(&store, &[("empty".into(), 0), (path.into(), size)]).await
        };
        check("model/a", 5).await.expect("all there");
        for (path, size) in [("model/a", 6), ("model/b", 5), ("model", 0)] {
            assert_eq!(check(path, size).await.expect_err(path).kind(), ErrorKind::Integrity);
        }
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn links_out_of_the_root_are_refused_and_links_inside_are_not() {
        let (directory, store) = root();
        store.put_bytes("inside/file", b"mine".to_vec()).await.expect("a file");
        let outside = directory.path().join("outside");
        std::fs::create_dir(&outside).expect("a directory");
        std::fs::write(outside.join("secret"), "secret").expect("a file");
        let link = |target: &Path, name: &str| {
            std::os::unix::fs::symlink(target, store.root.join(name)).expect("a link");
        };
        link(&outside, "out");
        link(&outside.join("secret"), "secret");
        link(Path::new("missing"), "broken");
        link(&store.root.join("inside"), "in");
        assert_eq!(read(&store, "in/file").await, b"mine");
        for path in ["out/secret", "secret", "broken/x", "out/new/deeper"] {
            let read = store.open(path).await.expect_err(path);
            assert_eq!(read.kind(), ErrorKind::Untrusted, "{path}");
            let written = store.put_bytes(path, b"x".to_vec()).await.expect_err(path);
            assert_eq!(written.kind(), ErrorKind::Untrusted, "{path}");
        }
        assert_eq!(store.list("out").await.expect_err("a link out").kind(), ErrorKind::Untrusted);
    }

    /// A file that is moved out of the root, with a link in its place, keeps its size and all its times.
    #[cfg(unix)]
    #[tokio::test]
    async fn a_link_in_the_place_of_a_file_has_another_stamp() {
        let (directory, store) = root();
        store.put_bytes("file", b"mine".to_vec()).await.expect("a file");
        let before = store.list("").await.expect("a listing");
        assert_eq!(store.list("").await.expect("a listing"), before);
        let outside = directory.path().join("outside");
        std::fs::rename(store.root.join("file"), &outside).expect("moved");
        std::os::unix::fs::symlink(&outside, store.root.join("file")).expect("a link");
        let after = store.list("").await.expect("a listing");
        assert_eq!(after[0].size, before[0].size);
        assert_ne!(after, before);
    }

    #[test]
    fn a_remote_server_names_only_allowed_directories() {
        let directory = tempfile::tempdir().expect("a directory");
        let root = directory.path().join("root");
        std::fs::create_dir_all(root.join("sub")).expect("a directory");
        let access = LocalAccess::Within(vec![root.clone(), directory.path().join("missing")]);
        for good in ["root", "root/sub", "root/not/yet"] {
            access.check(&directory.path().join(good)).expect(good);
        }
        for bad in ["", "rootless", "root/../other", "missing/x"] {
            let error = access.check(&directory.path().join(bad)).expect_err(bad);
            assert_eq!(error.kind(), ErrorKind::Untrusted, "{bad}");
        }
        let error = LocalAccess::Within(Vec::new()).check(&root).expect_err("nothing is allowed");
        assert_eq!(error.kind(), ErrorKind::Untrusted);
        LocalAccess::Anywhere.check(Path::new("mlruns/../x")).expect("a user's own store");
    }
}
