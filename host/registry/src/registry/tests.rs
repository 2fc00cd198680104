use std::sync::Arc;

use tempfile::TempDir;

use super::*;
use crate::open::PolicySource;
use crate::requests::DecisionRequest;
use hydra_base::testing::version;
use hydra_mlflow::entities::NewModelVersion;
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::RegistryStore as _;
use hydra_policy::Policy;

/// A store in memory, and a directory for files.
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
        let files = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster");
        let version = NewModelVersion::new(name, files);
        world.store.create_model_version(&version).await.expect("a version");
        world
    }

    fn options(&self, model: &str) -> OpenOptions {
        let backend = Backend::new(self.store.clone(), self.store.clone());
        OpenOptions::new().with_model(model).with_backend(backend)
    }
}

fn dry_run(registry: &ModelRegistry) -> DecisionRequest {
    registry.promote(version(1)).dry_run()
}

#[tokio::test]
async fn the_policy_is_loaded_once_for_all_decisions_of_a_registry() {
    let world = World::with_model("m").await;
    let file = world.home.path().join("policy.wasm");
    std::fs::write(&file, Policy::default_bytes()).expect("a policy");
    let open = || ModelRegistry::connect(world.options("m").with_policy(file.clone()));
    let registry = open().await.expect("a registry");
    let first = dry_run(&registry).await.expect("a decision");
    std::fs::remove_file(&file).expect("no file any more");
    let second = dry_run(&registry.clone()).await.expect("a decision by the policy that is loaded");
    assert_eq!(first.policy, second.policy);
    let error = dry_run(&open().await.expect("a registry")).await.expect_err("no such file");
    assert_eq!(error.kind(), ErrorKind::PolicyNotFound);
}

#[tokio::test]
async fn a_policy_that_could_not_be_loaded_is_tried_again() {
    let world = World::with_model("m").await;
    let file = world.home.path().join("policy.wasm");
    let options = world.options("m").with_policy(PolicySource::File(file.clone()));
    let registry = ModelRegistry::connect(options).await.expect("a registry");
    assert_eq!(dry_run(&registry).await.expect_err("no file").kind(), ErrorKind::PolicyNotFound);
    std::fs::write(&file, Policy::default_bytes()).expect("a policy");
    dry_run(&registry).await.expect("a decision");
}

#[tokio::test]
async fn names_without_room_for_a_ledger_are_refused_before_anything_is_made() {
    for (bytes, fits) in [(249, true), (250, false), (256, false)] {
        let name = "n".repeat(bytes);
        let world = World::with_model(&name).await;
        let registry = ModelRegistry::connect_or_create(world.options(&name)).await.expect("it exists");
        let candidate = Candidate::from_file("missing.lgb").metric("auc", 1.0);
        let logged = registry.log(candidate).await.expect_err("there is no such file");
        let refused = |error: &Error| error.kind() == ErrorKind::InvalidName;
        assert_eq!(refused(&logged), !fits, "{logged}");
        let tried = dry_run(&registry).await;
        assert_eq!(tried.as_ref().err().is_some_and(refused), !fits, "{tried:?}");
        let promoted = registry.promote_to_champion(version(1)).await;
        assert_eq!(promoted.is_ok(), fits, "{promoted:?}");
        assert_eq!(registry.ledger().await.err().is_some_and(|error| refused(&error)), !fits);
        if !fits {
            assert!(logged.message().contains(&format!("{bytes} bytes, at most 249")), "{logged}");
            assert!(logged.hint().is_some_and(|hint| hint.contains("_ledger") && hint.contains("256")));
            assert_eq!(registry.existing_experiment().await.expect("an answer"), None, "nothing was made");
        }
        // A reader is not refused.
        let listed: Vec<_> = registry.list_versions().try_collect().await.expect("versions");
        assert_eq!(listed.len(), 1);
        let champion = registry.champion_info().await.map(|info| info.version).map_err(|error| error.kind());
        assert_eq!(champion, if fits { Ok(version(1)) } else { Err(ErrorKind::NoChampion) });
        assert_eq!(registry.existing_ledger().await.expect("an answer").is_some(), fits);
        registry.diagnose().await.expect("a diagnosis");
    }
    let world = World::new();
    let error = ModelRegistry::connect_or_create(world.options(&"n".repeat(250)))
        .await
        .expect_err("too long to make");
    assert_eq!(error.kind(), ErrorKind::InvalidName);
}

#[tokio::test]
async fn targets_that_an_operation_does_not_have_are_refused() {
    let world = World::with_model("m").await;
    let registry = ModelRegistry::connect(world.options("m")).await.expect("a registry");
    for request in [registry.promote(Target::PolicyChoice), registry.rollback(Target::Candidate)] {
        let error = request.await.expect_err("refused");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument, "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("Target::")), "{error:?}");
    }
    assert!(registry.existing_ledger().await.expect("an answer").is_none(), "nothing was made");
}

#[tokio::test]
async fn a_log_request_reports_progress_and_can_be_stopped() {
    let world = World::new();
    let registry = ModelRegistry::connect_or_create(world.options("m")).await.expect("a registry");
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
    let candidate = Candidate::from_file(path).metric("auc", 0.9).tags([("team", "risk")]);
    let stopped = registry.log(candidate.clone()).until(std::future::ready(())).await;
    assert_eq!(stopped.expect_err("interrupted").kind(), ErrorKind::Interrupted);
    let uploaded = std::sync::atomic::AtomicU64::new(0);
    let count = |bytes| {
        uploaded.fetch_add(bytes, std::sync::atomic::Ordering::Relaxed);
    };
    let prepared = candidate.prepare().await.expect("a candidate");
    let logged = registry.log_prepared(prepared).progress(count).await.expect("a version");
    assert_eq!(logged.version, version(1));
    assert_eq!(uploaded.into_inner(), std::fs::metadata(path).expect("a file").len());
}

/// Compiles only if tasks of a server can share a registry and move its futures between threads.
#[test]
fn registries_are_shared_and_their_futures_are_send() {
    fn shared<T: Clone + Send + Sync + 'static>() {}
    fn send<T: Send + 'static>(_: T) {}
    fn request<T: IntoFuture<IntoFuture: Send + 'static> + Send + 'static>(_: T) {}
    fn borrowed<T: Send>(_: T) {}
    shared::<ModelRegistry>();
    shared::<OpenOptions>();
    shared::<DecisionRequest>();
    let _ = |registry: &ModelRegistry, candidate: Candidate, options: OpenOptions| {
        send(ModelRegistry::connect(options.clone()));
        send(ModelRegistry::connect_or_create(options));
        request(registry.log(candidate.clone()));
        request(registry.log_candidate(candidate.clone()));
        request(registry.promote(Target::Candidate));
        request(registry.promote_to_champion(Target::Candidate));
        request(registry.rollback(Target::PolicyChoice));
        send(registry.list_versions());
        send(candidate.prepare());
        borrowed(registry.load_champion());
        borrowed(registry.champion_info());
        borrowed(registry.diagnose());
        borrowed(registry.repair());
        borrowed(registry.ledger());
        borrowed(registry.existing_ledger());
    };
}
