//! Uploads and downloads through the proxy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt;

use super::{impatient, store, store_with};
use crate::artifacts::{ArtifactStore, read_error};
use crate::environment;
use crate::rest::{ArtifactProxy, RestStore};
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use crate::uri::ArtifactUri;
use hydra_base::ErrorKind;

pub(super) fn artifacts(store: &RestStore) -> impl ArtifactStore + use<> {
    let uri = ArtifactUri::new("mlflow-artifacts:/1/r1/artifacts").expect("a URI");
    ArtifactProxy::new(store, Vec::new()).open(&uri, None, "1/r1/artifacts").expect("a root")
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
async fn a_stalled_download_is_a_timeout() {
    let half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhello".to_vec();
    let server = FaultServer::start(vec![Answer::Stall(half)]);
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "0.3")]);
    let mut reader = artifacts(&store).open("x").await.expect("a stream");
    let error = read_error(reader.read_to_end(&mut Vec::new()).await.expect_err("half a body"));
    assert_eq!(error.kind(), ErrorKind::Timeout);
}

#[tokio::test]
async fn a_missing_artifact_is_not_asked_for_again() {
    // The answer of servers before 3.17.
    let server = FaultServer::start(vec![status(500), ok(r#"{"files":[{"path":"other","is_dir":false}]}"#)]);
    let error = artifacts(&store(&server)).open("model/MLmodel").await.expect_err("missing");
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
    // Time in which a broken attempt moved bytes does not count as waiting either.
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
async fn a_stalled_upload_waits_for_the_timeout_once() {
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
