//! A database with concurrent users: a running server, and other workspaces.

use std::sync::Arc;

use hydra_base::ErrorKind;
use hydra_base::names::{Alias, Workspace};
use hydra_base::testing::tags;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::Tags;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::sqlite::SqliteStore;
use hydra_mlflow::store::{RegistryStore, TrackingStore as _};
use hydra_mlflow::testing::conformance::new_version;
use hydra_mlflow::uri::TrackingUri;

use super::{Home, NEWEST, assert_same, scenario};
use crate::support::python;
use crate::support::server::Server;
use crate::support::version;

/// Server and direct clients write to one model: no version is lost, and each sees the other's changes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_server_and_the_store_share_a_database() {
    const EACH: u64 = 10;
    let server = Server::start(NEWEST, &[]);
    let uri = TrackingUri::new(server.url.as_str()).expect("an address");
    let over_http = Backend::connect(&uri, None, &Environment::default()).expect("a server").registry;
    for journal_mode in ["delete", "wal"] {
        let file = server.home.join("mlflow.db");
        let now: String = rusqlite::Connection::open(&file)
            .and_then(|connection| {
                connection.pragma_update_and_check(None, "journal_mode", journal_mode, |row| row.get(0))
            })
            .expect("the mode is set");
        assert_eq!(now, journal_mode);
        let direct: Arc<dyn RegistryStore> = Arc::new(SqliteStore::open(&file).expect("a store"));
        let name = hydra_base::names::ModelName::new(journal_mode).expect("a name");
        direct.create_registered_model(&name, &Tags::new(), "").await.expect("a model");
        let writers: Vec<_> = [&over_http, &over_http, &direct, &direct]
            .into_iter()
            .enumerate()
            .map(|(index, registry)| {
                let (registry, name) = (registry.clone(), name.clone());
                tokio::spawn(async move {
                    for count in 0..EACH {
                        // The tag by which the client recognizes its own version after a repeated request.
                        let operation = format!("{index}-{count}");
                        let tags = tags([("hydra.operation_id", &operation)]);
                        let new = new_version(&name).tags(tags);
                        let created = registry.create_model_version(&new).await.expect("a version").version;
                        registry.set_alias(&name, &Alias::CANDIDATE, created).await.expect("an alias");
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.expect("no panic");
        }
        for registry in [&over_http, &direct] {
            let page = registry.model_versions(&name, None, 1000, None).await.expect("a page");
            let numbers = page.items.iter().map(|version| version.version.get());
            assert!(numbers.eq((1..=4 * EACH).rev()), "{journal_mode}");
            assert!(page.items.iter().all(|version| version.tags.len() == 1));
        }
        direct.set_alias(&name, &Alias::CHAMPION, version(3)).await.expect("an alias");
        let seen = over_http.version_by_alias(&name, &Alias::CHAMPION).await.expect("an answer");
        assert_eq!(seen.map(|version| version.version), Some(version(3)));
    }
}

#[tokio::test]
async fn a_workspace_of_a_database_is_the_same_for_mlflow() {
    let in_team = [("MLFLOW_ENABLE_WORKSPACES", "true"), ("MLFLOW_WORKSPACE", "team-a")];
    let ask = |command: &str, home: &Home| {
        let answer = python::ask_with(NEWEST, "local_store.py", &[command, &home.sqlite_uri()], &in_team);
        home.normal(answer)
    };
    let (by_rust, by_python) = (Home::new(), Home::new());
    for home in [&by_rust, &by_python] {
        python::ask(NEWEST, "local_store.py", &["make", &home.sqlite_uri()]);
        scenario::write(&home.sqlite(), true).await;
    }
    let team = |home: &Home| home.sqlite().in_workspace(Workspace::new("team-a").expect("a name"));
    let elsewhere = team(&by_rust).registered_model(&scenario::model()).await;
    assert_eq!(elsewhere.expect_err("it is in `default`").kind(), ErrorKind::ModelNotFound);
    scenario::write(&team(&by_rust), true).await;
    ask("write", &by_python);
    let mut views = Vec::new();
    for home in [&by_rust, &by_python] {
        views.push(ask("read", home));
        views.push(home.normal(scenario::read(&team(home), true).await));
    }
    assert_same(&views);
    assert_same(&[by_rust.rows(NEWEST), by_python.rows(NEWEST)]);

    team(&by_rust).delete_alias(&scenario::model(), &Alias::CHAMPION).await.expect("a deletion");
    let default = by_rust.sqlite().version_by_alias(&scenario::model(), &Alias::CHAMPION).await;
    assert!(default.expect("an answer").is_some(), "the other workspace's alias stays");
}

#[tokio::test]
async fn a_database_without_workspaces_has_only_the_default_one() {
    let home = Home::new();
    let named = |name: &str| home.sqlite().in_workspace(Workspace::new(name).expect("a name"));
    let refused = named("team-a").create_experiment("first", &Tags::new()).await.expect_err("none here");
    assert_eq!(refused.kind(), ErrorKind::Schema);
    named("default").create_experiment("first", &Tags::new()).await.expect("an experiment");
    assert!(named("default").experiment_by_name("first").await.expect("an answer").is_some());
    let refused = named("team-a").experiment_by_name("first").await.expect_err("none here");
    assert_eq!(refused.kind(), ErrorKind::Schema);
}
