//! The contract of the store traits: one case per documented sentence, for any backend.
//!
//! A case is an `async fn` that takes a [`Stores`], does not depend on the backend, and panics if the store breaks the
//! contract. Cases run concurrently on a shared store, so they do not assume that it is empty: they get their names
//! from [`fresh`]. The cases of [`local`] and [`atomic`] are for local stores.
//!
//! ```
//! use hydra_mlflow::testing::conformance::{Stores, aliases};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! let stores = Stores::memory();
//! aliases::an_alias_is_set_moved_and_deleted(&stores).await;
//! # }
//! ```

pub mod aliases;
pub mod artifacts;
pub mod atomic;
pub mod clock;
pub mod concurrency;
pub mod inputs;
pub mod local;
mod outside;
pub mod registry;
pub mod tracking;

use std::any::Any;
use std::fmt;
use std::sync::Arc;

use hydra_base::names::{ExperimentId, ModelName, RunId};
use hydra_base::testing::{model_name, tags};

use crate::connect::Backend;
use crate::entities::{NewModelVersion, NewRun, RunBatch, Tags};
use crate::file::FileStore;
use crate::memory::MemoryStore;

pub use outside::Outside;

/// A backend under test.
pub struct Stores {
    /// The stores.
    pub backend: Backend,
    /// Whether the store has MLflow 3's LoggedModels.
    pub has_logged_models: bool,
    outside: Option<Box<dyn Outside>>,
    /// Resources that must outlive the stores, such as a temporary directory or a server.
    _keep: Box<dyn Any + Send + Sync>,
}

impl Stores {
    /// The stores of `backend`, with LoggedModels. `keep` is dropped with them.
    pub fn new(backend: Backend, keep: impl Any + Send + Sync) -> Self {
        Self { backend, has_logged_models: true, outside: None, _keep: Box::new(keep) }
    }

    /// The same, with the access to the store's data that the cases of [`local`] need.
    #[must_use]
    pub fn with_outside(self, outside: impl Outside + 'static) -> Self {
        Self { outside: Some(Box::new(outside)), ..self }
    }

    /// A store in memory.
    #[must_use]
    pub fn memory() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a temporary directory"));
        Self::new(Backend::new(store.clone(), store.clone()), ()).with_outside(store)
    }

    /// A file store in a temporary directory.
    #[must_use]
    pub fn file() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let root = home.path().join("ml runs");
        let store = FileStore::open(&root).expect("a path for a store");
        Self::new(Backend::of(store), home).with_outside(outside::Files(root))
    }

    /// A SQLite database in a temporary directory.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn sqlite() -> Self {
        let home = tempfile::tempdir().expect("a temporary directory");
        let path = home.path().join("ml flow.db");
        let store = crate::sqlite::SqliteStore::open(&path).expect("a path for a database");
        Self::new(Backend::of(store), home).with_outside(outside::Database(path))
    }

    fn outside(&self) -> &dyn Outside {
        self.outside.as_deref().expect("a local store: see Stores::with_outside")
    }

    /// A new experiment.
    pub async fn experiment(&self) -> ExperimentId {
        let name = fresh("experiment");
        self.backend.tracking.create_experiment(&name, &Tags::new()).await.expect("a new experiment")
    }

    /// A new run in a new experiment.
    pub async fn run(&self) -> RunId {
        let new = new_run(self.experiment().await);
        self.backend.tracking.create_run(&new).await.expect("a new run").id
    }

    /// A new registered model without versions.
    pub async fn model(&self) -> ModelName {
        let name = model_name(&fresh("model"));
        self.backend.registry.create_registered_model(&name, &Tags::new(), "").await.expect("a new model");
        name
    }

    /// A new registered model with versions 1 to `count`.
    pub async fn model_with_versions(&self, count: usize) -> ModelName {
        let name = self.model().await;
        for _ in 0..count {
            self.backend.registry.create_model_version(&new_version(&name)).await.expect("a new version");
        }
        name
    }
}

impl fmt::Debug for Stores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stores").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// A name that no other case uses.
#[must_use]
pub fn fresh(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}

/// Params, or tags of a batch.
#[must_use]
pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// A batch of params alone.
#[must_use]
pub fn params(params: Vec<(String, String)>) -> RunBatch {
    RunBatch::default().params(params)
}

/// A run of the user `ada` with a tag.
#[must_use]
pub fn new_run(experiment_id: ExperimentId) -> NewRun {
    NewRun::new(experiment_id, "bold-name")
        .start_time(1_700_000_000_000)
        .user("ada")
        .tags(tags([("team", "risk")]))
}

/// A version whose source every backend accepts without a run or a LoggedModel.
#[must_use]
pub fn new_version(name: &ModelName) -> NewModelVersion {
    NewModelVersion::new(name.clone(), "hydra-ledger:/conformance")
}
