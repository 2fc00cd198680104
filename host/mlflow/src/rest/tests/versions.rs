//! Versions: stable pages during concurrent appends, and colliding writes.

use super::{name, store, store_with};
use crate::environment;
use crate::store::RegistryStore;
use crate::testing::fault_server::{Answer, FaultServer, ok};
use hydra_base::ErrorKind;
use hydra_base::names::Alias;
use hydra_base::testing::version;

#[tokio::test]
async fn pages_go_by_number_not_by_offset() {
    let page = r#"{"model_versions":[{"version":"5"},{"version":"4"}],"next_page_token":"an offset"}"#;
    let server = FaultServer::start(vec![ok(page), ok(r#"{"model_versions":[{"version":"3"}]}"#)]);
    let store = store(&server);
    let first = store.model_versions(&name(), None, 2, None).await.expect("a page");
    let second =
        store.model_versions(&name(), Some(version(6)), 2, first.next.as_deref()).await.expect("a page");
    let numbers: Vec<u64> =
        first.items.iter().chain(&second.items).map(|version| version.version.get()).collect();
    assert_eq!((numbers.as_slice(), second.next), ([5, 4, 3].as_slice(), None));
    let lines = server.lines();
    assert!(
        !lines[0].contains("version_number+%3C") && lines[1].contains("version_number+%3C+4"),
        "{lines:?}"
    );
    assert!(lines.iter().all(|line| line.contains("version_number+DESC") && !line.contains("page_token")));
}

#[tokio::test]
async fn a_foreign_page_token_is_refused() {
    let server = FaultServer::start(Vec::new());
    let error = store(&server).model_versions(&name(), None, 2, Some("x")).await.expect_err("not ours");
    assert_eq!((error.kind(), server.lines().len()), (ErrorKind::InvalidArgument, 0));
}

#[tokio::test]
async fn a_set_that_collides_with_another_is_repeated() {
    let collision = || {
        let words = "(psycopg2.errors.UniqueViolation) duplicate key value";
        Answer::Json(400, "", format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}"}}"#))
    };
    let server = FaultServer::start(vec![collision(), collision(), ok("{}")]);
    store(&server).set_alias(&name(), &Alias::CHAMPION, version(1)).await.expect("an alias");
    assert_eq!(server.lines(), vec!["POST registered-models/alias"; 3]);
    let server = FaultServer::start((0..20).map(|_| collision()).collect());
    // Attempts run out before the time.
    let store = store_with(&server, &[(environment::REQUEST_TIMEOUT, "60")]);
    let error = store.set_alias(&name(), &Alias::CHAMPION, version(1)).await.expect_err("never");
    assert_eq!(
        (error.kind(), server.lines().len()),
        (ErrorKind::BadRequest, 8),
        "it ends like other retries"
    );
}
