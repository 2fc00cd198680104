//! Aliases moved with MLflow's own client between commands.

use hydra_registry::lifecycle::ledger::entry::Kind;
use hydra_registry::mlflow::names::Version;

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::python;
use crate::support::server::{NEWEST, Server};

async fn a_move_by_python_is_adopted(backend: &Backend, uri: &str) {
    let model = fresh_name("outside");
    let registry = registry(backend, &model).await;
    registry.promote_to_champion(Some(Version(1))).await.expect("a promotion");
    registry.promote_to_champion(Some(Version(2))).await.expect("a promotion");
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "4"]);
    let findings = registry.diagnose().await.expect("a diagnosis");
    assert!(findings.iter().any(|finding| finding.code() == "drift"), "{findings:?}");
    registry.promote_to_champion(Some(Version(3))).await.expect("a promotion");
    let history = assert_sound(&registry).await;
    let kinds: Vec<Kind> = history.iter().map(|(record, _)| record.entry.operation).collect();
    assert_eq!(kinds, [Kind::Genesis, Kind::Promote, Kind::Promote, Kind::External, Kind::Promote]);
    assert_eq!(aliases(&registry).await, (Some(3), Some(4)), "what Python made champion is archived");
    // Moved back to where the entry before had it, long after: that is a move as well, not a slow writer of ours. Within
    // the window of slow writers, the two cannot be told apart: the ledger's state is put back.
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "4"]);
    registry.repair().await.expect("a repair");
    assert_eq!(aliases(&registry).await, (Some(3), Some(4)));
    let history = assert_sound(&registry).await;
    assert_eq!(history.last().expect("an entry").0.entry.operation, Kind::Reassert);
    // Deleting the alias is a move, too.
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "archived", "none"]);
    let error =
        registry.rollback().await.expect("a decision").into_result().expect_err("nothing to go back to");
    assert_eq!(error.kind(), hydra_registry::ErrorKind::NoArchived);
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    let backend = Backend::rest();
    a_move_by_python_is_adopted(&backend, &Server::shared(NEWEST).url).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let backend = Backend::sqlite();
    let uri = backend.options("m").resolved_tracking_uri();
    a_move_by_python_is_adopted(&backend, &uri).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_file() {
    let backend = Backend::file();
    let uri = backend.options("m").resolved_tracking_uri();
    a_move_by_python_is_adopted(&backend, &uri).await;
}
