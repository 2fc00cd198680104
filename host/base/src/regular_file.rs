//! Files that a command reads as a whole before it does anything else: policies, settings, cases, certificates.
//!
//! Opening a named pipe waits until another process writes to it, and reading a device may never end. Both are refused before they are
//! opened.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Opens a regular file. [`ErrorKind::NotAFile`] for a pipe, a device or a socket, also behind a link; `unreadable` makes the error of
/// everything else that fails.
pub fn open(path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<File> {
    let found = fs::metadata(path).map_err(&unreadable)?;
    // Opening a directory does not wait, and the error of reading it names it. `/dev/null` stands for an empty file.
    if !found.is_file() && !found.is_dir() && path != Path::new("/dev/null") {
        return Err(Error::new(ErrorKind::NotAFile, "the path does not name a regular file")
            .with_context("path", path.display())
            .with_hint("copy its content to a file, and name that file"));
    }
    File::open(path).map_err(unreadable)
}

/// The bytes of a regular file; fails like [`open`].
pub fn read(path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    open(path, &unreadable)?.read_to_end(&mut bytes).map_err(unreadable)?;
    Ok(bytes)
}

/// The text of a regular file; fails like [`open`], and for text that is not UTF-8.
pub fn read_text(path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<String> {
    let mut text = String::new();
    open(path, &unreadable)?.read_to_string(&mut text).map_err(unreadable)?;
    Ok(text)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    #[test]
    fn pipes_and_devices_are_refused_and_files_are_read() {
        let unreadable = |error| Error::new(ErrorKind::Storage, "cannot read").with_source(error);
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        fs::write(path("file"), "text").unwrap();
        std::os::unix::fs::symlink(path("file"), path("link")).unwrap();
        assert_eq!(read_text(&path("file"), unreadable).unwrap(), "text");
        assert_eq!(read(&path("link"), unreadable).unwrap(), b"text");
        assert_eq!(read(&path("none"), unreadable).unwrap_err().kind(), ErrorKind::Storage);
        assert_eq!(read(root.path(), unreadable).unwrap_err().kind(), ErrorKind::Storage);
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(path("pipe"), path("link to a pipe")).unwrap();
        assert_eq!(read(Path::new("/dev/null"), unreadable).unwrap(), b"");
        for special in [path("pipe"), path("link to a pipe"), "/dev/zero".into()] {
            let error = read(&special, unreadable).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAFile, "{error:?}");
        }
    }
}
