//! Whether this process is this package's own: the command line, or the worker. Only such a process opens SQLite databases.
//!
//! Two copies of SQLite in one process break each other's locks: POSIX locks belong to the process, so that a copy which closes a file
//! releases the locks of the other one. Python brings a copy, and MLflow uses it.

use std::ffi::OsString;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_registry::policy::CompilerCommand;
use pyo3::prelude::*;

/// Whether the process is ours.
static OWN: AtomicBool = AtomicBool::new(false);

/// The command that starts the worker.
static WORKER: OnceLock<Vec<String>> = OnceLock::new();

/// The command that compiles policies for the command line.
static COMPILER: OnceLock<CompilerCommand> = OnceLock::new();

/// Keeps the command that compiles policies for the command line, and that only Python knows.
pub fn set_compiler(words: Option<Vec<OsString>>) {
    let words = words.unwrap_or_default();
    if let Some((program, arguments)) = words.split_first() {
        // The command of a process does not change.
        let _ = COMPILER.set(CompilerCommand::new(program, arguments));
    }
}

/// The command that compiles policies for the command line.
pub fn compiler() -> Option<CompilerCommand> {
    COMPILER.get().cloned()
}

/// Makes this process ours, unless Python's own copy of SQLite is loaded. `false` if it is.
pub fn claim(py: Python<'_>) -> PyResult<bool> {
    let modules = py.import("sys")?.getattr("modules")?;
    if modules.contains("_sqlite3")? {
        return Ok(false);
    }
    OWN.store(true, SeqCst);
    Ok(true)
}

/// Refuses to open a SQLite database in a process that is not ours.
pub fn ensure_own() -> Result<()> {
    if OWN.load(SeqCst) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Unsupported,
        "cannot open a SQLite database in this process: Python brings another copy of SQLite",
    )
    .with_hint("use `hydra_registry.ModelRegistry`, which starts a process for it"))
}

/// Looks up the command that starts the worker, which needs the interpreter.
pub fn find_worker(py: Python<'_>) -> PyResult<()> {
    if WORKER.get().is_none() {
        let command = py.import("hydra_registry._process")?.call_method1("command", ("worker_main",))?;
        let _ = WORKER.set(command.extract()?);
    }
    Ok(())
}

/// The command that starts the worker.
pub fn worker() -> Result<&'static [String]> {
    WORKER
        .get()
        .map(Vec::as_slice)
        .ok_or_else(|| Error::new(ErrorKind::Internal, "the command of the worker is not known"))
}
