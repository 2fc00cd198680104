//! What the answers of a server say of its clock, and of the user that it has authenticated.

use super::{model, name, store};
use crate::store::RegistryStore as _;
use crate::testing::fault_server::{Answer, FaultServer, ok, status};
use hydra_base::ErrorKind;

fn dated(headers: &'static str) -> Answer {
    Answer::Json(200, headers, r#"{"registered_model":{"name":"m"}}"#.to_owned())
}

#[tokio::test]
async fn the_clock_is_that_of_the_newest_answers_with_a_date() {
    let server = FaultServer::start(vec![
        model("no date"),
        dated("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\nAge: 7\r\n"),
        dated("Date: yesterday\r\n"),
        Answer::Json(
            404,
            "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n",
            r#"{"error_code":"RESOURCE_DOES_NOT_EXIST"}"#.to_owned(),
        ),
        dated("Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n"),
        dated("Date: Sun, 06 Nov 2044 08:49:37 GMT\r\n"),
    ]);
    let store = store(&server);
    for answer in 0..4 {
        store.registered_model(&name()).await.ok();
        assert_eq!(store.clock(), None, "answer {answer}");
    }
    store.registered_model(&name()).await.expect("a model");
    let decades = 10 * 365 * 86_400_000;
    assert!(store.clock().expect("a date").certain() < -decades);
    store.registered_model(&name()).await.expect("a model");
    assert!(store.clock().expect("a date").certain() > decades, "the clock was set");
}

#[tokio::test]
async fn the_user_is_asked_for_once() {
    let server = FaultServer::start(vec![
        status(503),
        ok(r#"{"user":{"id":1,"username":" ann\u001b "},"is_basic_auth":true}"#),
    ]);
    let store = store(&server);
    for _ in 0..3 {
        assert_eq!(store.authenticated_user().await.expect("an answer").as_deref(), Some("ann\u{fffd}"));
    }
    assert_eq!(server.lines(), ["GET users/current", "GET users/current"]);
}

#[tokio::test]
async fn a_server_that_names_no_user_leaves_the_requester_unverified() {
    let page = || {
        Answer::Raw(
            b"HTTP/1.1 404 NOT FOUND\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<p/>".to_vec(),
        )
    };
    for answer in [page(), status(403), status(405), ok("{}"), ok(r#"{"user":{"username":""}}"#), ok("[]")] {
        let server = FaultServer::start(vec![answer]);
        assert_eq!(store(&server).authenticated_user().await.expect("an answer"), None);
    }
    let long = format!(r#"{{"user":{{"username":"{}"}}}}"#, "x".repeat(100_000));
    let server = FaultServer::start(vec![ok(&long)]);
    let name = store(&server).authenticated_user().await.expect("an answer").expect("a name");
    assert!(name.chars().count() <= 201, "{}", name.len());
    // What may be gone at the next attempt does not make the requester unverified.
    let server = FaultServer::start(vec![status(401)]);
    let refused = store(&server).authenticated_user().await.expect_err("not authenticated");
    assert_eq!(refused.kind(), ErrorKind::Unauthenticated);
}
