//! Versions: stable pages during concurrent appends, and colliding writes.

use super::{name, store, store_with};
use crate::entities::{NewModelVersion, OPERATION_ID_TAG, RunBatch, RunStatus, Tags};
use crate::environment;
use crate::store::{RegistryStore, TrackingStore};
use crate::testing::fault_server::{Answer, FaultServer, ok};
use hydra_base::ErrorKind;
use hydra_base::names::{Alias, RunId};
use hydra_base::testing::{key, version};

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

fn stale() -> Answer {
    let words =
        "UPDATE statement on table 'registered_model_aliases' expected to update 1 row(s); 0 were matched.";
    Answer::Json(400, "", format!(r#"{{"error_code":"BAD_REQUEST","message":"{words}"}}"#))
}

/// Each kind of write, after another transaction deleted the row that it read.
#[tokio::test]
async fn a_write_that_lost_to_another_one_is_sent_again() {
    let (alias, key) = (Alias::CANDIDATE, key("k"));
    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).set_alias(&name(), &alias, version(1)).await.expect("an alias");
    assert_eq!(server.lines(), vec!["POST registered-models/alias"; 2]);

    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).delete_alias(&name(), &alias).await.expect("no alias");
    assert_eq!(server.lines(), vec!["DELETE registered-models/alias"; 2]);

    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).set_version_tag(&name(), version(1), &key, "v").await.expect("a tag");
    assert_eq!(server.lines(), vec!["POST model-versions/set-tag"; 2]);

    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).delete_version_tag(&name(), version(1), &key).await.expect("no tag");
    assert_eq!(server.lines(), vec!["DELETE model-versions/delete-tag"; 2]);

    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).delete_model_version(&name(), version(1)).await.expect("no version");
    assert_eq!(server.lines(), vec!["DELETE model-versions/delete"; 2]);

    let run = RunId::new("r").expect("an id");
    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).update_run(&run, RunStatus::Finished, None).await.expect("an ended run");
    assert_eq!(server.lines(), vec!["POST runs/update"; 2]);

    let batch = RunBatch { params: vec![("p".into(), "1".into())], ..RunBatch::default() };
    let server = FaultServer::start(vec![stale(), ok("{}")]);
    store(&server).log_batch(&run, &batch).await.expect("a param");
    assert_eq!(server.lines(), vec!["POST runs/log-batch"; 2]);

    // A version could be created twice, so it is looked for before.
    let created = ok(r#"{"model_version":{"version":"7","status":"READY"}}"#);
    let server = FaultServer::start(vec![stale(), ok("{}"), created]);
    let tags = Tags::from([(OPERATION_ID_TAG.to_owned(), "op-1".to_owned())]);
    let new = NewModelVersion::new(name(), "s3://b/x").tags(tags);
    assert_eq!(store(&server).create_model_version(&new).await.expect("a version").version, version(7));
    let lines = server.lines();
    assert_eq!((&lines[0], &lines[2]), (&"POST model-versions/create".to_owned(), &lines[0]));
    assert!(lines[1].starts_with("GET model-versions/search"), "{lines:?}");
}

#[tokio::test]
async fn a_server_that_cannot_search_for_runs_is_asked_for_each() {
    let refused = r#"{"error_code":"INVALID_PARAMETER_VALUE","message":"Invalid clause"}"#;
    let run = |id: &str| {
        ok(&format!(r#"{{"run":{{"info":{{"run_id":"{id}","experiment_id":"1"}},"data":{{}}}}}}"#))
    };
    let missing = r#"{"error_code":"RESOURCE_DOES_NOT_EXIST","message":"no"}"#;
    let server = FaultServer::start(vec![
        Answer::Json(400, "", refused.into()),
        run("a"),
        Answer::Json(404, "", missing.into()),
    ]);
    let ids = ["a", "b"].map(|id| RunId::new(id).expect("an id"));
    let found = store(&server).runs(&[], &ids).await.expect("an answer");
    assert_eq!(found.len(), 1);
    assert_eq!(server.lines()[0], "POST runs/search");
    assert_eq!(server.lines().len(), 3);
}
