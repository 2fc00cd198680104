//! Files that a command reads as a whole before it does anything else: policies, settings, cases, certificates.
//!
//! Opening a named pipe waits until another process writes to it, and reading a device may never end. Both are refused before they are
//! opened.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Opens a regular file. [`ErrorKind::NotAFile`] for a pipe, a device or a socket, also behind a link, and for a file that the system
/// makes up as it is read; `unreadable` makes the error of everything else that fails.
pub fn open(path: &Path, unreadable: impl Fn(io::Error) -> Error) -> Result<File> {
    let found = fs::metadata(path).map_err(&unreadable)?;
    // Opening a directory does not wait, and the error of reading it names it. `/dev/null` stands for an empty file.
    let is_special = !found.is_file() && !found.is_dir() && path != Path::new("/dev/null");
    if is_special || (found.is_file() && found.len() == 0 && is_made_up(path)) {
        return Err(Error::new(ErrorKind::NotAFile, "the path does not name a regular file")
            .with_context("path", path.display())
            .with_hint("copy its content to a file, and name that file"));
    }
    File::open(path).map_err(unreadable)
}

/// Whether the system makes up the content of the file as it is read, which may never end, as that of `/proc/kmsg`. Such a file
/// calls itself regular and empty.
fn is_made_up(path: &Path) -> bool {
    fs::canonicalize(path).is_ok_and(|path| path.starts_with("/proc") || path.starts_with("/sys"))
}

/// The bytes of a regular file; fails like [`open`], and with [`ErrorKind::FileSize`] for more than `most` bytes.
pub fn read(path: &Path, most: u64, unreadable: impl Fn(io::Error) -> Error) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    // One byte more than there may be shows that there are too many.
    let mut file = open(path, &unreadable)?.take(most.saturating_add(1));
    file.read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > most {
        return Err(Error::new(ErrorKind::FileSize, format!("the file has more than {most} bytes"))
            .with_context("path", path.display())
            .with_hint("check that the path names the right file"));
    }
    Ok(bytes)
}

/// The text of a regular file; fails like [`read`], and for text that is not UTF-8.
pub fn read_text(path: &Path, most: u64, unreadable: impl Fn(io::Error) -> Error) -> Result<String> {
    let bytes = read(path, most, &unreadable)?;
    String::from_utf8(bytes).map_err(|error| unreadable(io::Error::new(io::ErrorKind::InvalidData, error)))
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
        assert_eq!(read_text(&path("file"), 4, unreadable).unwrap(), "text");
        assert_eq!(read(&path("link"), 4, unreadable).unwrap(), b"text");
        assert_eq!(read(&path("none"), 4, unreadable).unwrap_err().kind(), ErrorKind::Storage);
        assert_eq!(read(root.path(), 4, unreadable).unwrap_err().kind(), ErrorKind::Storage);
        let error = read(&path("file"), 3, unreadable).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::FileSize, "{error:?}");
        let made = std::process::Command::new("mkfifo").arg(path("pipe")).status().unwrap();
        assert!(made.success());
        std::os::unix::fs::symlink(path("pipe"), path("link to a pipe")).unwrap();
        assert_eq!(read(Path::new("/dev/null"), 4, unreadable).unwrap(), b"");
        for special in [path("pipe"), path("link to a pipe"), "/dev/zero".into(), "/proc/self/status".into()]
        {
            let error = read(&special, 4, unreadable).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NotAFile, "{error:?}");
        }
    }
}
