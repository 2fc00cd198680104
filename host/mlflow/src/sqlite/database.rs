//! The connection and its transactions.

use std::fs;
use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior};

use crate::sqlite::copied::{self, Copied};
use crate::sqlite::failure::SqlResult;
use crate::sqlite::schema::{self, Schema};
use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::Workspace;

/// The longest wait of a statement for another process's lock; MLflow waits as long.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);
/// Holds every statement of this store.
const CACHED_STATEMENTS: usize = 64;

/// A transaction and the schema that it found.
pub(super) struct Db<'a> {
    transaction: Transaction<'a>,
    pub schema: &'a Schema,
    /// The parent of the artifact directories of new experiments; empty in a read-only transaction.
    pub artifact_root: String,
}

impl<'a> Deref for Db<'a> {
    type Target = Transaction<'a>;
    fn deref(&self) -> &Self::Target {
        &self.transaction
    }
}

/// A connection, which is opened on first use, with the schema as last seen.
#[derive(Debug)]
pub(super) struct Database {
    workspace: Option<Workspace>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    connection: Connection,
    /// The schema, and SQLite's counter of schema changes when the schema was read.
    seen: Option<(i64, Schema)>,
    /// The copy that is open in place of a database that must not be written to.
    copy: Option<Copied>,
}

impl Database {
    /// A database that is used in `workspace` (see [`Schema::detect`]). It is not opened yet.
    pub(super) fn new(workspace: Option<Workspace>) -> Self {
        Self { workspace, open: None }
    }

    /// Runs `work` in one read-only transaction. A missing file reads as a database without rows. Where SQLite would have to write,
    /// and must not, a copy is read.
    pub(super) fn read<T>(
        &mut self,
        path: &Path,
        work: impl FnOnce(&Db<'_>) -> SqlResult<T>,
    ) -> SqlResult<T> {
        let is_old = |open: &Open| open.copy.as_ref().is_some_and(|copy| !copy.is_current(path));
        if self.open.as_ref().is_some_and(is_old) {
            self.open = None;
        }
        if self.open.is_none() && has_content(path) {
            self.open = Some(Open::for_reading(path)?);
        }
        if let Some(open) = &mut self.open {
            let Open { connection, seen, .. } = open;
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

    /// Runs `work` in one write transaction and commits if `work` succeeds. Creates the database if it does not exist.
    pub(super) fn write<T>(
        &mut self,
        path: &Path,
        artifact_root: &str,
        work: impl FnOnce(&Db<'_>) -> SqlResult<T>,
    ) -> SqlResult<T> {
        if self.open.as_ref().is_some_and(|open| open.copy.is_some()) {
            self.open = None;
        }
        let Open { connection, seen, .. } = match &mut self.open {
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
    fn new(connection: Connection) -> SqlResult<Self> {
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.set_prepared_statement_cache_capacity(CACHED_STATEMENTS);
        Ok(Self { connection, seen: None, copy: None })
    }

    fn for_reading(path: &Path) -> SqlResult<Self> {
        let open = Self::new(Connection::open_with_flags(path, flags())?)?;
        if !copied::is_needed(&open.connection)? {
            return Ok(open);
        }
        let copy = Copied::of(path)?;
        let connection = Connection::open_with_flags(copy.path(), flags())?;
        Ok(Self { copy: Some(copy), ..Self::new(connection)? })
    }
}

/// The current schema: MLflow may have migrated the database since the last call.
fn current<'a>(
    transaction: &Transaction<'_>,
    seen: &'a mut Option<(i64, Schema)>,
    workspace: Option<&Workspace>,
) -> SqlResult<&'a Schema> {
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

/// `SQLITE_OPEN_URI` is left out, so SQLite never reads a path as a URI with options.
fn flags() -> OpenFlags {
    OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX
}
