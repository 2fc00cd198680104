//! The failures of a transaction, and the meaning of SQLite's errors.

use std::path::Path;

use rusqlite::ffi;

use hydra_base::error::{Error, ErrorKind};

/// The result of code that runs in a transaction.
pub(super) type SqlResult<T> = std::result::Result<T, Failure>;

/// The reason for the failure of a transaction.
#[derive(Debug)]
pub(super) enum Failure {
    /// An error of SQLite.
    Sql(rusqlite::Error),
    /// An error of this store.
    Store(Error),
}

impl From<rusqlite::Error> for Failure {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Store(error)
    }
}

impl Failure {
    /// The error for the caller.
    pub(super) fn into_error(self, path: &Path) -> Error {
        let error = match self {
            Self::Store(error) => return error,
            Self::Sql(error) => error,
        };
        let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
        let (kind, message, hint) = match code {
            Some(ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED) => (
                ErrorKind::Locked,
                "another process holds the lock of the database",
                "find the process that has the file open, for example with `lsof`",
            ),
            Some(ffi::SQLITE_NOTADB | ffi::SQLITE_CORRUPT) => (
                ErrorKind::Storage,
                "the file is not a SQLite database, or it is damaged",
                "restore it from a backup, or use another file",
            ),
            Some(ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM) => (
                ErrorKind::Storage,
                "cannot open or write the database",
                "check that the directory exists and that the user of this process has access to directory and file",
            ),
            Some(ffi::SQLITE_FULL) => (ErrorKind::Storage, "the disk is full", "free some space"),
            _ => (
                ErrorKind::Storage,
                "the database failed",
                "check the file with `sqlite3 FILE 'pragma integrity_check'`",
            ),
        };
        Error::new(kind, message)
            .with_context("path", path.display())
            .with_retryable(kind == ErrorKind::Locked)
            .with_source(error)
            .with_hint(hint)
    }
}
