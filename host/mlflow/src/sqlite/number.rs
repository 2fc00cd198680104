//! Version numbers as integers of SQLite.

use crate::sqlite::failure::SqlResult;
use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::Version;

/// The version's number as an integer of SQLite. A number that does not fit matches no row.
pub(super) fn number(version: Version) -> i64 {
    i64::try_from(version.get()).unwrap_or(i64::MAX)
}

/// The version with this number; `Storage` if the number is not valid.
pub(super) fn from_number(number: i64) -> SqlResult<Version> {
    let version = u64::try_from(number).ok().and_then(|number| Version::new(number).ok());
    Ok(version.ok_or_else(|| {
        Error::new(
            ErrorKind::Storage,
            format!("a version in the database is not a number from 1: `{number}`"),
        )
        .with_hint("restore the database from a backup, or delete the row")
    })?)
}
