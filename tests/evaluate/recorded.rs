//! Recorded evaluations: as Python's client sees them, and after faults of the network.

use std::path::Path;

use hydra_evaluation::Evaluation;
use hydra_mlflow::connect::Backend as Stores;
use hydra_mlflow::entities::{DatasetInput, RunStatus};
use hydra_mlflow::environment::Environment;
use hydra_mlflow::flavor::ColumnSpec;
use hydra_mlflow::uri::TrackingUri;
use hydra_registry::{ModelRegistry, OpenOptions, RecordedEvaluation, Result};
use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::proxy::{FAULTS, Fault, Proxy};
use crate::support::python;
use crate::support::server::{Deployment, NEWEST, ON_MARIADB, ON_POSTGRES, OTHER_RELEASES, Server};
use crate::support::{files_below, version};

/// A model of two versions, the first one champion, and what `evaluate` measured of them.
struct Measured {
    project: Project,
    uri: String,
    model: String,
    csv: String,
    evaluation: Evaluation,
}

impl Measured {
    fn new(tracking_uri: Option<&str>) -> Self {
        let super::Scene { project, uri, model, csv } = super::Scene::new(tracking_uri);
        let line = [
            "evaluate",
            &csv,
            "--label",
            "label",
            "--segment",
            "region",
            "--resamples",
            "100",
            "--no-record",
        ];
        let report = project.json(line);
        let evaluation = serde_json::from_value(report["evaluation"].clone()).expect("a document");
        Self { project, uri, model, csv, evaluation }
    }

    fn options(&self) -> OpenOptions {
        OpenOptions::new()
            .with_project(hydra_registry::Project::around(self.project.path()))
            .with_cache_dir(env!("CARGO_TARGET_TMPDIR"))
            .with_actor("tester")
            .with_model(&self.model)
    }

    async fn registry(&self) -> ModelRegistry {
        let options = self.options().with_tracking_uri(self.uri.as_str());
        ModelRegistry::connect(options).await.expect("a registry")
    }

    fn input(&self) -> DatasetInput {
        let columns = ["f0", "f1", "f2", "f3", "f4", "label", "weight", "region"].map(|name| {
            let kind = match name {
                "f0" | "f1" | "f2" | "weight" => "double",
                "region" => "string",
                _ => "long",
            };
            // All cells of `f2` are empty.
            ColumnSpec { required: name != "f2", ..ColumnSpec::required(name, kind) }
        });
        let dataset = &self.evaluation.dataset;
        DatasetInput::of_file(dataset.name.as_str(), dataset.short_digest(), Path::new(&self.csv))
            .table(&columns, dataset.rows)
            .context("eval")
    }

    async fn record(&self, registry: &ModelRegistry) -> Result<RecordedEvaluation> {
        registry.record_evaluation(&self.evaluation, &self.input()).await
    }

    /// The AUC of a version in all rows.
    fn auc(&self, number: u64) -> f64 {
        let id = hydra_evaluation::VersionId::Registered(version(number));
        let mut of_all = self.evaluation.measurements.iter().filter(|one| one.segment.is_none());
        of_all.find(|one| one.version == id && one.metric == "auc").expect("an AUC").value
    }
}

async fn python_sees_an_evaluation(environment: &str, mut scene: Measured) {
    let registry = scene.registry().await;
    scene.record(&registry).await.expect("a record");
    // A later evaluation replaces the tags.
    scene.evaluation.measured_at += 1;
    let recorded = scene.record(&registry).await.expect("a record");
    let seen = python::ask(
        environment,
        "read_evaluation.py",
        &[&scene.uri, &scene.model, recorded.run_id.as_str(), &scene.csv],
    );
    assert_eq!(seen["name"], format!("evaluation of {} on may", scene.model));
    assert_eq!((&seen["status"], &seen["user"]), (&json!("FINISHED"), &json!("tester")));
    assert_eq!(seen["metrics"]["v1/auc"], scene.auc(1));
    assert_eq!(seen["metrics"]["v2/auc"], scene.auc(2));

    // Name, digest, source and context are the same text as Python's, schema and profile the same JSON.
    let twin = &seen["twin"];
    assert_eq!(parsed(&seen["inputs"]), parsed(&twin["inputs"]));
    let digest = scene.evaluation.dataset.short_digest();
    assert_eq!(seen["shown"], json!([["may", digest, "eval"]]));
    assert_eq!(twin["shown"], seen["shown"]);
    let document = json!(["hydra.evaluation.may", true, "may"]);
    assert_eq!(seen["documents"], json!({"1": document, "2": document}));

    // The metrics of the LoggedModels, in the order of the versions.
    let models: Vec<&str> = seen["inputs"]["models"]
        .as_array()
        .expect("models")
        .iter()
        .map(|id| id.as_str().expect("an id"))
        .collect();
    for number in [1, 2] {
        let Some(measured) = seen["measured"].as_object().and_then(|all| {
            let of = |all: &Value| {
                all.as_array().is_some_and(|all| has(all, scene.auc(number), &digest, &recorded))
            };
            all.values().find(|all| of(all))
        }) else {
            assert!(models.is_empty(), "version {number}: {}", seen["measured"]);
            continue;
        };
        let keys: Vec<&str> = measured
            .as_array()
            .expect("metrics")
            .iter()
            .filter(|metric| metric[4] == recorded.run_id.as_str())
            .map(|metric| metric[0].as_str().expect("a key"))
            .collect();
        assert!(keys.contains(&"log_loss") && !keys.iter().any(|key| key.contains('/')), "{keys:?}");
    }
    let mut sorted = models.clone();
    sorted.sort_unstable();
    assert_eq!(seen["by_dataset"], json!(sorted));
    for model in models {
        let expected = json!([["auc", 0.5, "may", digest, twin["measured_by"]]]);
        assert_eq!(twin["measured"][model], expected, "what Python logs about a dataset looks the same");
    }

    // And the inputs that Python wrote are read.
    let read = async |run: &Value| {
        let run = hydra_registry::RunId::new(run.as_str().expect("an id")).expect("an id");
        registry.backend().tracking.inputs(&run).await.expect("inputs")
    };
    let ours = registry.backend().tracking.inputs(&recorded.run_id).await.expect("inputs");
    assert_eq!(ours.datasets, [scene.input()]);
    let [dataset] = &read(&twin["run"]).await.datasets[..] else { panic!("one dataset: {twin}") };
    assert_eq!((dataset.name.as_str(), &dataset.tags), ("may", &scene.input().tags));
    assert_eq!(read(&twin["measured_by"]).await.models, ours.models);
}

fn has(metrics: &[Value], auc: f64, digest: &str, recorded: &RecordedEvaluation) -> bool {
    metrics.contains(&json!(["auc", auc, "may", digest, recorded.run_id.as_str()]))
}

/// Inputs with the JSON in their datasets parsed, because Python puts spaces into it.
fn parsed(inputs: &Value) -> Value {
    let mut inputs = inputs.clone();
    for dataset in inputs["datasets"].as_array_mut().expect("datasets") {
        for key in ["source", "schema", "profile"] {
            let text = dataset["dataset"][key].as_str().expect("text");
            dataset["dataset"][key] = serde_json::from_str(text).expect("JSON");
        }
    }
    let models = inputs["models"].as_array_mut().expect("models");
    models.sort_by_key(ToString::to_string);
    inputs
}

#[tokio::test(flavor = "multi_thread")]
async fn python_sees_an_evaluation_on_a_server() {
    let scene = Measured::new(Some(&Server::shared(NEWEST).url));
    python_sees_an_evaluation(NEWEST, scene).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_sees_an_evaluation_in_a_database() {
    python_sees_an_evaluation(NEWEST, Measured::new(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn python_sees_an_evaluation_in_a_file_store() {
    python_sees_an_evaluation(NEWEST, Measured::new(Some("mlruns"))).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "more servers; `cargo xtask test --all` runs it"]
async fn python_sees_an_evaluation_on_other_servers() {
    for deployment in [ON_POSTGRES, ON_MARIADB].into_iter().chain(OTHER_RELEASES.map(Deployment::from)) {
        let scene = Measured::new(Some(&Server::shared(deployment).url));
        python_sees_an_evaluation(deployment.release, scene).await;
    }
}

/// Records with `fault` in request number `index` (from 0). Returns whether that many requests were sent.
async fn record_with(deployment: Deployment, scene: &Measured, fault: Fault, index: usize) -> bool {
    let proxy = Proxy::start(&Server::shared(deployment).url);
    let environment: Environment =
        [("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0"), ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0")]
            .into_iter()
            .collect();
    let uri = TrackingUri::new(&proxy.url).expect("an address");
    let stores = Stores::connect(&uri, None, &environment).expect("a server");
    // Each attempt has its own experiment.
    let experiment = fresh_name("evaluations");
    let options = scene.options().with_backend(stores).with_experiment_name(&experiment);
    let registry = ModelRegistry::connect(options).await.expect("a registry");
    let direct = scene.registry().await;
    let tag = async |number: u64| {
        let found = direct.backend().registry.model_version(direct.model(), version(number)).await;
        found.expect("a version").tags.get("hydra.evaluation.may").cloned()
    };
    let before = [tag(1).await, tag(2).await];
    proxy.spoil(index, fault);
    let recorded = scene.record(&registry).await;
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {recorded:?}");
    let tracking = &direct.backend().tracking;
    let mut runs = Vec::new();
    if let Some(found) = tracking.experiment_by_name(&experiment).await.expect("an answer") {
        for status in [RunStatus::Running, RunStatus::Failed, RunStatus::Finished] {
            runs.extend(tracking.runs_by_status(&found.id, status, 10, None).await.expect("runs").items);
        }
    }
    let after = [tag(1).await, tag(2).await];
    match recorded {
        Ok(recorded) => {
            // A server that receives a create twice has two runs, and the second one is never used.
            runs.retain(|run| fault != Fault::Twice || run.status != RunStatus::Running);
            let [run] = runs.as_slice() else { panic!("{what}: {runs:?}") };
            assert_eq!((&run.id, run.status), (&recorded.run_id, RunStatus::Finished), "{what}");
            assert_eq!(tracking.inputs(&run.id).await.expect("inputs").datasets, [scene.input()], "{what}");
            for tag in after {
                assert!(tag.is_some_and(|tag| tag.contains(&recorded.uri)), "{what}");
            }
        }
        Err(error) => {
            assert_eq!(after, before, "{what}: {error}");
            let states: Vec<RunStatus> = runs.iter().map(|run| run.status).collect();
            assert!(states.is_empty() || states == [RunStatus::Failed], "{what}: {states:?}");
        }
    }
    reached
}

async fn spoil_every_request(deployment: Deployment, faults: &[Fault]) {
    let scene = Measured::new(Some(&Server::shared(deployment).url));
    for fault in faults {
        let mut index = 0;
        while record_with(deployment, &scene, *fault, index).await {
            index += 1;
        }
        assert!(index >= 12, "it takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_to_any_request_leaves_a_whole_record_or_a_failed_run() {
    spoil_every_request(NEWEST.into(), &[Fault::AnswerLost]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_of_any_request_leaves_a_failed_run() {
    // A status that is not repeated.
    spoil_every_request(NEWEST.into(), &[Fault::Answered(403)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many requests; `cargo xtask test --all` runs it"]
async fn every_fault_of_every_request() {
    spoil_every_request(NEWEST.into(), &FAULTS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn faults_of_every_request_on_postgres() {
    spoil_every_request(ON_POSTGRES, &[Fault::Twice, Fault::DoneButAnswered(503)]).await;
}

/// The rows stay where they are: nothing that was recorded contains a cell.
#[tokio::test(flavor = "multi_thread")]
async fn no_row_is_uploaded() {
    // Cells of a feature, of the weights and of a column that is not measured, which occur nowhere else.
    let cells = ["0.4711471147", "0.0815081508", "Ms-Secret-"];
    for uri in [None, Some("mlruns")] {
        let scene = super::Scene::new(uri);
        let mut lines: Vec<String> =
            super::rows().lines().map(|line| format!("{line},{}0", cells[2])).collect();
        lines[0] = lines[0].replace(&format!("{}0", cells[2]), "customer");
        lines.push(format!("{},1,,1,-1,1,{},north,{}1", cells[0], cells[1], cells[2]));
        let rows = scene.project.file("june.csv", lines.join("\n"));
        let csv = rows.display().to_string();
        let line = "--label label --weight weight --segment region --resamples 100".split(' ');
        let report = scene.project.json(["evaluate", &csv].into_iter().chain(line));
        let run = report["recorded"]["run_id"].as_str().expect("a run");
        let mut seen = 0;
        for path in files_below(scene.project.path()).into_iter().filter(|path| *path != rows) {
            let bytes = std::fs::read(&path).expect("a file");
            let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
            // The tags of the versions have the digest of the document.
            seen += usize::from(has(report["sha256"].as_str().expect("a digest")));
            for cell in cells {
                assert!(!has(cell), "`{cell}` is in {}", path.display());
            }
        }
        assert!(seen > 0, "what was recorded was not read");
        let registry = scene.registry().await;
        let run = hydra_registry::RunId::new(run).expect("an id");
        let run = registry.backend().tracking.run(&run).await.expect("the run");
        let artifacts = run.artifact_uri.parse().expect("a URI");
        let artifacts = registry.backend().artifact_store(&artifacts).await.expect("artifacts");
        let listed: Vec<String> =
            artifacts.list("").await.expect("a list").into_iter().map(|info| info.path).collect();
        assert_eq!(listed, ["evaluation.json"]);
        assert!(run.params.is_empty());
    }
}
