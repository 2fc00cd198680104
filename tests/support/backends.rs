//! The backends that the test suites run on.

use hydra_mlflow::connect::Backend as Stores;
use hydra_mlflow::memory::MemoryStore;
use hydra_registry::{OpenOptions, Project};

use super::server::{Deployment, NEWEST, ON_POSTGRES, Server};

/// A backend, and the resources that it needs.
#[derive(Debug)]
pub struct Backend {
    home: tempfile::TempDir,
    uri: Option<String>,
    stores: Option<Stores>,
}

impl Backend {
    /// A real server of the newest release, on SQLite.
    pub fn rest() -> Self {
        Self::server(NEWEST)
    }

    /// A real server of the newest release, on PostgreSQL.
    pub fn postgres() -> Self {
        Self::server(ON_POSTGRES)
    }

    /// A real server.
    pub fn server(deployment: impl Into<Deployment>) -> Self {
        Self::at(Some(Server::shared(deployment).url.clone()))
    }

    /// A real server that the caller started.
    pub fn on(server: &Server) -> Self {
        Self::at(Some(server.url.clone()))
    }

    /// A real server behind a proxy.
    pub fn at_uri(uri: &str) -> Self {
        Self::at(Some(uri.to_owned()))
    }

    /// A file store in a temporary directory.
    pub fn file() -> Self {
        let backend = Self::at(None);
        let uri = backend.home.path().join("mlruns").display().to_string();
        Self { uri: Some(uri), ..backend }
    }

    /// A database in a temporary directory: the embedded default.
    pub fn sqlite() -> Self {
        Self::at(None)
    }

    /// A store in memory.
    pub fn memory() -> Self {
        let stores = Stores::of(MemoryStore::new().expect("a store in memory"));
        Self { stores: Some(stores), ..Self::at(None) }
    }

    /// Options to open a model in this backend with a clean environment.
    pub fn options(&self, model: &str) -> OpenOptions {
        let mut options = OpenOptions::new()
            .with_project(Project::around(self.home.path()))
            .with_cache_dir(env!("CARGO_TARGET_TMPDIR"))
            .with_actor("tester")
            .with_model(model);
        if let Some(uri) = &self.uri {
            options = options.with_tracking_uri(uri.as_str());
        }
        if let Some(stores) = &self.stores {
            options = options.with_backend(stores.clone());
        }
        options
    }

    fn at(uri: Option<String>) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        // A separate project root, regardless of the directories above the temporary one.
        std::fs::write(home.path().join("hydra.toml"), "").expect("hydra.toml");
        Self { home, uri, stores: None }
    }
}

/// A unique name.
pub fn fresh_name(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}
