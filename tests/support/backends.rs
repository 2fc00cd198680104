//! The backends that the test suites run on.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hydra_mlflow::connect::Backend as Stores;
use hydra_mlflow::entities::{NewModelVersion, NewRun, Tags};
use hydra_mlflow::memory::MemoryStore;
use hydra_registry::{ModelName, OpenOptions, Project, RunId};
use tokio::sync::Mutex;

use super::root;
use super::server::{Deployment, NEWEST, ON_POSTGRES, Server};

/// A backend, and the resources that it needs.
#[derive(Debug)]
pub struct Backend {
    home: tempfile::TempDir,
    uri: Option<String>,
    stores: Option<Stores>,
    /// The directory of a real server.
    server: Option<PathBuf>,
}

/// Files of a version.
#[derive(Debug)]
pub struct Uploaded {
    /// The run that they belong to.
    pub run: RunId,
    /// The artifact URI of their directory.
    pub source: String,
    /// The same directory on this machine's disk; of no use behind a proxy.
    pub disk: PathBuf,
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
        Self::on(Server::shared(deployment))
    }

    /// A real server that the caller started.
    pub fn on(server: &Server) -> Self {
        Self { server: Some(server.home.clone()), ..Self::at(Some(server.url.clone())) }
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

    /// A version of `model` with a sound model. Each backend holds one copy of the files.
    pub async fn sound_version(&self, stores: &Stores, model: &ModelName) -> NewModelVersion {
        static UPLOADED: Mutex<BTreeMap<String, Uploaded>> = Mutex::const_new(BTreeMap::new());
        let Some(server) = self.uri.as_ref().filter(|uri| uri.starts_with("http")) else {
            return NewModelVersion::new(model.clone(), sound_model().display().to_string());
        };
        let mut all = UPLOADED.lock().await;
        if !all.contains_key(server) {
            all.insert(server.clone(), self.upload(stores, &sound_files()).await);
        }
        all[server].version_of(model)
    }

    /// Puts files where the versions of this backend have theirs.
    pub async fn upload(&self, stores: &Stores, files: &[(&str, Vec<u8>)]) -> Uploaded {
        let experiment = stores.tracking.create_experiment(&fresh_name("files"), &Tags::new()).await;
        let new = NewRun::new(experiment.expect("an experiment"), "files");
        let run = stores.tracking.create_run(&new).await.expect("a run");
        let source = format!("{}/model", run.artifact_uri);
        let artifacts = stores.artifact_store(&source.parse().expect("a URI")).await.expect("artifacts");
        for (name, bytes) in files {
            artifacts.put_bytes(name, bytes.clone()).await.expect("an upload");
        }
        let disk = match (source.strip_prefix("mlflow-artifacts:/"), &self.server) {
            (Some(path), Some(server)) => server.join("artifacts").join(path),
            _ => PathBuf::from(source.trim_start_matches("file://")),
        };
        Uploaded { run: run.id, source, disk }
    }

    fn at(uri: Option<String>) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        // A separate project root, regardless of the directories above the temporary one.
        std::fs::write(home.path().join("hydra.toml"), "").expect("hydra.toml");
        Self { home, uri, stores: None, server: None }
    }
}

impl Uploaded {
    /// A version of these files.
    pub fn version_of(&self, model: &ModelName) -> NewModelVersion {
        NewModelVersion::new(model.clone(), &self.source).run(self.run.clone())
    }
}

/// The directory of a model that can be loaded.
pub fn sound_model() -> PathBuf {
    root().join("tests/fixtures/models/regression/booster")
}

/// The files of such a model.
pub fn sound_files() -> Vec<(&'static str, Vec<u8>)> {
    let read = |name| std::fs::read(sound_model().join(name)).expect("a file");
    ["model.lgb", "MLmodel"].map(|name| (name, read(name))).to_vec()
}

/// A unique name.
pub fn fresh_name(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}
