use std::time::Instant;

use rusqlite::Connection;
use tempfile::TempDir;

use super::*;
use crate::entities::{NewLoggedModel, NewModelVersion, NewRun, Tags};
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, RegistryStore, TrackingStore};
use hydra_base::names::{Alias, ExperimentId, ModelName};
use hydra_base::testing::{model_name, set, version};

/// A database with the model `m`, its version 1, and `champion` on it.
struct Scene {
    directory: TempDir,
    store: SqliteStore,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = SqliteStore::open(directory.path().join("mlflow.db")).expect("a store");
        store.create_registered_model(&name(), &Tags::new(), "").await.expect("a model");
        store.create_model_version(&new_version()).await.expect("a version");
        store.set_alias(&name(), &Alias::CHAMPION, version(1)).await.expect("an alias");
        Self { directory, store }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("mlflow.db")
    }

    /// Executes `sql` over another connection.
    fn sql(&self, sql: &str) {
        Connection::open(self.path()).expect("a connection").execute_batch(sql).expect(sql);
    }

    /// The store as another process opens it.
    fn reopened(&self) -> SqliteStore {
        SqliteStore::open(self.path()).expect("a store")
    }
}

fn name() -> ModelName {
    model_name("m")
}

fn new_version() -> NewModelVersion {
    NewModelVersion::new(name(), "s3://bucket/model").tags(Tags::from([("hydra.entry".into(), "{}".into())]))
}

#[tokio::test]
async fn reading_creates_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("mlflow.db");
    let store = SqliteStore::open(&path).expect("a store");
    assert!(store.experiment_by_name("Default").await.expect("an answer").is_none());
    assert_eq!(store.registered_model(&name()).await.expect_err("none").kind(), ErrorKind::ModelNotFound);
    assert!(!path.exists());
    std::fs::write(&path, "").expect("an empty file");
    assert_eq!(store.registered_model(&name()).await.expect_err("none").kind(), ErrorKind::ModelNotFound);
    store.create_registered_model(&name(), &Tags::new(), "").await.expect("an empty file becomes a database");
    let default = store.experiment(&ExperimentId::new("0").expect("an id")).await.expect("it exists");
    assert_eq!(default.artifact_location, directory.path().join("mlruns/0").display().to_string());
}

#[tokio::test]
async fn a_store_that_looked_before_the_database_was_made_sees_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let early = SqliteStore::open(directory.path().join("mlflow.db")).expect("a store");
    let missing = early.registered_model(&name()).await.expect_err("no database");
    assert_eq!(missing.kind(), ErrorKind::ModelNotFound);
    let other = SqliteStore::open(directory.path().join("mlflow.db")).expect("a store");
    other.create_registered_model(&name(), &Tags::new(), "").await.expect("a model");
    assert!(early.registered_model(&name()).await.is_ok());
}

#[tokio::test]
async fn the_journal_mode_stays_as_it_was_found() {
    for mode in ["delete", "wal"] {
        let scene = Scene::new().await;
        scene.sql(&format!("PRAGMA journal_mode = {mode}"));
        scene.reopened().delete_alias(&name(), &Alias::CHAMPION).await.expect("a deletion");
        let connection = Connection::open(scene.path()).expect("a connection");
        let now: String =
            connection.pragma_query_value(None, "journal_mode", |row| row.get(0)).expect("a mode");
        assert_eq!(now, mode);
    }
}

#[tokio::test]
async fn databases_of_other_programs_are_refused() {
    let directory = tempfile::tempdir().expect("a directory");
    assert_eq!(SqliteStore::open(directory.path()).expect_err("a directory").kind(), ErrorKind::Config);
    let path = directory.path().join("mlflow.db");
    let kind =
        async |store: SqliteStore| store.registered_model(&name()).await.expect_err("no database").kind();
    std::fs::write(&path, "name,value\n".repeat(200)).expect("a file");
    assert_eq!(kind(SqliteStore::open(&path).expect("a path")).await, ErrorKind::Storage);
    std::fs::remove_file(&path).expect("a file");
    Connection::open(&path).expect("a file").execute_batch("CREATE TABLE mine (id)").expect("a table");
    assert_eq!(kind(SqliteStore::open(&path).expect("a path")).await, ErrorKind::Schema);
    let missing_directory = SqliteStore::open(directory.path().join("no/such/mlflow.db")).expect("a path");
    let created = missing_directory.create_registered_model(&name(), &Tags::new(), "").await;
    assert_eq!(created.expect_err("no directory").kind(), ErrorKind::Storage);
}

#[tokio::test]
async fn an_unknown_revision_works_as_long_as_the_tables_do() {
    let scene = Scene::new().await;
    scene.sql(
        "UPDATE alembic_version SET version_num = 'ffffffffffff';
         ALTER TABLE runs ADD COLUMN colour TEXT;
         ALTER TABLE model_versions ADD COLUMN weight BIGINT NOT NULL DEFAULT 0;",
    );
    scene.store.create_model_version(&new_version()).await.expect("columns that need no value");
    scene.sql("ALTER TABLE model_versions RENAME COLUMN storage_location TO place");
    for store in [scene.store.clone(), scene.reopened()] {
        let error = store.model_version(&name(), version(1)).await.expect_err("a missing column");
        assert_eq!(error.kind(), ErrorKind::Schema);
        assert!(error.to_string().contains("model_versions.storage_location"), "{error}");
        assert!(error.to_string().contains("ffffffffffff"), "{error}");
    }
}

#[tokio::test]
async fn columns_that_must_be_filled_stop_writes_only() {
    let scene = Scene::new().await;
    scene.sql(
        "PRAGMA foreign_keys = OFF;
         CREATE TABLE newer AS SELECT * FROM registered_model_aliases;
         DROP TABLE registered_model_aliases;
         CREATE TABLE registered_model_aliases (name TEXT NOT NULL, alias TEXT NOT NULL, version INTEGER NOT NULL,
             owner TEXT NOT NULL, PRIMARY KEY (name, alias));
         INSERT INTO registered_model_aliases SELECT name, alias, version, 'ada' FROM newer;",
    );
    let champion = scene.store.version_by_alias(&name(), &Alias::CHAMPION).await.expect("reading works");
    assert!(champion.is_some());
    let error = scene.store.delete_alias(&name(), &Alias::CHAMPION).await.expect_err("writing does not");
    assert_eq!(error.kind(), ErrorKind::Schema);
    assert!(error.to_string().contains("registered_model_aliases.owner"), "{error}");
}

#[tokio::test]
async fn a_database_without_logged_models_returns_none() {
    let scene = Scene::new().await;
    scene.sql("DROP TABLE logged_model_tags");
    let experiment_id = ExperimentId::new("0").expect("an id");
    let run = scene.store.create_run(&NewRun::new(experiment_id.clone(), "r")).await.expect("a run");
    let model = NewLoggedModel::new(experiment_id, "model", run.id);
    assert!(scene.store.create_logged_model(&model).await.expect("an answer").is_none());
}

#[tokio::test]
async fn a_version_that_is_not_a_number_from_one_is_damage() {
    for number in [0, -1] {
        let scene = Scene::new().await;
        scene.sql(&format!(
            "PRAGMA foreign_keys = OFF; UPDATE registered_model_aliases SET version = {number}"
        ));
        let store = &scene.store;
        let kind = store.registered_model(&name()).await.expect_err("an alias").kind();
        assert_eq!(kind, ErrorKind::Storage);
        let kind = store.version_by_alias(&name(), &Alias::CHAMPION).await.expect_err("an alias").kind();
        assert_eq!(kind, ErrorKind::Storage);
        scene.sql(&format!("PRAGMA foreign_keys = OFF; UPDATE model_versions SET version = {number}"));
        let kind = store.model_versions(&name(), None, 10, None).await.expect_err("a row").kind();
        assert_eq!(kind, ErrorKind::Storage);
        let kind = store.create_model_version(&new_version()).await.expect_err("a row").kind();
        assert_eq!(kind, ErrorKind::Storage);
    }
}

#[tokio::test]
async fn a_failed_transition_leaves_no_row() {
    let scene = Scene::new().await;
    scene.sql(
        "CREATE TRIGGER crash BEFORE INSERT ON registered_model_aliases BEGIN SELECT raise(ABORT, 'crash'); END",
    );
    let transition = AtomicTransition {
        moves: vec![set("archived", 1)],
        expected_newest: Some(version(1)),
        ..AtomicTransition::new(name(), new_version())
    };
    assert_eq!(scene.store.commit(&transition).await.expect_err("a crash").kind(), ErrorKind::Storage);
    let page = scene.store.model_versions(&name(), None, 10, None).await.expect("a page");
    assert_eq!(page.items.len(), 1);
    scene.sql("DROP TRIGGER crash");
    let outcome = scene.store.commit(&transition).await.expect("an outcome");
    assert!(matches!(outcome, AtomicOutcome::Committed(_)));
}

#[tokio::test]
async fn a_write_waits_for_a_lock_before_it_reads_anything() {
    let scene = Scene::new().await;
    let other = Connection::open(scene.path()).expect("a connection");
    other
        .execute_batch("BEGIN IMMEDIATE; INSERT INTO registered_models (name) VALUES ('other')")
        .expect("a lock");
    let writes = (0..2).map(|_| {
        let store = scene.reopened();
        tokio::spawn(async move { store.create_model_version(&new_version()).await })
    });
    let writes: Vec<_> = writes.collect();
    let seen = scene.store.registered_model(&model_name("other")).await;
    assert_eq!(seen.expect_err("not committed").kind(), ErrorKind::ModelNotFound, "readers do not wait");
    assert!(writes.iter().all(|write| !write.is_finished()));
    other.execute_batch("COMMIT").expect("the lock is released");
    let mut numbers = Vec::new();
    for write in writes {
        numbers.push(write.await.expect("no panic").expect("a version").version.get());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, [2, 3]);
}

#[test]
fn a_lock_that_is_never_released_is_a_locked_database() {
    let busy = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None);
    let error = crate::sqlite::failure::Failure::from(busy).into_error(Path::new("mlflow.db"));
    assert_eq!((error.kind(), error.retryable()), (ErrorKind::Locked, true));
}

#[tokio::test]
async fn writers_of_several_processes_wait_for_each_other() {
    let scene = Scene::new().await;
    let writers: Vec<_> = (0..4)
        .map(|_| {
            // A separate store has a separate connection, like another process.
            let store = scene.reopened();
            tokio::spawn(async move {
                for _ in 0..10 {
                    store.create_model_version(&new_version()).await.expect("a version");
                }
            })
        })
        .collect();
    for writer in writers {
        writer.await.expect("no panic");
    }
    let page = scene.store.model_versions(&name(), None, 100, None).await.expect("a page");
    assert_eq!(page.items.len(), 41);
    assert!(page.items.iter().all(|version| version.tags.len() == 1));
}

#[tokio::test]
#[ignore = "compares times; `cargo xtask test --all` runs it"]
async fn the_champion_is_found_as_fast_among_many_versions() {
    let scene = Scene::new().await;
    for _ in 0..9 {
        scene.store.create_model_version(&new_version()).await.expect("a version");
    }
    let few = time_of_champion(&scene).await;
    scene.sql(
        "CREATE TEMP TABLE numbers AS
             WITH RECURSIVE n (i) AS (SELECT 11 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) SELECT i FROM n;
         INSERT INTO model_versions (name, version, creation_time, current_stage, source, status)
             SELECT 'm', i, 1, 'None', 's3://bucket/model', 'READY' FROM numbers;
         INSERT INTO model_version_tags (key, value, name, version) SELECT 'hydra.entry', '{}', 'm', i FROM numbers;
         INSERT INTO model_version_tags (key, value, name, version) SELECT 'team', 'risk', 'm', i FROM numbers;",
    );
    let many = time_of_champion(&scene).await;
    // A scan of the tags takes a hundred times as long.
    assert!(many < 3.0 * few, "{:.0} us among 10 versions, {:.0} us among 100,000", few * 1e6, many * 1e6);
}

/// The best of several attempts to open the database and answer, in seconds.
async fn time_of_champion(scene: &Scene) -> f64 {
    let mut best = f64::INFINITY;
    for _ in 0..15 {
        let started = Instant::now();
        let champion = scene.reopened().version_by_alias(&name(), &Alias::CHAMPION).await.expect("an answer");
        best = best.min(started.elapsed().as_secs_f64());
        assert_eq!(champion.map(|champion| champion.tags.len()), Some(1));
    }
    best
}
