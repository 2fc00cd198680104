//! The directory tree of a file store, accessed by paths that cannot leave it.
//!
//! Names come from requests, meta files and directory listings, and none of them is trusted. A path is a list of plain
//! names below the root, and a symbolic link anywhere in it is rejected. A store copied from elsewhere therefore cannot
//! make this crate read or write outside of it.

use std::fs::{self, File, Metadata};
use std::io::{self, BufReader, Cursor, ErrorKind as Io, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use crate::file::overlay::{Content, Overlay, Place};
use hydra_base::error::{Error, ErrorKind, Result};

/// The largest file that is read into memory. Meta files, tags and params of MLflow are far smaller.
const MAX_TEXT_BYTES: u64 = 8 << 20;
/// The deepest nesting of keys with `/`; MLflow's keys have at most 250 characters.
const MAX_KEY_DEPTH: usize = 128;

/// The root of a file store.
#[derive(Debug, Clone)]
pub(super) struct Tree {
    root: PathBuf,
    /// A committed change that is not carried out yet.
    overlay: Option<Arc<Overlay>>,
}

/// What is at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    File,
    Directory,
    Other,
}

/// A file to read line by line.
pub(super) type Lines = BufReader<Box<dyn Read>>;

/// One name in a directory.
#[derive(Debug)]
pub(super) struct Entry {
    pub name: String,
    pub is_dir: bool,
}

impl Tree {
    pub(super) fn new(root: PathBuf) -> Self {
        Self { root, overlay: None }
    }

    /// The same tree as it is after a change that only readers carry out.
    pub(super) fn with_overlay(&self, overlay: Overlay) -> Self {
        Self { root: self.root.clone(), overlay: Some(Arc::new(overlay)) }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    /// The absolute path of `path`, which is relative, uses `/`, and may not exist yet. `Untrusted` if a part of it is
    /// not a plain name or is a symbolic link.
    pub(super) fn resolve(&self, path: &str) -> Result<PathBuf> {
        let mut absolute = self.root.clone();
        for part in path.split('/') {
            if matches!(part, "" | "." | "..") || part.contains(['\\', '\0']) {
                return Err(untrusted("a path in the store has a part that is not a plain name", path));
            }
            absolute.push(part);
            match fs::symlink_metadata(&absolute) {
                Ok(metadata) if metadata.is_symlink() => {
                    return Err(untrusted("a path in the store goes through a symbolic link", path)
                        .with_hint("replace the link with its target"));
                }
                Err(error) if !is_missing(&error) => return Err(failed("read", &absolute, error)),
                _ => {}
            }
        }
        Ok(absolute)
    }

    /// A value that differs after each change of the names in the root, such as the beginning and the end of a transaction.
    pub(super) fn stamp(&self) -> Result<Option<SystemTime>> {
        match fs::metadata(&self.root).and_then(|metadata| metadata.modified()) {
            Ok(modified) => Ok(Some(modified)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("read", &self.root, error)),
        }
    }

    pub(super) fn is_dir(&self, path: &str) -> Result<bool> {
        Ok(self.kind(path)? == Some(Kind::Directory))
    }

    pub(super) fn is_file(&self, path: &str) -> Result<bool> {
        Ok(self.kind(path)? == Some(Kind::File))
    }

    /// The text of a file, or `None` if it does not exist.
    pub(super) fn read(&self, path: &str) -> Result<Option<String>> {
        self.read_up_to(path, MAX_TEXT_BYTES)
    }

    /// The text of a file of at most `limit` bytes, or `None` if it does not exist.
    pub(super) fn read_up_to(&self, path: &str, limit: u64) -> Result<Option<String>> {
        let Some((file, _)) = self.open(path)? else { return Ok(None) };
        let absolute = self.root.join(path);
        let mut text = String::new();
        file.take(limit + 1).read_to_string(&mut text).map_err(|error| failed("read", &absolute, error))?;
        if text.len() as u64 > limit {
            return Err(Error::new(
                ErrorKind::Storage,
                "a file of the store is larger than any file that MLflow writes",
            )
            .with_context("path", absolute.display())
            .with_context("limit in bytes", limit));
        }
        Ok(Some(text))
    }

    /// Opens a file for reading line by line and returns its size, or `None` if it does not exist.
    pub(super) fn lines(&self, path: &str) -> Result<Option<(Lines, u64)>> {
        Ok(self.open(path)?.map(|(file, size)| (BufReader::new(file), size)))
    }

    /// The entries of a directory, in no order; empty if the directory does not exist. Links and names that are not
    /// UTF-8 are left out.
    pub(super) fn list(&self, path: &str) -> Result<Vec<Entry>> {
        let mut found = Vec::new();
        if let Some(overlay) = &self.overlay {
            let names = overlay.names_in(path);
            found.extend(names.map(|(name, is_dir)| Entry { name: name.to_owned(), is_dir }));
            if overlay.is_removed(path) {
                return Ok(found);
            }
        }
        let absolute = if path.is_empty() { self.root.clone() } else { self.resolve(path)? };
        let entries = match fs::read_dir(&absolute) {
            Ok(entries) => entries,
            Err(error) if is_missing(&error) => return Ok(found),
            Err(error) => return Err(failed("list", &absolute, error)),
        };
        for entry in entries {
            let entry = entry.map_err(|error| failed("list", &absolute, error))?;
            let kind = entry.file_type().map_err(|error| failed("list", &absolute, error))?;
            if let (Ok(name), false) = (entry.file_name().into_string(), kind.is_symlink())
                && self.is_as_on_disk(path, &name)
            {
                found.push(Entry { name, is_dir: kind.is_dir() });
            }
        }
        Ok(found)
    }

    /// The files below a directory as relative paths, sorted. A key with `/` is a file in a nested directory.
    pub(super) fn files_below(&self, path: &str) -> Result<Vec<String>> {
        let mut files = Vec::new();
        let mut pending = vec![(String::new(), 0)];
        while let Some((below, depth)) = pending.pop() {
            let directory = if below.is_empty() { path.to_owned() } else { format!("{path}/{below}") };
            for entry in self.list(&directory)? {
                let relative = if below.is_empty() { entry.name } else { format!("{below}/{}", entry.name) };
                if !entry.is_dir {
                    files.push(relative);
                } else if depth < MAX_KEY_DEPTH {
                    pending.push((relative, depth + 1));
                }
            }
        }
        files.sort_unstable();
        Ok(files)
    }

    /// Whether no change concerns the name in a directory.
    fn is_as_on_disk(&self, directory: &str, name: &str) -> bool {
        let Some(overlay) = &self.overlay else { return true };
        let path = if directory.is_empty() { name.to_owned() } else { format!("{directory}/{name}") };
        overlay.find(&path) == Place::AsOnDisk
    }

    fn kind(&self, path: &str) -> Result<Option<Kind>> {
        let on_disk = |metadata: Metadata| match () {
            () if metadata.is_file() => Kind::File,
            () if metadata.is_dir() => Kind::Directory,
            () => Kind::Other,
        };
        match self.overlay.as_ref().map_or(Place::AsOnDisk, |overlay| overlay.find(path)) {
            Place::File(_) => Ok(Some(Kind::File)),
            Place::Directory => Ok(Some(Kind::Directory)),
            Place::Missing => Ok(None),
            Place::AsOnDisk => Ok(self.metadata(path)?.map(on_disk)),
        }
    }

    fn metadata(&self, path: &str) -> Result<Option<Metadata>> {
        let absolute = self.resolve(path)?;
        match fs::symlink_metadata(&absolute) {
            Ok(metadata) => Ok(Some(metadata)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("read", &absolute, error)),
        }
    }

    /// Opens a file for reading, and returns its size.
    fn open(&self, path: &str) -> Result<Option<(Box<dyn Read>, u64)>> {
        match self.overlay.as_ref().map_or(Place::AsOnDisk, |overlay| overlay.find(path)) {
            Place::AsOnDisk => {
                Ok(self.open_on_disk(path)?.map(|(file, size)| (Box::new(file) as Box<dyn Read>, size)))
            }
            Place::Missing | Place::Directory => Ok(None),
            Place::File(Content::Whole(text)) => {
                Ok(Some((Box::new(Cursor::new(text.clone().into_bytes())), text.len() as u64)))
            }
            Place::File(Content::Appended { at, text }) => {
                let start: Box<dyn Read> = match self.open_on_disk(path)? {
                    Some((file, _)) => Box::new(file.take(*at)),
                    None => Box::new(io::empty()),
                };
                let whole = start.chain(Cursor::new(text.clone().into_bytes()));
                Ok(Some((Box::new(whole), at.saturating_add(text.len() as u64))))
            }
        }
    }

    fn open_on_disk(&self, path: &str) -> Result<Option<(File, u64)>> {
        // Check the type before opening: opening a planted pipe would block forever.
        let Some(metadata) = self.metadata(path)? else { return Ok(None) };
        let absolute = self.root.join(path);
        if !metadata.is_file() {
            return Err(Error::new(ErrorKind::Storage, "a file of the store is not a regular file")
                .with_context("path", absolute.display()));
        }
        match File::open(&absolute) {
            Ok(file) => Ok(Some((file, metadata.len()))),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed("open", &absolute, error)),
        }
    }
}

/// The error for a failed system call that should `action` a path.
pub(super) fn failed(action: &str, absolute: &Path, error: io::Error) -> Error {
    let hint = match error.kind() {
        Io::PermissionDenied | Io::ReadOnlyFilesystem => "give the user of this process access to the store",
        Io::StorageFull | Io::QuotaExceeded => "free some space",
        _ => "check the disk that holds the store",
    };
    Error::new(ErrorKind::Storage, format!("cannot {action} a file of the store"))
        .with_context("path", absolute.display())
        .with_source(error)
        .with_hint(hint)
}

/// Whether this process cannot write to the store at present, and yet may be able to read it.
pub(super) fn cannot_write(error: &Error) -> bool {
    let source = std::error::Error::source(error).and_then(|source| source.downcast_ref::<io::Error>());
    source.is_some_and(|source| {
        matches!(
            source.kind(),
            Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::StorageFull | Io::QuotaExceeded
        )
    })
}

/// Whether the error means that the file does not exist: no such name, a file in place of a directory, or an invalid
/// name.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), Io::NotFound | Io::NotADirectory | Io::InvalidFilename)
}

fn untrusted(message: &str, path: &str) -> Error {
    Error::new(ErrorKind::Untrusted, message).with_context("path", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_never_leave_the_root() {
        let directory = tempfile::tempdir().expect("a directory");
        let tree = Tree::new(directory.path().to_owned());
        for bad in ["", "..", "a/../b", "/etc/passwd", "a//b", "a/", "a\\b", "a\0b", "."] {
            assert_eq!(tree.resolve(bad).expect_err(bad).kind(), ErrorKind::Untrusted, "{bad:?}");
        }
        assert_eq!(tree.resolve("a/b").expect("a absolute"), directory.path().join("a/b"));
    }

    #[cfg(unix)]
    #[test]
    fn links_are_refused_and_not_listed() {
        let outside = tempfile::tempdir().expect("a directory");
        fs::write(outside.path().join("secret"), "s").expect("a file");
        let directory = tempfile::tempdir().expect("a directory");
        std::os::unix::fs::symlink(outside.path(), directory.path().join("link")).expect("a link");
        let tree = Tree::new(directory.path().to_owned());
        assert_eq!(tree.read("link/secret").expect_err("a link").kind(), ErrorKind::Untrusted);
        assert_eq!(tree.resolve("link").expect_err("a link").kind(), ErrorKind::Untrusted);
        assert!(tree.list("").expect("a list").is_empty());
        assert!(tree.files_below("").is_ok_and(|files| files.is_empty()));
    }
}
