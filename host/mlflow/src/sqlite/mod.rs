//! MLflow's SQLite database, read and written directly, without a server or Python.
//!
//! Databases of MLflow 2.9 and newer are used as they are and never migrated. Columns that came later (workspaces,
//! LoggedModels) are used if they exist. If the database does not exist, the first write creates it in a form that
//! MLflow accepts as its own; see `docs/local-databases.md`.
//!
//! Every call is one transaction; a write locks the database from its start. The journal mode is not changed, and other
//! processes (an MLflow server, its UI) may have the file open at the same time.

mod copied;
mod database;
mod experiments;
mod failure;
mod inputs;
mod logged_models;
mod metrics;
mod models;
mod number;
mod registry;
mod runs;
mod schema;
mod tags;
mod tracking;
mod versions;
mod workspace;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use crate::sqlite::database::{Database, Db};
use crate::sqlite::failure::SqlResult;
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Workspace;

pub(crate) use workspace::workspace_of_database;

/// A store in one SQLite file.
#[derive(Debug, Clone)]
pub struct SqliteStore {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    path: PathBuf,
    artifact_root: String,
    workspace: Option<Workspace>,
    database: Mutex<Database>,
}

impl SqliteStore {
    /// The store in the file `path`; artifacts of new experiments go to `mlruns` next to it. Nothing is opened or
    /// created before the first call. `Config` if `path` is a directory.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let given = path.as_ref();
        let refuse = || {
            Error::new(ErrorKind::Config, "the path of the database is not a file")
                .with_context("path", given.display())
                .with_hint("write an absolute path with four slashes: sqlite:////data/mlflow.db")
        };
        let path = std::path::absolute(given).map_err(|error| refuse().with_source(error))?;
        let Some(parent) = path.parent().filter(|_| !path.is_dir()) else { return Err(refuse()) };
        let artifact_root = parent.join("mlruns").display().to_string();
        Ok(Self::new(path, artifact_root, None))
    }

    /// The same store, with the artifacts of new experiments below `root`, an absolute path or an artifact URI.
    /// Existing experiments keep their location.
    #[must_use]
    pub fn with_artifact_root(self, root: impl Into<String>) -> Self {
        let root = root.into().trim_end_matches('/').to_owned();
        Self::new(self.shared.path.clone(), root, self.shared.workspace.clone())
    }

    /// The same store, restricted to the experiments and registered models of `workspace`, as MLflow shows them with
    /// `MLFLOW_ENABLE_WORKSPACES=true`. Calls fail with `Schema` if the database has no workspaces. Without this, the
    /// store works in the workspace `default`.
    #[must_use]
    pub fn in_workspace(self, workspace: Workspace) -> Self {
        Self::new(self.shared.path.clone(), self.shared.artifact_root.clone(), Some(workspace))
    }

    fn new(path: PathBuf, artifact_root: String, workspace: Option<Workspace>) -> Self {
        let database = Mutex::new(Database::new(workspace.clone()));
        Self { shared: Arc::new(Shared { path, artifact_root, workspace, database }) }
    }

    /// The database file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Runs `work` in a read-only transaction.
    async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.with(|database| database.read(&shared.path, work))).await
    }

    /// Runs `work` in a transaction that holds the write lock from its start.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Db<'_>) -> SqlResult<T> + Send + 'static,
    ) -> Result<T> {
        let shared = Arc::clone(&self.shared);
        blocking(move || shared.with(|database| database.write(&shared.path, &shared.artifact_root, work)))
            .await
    }
}

impl Shared {
    fn with<T>(&self, work: impl FnOnce(&mut Database) -> SqlResult<T>) -> Result<T> {
        // A panic drops its transaction, which rolls it back; the connection stays usable.
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut database).map_err(|failure| failure.into_error(&self.path))
    }
}

#[cfg(test)]
mod tests;
