//! Answers of other programs than MLflow: pages to sign in, pages of proxies, and their limits.

use tokio::io::AsyncReadExt;

use super::{name, store, store_with};
use crate::artifacts::ArtifactStore;
use crate::entities::NewModelVersion;
use crate::environment;
use crate::rest::{ArtifactProxy, RestStore};
use crate::store::RegistryStore;
use crate::testing::fault_server::{Answer, FaultServer, ok};
use crate::uri::ArtifactUri;
use hydra_base::error::{Error, ErrorKind};
use hydra_base::names::Alias;
use hydra_base::testing::version;

const LOGIN: &str = "<!DOCTYPE html>\n<html><head><title>Sign in</title></head><body>Please</body></html>";
const TOO_LARGE: &str = "<html>\r\n<head><title>413 Request Entity Too Large</title></head>\r\n<body>\r\n\
    <hr><center>nginx/1.25.3</center>\r\n</body>\r\n</html>";

fn page(status: u16, headers: &str, body: &str) -> Answer {
    let head = format!("HTTP/1.1 {status} S\r\nContent-Type: text/html\r\nConnection: close\r\n{headers}");
    Answer::Raw(format!("{head}Content-Length: {}\r\n\r\n{body}", body.len()).into_bytes())
}

fn artifacts(store: &RestStore) -> impl ArtifactStore + use<> {
    let uri = ArtifactUri::new("mlflow-artifacts:/1/r1/artifacts").expect("a URI");
    ArtifactProxy::new(store, Vec::new()).open(&uri, None, "1/r1/artifacts").expect("a root")
}

/// The message with its context, and the hint.
fn shown(error: &Error) -> (String, String) {
    (error.to_string(), error.hint().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_page_in_the_place_of_an_answer_is_named_with_its_title() {
    let server = FaultServer::start((0..5).map(|_| page(200, "", LOGIN)).collect());
    let store = store(&server);
    let artifacts = artifacts(&store);
    let json = "the server answered with the web page `Sign in` instead of JSON";
    let create = NewModelVersion::new(name(), "s3://bucket/x");
    for (error, message) in [
        (store.registered_model(&name()).await.expect_err("a page"), json),
        (store.create_model_version(&create).await.expect_err("a page"), json),
        (artifacts.list("").await.expect_err("a page"), json),
        (artifacts.put_bytes("x", b"x".to_vec()).await.expect_err("a page"), json),
        (
            artifacts.open("model/MLmodel").await.expect_err("a page"),
            "the server answered with the web page `Sign in` instead of the file",
        ),
    ] {
        let (text, hint) = shown(&error);
        assert_eq!((error.kind(), error.retryable(), error.message()), (ErrorKind::Protocol, false, message));
        assert!(text.contains("status: 200"), "{text}");
        assert!(hint.contains("MLFLOW_TRACKING_TOKEN") && hint.contains("path prefix"), "{hint}");
    }
    assert_eq!(server.lines().len(), 5, "no request is repeated");
}

#[tokio::test]
async fn a_page_behind_a_redirect_is_named_with_its_address() {
    let to_login = || page(302, "Location: /oauth2/start?rd=%2Fapi&token=secret\r\n", "");
    let server = FaultServer::start(vec![to_login(), page(200, "", LOGIN), to_login(), page(200, "", LOGIN)]);
    let store = store(&server);
    for error in [
        store.registered_model(&name()).await.expect_err("a page"),
        artifacts(&store).open("model/MLmodel").await.expect_err("a page"),
    ] {
        let (text, _) = shown(&error);
        assert!(text.contains("`Sign in`") && text.contains("status: 200"), "{text}");
        assert!(text.contains(&format!("redirected to: {}/oauth2/start", server.url)), "{text}");
        assert!(!text.contains("secret"), "{text}");
    }
}

#[tokio::test]
async fn a_redirect_that_is_not_followed_is_named_with_its_target_and_page() {
    let found = "<html><head><title>Found</title></head></html>";
    let elsewhere = "Location: https://login.example/authorize?state=secret\r\n";
    let server = FaultServer::start(vec![
        page(302, elsewhere, found),
        page(303, "Location: /login?next=secret\r\n", ""),
        page(308, "Location: https://mlflow.example/ml/api/2.0/mlflow/registered-models/get?name=m\r\n", ""),
    ]);
    let store = store(&server);
    let error = store.registered_model(&name()).await.expect_err("another host");
    let (text, hint) = shown(&error);
    let message = "the server redirects to `https://login.example/authorize?***`, with the web page `Found`";
    assert_eq!((error.kind(), error.message()), (ErrorKind::Protocol, message));
    assert!(text.contains("status: 302") && hint.contains("MLFLOW_TRACKING_TOKEN"), "{text} {hint}");

    let error = store.set_alias(&name(), &Alias::CHAMPION, version(1)).await.expect_err("a write");
    let (text, hint) = shown(&error);
    assert_eq!(error.message(), format!("the server redirects to `{}/login?***`", server.url));
    assert!(text.contains("status: 303") && hint.contains("MLFLOW_TRACKING_TOKEN"), "{text} {hint}");

    let error = store.registered_model(&name()).await.expect_err("a server that moved");
    assert_eq!(shown(&error).1, "use the target of the redirect as the tracking URI");
}

#[tokio::test]
async fn pages_of_proxies_keep_the_meaning_of_their_status() {
    for (status, kind, words) in [
        (401, ErrorKind::Unauthenticated, "MLFLOW_TRACKING_TOKEN"),
        (403, ErrorKind::PermissionDenied, "a proxy in front"),
        (404, ErrorKind::Unsupported, "path prefix"),
        (502, ErrorKind::Server, "behind it is running"),
        (503, ErrorKind::Server, "behind it is running"),
        (504, ErrorKind::Timeout, "behind it is running"),
    ] {
        // Longer than what is read of it.
        let body = format!("<html><title>{status} nginx</title>{}", "x".repeat(100_000));
        let server = FaultServer::start(vec![page(status, "", &body)]);
        let once = store_with(&server, &[(environment::MAX_RETRIES, "0")]);
        let error = once.registered_model(&name()).await.expect_err("a page");
        let (text, hint) = shown(&error);
        assert_eq!(error.kind(), kind, "{text}");
        assert!(text.contains(&format!("the web page `{status} nginx`")), "{text}");
        assert!(hint.contains(words), "{hint}");
    }
}

#[tokio::test]
async fn pages_are_files_where_they_were_uploaded_as_such() {
    let server = FaultServer::start(vec![page(200, "", LOGIN), ok(LOGIN)]);
    let artifacts = artifacts(&store(&server));
    for path in ["report/index.html", "notes"] {
        let mut text = String::new();
        let mut reader = artifacts.open(path).await.expect(path);
        reader.read_to_string(&mut text).await.expect("the whole page");
        assert_eq!(text, LOGIN, "{path}");
    }
}

#[tokio::test]
async fn a_limit_of_uploads_is_named_with_the_program_that_has_it() {
    let flask =
        r#"{"error_code":"BAD_REQUEST","message":"The data value transmitted exceeds the capacity limit."}"#;
    for (answer, whose, hint) in [
        (
            page(413, "", TOO_LARGE),
            "nginx in front of the server",
            "`client_max_body_size` of nginx to 5000 bytes",
        ),
        (page(413, "Server: nginx\r\n", ""), "nginx in front of the server", "client_max_body_size"),
        (
            page(413, "Server: cloudflare\r\n", "<p>no"),
            "a proxy in front of the server, `cloudflare`",
            "to 5000 bytes",
        ),
        (page(413, "", ""), "a proxy in front of the server", "--no-serve-artifacts"),
        (page(413, "Server: gunicorn\r\n", "<p>no"), "the MLflow server", "request bodies there"),
        (Answer::Json(413, "", flask.into()), "the MLflow server", "request bodies there"),
    ] {
        let server = FaultServer::start(vec![answer]);
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), [b'x'; 5000]).expect("a file");
        let artifacts = artifacts(&store(&server));
        let error = artifacts.put_file("model.lgb", file.path(), &|_| ()).await.expect_err("too large");
        assert_eq!(error.message(), format!("an upload of 5000 bytes is larger than the limit of {whose}"));
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::BadRequest, false));
        assert!(shown(&error).1.contains(hint), "{error:?}");
        assert_eq!(server.lines().len(), 1, "it is not sent again");
    }
    // Requests of the API have a body, too.
    let server = FaultServer::start(vec![page(413, "", TOO_LARGE)]);
    let create = NewModelVersion::new(name(), "s3://bucket/x");
    let error = store(&server).create_model_version(&create).await.expect_err("too large");
    assert!(error.message().ends_with("is larger than the limit of nginx in front of the server"), "{error}");
}
