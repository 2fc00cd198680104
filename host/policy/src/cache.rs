//! The cache of compiled code: a directory that only its owner can write to.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use wasmtime::{Cache, CacheConfig};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::private_dir;

/// Opens wasmtime's cache in `dir`. Returns `None` if the directory cannot be used: the cache only saves time. A directory that
/// another user controls is an error, since its contents would run as part of this process.
pub(super) fn open(dir: &Path) -> Result<Option<Cache>> {
    let path = match create(dir) {
        Ok(path) => path,
        Err(error) => {
            tracing::warn!(dir = %dir.display(), %error, "not using the cache of compiled policies");
            return Ok(None);
        }
    };
    private_dir::check(&path, "compiled policies")?;
    let mut config = CacheConfig::new();
    config.with_directory(path);
    Cache::new(config).map(Some).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot open the cache of compiled policies").with_source(error)
    })
}

/// Creates the directory and checks that it can be written to.
fn create(dir: &Path) -> io::Result<PathBuf> {
    private_dir::create(dir)?;
    tempfile::tempfile_in(dir)?;
    fs::canonicalize(dir)
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
