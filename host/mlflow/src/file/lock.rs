//! One lock file for the whole store: exclusive for writers, shared for readers.
//!
//! The file lies directly in the root, where MLflow looks at directories only. MLflow does not lock a file store, so
//! the lock orders only processes of hydra-registry. Against a Python process that writes at the same time, only single
//! renames are atomic.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind as Io};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crate::file::tree::{failed, is_missing};
use hydra_base::error::{Error, ErrorKind, Result};

/// The name of the lock file.
const LOCK_FILE: &str = ".hydra-registry.lock";
/// The longest wait for another process.
const DEADLINE: Duration = Duration::from_secs(30);
/// The first wait between two attempts; each further wait is twice as long, up to [`LONGEST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_micros(200);
const LONGEST_WAIT: Duration = Duration::from_millis(10);

/// A lock that is released when it is dropped.
#[derive(Debug)]
pub(super) struct Lock {
    _file: Option<File>,
}

/// Waits until no process reads or writes. The root must exist.
pub(super) fn for_writing(root: &Path) -> Result<Lock> {
    let path = root.join(LOCK_FILE);
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| failed("open", &path, error))?;
    wait(&path, || file.try_lock())?;
    Ok(Lock { _file: Some(file) })
}

/// Waits until no process writes. A store that hydra-registry never wrote to has no lock file, and reading does not
/// create one. `None` if this process must not open it, or if the file system has no locks.
pub(super) fn for_reading(root: &Path) -> Result<Option<Lock>> {
    let path = root.join(LOCK_FILE);
    let file = match File::open(&path) {
        Ok(file) => file,
        Err(error) if is_missing(&error) => return Ok(Some(Lock { _file: None })),
        Err(error) if error.kind() == Io::PermissionDenied => return Ok(None),
        Err(error) => return Err(failed("open", &path, error)),
    };
    match file.try_lock_shared() {
        Err(TryLockError::Error(error)) if is_refused(&error) => return Ok(None),
        _ => wait(&path, || file.try_lock_shared())?,
    }
    Ok(Some(Lock { _file: Some(file) }))
}

/// Whether the file system gives this process no lock, now or later.
fn is_refused(error: &io::Error) -> bool {
    matches!(error.kind(), Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::Unsupported)
}

fn wait(path: &Path, try_lock: impl Fn() -> Result<(), TryLockError>) -> Result<()> {
    let started = Instant::now();
    let mut pause = FIRST_WAIT;
    loop {
        match try_lock() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(error)) => return Err(failed("lock", path, error)),
            Err(TryLockError::WouldBlock) if started.elapsed() >= DEADLINE => {
                return Err(Error::new(ErrorKind::Locked, "another process holds the lock of the store")
                    .with_context("lock file", path.display())
                    .with_context("waited seconds", DEADLINE.as_secs())
                    .with_hint("find the process that has the lock file open, for example with `lsof`")
                    .with_retryable(true));
            }
            Err(TryLockError::WouldBlock) => thread::sleep(pause),
        }
        pause = (pause * 2).min(LONGEST_WAIT);
    }
}
