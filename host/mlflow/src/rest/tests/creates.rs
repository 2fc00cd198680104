//! Creates whose answer is lost.

use super::{impatient, name, store, store_with};
use crate::entities::{NewModelVersion, NewRun, OPERATION_ID_TAG, Run, Tags};
use crate::environment;
use crate::rest::RestStore;
use crate::store::{RegistryStore, TrackingStore};
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use hydra_base::ErrorKind;
use hydra_base::names::ExperimentId;
use hydra_base::testing::version;

const RUN: &str = r#"{"info":{"run_id":"r1","experiment_id":"0","status":"RUNNING"}}"#;
const VERSION: &str = r#"{"version":"7","status":"READY"}"#;

fn operation() -> Tags {
    Tags::from([(OPERATION_ID_TAG.to_owned(), "op-1".to_owned())])
}

async fn create_run(store: &RestStore, tags: Tags) -> hydra_base::Result<Run> {
    let experiment_id = ExperimentId::new("0").expect("an id");
    store.create_run(&NewRun::new(experiment_id, "n").tags(tags)).await
}

#[tokio::test]
async fn an_ambiguous_create_without_an_operation_id_is_not_repeated() {
    for answer in [Answer::Drop, status(500), status(504)] {
        let server = FaultServer::start(vec![answer]);
        let error = create_run(&store(&server), Tags::new()).await.expect_err("a lost answer");
        assert!(!error.retryable(), "{error}");
        assert_eq!(server.lines(), ["POST runs/create"]);
    }
}

#[tokio::test]
async fn a_create_that_surely_did_not_happen_is_repeated() {
    let server = FaultServer::start(vec![status(429), ok(&format!(r#"{{"run":{RUN}}}"#))]);
    create_run(&store(&server), Tags::new()).await.expect("a run");
    assert_eq!(server.lines(), ["POST runs/create"; 2]);
}

#[tokio::test]
async fn an_ambiguous_create_looks_for_its_operation_id_first() {
    let found = ok(&format!(r#"{{"runs":[{RUN}]}}"#));
    let server = FaultServer::start(vec![Answer::Drop, found]);
    let run = create_run(&store(&server), operation()).await.expect("the run of the first attempt");
    assert_eq!(run.id.as_str(), "r1");
    assert_eq!(server.lines(), ["POST runs/create", "POST runs/search"]);
    let search = String::from_utf8(server.requests()[1].body.clone()).expect("JSON");
    assert!(search.contains("tags.`hydra.operation_id` = 'op-1'"), "{search}");

    let server = FaultServer::start(vec![Answer::Drop, ok("{}"), ok(&format!(r#"{{"run":{RUN}}}"#))]);
    create_run(&store(&server), operation()).await.expect("the run of the second attempt");
    assert_eq!(server.lines(), ["POST runs/create", "POST runs/search", "POST runs/create"]);
}

#[tokio::test]
async fn a_create_that_hangs_is_looked_for() {
    let found = ok(&format!(r#"{{"runs":[{RUN}]}}"#));
    let server = FaultServer::start(vec![Answer::Stall(Vec::new()), found]);
    let run = create_run(&impatient(&server), operation()).await.expect("the run of the first attempt");
    assert_eq!(run.id.as_str(), "r1");
    assert_eq!(server.lines(), ["POST runs/create", "POST runs/search"]);
}

#[tokio::test]
async fn a_create_is_looked_for_once_more_when_attempts_or_time_have_run_out() {
    let found = || ok(&format!(r#"{{"runs":[{RUN}]}}"#));
    let later = "Retry-After: 3600\r\n";
    let (create, search) = ("POST runs/create", "POST runs/search");
    for (failing, retries, requests) in [
        (vec![Answer::Drop], "0", vec![create, search]),
        (vec![Answer::Stall(Vec::new())], "7", vec![create, search]),
        (vec![Answer::Json(503, later, "{}".into())], "7", vec![create, search]),
        // The lookup finds nothing while the server still works on the create. Then the next attempt is rejected.
        (
            vec![Answer::Drop, ok("{}"), Answer::Json(429, later, "{}".into())],
            "7",
            vec![create, search, create, search],
        ),
        // All lookups fail until the deadline.
        (vec![Answer::Drop, status(500)], "1", vec![create, search, search]),
    ] {
        let server = FaultServer::start(failing.into_iter().chain([found()]).collect());
        let store = store_with(&server, &[(environment::MAX_RETRIES, retries)]);
        let run = create_run(&store, operation()).await.expect("the run of the first attempt");
        assert_eq!(run.id.as_str(), "r1");
        assert_eq!(server.lines(), requests);
    }
}

#[tokio::test]
async fn a_create_that_is_not_found_in_the_end_stays_ambiguous() {
    for last in [ok("{}"), Answer::Drop] {
        let server = FaultServer::start(vec![Answer::Drop, last]);
        let store = store_with(&server, &[(environment::MAX_RETRIES, "0")]);
        let error = create_run(&store, operation()).await.expect_err("a lost answer");
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Unreachable, false));
        assert!(error.hint().is_some_and(|hint| hint.contains("before you repeat it")), "{error:?}");
        assert_eq!(server.lines(), ["POST runs/create", "POST runs/search"]);
    }
}

#[tokio::test]
async fn an_ambiguous_version_is_found_by_its_operation_id() {
    let found = ok(&format!(r#"{{"model_versions":[{VERSION}]}}"#));
    let server = FaultServer::start(vec![status(502), found]);
    let new = NewModelVersion::new(name(), "s3://b/x").tags(operation());
    let created = store(&server).create_model_version(&new).await.expect("a version");
    assert_eq!(created.version, version(7));
    let lines = server.lines();
    assert!(
        lines.len() == 2 && lines[1].starts_with("GET model-versions/search?filter=name%3D%27m%27"),
        "{lines:?}"
    );
}
