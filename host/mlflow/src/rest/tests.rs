//! Faults of the connection: which requests are repeated, and which error results.

mod artifacts;
mod creates;
mod identity;
mod listings;
mod pages;
mod signed;
mod versions;

use std::time::{Duration, Instant};

use super::{RestConfig, RestStore};
use crate::environment::{self, Environment};
use crate::store::RegistryStore;
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use crate::uri::TrackingUri;
use hydra_base::ErrorKind;
use hydra_base::names::{Alias, ModelName};
use hydra_base::testing::{model_name, version};

fn store_with(server: &FaultServer, variables: &[(&str, &str)]) -> RestStore {
    RestStore::new(config_with(server, variables))
}

/// A store whose attempts time out long before the deadline.
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

fn name() -> ModelName {
    model_name("m")
}

fn model(description: &str) -> Answer {
    ok(&format!(r#"{{"registered_model":{{"name":"m","description":"{description}"}}}}"#))
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
    // One hour, and more than an `Instant` can represent: both exceed the deadline, so waiting is pointless.
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
    let error = store.registered_model(&name()).await.expect_err("no server");
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::Unreachable, true));
    assert!(!format!("{error} {error:?} {store:?}").contains("hunter2"));
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
