//! Directories that only their owner can access, for files that run as part of this program or affect its decisions.

use std::fs;
use std::io;
use std::path::Path;

use crate::error::{Error, ErrorKind, Result};

/// Creates the directory with mode 0700, with missing parents. Does not change an existing directory; see [`check`].
pub fn create(dir: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(dir)
}

/// Rejects a directory that belongs to another user or that other users can read, with [`ErrorKind::Untrusted`]. `what`
/// names its contents.
#[cfg(unix)]
pub fn check(dir: &Path, what: &str) -> Result<()> {
    use std::os::unix::fs::MetadataExt as _;

    let found = fs::metadata(dir).map_err(|error| {
        Error::new(ErrorKind::Storage, format!("cannot inspect the directory of {what}"))
            .with_context("path", dir.display())
            .with_source(error)
    })?;
    #[expect(clippy::verbose_bit_mask, reason = "permissions are read in octal")]
    let is_private = found.mode() & 0o077 == 0;
    if is_private && found.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Untrusted, format!("the directory of {what} is not private to its user"))
        .with_context("path", dir.display())
        .with_context("mode", format!("{:o}", found.mode() & 0o7777))
        .with_hint("remove the directory, or check its contents and make it yours with mode 700"))
}

#[cfg(not(unix))]
#[expect(clippy::unnecessary_wraps, reason = "the unix version can fail")]
pub fn check(_: &Path, _: &str) -> Result<()> {
    Ok(())
}

/// Writes the file `name` in a directory that exists: whole, or not at all.
#[cfg(feature = "files")]
pub fn write_whole(directory: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(directory)?;
    io::Write::write_all(&mut file, bytes)?;
    file.persist(directory.join(name)).map_err(|error| error.error)?;
    Ok(())
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_created_is_private_and_what_others_can_enter_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("deep/er");
        create(&dir).unwrap();
        create(&dir).unwrap();
        for path in [&dir, dir.parent().unwrap()] {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
        }
        check(&dir, "tests").unwrap();
        for mode in [0o777, 0o770, 0o701] {
            fs::set_permissions(&dir, fs::Permissions::from_mode(mode)).unwrap();
            let error = check(&dir, "tests").unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Untrusted, "{mode:o}");
        }
        assert_eq!(check(&root.path().join("none"), "tests").unwrap_err().kind(), ErrorKind::Storage);
    }
}
