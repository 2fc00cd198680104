//! Failures and interruptions while a candidate is logged.

use std::sync::{Arc, Mutex};

use tokio::sync::oneshot;

use super::*;
use hydra_base::names::{Alias, ExperimentId, ModelName, Version};
use hydra_base::testing::version;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{Run, RunStatus, Tags};
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::{RegistryStore as _, TrackingStore as _};
use hydra_mlflow::testing::remote::{Fault, Remote};

struct Scene {
    store: Arc<MemoryStore>,
    backend: Backend,
    model: ModelName,
    experiment: ExperimentId,
}

impl Scene {
    async fn new(faults: &[(u64, Fault)]) -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = ModelName::new("m").expect("a name");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        let backend = Backend::new(store.clone(), Remote::new(&store, faults));
        Self { store, backend, model, experiment: ExperimentId::new("0").expect("an id") }
    }

    async fn log(
        &self,
        progress: &(dyn Fn(u64) + Send + Sync),
        interrupted: impl Future<Output = ()> + Send,
    ) -> Result<LoggedCandidate> {
        let target = LogTarget::new(&self.backend, &self.model, &self.experiment, "ann");
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
        let candidate = Candidate::from_file(path).metric("auc", 0.9);
        let prepared = candidate.prepare().await.expect("a candidate");
        target.with_progress(progress).log(&prepared, interrupted).await
    }

    async fn versions(&self) -> Vec<Version> {
        let left = self.store.model_versions(&self.model, None, 10, None).await.expect("versions");
        left.items.iter().map(|version| version.version).collect()
    }

    async fn runs(&self, status: RunStatus) -> Vec<Run> {
        self.store.runs_by_status(&self.experiment, status, 10, None).await.expect("runs").items
    }
}

#[tokio::test]
async fn a_registration_whose_answer_was_lost_is_taken_back() {
    // The first write to the registry registers the version.
    let scene = Scene::new(&[(0, Fault::AnswerLost)]).await;
    let error = scene.log(&|_| {}, std::future::pending()).await.expect_err("the answer was lost");
    assert_eq!(error.kind(), ErrorKind::Timeout);
    assert_eq!(scene.versions().await, []);
    assert_eq!(scene.runs(RunStatus::Failed).await.len(), 1);
    scene.log(&|_| {}, std::future::pending()).await.expect("a candidate");
    assert_eq!(scene.versions().await, [version(2)]);
}

#[tokio::test]
async fn an_interruption_before_anything_was_written_writes_nothing() {
    let scene = Scene::new(&[]).await;
    let error = scene.log(&|_| {}, std::future::ready(())).await.expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    for status in [RunStatus::Running, RunStatus::Failed, RunStatus::Finished] {
        assert_eq!(scene.runs(status).await, []);
    }
}

#[tokio::test]
async fn an_interruption_during_the_upload_ends_the_run_and_registers_nothing() {
    let scene = Scene::new(&[]).await;
    let (interrupt, interrupted) = oneshot::channel::<()>();
    let interrupt = Mutex::new(Some(interrupt));
    let progress = |_| drop(interrupt.lock().expect("a lock").take());
    let error = scene.log(&progress, async { drop(interrupted.await) }).await.expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    let failed = scene.runs(RunStatus::Failed).await;
    assert_eq!(failed.len(), 1);
    assert!(failed[0].end_time.is_some());
    assert_eq!(scene.runs(RunStatus::Running).await, []);
    assert_eq!(scene.versions().await, []);
    let candidate = scene.store.version_by_alias(&scene.model, &Alias::CANDIDATE).await;
    assert_eq!(candidate.expect("an answer"), None);
}

#[tokio::test]
async fn an_interruption_during_the_registration_takes_the_version_back() {
    let scene = Scene::new(&[]).await;
    let store = scene.store.clone();
    // Ready as soon as there is a version.
    let registered = std::future::poll_fn(move |context| {
        context.waker().wake_by_ref();
        let newest = futures_util::FutureExt::now_or_never(store.model_versions(
            &ModelName::new("m").expect("a name"),
            None,
            1,
            None,
        ));
        let is_there = newest.is_some_and(|page| page.is_ok_and(|page| !page.items.is_empty()));
        if is_there { std::task::Poll::Ready(()) } else { std::task::Poll::Pending }
    });
    let error = scene.log(&|_| {}, registered).await.expect_err("interrupted");
    assert_eq!(error.kind(), ErrorKind::Interrupted);
    assert_eq!(scene.runs(RunStatus::Failed).await.len(), 1);
    assert_eq!(scene.versions().await, []);
}

#[tokio::test]
async fn a_candidate_names_the_version_that_it_takes_the_alias_from() {
    let scene = Scene::new(&[]).await;
    for replaced in [None, Some(version(1)), Some(version(2))] {
        let logged = scene.log(&|_| {}, std::future::pending()).await.expect("a candidate");
        assert_eq!(logged.replaced, replaced);
    }
    let candidate = scene.store.version_by_alias(&scene.model, &Alias::CANDIDATE).await;
    assert_eq!(candidate.expect("an answer").map(|found| found.version), Some(version(3)));
}

fn fixture(path: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/models").join(path)
}

/// A candidate of a directory whose model file is `data`.
fn directory(path: std::path::PathBuf, data: &str) -> Candidate {
    let mlmodel = serde_json::json!({
        "flavors": {
            "lightgbm": {"data": data, "model_class": "lightgbm.sklearn.LGBMClassifier"},
            "python_function": {"loader_module": "mlflow.lightgbm", "data": data},
        },
        "metadata": {"owner": "ann"},
        "model_uuid": "of the saved one",
    });
    let serde_json::Value::Object(mlmodel) = mlmodel else { panic!("an object") };
    Candidate::new(ModelSource::Directory { path, mlmodel }).metric("auc", 0.9)
}

#[tokio::test]
async fn an_estimator_that_mlflow_saved_stays_one() {
    let scene = Scene::new(&[]).await;
    let target = LogTarget::new(&scene.backend, &scene.model, &scene.experiment, "ann");
    let prepared =
        directory(fixture("binary_str/skops"), "model.skops").prepare().await.expect("a candidate");
    let logged = target.log(&prepared, std::future::pending()).await.expect("a version");
    let version = scene.store.model_version(&scene.model, logged.version).await.expect("a version");
    let (model, file) = crate::loading::load_with_file(&scene.backend, None, &version, &Default::default())
        .await
        .expect("a model");
    assert_eq!(file.sha256(), logged.sha256);
    assert!(model.classes().is_some());
    let mlmodel = crate::loading::mlmodel(&scene.backend, &version).await.expect("MLmodel");
    let text = String::from_utf8(mlmodel).expect("text");
    assert!(text.contains(r#""owner": "ann""#) && text.contains(&logged.run_id.to_string()), "{text}");
    assert!(!text.contains("of the saved one"), "{text}");
}

#[tokio::test]
async fn a_directory_that_could_not_be_loaded_again_is_refused() {
    let home = tempfile::tempdir().expect("a directory");
    std::fs::write(home.path().join("model.pkl"), b"cos\nsystem\n(S'true'\ntR.").expect("a file");
    for (path, data, kind) in [
        (home.path().to_owned(), "model.pkl", ErrorKind::UnsupportedModel),
        (home.path().to_owned(), "missing.pkl", ErrorKind::Storage),
        (fixture("binary_str/skops"), "../pickle/model.pkl", ErrorKind::Untrusted),
    ] {
        let refused = directory(path, data).prepare().await.expect_err("refused");
        assert_eq!(refused.kind(), kind, "{data}: {refused:?}");
    }
}

/// The text of a model with so many more columns, which its trees do not use.
fn widened(columns: usize) -> String {
    let text = std::fs::read_to_string(fixture("regression/booster/model.lgb")).expect("a model");
    let names: String = (5..columns).map(|column| format!(" a_column_with_a_name_{column}")).collect();
    let widened = |line: &str| match line.split_once('=') {
        Some(("max_feature_idx", _)) => format!("max_feature_idx={}", columns - 1),
        Some(("feature_names", known)) => format!("feature_names={known}{names}"),
        Some(("feature_infos", known)) => format!("feature_infos={known}{}", " none".repeat(columns - 5)),
        _ => line.to_owned(),
    };
    text.lines().map(|line| widened(line) + "\n").collect()
}

#[tokio::test]
async fn a_model_of_very_many_columns_is_logged_without_a_signature() {
    let scene = Scene::new(&[]).await;
    let target = LogTarget::new(&scene.backend, &scene.model, &scene.experiment, "ann");
    for (columns, has_signature) in [(50, true), (40_000, false)] {
        let prepared =
            Candidate::from_text(widened(columns)).metric("auc", 0.9).prepare().await.expect("a candidate");
        let logged = target.log(&prepared, std::future::pending()).await.expect("a version");
        let version = scene.store.model_version(&scene.model, logged.version).await.expect("a version");
        let mlmodel =
            crate::loading::mlmodel(&scene.backend, &version).await.expect("MLmodel that can be read");
        let text = String::from_utf8(mlmodel).expect("text");
        assert_eq!(text.contains("signature"), has_signature, "{columns}");
        let presence = crate::preflight::Presence::Read;
        let opened =
            crate::preflight::open(&scene.backend, None, &version, presence).await.expect("an answer");
        assert!(matches!(opened, crate::preflight::Opened::Loadable(_)), "{columns}: {opened:?}");
    }
}
