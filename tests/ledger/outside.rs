//! Moves of aliases with MLflow's Python client between commands.

use hydra_base::names::Alias;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_registry::{ErrorKind, ModelRegistry, Target};

use super::{aliases, assert_sound, ledger, registry};
use crate::cli::{LOG, training_csv};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::python;
use crate::support::server::{NEWEST, ON_POSTGRES, Server};
use crate::support::version;

async fn a_move_by_python_is_adopted(backend: &Backend, uri: &str) {
    let model = fresh_name("outside");
    let registry = registry(backend, &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    registry.promote_to_champion(version(2)).await.expect("a promotion");
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "4"]);
    let findings = registry.diagnose().await.expect("a diagnosis");
    assert!(findings.iter().any(|finding| finding.code() == "drift"), "{findings:?}");
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    let history = assert_sound(&registry).await;
    let kinds: Vec<EntryKind> = history.iter().map(|(record, _)| record.entry.operation).collect();
    assert_eq!(
        kinds,
        [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::External, EntryKind::Promote]
    );
    assert_eq!(aliases(&registry).await, (Some(3), Some(4)), "what Python made champion is archived");
    // The alias returns to what an entry found a moment ago. No writer of ours carries that out, so the move stands.
    let store = &registry.backend().registry;
    store.set_alias(registry.model(), &Alias::CHAMPION, version(4)).await.expect("a move");
    registry.repair().await.expect("a repair");
    assert_eq!(aliases(&registry).await, (Some(4), Some(4)));
    let newest = ledger(&registry).await.history(Some(1), None).await.expect("a history").remove(0).0;
    assert_eq!(newest.entry.operation, EntryKind::External);
    // No entry ever had this value, so the move came from outside.
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "archived", "5"]);
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(3), Some(4)), "the champion before the move");
    assert_sound(&registry).await;
}

/// After a move outside, `archived` says nothing about the champion before: the ledger does.
async fn a_rollback_undoes_a_move_by_python(backend: &Backend, uri: &str) {
    let model = fresh_name("outside");
    let registry = registry(backend, &model).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "4"]);
    // The first one tells it before the move is recorded.
    let tried = registry.rollback(Target::PolicyChoice).dry_run().await.expect("a dry run");
    assert_eq!((tried.target, tried.after.get(&Alias::CHAMPION)), (Some(version(2)), Some(version(2))));
    let undone = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(undone.target, Some(version(2)));
    assert_eq!(aliases(&registry).await, (Some(2), Some(4)));
    // From there on, a rollback is as ever.
    let again = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(again.target, None);
    assert_eq!(aliases(&registry).await, (Some(4), Some(2)));
    // The version that was champion before is gone: `archived` is all there is.
    python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "5"]);
    registry.repair().await.expect("a repair");
    registry.backend().registry.delete_model_version(registry.model(), version(4)).await.expect("a deletion");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(2), Some(5)));
    let kinds: Vec<EntryKind> =
        assert_sound(&registry).await.iter().map(|(record, _)| record.entry.operation).collect();
    let (promote, rollback, external) = (EntryKind::Promote, EntryKind::Rollback, EntryKind::External);
    assert_eq!(
        kinds,
        [EntryKind::Genesis, promote, promote, external, rollback, rollback, external, rollback]
    );
}

/// The same move once more is a move from outside again: no writer of ours carries out what was found.
async fn a_move_by_python_that_is_repeated_is_undone_again(backend: &Backend, uri: &str) {
    let model = fresh_name("outside");
    let registry = registry(backend, &model).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    for _ in 0..2 {
        python::ask(NEWEST, "move_alias.py", &[uri, &model, "champion", "3"]);
        let tried = registry.rollback(Target::PolicyChoice).dry_run().await.expect("a dry run");
        assert_eq!(tried.after.get(&Alias::CHAMPION), Some(version(2)));
        let undone = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
        assert_eq!(undone.target, Some(version(2)));
        assert_eq!(aliases(&registry).await, (Some(2), Some(3)));
    }
    assert_sound(&registry).await;
}

/// A move by hand to what a decision of the last seconds moved `champion` to looks like that of a slow writer on a server: it is
/// undone, and a rollback does not leave the version that came back.
async fn a_rollback_is_about_the_champion_that_was_seen(backend: &Backend, is_server: bool) {
    let registry = registry(backend, &fresh_name("outside")).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let store = &registry.backend().registry;
    store.set_alias(registry.model(), &Alias::CHAMPION, version(1)).await.expect("a move");
    if is_server {
        for request in
            [registry.rollback(Target::PolicyChoice).dry_run(), registry.rollback(Target::PolicyChoice)]
        {
            let error = request.await.expect_err("another champion");
            assert_eq!(error.kind(), ErrorKind::PremiseChanged, "{error}");
        }
        assert_eq!(aliases(&registry).await, (Some(2), Some(1)));
        registry.rollback(Target::PolicyChoice).await.expect("a rollback of the present champion");
        assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
    } else {
        let undone = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
        assert_eq!(undone.target, Some(version(2)), "the move stands, and is undone");
        assert_eq!(aliases(&registry).await, (Some(2), Some(1)));
    }
    assert_sound(&registry).await;
}

/// A champion that is deleted leaves an entry without one.
async fn a_deleted_champion_is_recorded(backend: &Backend) {
    let registry = registry(backend, &fresh_name("outside")).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let store = &registry.backend().registry;
    store.delete_model_version(registry.model(), version(2)).await.expect("a deletion");
    let codes: Vec<_> =
        registry.diagnose().await.expect("findings").iter().map(|found| found.code()).collect();
    assert!(codes.contains(&"deleted-champion"), "{codes:?}");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(1), None));
    let history = assert_sound(&registry).await;
    let [.., (external, _), (rollback, _)] = &history[..] else { panic!("{history:?}") };
    assert_eq!(
        (external.entry.operation, rollback.entry.operation),
        (EntryKind::External, EntryKind::Rollback)
    );
    let champion = Alias::CHAMPION;
    assert_eq!(
        (external.entry.before.get(&champion), external.entry.after.get(&champion)),
        (Some(version(2)), None)
    );
    assert_eq!(external.entry.explanation, "version 2, which was `champion`, was deleted");
}

/// An alias that is removed by hand leaves its version: that is said, and not that the version was deleted.
async fn a_removed_champion_is_not_called_deleted(backend: &Backend) {
    let registry = registry(backend, &fresh_name("outside")).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let store = &registry.backend().registry;
    store.delete_alias(registry.model(), &Alias::CHAMPION).await.expect("a removal");
    let found = async || registry.diagnose().await.expect("findings");
    let codes: Vec<_> = found().await.iter().map(|found| found.code()).collect();
    assert_eq!(codes, ["drift"]);
    registry.repair().await.expect("a repair");
    let removed = found().await;
    let [removed] = removed.as_slice() else { panic!("{removed:?}") };
    assert_eq!(removed.code(), "removed-champion");
    assert_eq!(removed.to_string(), "there is no champion: the alias was removed from version 2");
    assert!(removed.remedy().contains("`hydra-registry rollback` makes version 2 champion again"));
    let pattern = registry.model().as_str().parse().expect("a pattern");
    let status = registry.statuses(&pattern).await.expect("a status").remove(0);
    assert_eq!(status.trouble.iter().map(|found| found.code()).collect::<Vec<_>>(), ["removed-champion"]);
    // The version is deleted afterwards.
    let deleted = self::registry(backend, &fresh_name("outside")).await;
    deleted.promote_to_champion(version(2)).await.expect("a promotion");
    store.delete_alias(deleted.model(), &Alias::CHAMPION).await.expect("a removal");
    deleted.repair().await.expect("a repair");
    store.delete_model_version(deleted.model(), version(2)).await.expect("a deletion");
    let codes: Vec<_> =
        deleted.diagnose().await.expect("findings").iter().map(|found| found.code()).collect();
    assert_eq!(codes, ["deleted-champion"]);
    // The way that the remedy names.
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await.0, Some(2));
    assert_sound(&registry).await;
}

/// With `archived` on the champion, a rollback and `doctor` report the problem.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_after_the_champion_was_archived_by_hand_goes_to_the_one_before() {
    let backend = Backend::sqlite();
    let registry = registry(&backend, &fresh_name("both")).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let store = &registry.backend().registry;
    store.set_alias(registry.model(), &Alias::ARCHIVED, version(2)).await.expect("a move");
    registry.repair().await.expect("a repair");
    let findings = registry.diagnose().await.expect("a diagnosis");
    assert!(findings.iter().any(|finding| finding.code() == "archived-champion"), "{findings:?}");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
    assert_sound(&registry).await;
}

/// `archived` that was moved by hand does not make a version champion that never was, whether the move is recorded or not.
async fn an_archived_version_of_others_is_not_a_rollback_target(backend: &Backend) {
    for is_recorded in [false, true] {
        let registry = registry(backend, &fresh_name("stale")).await;
        registry.promote_to_champion(version(1)).await.expect("a promotion");
        let store = &registry.backend().registry;
        store.set_alias(registry.model(), &Alias::ARCHIVED, version(3)).await.expect("a move");
        let error = registry.rollback(Target::PolicyChoice).dry_run().await.expect_err("no former champion");
        assert_eq!(error.kind(), ErrorKind::NoArchived, "{error}");
        let error = registry.rollback(Target::PolicyChoice).await.expect_err("no former champion");
        assert_eq!(error.kind(), ErrorKind::NoArchived, "{error}");
        assert_eq!(aliases(&registry).await, (Some(1), Some(3)), "nothing moved");

        registry.promote_to_champion(version(2)).await.expect("a promotion");
        registry.promote_to_champion(version(4)).await.expect("a promotion");
        store.set_alias(registry.model(), &Alias::ARCHIVED, version(3)).await.expect("a move");
        if is_recorded {
            registry.repair().await.expect("a repair");
            // The one before it is deleted, so that the rollback goes to the next one.
            store.delete_model_version(registry.model(), version(2)).await.expect("a deletion");
        }
        let former = version(if is_recorded { 1 } else { 2 });
        let tried = registry.rollback(Target::PolicyChoice).dry_run().await.expect("a dry run");
        assert_eq!(tried.after.get(&Alias::CHAMPION), Some(former));
        registry.rollback(Target::PolicyChoice).await.expect("a rollback");
        assert_eq!(aliases(&registry).await, (Some(former.get()), Some(4)));
        assert_sound(&registry).await;
    }
}

/// Two moves without the ledger that are recorded one by one are undone like one.
async fn outside_moves_in_two_steps_are_undone(backend: &Backend) {
    let registry = registry(backend, &fresh_name("steps")).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let store = &registry.backend().registry;
    store.delete_alias(registry.model(), &Alias::CHAMPION).await.expect("a deletion");
    registry.repair().await.expect("a repair");
    store.set_alias(registry.model(), &Alias::CHAMPION, version(3)).await.expect("a move");
    registry.repair().await.expect("a repair");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(2), Some(3)));
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    let backend = Backend::rest();
    Box::pin(a_move_by_python_is_adopted(&backend, &Server::shared(NEWEST).url)).await;
    Box::pin(a_rollback_undoes_a_move_by_python(&backend, &Server::shared(NEWEST).url)).await;
    a_move_by_python_that_is_repeated_is_undone_again(&backend, &Server::shared(NEWEST).url).await;
    a_rollback_is_about_the_champion_that_was_seen(&backend, true).await;
    a_deleted_champion_is_recorded(&backend).await;
    Box::pin(a_removed_champion_is_not_called_deleted(&backend)).await;
    Box::pin(an_archived_version_of_others_is_not_a_rollback_target(&backend)).await;
    outside_moves_in_two_steps_are_undone(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_postgres() {
    Box::pin(a_move_by_python_is_adopted(&Backend::postgres(), &Server::shared(ON_POSTGRES).url)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    let backend = Backend::sqlite();
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    Box::pin(a_move_by_python_is_adopted(&backend, uri.expose())).await;
    Box::pin(a_rollback_undoes_a_move_by_python(&backend, uri.expose())).await;
    a_move_by_python_that_is_repeated_is_undone_again(&backend, uri.expose()).await;
    a_rollback_is_about_the_champion_that_was_seen(&backend, false).await;
    a_deleted_champion_is_recorded(&backend).await;
    Box::pin(a_removed_champion_is_not_called_deleted(&backend)).await;
    Box::pin(an_archived_version_of_others_is_not_a_rollback_target(&backend)).await;
    outside_moves_in_two_steps_are_undone(&backend).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_file() {
    let backend = Backend::file();
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    Box::pin(a_move_by_python_is_adopted(&backend, uri.expose())).await;
    Box::pin(a_rollback_undoes_a_move_by_python(&backend, uri.expose())).await;
    a_move_by_python_that_is_repeated_is_undone_again(&backend, uri.expose()).await;
    a_rollback_is_about_the_champion_that_was_seen(&backend, false).await;
    a_deleted_champion_is_recorded(&backend).await;
    Box::pin(a_removed_champion_is_not_called_deleted(&backend)).await;
    Box::pin(an_archived_version_of_others_is_not_a_rollback_target(&backend)).await;
    outside_moves_in_two_steps_are_undone(&backend).await;
}

/// The ledger is a registered model, but commands must not log candidates to it or promote in it.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_not_a_model_for_candidates() {
    let backend = Backend::sqlite();
    let registry = registry(&backend, "churn").await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let error =
        ModelRegistry::connect_or_create(backend.options("churn_ledger")).await.expect_err("a ledger");
    assert_eq!(error.kind(), ErrorKind::LedgerIdentity, "{error}");
    let opened = ModelRegistry::connect(backend.options("churn_ledger")).await.expect("nothing is contacted");
    let error = opened.promote_to_champion(version(1)).await.expect_err("a ledger");
    assert_eq!(error.kind(), ErrorKind::LedgerIdentity, "{error}");
    assert_eq!(error.hint(), Some("use the model itself: `--model churn`"));
    assert_sound(&registry).await;
}

/// Who found a move did not make it, and history says what follows.
#[test]
fn history_tells_who_found_a_move() {
    let project = Project::new(None, &fresh_name("outside"));
    project.file("train.csv", training_csv());
    for number in ["1", "2", "3"] {
        project.json(LOG);
        if number != "3" {
            project.json(["promote", number]);
        }
    }
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let moved = "UPDATE registered_model_aliases SET version = 3 WHERE alias = 'champion'";
    assert_eq!(database.execute(moved, []).expect("done"), 1);
    project.run(["doctor", "--fix"]);
    let entry = project.run(["history", "--limit", "1"]).out;
    for part in [
        "external\n",
        "champion: 2 -> 3",
        "found by tester",
        "moved by another program than hydra-registry; `hydra-registry rollback` returns to version 2",
    ] {
        assert!(entry.contains(part), "`{part}` is missing in:\n{entry}");
    }
    let (page,): (String,) = database
        .query_row(
            "SELECT description FROM model_versions WHERE name LIKE '%_ledger' ORDER BY version DESC",
            [],
            |row| Ok((row.get(0)?,)),
        )
        .expect("the newest entry");
    assert_eq!(page, "external, found by tester: aliases were moved without the ledger");
    assert_eq!(project.json(["rollback"])["target"], 2);
}
