//! Databases of every MLflow release, and MLflow's behavior on databases of hydra-registry.

use std::collections::{BTreeMap, BTreeSet};

use rusqlite::Connection;

use super::{Home, NEWEST, assert_same, scenario};
use crate::support::python;

#[tokio::test]
async fn a_database_of_the_newest_release_is_used_as_it_is() {
    use_as_it_is(NEWEST, true).await;
}

#[tokio::test]
#[ignore = "other releases; `cargo xtask test --all` runs it"]
async fn databases_of_other_releases_are_used_as_they_are() {
    for (release, logged_models) in
        [("mlflow-2.9.2", false), ("mlflow-2.22.5", false), ("mlflow-3.1.4", true), ("mlflow-3.18.0", true)]
    {
        use_as_it_is(release, logged_models).await;
    }
}

/// The same actions by Rust and Python in databases of one release give the same rows. Both clients read both
/// databases, and Rust changes neither tables nor revision.
async fn use_as_it_is(release: &str, logged_models: bool) {
    let (by_rust, by_python) = (Home::new(), Home::new());
    for home in [&by_rust, &by_python] {
        python::ask(release, "local_store.py", &["make", &home.sqlite_uri()]);
    }
    let before = tables(&by_rust);
    scenario::write(&by_rust.sqlite(), logged_models).await;
    assert_eq!(tables(&by_rust), before, "{release}");
    python::ask(release, "local_store.py", &["write", &by_python.sqlite_uri()]);
    let mut views = Vec::new();
    for home in [&by_rust, &by_python] {
        views.push(home.normal(python::ask(release, "local_store.py", &["read", &home.sqlite_uri()])));
        views.push(home.normal(scenario::read(&home.sqlite(), logged_models).await));
    }
    assert_same(&views);
    let rows = |home: &Home| {
        let mut rows = home.rows(release);
        if release == "mlflow-3.1.4" {
            // This release gives the metrics of LoggedModels the experiment 0.
            for metric in rows["logged_model_metrics"].as_array_mut().expect("metrics") {
                metric["experiment_id"] = 0.into();
            }
        }
        rows
    };
    assert_same(&[rows(&by_rust), rows(&by_python)]);
}

#[tokio::test]
async fn the_newest_release_migrates_our_database() {
    migrates_our_database(NEWEST).await;
}

#[tokio::test]
#[ignore = "one more release; `cargo xtask test --all` runs it"]
async fn mlflow_3_18_0_migrates_our_database() {
    migrates_our_database("mlflow-3.18.0").await;
}

async fn migrates_our_database(release: &str) {
    let (by_rust, by_python) = (Home::new(), Home::new());
    scenario::write(&by_rust.sqlite(), true).await;
    python::ask(release, "local_store.py", &["make", &by_python.sqlite_uri()]);
    assert_ne!(tables(&by_rust), tables(&by_python), "opening it has nothing to do otherwise");
    python::ask(release, "local_store.py", &["read", &by_rust.sqlite_uri()]);
    assert_eq!(tables(&by_rust), tables(&by_python));
}

/// Releases from 3.1 open the database; older releases report an unknown revision and do not change it.
#[tokio::test]
#[ignore = "older releases; `cargo xtask test --all` runs it"]
async fn older_releases_open_our_database_or_refuse_it_unharmed() {
    let home = Home::new();
    scenario::write(&home.sqlite(), true).await;
    let view = home.normal(scenario::read(&home.sqlite(), true).await);
    let content = || std::fs::read(home.database()).expect("the database");
    let before = content();
    for release in ["mlflow-2.9.2", "mlflow-2.22.5"] {
        let complaint = python::complaint_of(release, "local_store.py", &["read", &home.sqlite_uri()]);
        assert!(complaint.contains("bda7b8c39065"), "{release}: {complaint}");
        assert!(content() == before, "{release} changed it");
    }
    let mut views = vec![view];
    for release in ["mlflow-3.1.4", NEWEST, "mlflow-3.18.0"] {
        views.push(home.normal(python::ask(release, "local_store.py", &["read", &home.sqlite_uri()])));
        views.push(home.normal(scenario::read(&home.sqlite(), true).await));
    }
    assert_same(&views);
}

/// Tables, columns and indexes, regardless of their order of creation, and the revision.
fn tables(home: &Home) -> BTreeMap<String, BTreeSet<String>> {
    let connection = Connection::open(home.database()).expect("the database");
    let query = |sql: &str, name: &str| -> Vec<String> {
        let mut statement = connection.prepare(sql).expect(sql);
        let rows = statement.query_map([name], |row| row.get(0)).expect(sql);
        rows.collect::<Result<_, _>>().expect(sql)
    };
    let mut found = BTreeMap::new();
    for table in
        query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name <> ?1", "sqlite_sequence")
    {
        let mut parts: BTreeSet<String> = query(
            "SELECT concat_ws(' ', name, upper(type), \"notnull\", pk, dflt_value) FROM pragma_table_info(?1)",
            &table,
        )
        .into_iter()
        .collect();
        parts.extend(query(
            "SELECT concat_ws(' ', 'index', i.\"unique\", (SELECT group_concat(name) FROM pragma_index_info(i.name)))
             FROM pragma_index_list(?1) i",
            &table,
        ));
        parts.extend(query(
            "SELECT concat_ws(' ', 'references', \"table\", \"from\", \"to\", on_delete) FROM pragma_foreign_key_list(?1)",
            &table,
        ));
        if table == "alembic_version" {
            parts.extend(query("SELECT version_num FROM alembic_version WHERE version_num <> ?1", ""));
        }
        found.insert(table, parts);
    }
    found
}
