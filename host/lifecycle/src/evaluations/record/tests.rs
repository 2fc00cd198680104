//! What is recorded, and what is left after each failure.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};

use super::*;
use hydra_base::testing::{dataset, model_name, version};
use hydra_mlflow::artifacts::read_whole;
use hydra_mlflow::entities::{NewLoggedModel, NewModelVersion, Tags};
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::{RegistryStore as _, TrackingStore as _};
use hydra_mlflow::testing::remote::{Fault, Remote};

const STATES: [RunStatus; 3] = [RunStatus::Running, RunStatus::Failed, RunStatus::Finished];

/// A store with a model of two versions, the second one of a LoggedModel.
struct Scene {
    store: Arc<MemoryStore>,
    model: ModelName,
    experiment: ExperimentId,
    logged_model: LoggedModelId,
}

impl Scene {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = model_name("churn");
        let experiment = ExperimentId::new("0").expect("an id");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        let run = store.create_run(&NewRun::new(experiment.clone(), "training")).await.expect("a run").id;
        store.update_run(&run, RunStatus::Killed, None).await.expect("an update");
        let new = NewLoggedModel::new(experiment.clone(), "model", run);
        let logged_model =
            store.create_logged_model(&new).await.expect("an answer").expect("a LoggedModel").id;
        let tags = |number: u64| Tags::from([(SHA256_TAG.to_owned(), sha256(number).to_string())]);
        let first = NewModelVersion::new(model.clone(), "s3://bucket/model").tags(tags(1));
        let second = NewModelVersion::new(model.clone(), format!("models:/{logged_model}"))
            .logged_model(logged_model.clone())
            .tags(tags(2));
        for new in [first, second] {
            store.create_model_version(&new).await.expect("a version");
        }
        Self { store, model, experiment, logged_model }
    }

    /// Records over `remote`.
    async fn record_over(&self, remote: Arc<Remote>, evaluation: &Evaluation) -> Result<RecordedEvaluation> {
        let backend = Backend::new(remote.clone(), remote);
        let input = input(evaluation);
        let recording = Recording::prepare(&backend, &self.model, evaluation, &input).await?;
        recording.record(&self.experiment, "ann", pending()).await
    }

    async fn record(&self, evaluation: &Evaluation) -> Result<RecordedEvaluation> {
        self.record_over(Remote::new(&self.store, &[]), evaluation).await
    }

    async fn tag(&self, number: u64) -> Option<String> {
        let found = self.store.model_version(&self.model, version(number)).await.expect("a version");
        found.tags.get("hydra.evaluation.may").cloned()
    }

    /// The states of the runs of evaluations.
    async fn states(&self) -> Vec<RunStatus> {
        let mut states = Vec::new();
        for state in STATES {
            let runs = self.store.runs_by_status(&self.experiment, state, 10, None).await.expect("runs");
            states.extend(runs.items.iter().map(|run| run.status));
        }
        states
    }
}

fn sha256(number: u64) -> Sha256 {
    Sha256::of(number.to_string().as_bytes())
}

/// An evaluation of both versions and a model file, measured at `measured_at`.
fn evaluation(measured_at: i64) -> Evaluation {
    let subject = |id: &str, sha256: Sha256| json!({"version": id, "model_sha256": sha256, "scores": [], "calibration": []});
    let measurement = |id: &str, metric: &str, value: Value| json!({"version": id, "metric": metric, "direction": "higher", "value": value});
    let mut of_a_segment = measurement("2", "brier", json!(0.5));
    of_a_segment["segment"] = json!(0);
    of_a_segment["direction"] = json!("lower");
    let document = json!({
        "schema": 1,
        "kind": "holdout",
        "dataset": {"name": "may", "digest": sha256(0), "rows": 3, "label": "y", "segments": ["region"]},
        "began_at": "1000",
        "measured_at": measured_at.to_string(),
        "host": "hydra-registry/0.1.0",
        "task": "ranking",
        "classes": [],
        "settings": {"threshold": 0.5, "resamples": 10, "confidence": 0.95},
        "baseline": "1",
        "versions": [subject("1", sha256(1)), subject("2", sha256(2)), subject("file:a.txt", sha256(3))],
        "segments": [{"column": "region", "value": "north", "rows": 1}],
        "measurements": [
            measurement("1", "ndcg@10", json!(0.25)),
            measurement("2", "ndcg@10", json!(0.5)),
            measurement("2", "map@3", json!("NaN")),
            measurement("file:a.txt", "ndcg@10", json!(0.75)),
            of_a_segment,
        ],
        "comparisons": [],
        "agreements": [],
    });
    serde_json::from_value(document).expect("a document")
}

fn input(evaluation: &Evaluation) -> DatasetInput {
    let record = &evaluation.dataset;
    DatasetInput::of_file(record.name.as_str(), record.short_digest(), Path::new("/data/may.csv"))
        .context("eval")
}

#[tokio::test]
async fn a_run_holds_the_evaluation_and_tags_refer_to_it() {
    let scene = Scene::new().await;
    let evaluation = evaluation(2000);
    let recorded = scene.record(&evaluation).await.expect("a record");
    let run = scene.store.run(&recorded.run_id).await.expect("the run");
    assert_eq!((run.name.as_str(), run.user_id.as_str()), ("evaluation of churn on may", "ann"));
    assert_eq!((run.status, run.start_time), (RunStatus::Finished, Some(1000)));
    assert!(run.end_time.is_some());
    let metrics: Vec<(&str, f64, i64)> =
        run.metrics.iter().map(|metric| (&*metric.key, metric.value, metric.timestamp)).collect();
    let expected = [
        ("file1/ndcg_at_10", 0.75, 2000),
        ("ndcg_at_10", 0.5, 2000),
        ("v1/ndcg_at_10", 0.25, 2000),
        ("v2/ndcg_at_10", 0.5, 2000),
    ];
    assert_eq!(metrics, expected);
    let inputs = RunInputs::default().dataset(input(&evaluation)).models([scene.logged_model.clone()]);
    assert_eq!(scene.store.inputs(&run.id).await.expect("inputs"), inputs);

    let backend = Backend::new(scene.store.clone(), scene.store.clone());
    let artifacts =
        backend.artifact_store(&run.artifact_uri.parse().expect("a URI")).await.expect("artifacts");
    let document = read_whole(artifacts.as_ref(), EVALUATION_ARTIFACT, 1 << 20).await.expect("the document");
    assert_eq!(document, Some(evaluation.to_json().expect("JSON")));
    assert_eq!(recorded.sha256, Sha256::of(&evaluation.to_json().expect("JSON")));
    assert_eq!(recorded.uri, format!("{}/evaluation.json", run.artifact_uri));
    let tag = format!(r#"{{"sha256":"{}","uri":"{}"}}"#, recorded.sha256, recorded.uri);
    assert_eq!([scene.tag(1).await, scene.tag(2).await], [Some(tag.clone()), Some(tag)]);
}

#[tokio::test]
async fn a_later_evaluation_on_the_dataset_replaces_the_tags() {
    let scene = Scene::new().await;
    scene.record(&evaluation(2000)).await.expect("a record");
    let later = scene.record(&evaluation(3000)).await.expect("a record");
    for number in [1, 2] {
        let tag: EvaluationRef = scene.tag(number).await.expect("a tag").parse().expect("a reference");
        assert_eq!((tag.sha256, &tag.uri), (later.sha256, &later.uri));
    }
    assert_eq!(scene.states().await, [RunStatus::Finished; 2]);
}

#[tokio::test]
async fn nothing_is_written_for_what_cannot_be_recorded() {
    let scene = Scene::new().await;
    let remote = Remote::new(&scene.store, &[]);
    let backend = Backend::new(remote.clone(), remote.clone());
    let sound = evaluation(2000);
    let prepare = async |evaluation: &Evaluation, input: &DatasetInput| {
        let prepared = Recording::prepare(&backend, &scene.model, evaluation, input).await;
        prepared.map(drop).map_err(|error| error.kind())
    };
    let mut other = sound.clone();
    other.dataset.name = dataset("june");
    assert_eq!(prepare(&sound, &input(&other)).await, Err(ErrorKind::InvalidArgument));
    let mut other = input(&sound);
    other.digest = "5f0c".to_owned();
    assert_eq!(prepare(&sound, &other).await, Err(ErrorKind::InvalidArgument));
    let unknown =
        serde_json::to_string(&sound).expect("JSON").replace(r#""version":"1""#, r#""version":"9""#);
    let unknown = unknown.replace(r#""baseline":"1""#, r#""baseline":"9""#);
    let missing: Evaluation = serde_json::from_str(&unknown).expect("a document");
    assert_eq!(prepare(&missing, &input(&missing)).await, Err(ErrorKind::VersionNotFound));
    let mut contradicting = sound.clone();
    contradicting.versions[0].version = VersionId::Registered(version(9));
    assert_eq!(prepare(&contradicting, &input(&sound)).await, Err(ErrorKind::InvalidArgument));
    let mut foreign = sound.clone();
    foreign.versions[1].model_sha256 = sha256(7);
    assert_eq!(prepare(&foreign, &input(&foreign)).await, Err(ErrorKind::EvaluationMismatch));
    let mut large = sound.clone();
    large.classes = vec!["x".repeat(8 << 20)];
    assert_eq!(prepare(&large, &input(&large)).await, Err(ErrorKind::EvaluationSize));
    assert_eq!(prepare(&sound, &input(&sound)).await, Ok(()));
    assert_eq!(remote.writes(), 0);
}

#[tokio::test]
async fn a_failed_write_leaves_a_failed_run_and_the_former_tags() {
    let scene = Scene::new().await;
    let remote = Remote::new(&scene.store, &[]);
    scene.record_over(remote.clone(), &evaluation(2000)).await.expect("a record");
    let writes = remote.writes();
    assert!(writes >= 8, "{writes}");
    for former in [false, true] {
        for fault in [Fault::Refused, Fault::AnswerLost] {
            for failed in 0..writes {
                let scene = Scene::new().await;
                if former {
                    scene.record(&evaluation(2000)).await.expect("a record");
                }
                let before = [scene.tag(1).await, scene.tag(2).await];
                let remote = Remote::new(&scene.store, &[(failed, fault)]);
                let what = format!("{fault:?} of write {failed}");
                scene.record_over(remote, &evaluation(3000)).await.expect_err(&what);
                assert_eq!([scene.tag(1).await, scene.tag(2).await], before, "{what}");
                let mut states = scene.states().await;
                if former {
                    assert_eq!(states.pop(), Some(RunStatus::Finished), "{what}");
                }
                let expected = match (failed, fault) {
                    (0, Fault::Refused) => &[][..],
                    // A server is asked whether it created the run.
                    (0, _) => &[RunStatus::Running],
                    _ => &[RunStatus::Failed],
                };
                assert_eq!(states, expected, "{what}");
            }
        }
    }
}

#[tokio::test]
async fn a_process_that_dies_leaves_a_failed_run_and_no_tag() {
    let scene = Scene::new().await;
    let remote = Remote::new(&scene.store, &[]);
    scene.record_over(remote.clone(), &evaluation(2000)).await.expect("a record");
    let writes = remote.writes();
    // The last ones set the tags, the one before them ends the run.
    let end = writes - 3;
    for last in 0..writes {
        let scene = Scene::new().await;
        let remote = Remote::new(&scene.store, &[(last, Fault::Dead)]);
        let what = format!("death before write {last}");
        scene.record_over(remote, &evaluation(2000)).await.expect_err(&what);
        let expected = match last {
            0 => &[][..],
            1 => &[RunStatus::Running],
            _ if last <= end => &[RunStatus::Failed],
            _ => &[RunStatus::Finished],
        };
        assert_eq!(scene.states().await, expected, "{what}");
        let tagged = [scene.tag(1).await.is_some(), scene.tag(2).await.is_some()];
        assert_eq!(tagged, [last > end + 1, false], "{what}");
    }
}

/// A process that dies between the request that creates a run and the next one leaves a RUNNING run.
#[tokio::test]
async fn the_next_record_ends_runs_whose_processes_are_gone() {
    let scene = Scene::new().await;
    let this = Writer::this(now()).to_string();
    let elsewhere = r#"{"at":"1","process":{"space":"elsewhere","pid":1,"started":"1"}}"#;
    let mut gone: Value = serde_json::from_str(&this).expect("JSON");
    gone["process"]["started"] = json!("another process with this number");
    let mut left = Vec::new();
    for (writer, status) in [
        (Some(this.as_str()), RunStatus::Running),
        (Some(gone.to_string().as_str()), RunStatus::Failed),
        // An hour ago.
        (Some(elsewhere), RunStatus::Failed),
        (Some("not a writer"), RunStatus::Running),
        // `log-candidate`, which may take longer.
        (None, RunStatus::Running),
    ] {
        let mut tags = source_tags("operation");
        tags.extend(writer.map(|writer| (WRITER_TAG.to_owned(), writer.to_owned())));
        let new = NewRun::new(scene.experiment.clone(), "left").start_time(now()).tags(tags);
        left.push((scene.store.create_run(&new).await.expect("a run").id, writer.map(str::to_owned), status));
    }
    scene.record(&evaluation(2000)).await.expect("a record");
    for (id, writer, status) in left {
        let run = scene.store.run(&id).await.expect("the run");
        assert_eq!((run.status, run.end_time.is_some()), (status, status == RunStatus::Failed), "{writer:?}");
    }
}

#[tokio::test]
async fn an_interruption_leaves_nothing_or_a_failed_run_or_a_whole_record() {
    let scene = Scene::new().await;
    let backend = Backend::new(scene.store.clone(), scene.store.clone());
    let evaluation = evaluation(2000);
    let input = input(&evaluation);
    let recording = Recording::prepare(&backend, &scene.model, &evaluation, &input).await.expect("prepared");
    let mut seen = BTreeSet::new();
    for last in 0..4 {
        // It is asked before the first write, and then whenever the work waits.
        let asked = std::sync::atomic::AtomicUsize::new(0);
        let interrupted = std::future::poll_fn(|_| {
            let asked = asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            if asked < last { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        });
        let recorded = recording.record(&scene.experiment, "ann", interrupted).await;
        seen.insert(recorded.is_ok());
        let states = scene.states().await;
        assert!(!states.contains(&RunStatus::Running), "{states:?}");
        if let Err(error) = recorded {
            assert_eq!(error.kind(), ErrorKind::Interrupted);
            assert_eq!([scene.tag(1).await, scene.tag(2).await], [None, None]);
            assert_eq!(states.len(), last, "a run after the first question");
        } else {
            break;
        }
    }
    assert!(seen.contains(&false), "{seen:?}");
}
