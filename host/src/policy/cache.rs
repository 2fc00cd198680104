//! Where compiled code is kept: a directory that only its owner can write to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

use crate::error::{Error, ErrorKind, Result};

/// wasmtime's cache in `dir`; none when the directory cannot be used, since a cache is a convenience. A directory that
/// somebody else controls is an error: its contents would run as part of this process.
pub(super) fn open(dir: &Path) -> Result<Option<Cache>> {
    let path = match create_private(dir) {
        Ok(path) => path,
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "compiled policies are not cached");
            return Ok(None);
        }
    };
    check_private(&path)?;
    let mut config = CacheConfig::new();
    config.with_directory(path);
    Cache::new(config).map(Some).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot open the cache of compiled policies").with_source(error)
    })
}

/// Makes the directory, and shows by writing to it that it can be used.
fn create_private(dir: &Path) -> io::Result<PathBuf> {
    if let Some(parent) = dir.parent() {
        fs::create_dir_all(parent)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(dir) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    tempfile::tempfile_in(dir)?;
    fs::canonicalize(dir)
}

#[cfg(unix)]
fn check_private(dir: &Path) -> Result<()> {
    use std::os::unix::fs::MetadataExt;

    let unusable = |error| {
        Error::new(ErrorKind::Storage, "cannot inspect the cache of compiled policies")
            .with_context("path", dir.display())
            .with_source(error)
    };
    let found = fs::metadata(dir).map_err(unusable)?;
    // The owner of a file that this process makes is this process.
    let own = tempfile::tempfile_in(dir).and_then(|file| file.metadata()).map_err(unusable)?;
    #[expect(clippy::verbose_bit_mask, reason = "permissions are read in octal")]
    let is_private = found.mode() & 0o077 == 0;
    if is_private && found.uid() == own.uid() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Untrusted, "the cache of compiled policies can be changed by others")
        .with_context("path", dir.display())
        .with_context("mode", format!("{:o}", found.mode() & 0o7777))
        .with_hint("its contents run as part of this program: remove the directory, or give it mode 700 after checking them"))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the unix version can fail")]
fn check_private(_: &Path) -> Result<()> {
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_directory_is_made_private() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deep/er");
        assert!(open(&dir).unwrap().is_some());
        assert_eq!(fs::metadata(&dir).unwrap().permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn a_directory_that_others_can_write_is_refused() {
        let root = tempfile::tempdir().unwrap();
        fs::set_permissions(root.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let error = open(root.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Untrusted);
    }

    #[test]
    fn a_directory_that_cannot_be_made_is_done_without() {
        let file = tempfile::NamedTempFile::new().unwrap();
        assert!(open(&file.path().join("x")).unwrap().is_none());
    }
}
