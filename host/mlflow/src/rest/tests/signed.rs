//! Transfers between this machine and the store of a server that passes no files on.

use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::{Value, json};
use tokio::io::AsyncReadExt;

use super::artifacts::artifacts;
use super::{store, store_with};
use crate::artifacts::ArtifactStore;
use crate::environment;
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use hydra_base::ErrorKind;

/// The answer of MLflow 3.18 with `--artifacts-presigned-only` to a transfer of a file.
fn refusal() -> Answer {
    let body = r#"{"error_code":"PERMISSION_DENIED","message":"This server requires artifacts to be uploaded directly to storage.","artifacts_presigned_only":true}"#;
    Answer::Json(403, "", body.to_owned())
}

fn tagged(tag: &'static str) -> Answer {
    Answer::Json(200, tag, String::new())
}

fn parts(store: &FaultServer, number: u32) -> Answer {
    let part = |number| {
        let headers = json!({ "x-amz-server-side-encryption": "aws:kms" });
        json!({ "url": format!("{}/bucket/key?part={number}&X-Amz-Signature=s3cret", store.url), "part_number": number, "headers": headers })
    };
    let credentials: Vec<Value> = (1..=number).map(part).collect();
    ok(&json!({ "upload_id": "u1", "credentials": credentials }).to_string())
}

fn body(server: &FaultServer, index: usize) -> Value {
    serde_json::from_slice(&server.requests()[index].body).expect("JSON")
}

#[tokio::test]
async fn an_upload_goes_to_the_store_in_parts() {
    const SIZE: usize = (10 << 20) + 7;
    // The first attempt at the second part breaks.
    let bucket =
        FaultServer::start(vec![tagged("ETag: \"one\"\r\n"), status(503), tagged("ETag: \"two\"\r\n")]);
    let server =
        FaultServer::start(vec![refusal(), parts(&bucket, 2), ok("{}"), parts(&bucket, 1), ok("{}")]);
    let content: Vec<u8> = (0..SIZE).map(|n| n as u8).collect();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), &content).expect("a file");
    let moved = AtomicU64::new(0);
    let progress = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
    };
    let store = store_with(&server, &[(environment::TOKEN, "t0ken"), (environment::REQUEST_TIMEOUT, "20")]);
    let root = artifacts(&store);
    root.put_file("model/a b.lgb", file.path(), &progress).await.expect("an upload");
    assert_eq!(moved.into_inner(), SIZE as u64, "each byte counts once");
    let directory = "1/r1/artifacts/model";
    let expected = [
        format!("PUT /api/2.0/mlflow-artifacts/artifacts/{directory}/a%20b.lgb"),
        format!("POST /api/2.0/mlflow-artifacts/mpu/create/{directory}"),
        format!("POST /api/2.0/mlflow-artifacts/mpu/complete/{directory}"),
    ];
    assert_eq!(server.requests().iter().map(|request| request.line.clone()).collect::<Vec<_>>(), expected);
    assert_eq!(body(&server, 1), json!({ "path": "a b.lgb", "num_parts": 2 }));
    let completed = body(&server, 2);
    assert_eq!((&completed["upload_id"], &completed["path"]), (&json!("u1"), &json!("a b.lgb")));
    let tags: Vec<_> = completed["parts"]
        .as_array()
        .expect("parts")
        .iter()
        .map(|part| (&part["part_number"], &part["etag"]))
        .collect();
    assert_eq!(tags, [(&json!(1), &json!("\"one\"")), (&json!(2), &json!("\"two\""))]);
    let sent = bucket.requests();
    assert_eq!(sent.iter().map(|request| request.body.len()).collect::<Vec<_>>(), [10 << 20, 7, 7]);
    assert!([sent[0].body.as_slice(), &sent[2].body].concat() == content);
    for request in &sent {
        assert_eq!(request.headers["x-amz-server-side-encryption"], "aws:kms");
        assert!(!request.headers.contains_key("authorization"), "the store gets no credentials");
    }
    // The server is not asked again whether it passes files on, and an empty file is one empty part.
    root.put_bytes("empty", Vec::new()).await.expect_err("the store has no more answers");
    assert_eq!(body(&server, 3), json!({ "path": "empty", "num_parts": 1 }));
}

#[tokio::test]
async fn a_download_comes_from_the_store() {
    let hello =
        Answer::Raw(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello".to_vec());
    let bucket = FaultServer::start(vec![hello, status(404)]);
    let signed = json!({ "url": format!("{}/bucket/key?X-Amz-Signature=s3cret", bucket.url), "headers": { "x-a": "b" }, "file_size": 5 });
    let missing =
        Answer::Json(404, "", r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"Not Found"}"#.into());
    let server =
        FaultServer::start(vec![refusal(), ok(&signed.to_string()), missing, ok(&signed.to_string())]);
    let store = store_with(&server, &[(environment::TOKEN, "t0ken")]);
    let root = artifacts(&store);
    let mut read = Vec::new();
    let mut reader = root.open("model/MLmodel").await.expect("a stream");
    assert_eq!(reader.size(), Some(5));
    reader.read_to_end(&mut read).await.expect("bytes");
    assert_eq!(read, b"hello");
    assert_eq!(
        server.requests()[1].line,
        "GET /api/2.0/mlflow-artifacts/presigned/1/r1/artifacts/model/MLmodel"
    );
    let asked = &bucket.requests()[0];
    assert_eq!((asked.headers["x-a"].as_str(), asked.headers.contains_key("authorization")), ("b", false));
    for what in ["the server has no such file", "the store has no such file"] {
        assert_eq!(root.open("x").await.expect_err(what).kind(), ErrorKind::ArtifactNotFound, "{what}");
    }
}

#[tokio::test]
async fn a_refusal_of_the_store_discards_the_parts_and_shows_no_signature() {
    let denied = "<Error><Code>AccessDenied</Code><Message>no</Message></Error>";
    let bucket = FaultServer::start(vec![Answer::Json(403, "", denied.into())]);
    let server = FaultServer::start(vec![refusal(), parts(&bucket, 1), ok("{}")]);
    let error = artifacts(&store(&server)).put_bytes("model/x", vec![1]).await.expect_err("refused");
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    let shown = format!("{error} {error:?} {:?}", error.hint());
    assert!(shown.contains("AccessDenied: no") && !shown.contains("s3cret"), "{shown}");
    let discarded = &server.requests()[2];
    assert_eq!(discarded.line, "POST /api/2.0/mlflow-artifacts/mpu/abort/1/r1/artifacts/model");
    assert_eq!(body(&server, 2), json!({ "path": "x", "upload_id": "u1" }));
}

#[tokio::test]
async fn an_interrupted_upload_discards_the_parts() {
    let bucket = FaultServer::start(vec![Answer::Stall(Vec::new())]);
    let server = FaultServer::start(vec![refusal(), parts(&bucket, 1), ok("{}")]);
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "20")]);
    let root = artifacts(&store);
    let upload = root.put_bytes("x", vec![1]);
    tokio::time::timeout(std::time::Duration::from_millis(500), upload).await.expect_err("the store stalls");
    for _ in 0..100 {
        if server.requests().len() == 3 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(server.requests()[2].line, "POST /api/2.0/mlflow-artifacts/mpu/abort/1/r1/artifacts");
}

#[tokio::test]
async fn odd_answers_are_refused() {
    let bucket = FaultServer::start(Vec::new());
    for (signed, kind) in [
        (r#"{"url":"not a URL"}"#, ErrorKind::Protocol),
        (r#"{"url":"file:///etc/passwd"}"#, ErrorKind::Untrusted),
    ] {
        let server = FaultServer::start(vec![refusal(), ok(signed)]);
        assert_eq!(artifacts(&store(&server)).open("x").await.expect_err(signed).kind(), kind);
    }
    let server = FaultServer::start(vec![refusal(), parts(&bucket, 3), ok("{}")]);
    let error = artifacts(&store(&server)).put_bytes("x", vec![1]).await.expect_err("three parts");
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert!(bucket.requests().is_empty());
    // A refusal without the mark stays one.
    let server =
        FaultServer::start(vec![Answer::Json(403, "", r#"{"error_code":"PERMISSION_DENIED"}"#.into())]);
    let error = artifacts(&store(&server)).open("x").await.expect_err("refused");
    assert_eq!((error.kind(), server.lines().len()), (ErrorKind::PermissionDenied, 1));
}
