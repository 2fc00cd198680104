//! The connection, transactions, and what SQLite's errors mean.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, ffi};

use crate::sqlite::schema::{self, Schema};
use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::Workspace;

/// How long a statement waits for another process's lock; what MLflow waits too.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Enough for every statement of this store.
const CACHED_STATEMENTS: usize = 64;

/// The result of work in a transaction.
pub(super) type Work<T> = std::result::Result<T, Failure>;

/// Why a transaction was given up.
#[derive(Debug)]
pub(super) enum Failure {
    /// SQLite failed.
    Sql(rusqlite::Error),
    /// The store refuses.
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
    /// The error that the caller sees.
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

/// A transaction and the schema it found.
pub(super) struct Db<'a> {
    transaction: Transaction<'a>,
    pub schema: &'a Schema,
    /// Where new experiments keep their artifacts; empty in a transaction that only reads.
    pub artifact_root: String,
}

impl<'a> Deref for Db<'a> {
    type Target = Transaction<'a>;
    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

/// A connection, opened when it is first needed, with the schema as last seen.
#[derive(Debug)]
pub(super) struct Database {
    workspace: Option<Workspace>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The schema and SQLite's counter of schema changes when it was looked at.
    seen: Option<(i64, Schema)>,
}

impl Database {
    /// A database not opened yet, used in `workspace`; see [`Schema::detect`].
    pub(super) fn new(workspace: Option<Workspace>) -> Self {
        Self { workspace, open: None }
    }

    /// Runs `work` in one reading transaction. A file that is not there reads as a database without rows.
    pub(super) fn read<T>(&mut self, path: &Path, work: impl FnOnce(&Db<'_>) -> Work<T>) -> Work<T> {
        if self.open.is_none() && has_content(path) {
            let open = Open::new(Connection::open_with_flags(path, flags())?)?;
            self.open = Some(open);
        }
        if let Some(open) = &mut self.open {
            let Open { connection, seen } = open;
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            if !schema::is_empty(&transaction)? {
                let schema = current(&transaction, seen, self.workspace.as_ref())?;
                return work(&Db { transaction, schema, artifact_root: String::new() });
            }
        }
        let mut empty = Connection::open_in_memory()?;
        let transaction = empty.transaction()?;
        schema::create(&transaction)?;
        let schema = Schema::detect(&transaction, None)?;
        work(&Db { transaction, schema: &schema, artifact_root: String::new() })
    }

    /// Runs `work` in one writing transaction and commits it if it succeeds. The database is made if there is none.
    pub(super) fn write<T>(
        &mut self,
        path: &Path,
        artifact_root: &str,
        work: impl FnOnce(&Db<'_>) -> Work<T>,
    ) -> Work<T> {
        let Open { connection, seen } = match &mut self.open {
            Some(open) => open,
            none => {
                let flags = flags() | OpenFlags::SQLITE_OPEN_CREATE;
                none.insert(Open::new(Connection::open_with_flags(path, flags)?)?)
            }
        };
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if schema::is_empty(&transaction)? {
            schema::create(&transaction)?;
            schema::create_default_experiment(&transaction, artifact_root)?;
        }
        let schema = current(&transaction, seen, self.workspace.as_ref())?;
        schema.check_writable()?;
        let artifact_root = match &self.workspace {
            Some(workspace) if schema.workspace.is_some() => {
                format!("{artifact_root}/workspaces/{workspace}")
            }
            _ => artifact_root.to_owned(),
        };
        let db = Db { transaction, schema, artifact_root };
        let value = work(&db)?;
        db.transaction.commit()?;
        Ok(value)
    }
}

impl Open {
    fn new(connection: Connection) -> Work<Self> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(Self { connection, seen: None })
    }
}

/// The schema as it is now: MLflow may have migrated the database since the last call.
fn current<'a>(
    transaction: &Transaction<'_>,
    seen: &'a mut Option<(i64, Schema)>,
    workspace: Option<&Workspace>,
) -> Work<&'a Schema> {
    let version: i64 = transaction.pragma_query_value(None, "schema_version", |row| row.get(0))?;
    if seen.as_ref().is_none_or(|(as_of, _)| *as_of != version) {
        *seen = Some((version, Schema::detect(transaction, workspace)?));
    }
    match seen {
        Some((_, schema)) => Ok(schema),
        None => Err(Error::new(ErrorKind::Internal, "the schema is missing").into()),
    }
}

fn has_content(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|metadata| metadata.len() > 0)
}

/// Not `SQLITE_OPEN_URI`: a path is never taken for a URI with options.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
