use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::mlflow::artifacts::ArtifactResolver;
use crate::mlflow::entities::NewModelVersion;
use crate::mlflow::environment::Environment;
use crate::mlflow::memory::MemoryStore;
use crate::mlflow::store::RegistryStore as _;
use crate::open::PolicySource;
use crate::project::{Project, ProjectConfig};

/// A store in memory, and the project of those who use it.
struct World {
    store: Arc<MemoryStore>,
    home: TempDir,
}

impl World {
    fn new() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        Self { store, home: tempfile::tempdir().expect("a directory") }
    }

    /// A registered model of that name with one version.
    async fn with_model(name: &str) -> Self {
        let world = Self::new();
        let name = ModelName::new(name).expect("a name");
        world.store.create_registered_model(&name, &Tags::new(), "").await.expect("a model");
        let version = NewModelVersion {
            name,
            source: "s3://bucket/model".into(),
            run_id: None,
            model_id: None,
            tags: Tags::new(),
            description: String::new(),
        };
        world.store.create_model_version(&version).await.expect("a version");
        world
    }

    fn options(&self, model: &str) -> OpenOptions {
        let (tracking, registry) = (self.store.clone(), self.store.clone());
        let backend = Backend { tracking, registry, artifacts: ArtifactResolver::local() };
        let project = Project::around(self.home.path());
        OpenOptions::new(project, ProjectConfig::default(), Environment::default())
            .with_model(model)
            .with_backend(backend)
    }
}

fn dry_run() -> Request {
    Request { dry_run: true, ..Request::promote(Target::Version(Version(1))) }
}

#[tokio::test]
async fn the_policy_is_loaded_once_for_all_decisions_of_a_registry() {
    let world = World::with_model("m").await;
    let file = world.home.path().join("policy.wasm");
    std::fs::write(&file, Policy::default_bytes()).expect("a policy");
    let open = || {
        let options = world.options("m").with_policy(PolicySource::File(file.clone()));
        ModelRegistry::open_existing(options).expect("a registry")
    };
    let registry = open();
    let first = registry.decide(dry_run()).await.expect("a decision");
    std::fs::remove_file(&file).expect("no file any more");
    let second = registry.decide(dry_run()).await.expect("a decision by the policy that is loaded");
    assert_eq!(first.policy, second.policy);
    let error = open().decide(dry_run()).await.expect_err("no such file");
    assert_eq!(error.kind(), ErrorKind::PolicyNotFound);
}

#[tokio::test]
async fn a_policy_that_could_not_be_loaded_is_tried_again() {
    let world = World::with_model("m").await;
    let file = world.home.path().join("policy.wasm");
    let options = world.options("m").with_policy(PolicySource::File(file.clone()));
    let registry = ModelRegistry::open_existing(options).expect("a registry");
    assert_eq!(registry.decide(dry_run()).await.expect_err("no file").kind(), ErrorKind::PolicyNotFound);
    std::fs::write(&file, Policy::default_bytes()).expect("a policy");
    registry.decide(dry_run()).await.expect("a decision");
}
