//! The evidence of runs that MLflow's Python client deleted.

use hydra_base::names::{Alias, ExperimentId};
use hydra_mlflow::entities::{Metric, NewModelVersion, NewRun, RunBatch};
use hydra_registry::Target;
use serde_json::json;

use super::registry;
use crate::support::backends::{Backend, fresh_name};
use crate::support::python;
use crate::support::server::{NEWEST, Server};

async fn a_run_deleted_by_python_is_no_evidence(backend: &Backend, uri: &str) {
    let registry = registry(backend, &fresh_name("deleted")).await;
    let (stores, model) = (registry.backend(), registry.model());
    let run = NewRun::new(ExperimentId::new("0").expect("an id"), "trained");
    let run = stores.tracking.create_run(&run).await.expect("a run").id;
    let batch = RunBatch::default().metrics([Metric::new("auc", 0.9, 1)]);
    stores.tracking.log_batch(&run, &batch).await.expect("a metric");
    let version = NewModelVersion::new(model.clone(), "dbfs:/model").run(run.clone());
    let version = stores.registry.create_model_version(&version).await.expect("a version").version;
    stores.registry.set_alias(model, &Alias::CANDIDATE, version).await.expect("an alias");
    let shown = || async {
        let question = registry.promote(Target::Candidate).question().await.expect("a question");
        question.target().expect("a candidate").clone()
    };
    let before: hydra_policy::ModelVersion = shown().await;
    assert_eq!(before.run.expect("a run").metrics["auc"], 0.9);
    let answer = python::ask(NEWEST, "delete_run.py", &[uri, run.as_str()]);
    assert_eq!(answer, json!({"lifecycle_stage": "deleted"}));
    let after = shown().await;
    assert_eq!((after.run, after.run_id.as_deref()), (None, Some(run.as_str())));
    let findings = registry.diagnose().await.expect("a diagnosis");
    assert!(findings.iter().any(|finding| finding.code() == "deleted-run"), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    a_run_deleted_by_python_is_no_evidence(&Backend::rest(), &Server::shared(NEWEST).url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let backend = Backend::sqlite();
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    a_run_deleted_by_python_is_no_evidence(&backend, uri.expose()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_file() {
    let backend = Backend::file();
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    a_run_deleted_by_python_is_no_evidence(&backend, uri.expose()).await;
}
