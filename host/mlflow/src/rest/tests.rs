//! Faults between us and the server: what is sent again, what is not, and which error it becomes.

mod versions;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::{ArtifactProxy, RestConfig, RestStore};
use crate::artifacts::{ArtifactStore, read_error};
use crate::entities::{NewModelVersion, NewRun, OPERATION_ID_TAG, Run, Tags};
use crate::environment::{self, Environment};
use crate::store::{RegistryStore, TrackingStore};
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use crate::uri::{ArtifactUri, TrackingUri};
use hydra_base::ErrorKind;
use hydra_base::names::{Alias, ExperimentId, ModelName};
use hydra_base::testing::version;

const RUN: &str = r#"{"info":{"run_id":"r1","experiment_id":"0","status":"RUNNING"}}"#;
const VERSION: &str = r#"{"version":"7","status":"READY"}"#;

fn store_with(server: &FaultServer, variables: &[(&str, &str)]) -> RestStore {
    RestStore::new(config_with(server, variables))
}

/// A store that gives a single attempt up after a moment, long before the deadline.
fn impatient(server: &FaultServer) -> RestStore {
    let mut config = config_with(server, &[(environment::REQUEST_TIMEOUT, "20")]);
    config.retry.attempt = Duration::from_millis(300);
    RestStore::new(config)
}

fn config_with(server: &FaultServer, variables: &[(&str, &str)]) -> RestConfig {
    let quick = [
        (environment::BACKOFF_FACTOR, "0.01"),
        (environment::BACKOFF_JITTER, "0.01"),
        (environment::REQUEST_TIMEOUT, "1"),
    ];
    let environment: Environment = quick.iter().chain(variables).copied().collect();
    RestConfig::new(&TrackingUri::new(&server.url).expect("a URI"), &environment).expect("a config")
}

fn store(server: &FaultServer) -> RestStore {
    store_with(server, &[])
}

fn artifacts(store: &RestStore) -> impl ArtifactStore + use<> {
    let uri = ArtifactUri::new("mlflow-artifacts:/1/r1/artifacts").expect("a URI");
    ArtifactProxy::new(store, Vec::new()).open(&uri, None, "1/r1/artifacts").expect("a root")
}

fn name() -> ModelName {
    ModelName::new("m").expect("a name")
}

fn model(description: &str) -> Answer {
    ok(&format!(r#"{{"registered_model":{{"name":"m","description":"{description}"}}}}"#))
}

fn operation() -> Tags {
    Tags::from([(OPERATION_ID_TAG.to_owned(), "op-1".to_owned())])
}

async fn create_run(store: &RestStore, tags: Tags) -> hydra_base::Result<Run> {
    let experiment_id = ExperimentId::new("0").expect("an id");
    let new = NewRun { experiment_id, name: "n".into(), start_time: 1, user_id: "ann".into(), tags };
    store.create_run(&new).await
}

#[tokio::test]
async fn a_read_is_repeated_until_it_succeeds() {
    let server =
        FaultServer::start(vec![status(503), Answer::Drop, status(429), status(500), model("there")]);
    let found = store(&server).registered_model(&name()).await.expect("a model");
    assert_eq!(found.description, "there");
    assert_eq!(server.lines(), vec!["GET registered-models/get?name=m"; 5]);
}

#[tokio::test]
async fn a_404_is_final() {
    let missing = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}"#;
    let server = FaultServer::start(vec![Answer::Json(404, "", missing.into())]);
    let error = store(&server).registered_model(&name()).await.expect_err("no model");
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::ModelNotFound, false));
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn retry_after_replaces_the_backoff() {
    let server = FaultServer::start(vec![Answer::Json(429, "Retry-After: 1\r\n", "{}".into()), model("")]);
    let patient = store_with(&server, &[(environment::REQUEST_TIMEOUT, "10")]);
    let started = Instant::now();
    patient.registered_model(&name()).await.expect("a model");
    assert!(started.elapsed() >= Duration::from_secs(1));
}

#[tokio::test]
async fn waiting_has_one_deadline() {
    let server = FaultServer::start((0..50).map(|_| status(429)).collect());
    let variables = [(environment::BACKOFF_FACTOR, "0.2"), (environment::MAX_RETRIES, "50")];
    let error = store_with(&server, &variables).registered_model(&name()).await.expect_err("too long");
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::RateLimited, true));
    assert!(server.lines().len() < 50, "the deadline ends it, not the number of retries");
    // An hour, and more than any clock can count to: both are longer than the deadline, no point in waiting.
    for asked in ["Retry-After: 3600\r\n", "Retry-After: 18446744073709551615\r\n"] {
        let server = FaultServer::start(vec![Answer::Json(429, asked, "{}".into())]);
        let error = store(&server).registered_model(&name()).await.expect_err("too long");
        assert_eq!(error.kind(), ErrorKind::RateLimited, "{asked}");
        assert_eq!(server.lines().len(), 1, "{asked}");
    }
}

#[tokio::test]
async fn a_silent_server_is_a_timeout() {
    let server = FaultServer::start(vec![Answer::Stall(Vec::new())]);
    let error = store(&server).registered_model(&name()).await.expect_err("no answer");
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_request_that_hangs_is_sent_again() {
    let server = FaultServer::start(vec![Answer::Stall(Vec::new()), model("there")]);
    let found = impatient(&server).registered_model(&name()).await.expect("a model");
    assert_eq!(found.description, "there");
    let server = FaultServer::start(vec![Answer::Stall(Vec::new()), ok("{}")]);
    impatient(&server).set_alias(&name(), &Alias::CHAMPION, version(1)).await.expect("an alias");
    let missing = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}"#;
    let server = FaultServer::start(vec![Answer::Stall(Vec::new()), Answer::Json(404, "", missing.into())]);
    impatient(&server).delete_registered_model(&name()).await.expect("the first request deleted it");
}

#[tokio::test]
async fn a_closed_port_is_unreachable() {
    let unused =
        std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("an address");
    let uri = TrackingUri::new(format!("http://ann:hunter2@{unused}")).expect("a URI");
    let environment = [(environment::MAX_RETRIES, "0")].into_iter().collect();
    let store = RestStore::new(RestConfig::new(&uri, &environment).expect("a config"));
    let error = store.registered_model(&name()).await.expect_err("nobody");
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::Unreachable, true));
    assert!(!format!("{error} {error:?} {store:?}").contains("hunter2"));
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
        // Nothing at first: the server was still at it. Then the next attempt is turned away.
        (
            vec![Answer::Drop, ok("{}"), Answer::Json(429, later, "{}".into())],
            "7",
            vec![create, search, create, search],
        ),
        // The look itself fails for as long as it is tried.
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

#[tokio::test]
async fn a_delete_whose_answer_was_lost_is_done() {
    let missing = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}"#;
    let gone = || Answer::Json(404, "", missing.to_owned());
    let server = FaultServer::start(vec![Answer::Drop, gone()]);
    store(&server).delete_registered_model(&name()).await.expect("it was deleted");
    let server = FaultServer::start(vec![gone()]);
    let error = store(&server).delete_registered_model(&name()).await.expect_err("there was none");
    assert_eq!(error.kind(), ErrorKind::ModelNotFound);
}

#[tokio::test]
async fn writes_are_never_redirected() {
    let server = FaultServer::start(vec![Answer::Json(302, "Location: /login\r\n", String::new()), ok("{}")]);
    let alias = Alias::CHAMPION;
    let error = store(&server).set_alias(&name(), &alias, version(1)).await.expect_err("a redirect");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(server.lines().len(), 1);
}

#[tokio::test]
async fn reads_are_redirected_within_the_server_only() {
    let here = Answer::Json(307, "Location: /elsewhere?name=m\r\n", String::new());
    let server = FaultServer::start(vec![here, model("moved")]);
    let found = store(&server).registered_model(&name()).await.expect("a model");
    assert_eq!(found.description, "moved");
    let away = Answer::Json(302, "Location: http://ann:pw@127.0.0.2:1/x?token=t\r\n", String::new());
    let server = FaultServer::start(vec![away]);
    let error = store(&server).registered_model(&name()).await.expect_err("another host");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(error.message().contains("127.0.0.2") && !error.message().contains("pw"), "{error}");
    assert!(!error.message().contains("token="), "{error}");
}

#[tokio::test]
async fn pages_that_are_not_mlflows_are_protocol_errors() {
    for body in ["<html>Welcome</html>", "[]", "{\"registered_model\": 1}", "{\"registered_model\""] {
        let server = FaultServer::start(vec![ok(body)]);
        let error = store(&server).registered_model(&name()).await.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Protocol, "{body}");
    }
}

#[tokio::test]
async fn every_request_carries_credentials_and_workspace() {
    let server = FaultServer::start(vec![model("")]);
    let variables = [(environment::TOKEN, "t0"), (environment::WORKSPACE, "team-a")];
    store_with(&server, &variables).registered_model(&name()).await.expect("a model");
    let headers = &server.requests()[0].headers;
    assert_eq!(headers["authorization"], "Bearer t0");
    assert_eq!(headers["x-mlflow-workspace"], "team-a");
    assert!(headers["accept-encoding"].contains("gzip"));
}

#[tokio::test]
async fn compressed_answers_are_read() {
    let body = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\x03\xab\x56\x2a\x4a\x4d\xcf\x2c\x2e\x49\x2d\x4a\x4d\x89\xcf\xcd\x4f\x49\xcd\x51\xb2\xaa\x56\xca\x4b\xcc\x4d\x55\xb2\x52\xca\x55\xd2\x51\x4a\x49\x2d\x4e\x2e\xca\x2c\x28\xc9\xcc\xcf\x03\x8a\x54\x65\x16\x14\xa4\xa6\x28\xd5\xd6\x02\x00\xca\x4a\x61\x92\x38\x00\x00\x00";
    let mut answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
    .into_bytes();
    answer.extend_from_slice(body);
    let server = FaultServer::start(vec![Answer::Raw(answer)]);
    assert_eq!(store(&server).registered_model(&name()).await.expect("a model").description, "zipped");
}

#[tokio::test]
async fn a_truncated_download_is_an_integrity_error() {
    for head in ["Content-Length: 100", "Transfer-Encoding: chunked"] {
        let answer = format!("HTTP/1.1 200 OK\r\n{head}\r\nConnection: close\r\n\r\n5\r\nhello\r\n");
        let server = FaultServer::start(vec![Answer::Raw(answer.into_bytes())]);
        let mut reader = artifacts(&store(&server)).open("model/model.lgb").await.expect("a stream");
        let error = read_error(reader.read_to_end(&mut Vec::new()).await.expect_err(head));
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Integrity, true), "{error}");
    }
}

#[tokio::test]
async fn a_download_that_stands_still_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
    let server = FaultServer::start(vec![Answer::Stall(half)]);
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "0.3")]);
    let mut reader = artifacts(&store).open("x").await.expect("a stream");
    let error = read_error(reader.read_to_end(&mut Vec::new()).await.expect_err("half a body"));
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_missing_artifact_is_not_asked_for_again() {
    // What servers before 3.17 answer.
    let server = FaultServer::start(vec![status(500), ok(r#"{"files":[{"path":"other","is_dir":false}]}"#)]);
    let error = artifacts(&store(&server)).open("model/MLmodel").await.err().expect("missing");
    assert_eq!(error.kind(), ErrorKind::ArtifactNotFound);
    assert_eq!(server.lines().len(), 2);
}

#[tokio::test]
async fn an_upload_is_repeated_whole_and_progress_counts_once() {
    let server = FaultServer::start(vec![status(503), Answer::Drop, ok("")]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    let content: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    std::fs::write(file.path(), &content).expect("a file");
    let moved = AtomicU64::new(0);
    let progress = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
    };
    artifacts(&store(&server)).put_file("model/a b", file.path(), &progress).await.expect("an upload");
    assert_eq!(moved.into_inner(), 700_000);
    let requests = server.requests();
    assert_eq!(requests.len(), 3);
    for request in requests {
        assert_eq!(request.line, "PUT /api/2.0/mlflow-artifacts/artifacts/1/r1/artifacts/model/a%20b");
        assert_eq!(request.headers["content-length"], "700000");
        assert!(request.body == content);
    }
}

#[tokio::test]
async fn a_slow_upload_may_take_longer_than_the_deadline() {
    // Nor does what moved in an attempt that broke count as waiting.
    let slowly = |then| Answer::ReadSlowly(Duration::from_millis(100), Box::new(then));
    let server = FaultServer::start(vec![slowly(Answer::Drop), slowly(ok("{}"))]);
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), vec![1; 24 << 20]).expect("a file");
    let started = Instant::now();
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "1.2")]);
    artifacts(&store).put_file("big", file.path(), &|_| {}).await.expect("an upload");
    assert!(started.elapsed() > Duration::from_secs(2), "{:?}", started.elapsed());
}

#[tokio::test]
async fn an_upload_that_stands_still_takes_the_patience_once() {
    let server = FaultServer::start((0..8).map(|_| Answer::Stall(Vec::new())).collect());
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), "x").expect("a file");
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "0.3")]);
    let error = artifacts(&store).put_file("x", file.path(), &|_| {}).await.expect_err("no answer");
    assert_eq!((error.kind(), server.lines().len()), (ErrorKind::Timeout, 1));
}

#[tokio::test]
async fn small_writes_are_whole_and_sent_again_when_they_hang() {
    let content: Vec<u8> = (0..700_000u32).map(|n| n as u8).collect();
    for content in [content, Vec::new()] {
        let server = FaultServer::start(vec![Answer::Stall(Vec::new()), ok("{}")]);
        artifacts(&impatient(&server)).put_bytes("x", content.clone()).await.expect("written");
        let requests = server.requests();
        assert_eq!(requests.len(), 2);
        for request in requests {
            assert_eq!(request.headers["content-length"], content.len().to_string());
            assert!(request.body == content);
        }
    }
}

#[tokio::test]
async fn a_servers_paths_and_hosts_are_not_trusted() {
    let server = FaultServer::start(vec![ok(r#"{"files":[{"path":"../../etc/passwd"}]}"#), ok("")]);
    let store = store(&server);
    let listed = artifacts(&store).list("model").await.expect_err("a path out of the root");
    assert_eq!(listed.kind(), ErrorKind::Untrusted);
    let open = |uri: &str, authority, path: &str, allowed: &[&str]| {
        let allowed = allowed.iter().map(|&host| host.to_owned()).collect();
        ArtifactProxy::new(&store, allowed).open(&ArtifactUri::new(uri).expect(uri), authority, path)
    };
    let climbing = open("mlflow-artifacts:/1/../../x", None, "1/../../x", &[]).expect_err("..");
    assert_eq!(climbing.kind(), ErrorKind::Untrusted);
    let uri = "mlflow-artifacts://else:80/1";
    assert_eq!(open(uri, Some("else:80"), "1", &["other"]).expect_err("a host").kind(), ErrorKind::Untrusted);
    open(uri, Some("else:80"), "1", &["else:80"]).expect("an allowed host");
    let own = server.url.trim_start_matches("http://").to_owned();
    open("mlflow-artifacts://own/1", Some(&own), "1", &[]).expect("the tracking server itself");
}

#[tokio::test]
async fn an_allowed_host_gets_no_credentials() {
    let other = FaultServer::start(vec![ok("{}")]);
    let tracking = FaultServer::start(Vec::new());
    let store = store_with(&tracking, &[(environment::TOKEN, "t0"), (environment::WORKSPACE, "team-a")]);
    let authority = other.url.trim_start_matches("http://").to_owned();
    let proxy = ArtifactProxy::new(&store, vec![authority.clone()]);
    let uri = ArtifactUri::new(format!("mlflow-artifacts://{authority}/1")).expect("a URI");
    let root = proxy.open(&uri, Some(&authority), "1").expect("a root");
    assert!(root.list("").await.expect("an empty listing").is_empty());
    let headers = &other.requests()[0].headers;
    assert!(
        !headers.contains_key("authorization") && !headers.contains_key("x-mlflow-workspace"),
        "{headers:?}"
    );
}

#[tokio::test]
async fn names_that_the_proxy_cannot_store_are_refused() {
    let server = FaultServer::start(Vec::new());
    for bad in ["a#b", "100%", "a?b"] {
        let error = artifacts(&store(&server)).put_bytes(bad, Vec::new()).await.expect_err(bad);
        assert_eq!(error.kind(), ErrorKind::InvalidName);
    }
    assert!(server.lines().is_empty());
}
