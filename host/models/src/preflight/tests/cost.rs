//! What opening a version asks a server, and what its trouble means.

use super::*;
use crate::loading::load_model;
use hydra_base::testing::version;
use hydra_mlflow::environment::{self, Environment};
use hydra_mlflow::testing::fault_server::{Answer, FaultServer, ok, status};
use hydra_mlflow::uri::TrackingUri;

const MLMODEL: &str = "flavors:\n  lightgbm:\n    data: model.lgb\n";
const ADDRESS: &str = "GET model-versions/get-download-uri?name=m&version=1";
const LISTING: &str = "GET /api/2.0/mlflow-artifacts/artifacts?path=1%2Fm";
const FIRST: &str = "GET /api/2.0/mlflow-artifacts/artifacts/1/m/MLmodel";
const SECOND: &str = "GET /api/2.0/mlflow-artifacts/artifacts/1/m/model.lgb";

fn located() -> Answer {
    ok(r#"{"artifact_uri":"mlflow-artifacts:/1/m"}"#)
}

fn listing(model_bytes: usize) -> Answer {
    let file = |name: &str, size: usize| format!(r#"{{"path":"{name}","is_dir":false,"file_size":{size}}}"#);
    let files = [file("MLmodel", MLMODEL.len()), file("model.lgb", model_bytes)].join(",");
    ok(&format!(r#"{{"files":[{files}]}}"#))
}

fn file(content: &[u8]) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    Answer::Raw([head.as_bytes(), content].concat())
}

fn booster(case: &str) -> Vec<u8> {
    fs::read(fixture(case).join("booster/model.lgb")).expect("a model")
}

/// The answers to opening a version for the first time.
fn first(model: &[u8]) -> Vec<Answer> {
    vec![located(), listing(model.len()), file(MLMODEL.as_bytes()), file(model)]
}

fn registered() -> ModelVersion {
    ModelVersion::new(name(), version(1), 1, "models:/m-1")
}

/// The version, with the digest of its model file.
fn logged(model: &[u8]) -> ModelVersion {
    let mut version = registered();
    version.tags.insert(SHA256_TAG.to_owned(), Sha256::of(model).to_string());
    version
}

fn backend(server: &FaultServer) -> Backend {
    let impatient: Environment =
        [(environment::MAX_RETRIES, "0"), (environment::REQUEST_TIMEOUT, "0.5")].into_iter().collect();
    Backend::connect(&TrackingUri::new(&server.url).expect("a URI"), None, &impatient).expect("a backend")
}

fn cache(home: &tempfile::TempDir) -> ModelCache {
    ModelCache::new(home.path().to_path_buf(), "store", 1 << 30)
}

#[tokio::test]
async fn a_version_that_was_opened_costs_one_listing() {
    let model = booster("binary_int");
    let mut script = first(&model);
    script.push(listing(model.len()));
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let cache = cache(&home);
    let ask = async |presence| open(&backend, Some(&cache), &logged(&model), presence).await;
    for (presence, lines) in [
        (Presence::Assumed, vec![ADDRESS, LISTING, FIRST, SECOND]),
        (Presence::Asked, vec![LISTING]),
        (Presence::Assumed, vec![]),
    ] {
        let before = server.lines().len();
        let opened = ask(presence).await.expect("an answer");
        assert!(matches!(opened, Opened::Loadable(_)), "{opened:?}");
        assert_eq!(server.lines()[before..], lines);
    }
    // The model is in the cache, too.
    let before = server.lines().len();
    load_model(&backend, Some(&cache), &logged(&model), &ModelLimits::default()).await.expect("a model");
    assert_eq!(server.lines().len(), before);
}

/// Where nothing shows that a file of the same size is another one, exactness is a download.
#[tokio::test]
async fn exactness_costs_a_download_where_the_store_has_no_stamps() {
    let model = booster("binary_int");
    let mut script = first(&model);
    script.extend(first(&model));
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let cache = cache(&home);
    let mut before = 0;
    for presence in [Presence::Asked, Presence::Exact] {
        let opened = open(&backend, Some(&cache), &logged(&model), presence).await.expect("an answer");
        assert!(matches!(opened, Opened::Loadable(_)), "{opened:?}");
        assert_eq!(server.lines()[before..], [ADDRESS, LISTING, FIRST, SECOND]);
        before = server.lines().len();
    }
}

/// A server does not report a change that keeps the size. Reading the files finds it, and they are read again until they are the logged ones.
#[tokio::test]
async fn what_was_read_and_was_not_the_logged_model_is_read_again() {
    let model = booster("binary_int");
    let changed = String::from_utf8(model.clone()).expect("text").replace("label_index=0", "label_index=1");
    let mut script = first(&model);
    for found in [changed.as_bytes(), changed.as_bytes(), &model] {
        script.extend(first(found));
    }
    script.push(listing(model.len()));
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let cache = cache(&home);
    for (presence, is_loadable, requests) in [
        (Presence::Asked, true, 4),
        (Presence::Read, false, 4),
        (Presence::Asked, false, 4),
        (Presence::Asked, true, 4),
        (Presence::Asked, true, 1),
    ] {
        let before = server.lines().len();
        let opened = open(&backend, Some(&cache), &logged(&model), presence).await.expect("an answer");
        assert_eq!(matches!(opened, Opened::Loadable(_)), is_loadable, "{opened:?}");
        assert_eq!(server.lines().len() - before, requests);
    }
}

#[tokio::test]
async fn a_model_that_was_loaded_is_not_fetched_again() {
    let model = booster("binary_int");
    let mut script = vec![located(), file(MLMODEL.as_bytes()), file(&model)];
    script.extend([located(), listing(model.len()), file(MLMODEL.as_bytes())]);
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let cache = cache(&home);
    load_model(&backend, Some(&cache), &logged(&model), &ModelLimits::default()).await.expect("a model");
    let opened = open(&backend, Some(&cache), &logged(&model), Presence::Asked).await.expect("an answer");
    assert!(matches!(opened, Opened::Loadable(_)), "{opened:?}");
    assert_eq!(server.lines()[3..], [ADDRESS, LISTING, FIRST]);
}

#[tokio::test]
async fn files_of_another_size_are_opened_again() {
    let (model, other) = (booster("binary_int"), booster("regression"));
    let mut script = first(&model);
    script.push(listing(other.len()));
    script.extend(first(&other));
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    for found in [&model, &other] {
        let opened = open(&backend, Some(&cache(&home)), &logged(&model), Presence::Asked).await;
        assert_eq!(opened.expect("an answer").sha256(), Some(Sha256::of(found)));
    }
    assert_eq!(server.lines()[4..], [LISTING, ADDRESS, LISTING, FIRST, SECOND]);
}

/// Secrets in an address must not get into a cache.
#[tokio::test]
async fn an_address_with_secrets_is_not_kept() {
    let model = booster("binary_int");
    let (length, with_digest) = (model.len(), logged(&model));
    let server = FaultServer::start_with(|authority| {
        let uri = format!(r#"{{"artifact_uri":"mlflow-artifacts://ann:hunter2@{authority}/1/m"}}"#);
        vec![ok(&uri), listing(length), file(MLMODEL.as_bytes()), file(&model)]
    });
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let cache = cache(&home);
    let opened = open(&backend, Some(&cache), &with_digest, Presence::Asked).await.expect("an answer");
    assert!(matches!(opened, Opened::Loadable(_)), "{opened:?}");
    assert_eq!(cache.record(&with_digest), None);
}

#[tokio::test]
async fn what_a_server_says_about_a_version_is_a_verdict() {
    let missing =
        || Answer::Json(404, "", r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"gone"}"#.into());
    for (script, kind) in [
        (vec![missing()], ErrorKind::VersionNotFound),
        (vec![ok(r#"{"artifact_uri":"/srv/mlruns/1"}"#)], ErrorKind::Untrusted),
        (vec![ok(r#"{"artifact_uri":"mlflow-artifacts://other.example/1"}"#)], ErrorKind::Untrusted),
        (vec![ok(r#"{"artifact_uri":""}"#)], ErrorKind::Protocol),
        (vec![located(), ok("{}")], ErrorKind::ArtifactNotFound),
        (vec![located(), missing()], ErrorKind::NotFound),
        (vec![located(), listing(1), missing()], ErrorKind::ArtifactNotFound),
    ] {
        let server = FaultServer::start(script);
        let opened = open(&backend(&server), None, &registered(), Presence::Asked).await;
        let Opened::Unloadable(unsound) = opened.expect("an answer") else { panic!("an unsound version") };
        let error = unsound.error();
        assert_eq!(error.kind(), kind, "{error:?}");
    }
}

#[tokio::test]
async fn trouble_on_the_way_says_nothing_about_a_version() {
    let page =
        || Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>".to_vec());
    let cut =
        || Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\nflav".to_vec());
    for (trouble, kind) in [
        (status as fn(u16) -> Answer, ErrorKind::Server),
        (|_| status(401), ErrorKind::Unauthenticated),
        (|_| status(403), ErrorKind::PermissionDenied),
        (|_| status(429), ErrorKind::RateLimited),
        (|_| Answer::Drop, ErrorKind::Unreachable),
        (|_| Answer::Stall(Vec::new()), ErrorKind::Timeout),
    ] {
        // At the first request, and at each one after it.
        let model = booster("binary_int");
        for good in 0..4 {
            let mut script: Vec<Answer> = first(&model).into_iter().take(good).collect();
            script.extend((0..4).map(|_| trouble(503)));
            let server = FaultServer::start(script);
            let error = open(&backend(&server), None, &registered(), Presence::Asked).await;
            let error = error.expect_err("no answer");
            assert_eq!(error.kind(), kind, "request {good}: {error:?}");
            assert!(error.to_string().contains("version: 1"), "{error}");
        }
    }
    for (script, kind) in [
        (vec![page()], ErrorKind::Protocol),
        (vec![located(), page()], ErrorKind::Protocol),
        (vec![located(), listing(1), cut(), cut(), cut()], ErrorKind::Integrity),
    ] {
        let server = FaultServer::start(script);
        let error = open(&backend(&server), None, &registered(), Presence::Asked).await;
        assert_eq!(error.expect_err("no answer").kind(), kind);
    }
}

/// A version that was opened stays loadable when the listing fails, and the failure is reported.
#[tokio::test]
async fn trouble_with_the_listing_is_no_verdict_on_a_version_that_was_opened() {
    let model = booster("binary_int");
    let mut script = first(&model);
    script.extend([status(503), listing(model.len())]);
    let server = FaultServer::start(script);
    let (backend, home) = (backend(&server), tempfile::tempdir().expect("a directory"));
    let ask = async || open(&backend, Some(&cache(&home)), &logged(&model), Presence::Asked).await;
    assert!(matches!(ask().await.expect("an answer"), Opened::Loadable(_)));
    assert_eq!(ask().await.expect_err("no listing").kind(), ErrorKind::Server);
    assert!(matches!(ask().await.expect("an answer"), Opened::Loadable(_)));
}
