//! A copy of a database that this process must not write to.
//!
//! SQLite writes also for readers: after a crash it takes back what the journal of the interrupted transaction names, and a database in
//! WAL mode needs a file of shared memory beside it. Where the file or its directory is read-only, a private copy is read instead.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use rusqlite::{Connection, ffi};

use crate::sqlite::failure::SqlResult;
use hydra_base::error::{Error, ErrorKind};

/// What SQLite adds to the name of a database for the files that belong to it.
const SUFFIXES: [&str; 3] = ["", "-wal", "-journal"];
/// How often a copy is made while others write, and the pause in between.
const ATTEMPTS: u32 = 50;
const PAUSE: Duration = Duration::from_millis(50);

/// The copy, in a directory that goes away with this value.
#[derive(Debug)]
pub(super) struct Copied {
    directory: tempfile::TempDir,
    stamps: Vec<Stamp>,
}

/// Differs after each change of a file.
type Stamp = Option<(SystemTime, u64)>;

impl Copied {
    /// Copies the database, again if it changes meanwhile.
    pub(super) fn of(path: &Path) -> SqlResult<Self> {
        let failed = |source: io::Error| {
            Error::new(ErrorKind::Storage, "cannot copy the database, which cannot be read in its place")
                .with_context("path", path.display())
                .with_source(source)
                .with_hint("give the user of this process write access to the database and its directory")
        };
        let directory = tempfile::tempdir().map_err(failed)?;
        for _ in 0..ATTEMPTS {
            let stamps = stamps(path);
            for (suffix, stamp) in SUFFIXES.iter().zip(&stamps) {
                let copy = directory.path().join(format!("{NAME}{suffix}"));
                match stamp {
                    Some(_) => copy_file(&beside(path, suffix), &copy).map_err(failed)?,
                    None => remove(&copy).map_err(failed)?,
                }
            }
            if self::stamps(path) == stamps {
                return Ok(Self { directory, stamps });
            }
            thread::sleep(PAUSE);
        }
        Err(Error::new(
            ErrorKind::Locked,
            "the database changes all the time, and cannot be read in its place",
        )
        .with_context("path", path.display())
        .with_retryable(true)
        .with_hint("give the user of this process write access to the database and its directory")
        .into())
    }

    /// The file of the copy.
    pub(super) fn path(&self) -> PathBuf {
        self.directory.path().join(NAME)
    }

    /// Whether the database has not changed since it was copied.
    pub(super) fn is_current(&self, path: &Path) -> bool {
        stamps(path) == self.stamps
    }
}

/// The name of the copy.
const NAME: &str = "copy.db";

/// Whether a reader of the database has to write, and must not.
pub(super) fn is_needed(connection: &Connection) -> SqlResult<bool> {
    let read = connection.query_row("select count(*) from sqlite_schema", [], |row| row.get::<_, i64>(0));
    match read {
        Ok(_) => Ok(false),
        Err(error) => {
            let code = error.sqlite_error().map(|error| error.extended_code & 0xff);
            match code {
                Some(ffi::SQLITE_READONLY | ffi::SQLITE_CANTOPEN | ffi::SQLITE_PERM) => Ok(true),
                _ => Err(error.into()),
            }
        }
    }
}

fn stamps(path: &Path) -> Vec<Stamp> {
    let stamp = |suffix: &&str| {
        let metadata = fs::metadata(beside(path, suffix)).ok()?;
        Some((metadata.modified().ok()?, metadata.len()))
    };
    SUFFIXES.iter().map(stamp).collect()
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Copies the bytes without the permissions, which may be read-only. A file that is gone has been removed by another process.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = match File::open(from) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return remove(to),
        opened => opened?,
    };
    io::copy(&mut source, &mut File::create(to)?).map(drop)
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}
