use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::open::PolicySource;
use crate::project::{Project, ProjectConfig};
use hydra_base::testing::version;
use hydra_mlflow::entities::NewModelVersion;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::RegistryStore as _;

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
        let version = NewModelVersion::new(name, "s3://bucket/model");
        world.store.create_model_version(&version).await.expect("a version");
        world
    }

    fn options(&self, model: &str) -> OpenOptions {
        let (tracking, registry) = (self.store.clone(), self.store.clone());
        let backend = Backend::new(tracking, registry);
        let project = Project::around(self.home.path());
        OpenOptions::new(project, ProjectConfig::default(), Environment::default())
            .with_model(model)
            .with_backend(backend)
    }
}

fn dry_run() -> Request {
    Request { dry_run: true, ..Request::promote(Target::Version(version(1))) }
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

#[tokio::test]
async fn names_without_room_for_a_ledger_are_refused_before_anything_is_made() {
    for (bytes, fits) in [(249, true), (250, false), (256, false)] {
        let name = "n".repeat(bytes);
        let world = World::with_model(&name).await;
        let registry = ModelRegistry::open(world.options(&name)).await.expect("it exists");
        let candidate =
            Candidate::new(std::path::Path::new("missing.lgb"), BTreeMap::from([("auc".into(), 1.0)]));
        let logged = registry.log(&candidate, &|_| ()).await.expect_err("there is no such file");
        let refused = |error: &Error| error.kind() == ErrorKind::InvalidName;
        assert_eq!(refused(&logged), !fits, "{logged}");
        let tried = registry.decide(dry_run()).await;
        assert_eq!(tried.as_ref().err().is_some_and(refused), !fits, "{tried:?}");
        let promoted = registry.promote_to_champion(Some(version(1))).await;
        assert_eq!(promoted.is_ok(), fits, "{promoted:?}");
        assert_eq!(registry.ledger().await.err().is_some_and(|error| refused(&error)), !fits);
        if !fits {
            assert!(logged.message().contains(&format!("{bytes} bytes, at most 249")), "{logged}");
            assert!(logged.hint().is_some_and(|hint| hint.contains("_ledger") && hint.contains("256")));
            assert_eq!(registry.existing_experiment().await.expect("an answer"), None, "nothing was made");
        }
        // Who only reads is not refused.
        let listed: Vec<_> =
            registry.list_versions().await.expect("a list").try_collect().await.expect("versions");
        assert_eq!(listed.len(), 1);
        let champion = registry.champion_info().await.map(|info| info.version).map_err(|error| error.kind());
        assert_eq!(champion, if fits { Ok(version(1)) } else { Err(ErrorKind::NoChampion) });
        assert_eq!(registry.existing_ledger().await.expect("an answer").is_some(), fits);
        registry.diagnose().await.expect("a diagnosis");
    }
    let world = World::new();
    let error = ModelRegistry::open(world.options(&"n".repeat(250))).await.expect_err("too long to make");
    assert_eq!(error.kind(), ErrorKind::InvalidName);
}
