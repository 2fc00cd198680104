//! Local stores shared by Python and Rust: each reads the other's data, and both write the same rows.

mod readers;
mod releases;
mod scenario;
mod together;

use std::path::Path;

use serde_json::{Value, json};
use tempfile::TempDir;

use hydra_base::names::Alias;
use hydra_mlflow::entities::Tags;
use hydra_mlflow::file::FileStore;
use hydra_mlflow::sqlite::SqliteStore;
use hydra_mlflow::store::{RegistryStore as _, TrackingStore as _};

use crate::support::python;
use crate::support::version;

const NEWEST: &str = "mlflow-3.17.2";

#[tokio::test]
async fn python_and_rust_read_the_same_from_either_ones_file_store() {
    let (by_rust, by_python) = (Home::new(), Home::new());
    scenario::write(&by_rust.file(), true).await;
    python::ask(NEWEST, "local_store.py", &["write", &by_python.file_uri()]);
    let mut views = Vec::new();
    for home in [&by_rust, &by_python] {
        views.push(home.normal(python::ask(NEWEST, "local_store.py", &["read", &home.file_uri()])));
        views.push(home.normal(scenario::read(&home.file(), true).await));
    }
    assert_same(&views);
    assert_same(&[by_rust.logged_model_files(), by_python.logged_model_files()]);
}

#[tokio::test]
#[ignore = "older releases; `cargo xtask test --all` runs it"]
async fn older_pythons_read_a_file_store_that_rust_wrote() {
    for release in ["mlflow-2.9.2", "mlflow-2.22.5"] {
        let home = Home::new();
        scenario::write(&home.file(), false).await;
        let by_python = home.normal(python::ask(release, "local_store.py", &["read", &home.file_uri()]));
        assert_same(&[by_python, home.normal(scenario::read(&home.file(), false).await)]);
    }
}

#[tokio::test]
async fn the_same_actions_leave_the_same_rows() {
    let (by_rust, by_python) = (Home::new(), Home::new());
    scenario::write(&by_rust.sqlite(), true).await;
    python::ask(NEWEST, "local_store.py", &["write", &by_python.sqlite_uri()]);
    let mut views = vec![by_rust.normal(scenario::read(&by_rust.sqlite(), true).await)];
    // Python's read migrates the database that Rust created, so both have the same columns afterwards.
    for home in [&by_rust, &by_python] {
        views.push(home.normal(python::ask(NEWEST, "local_store.py", &["read", &home.sqlite_uri()])));
        views.push(home.normal(scenario::read(&home.sqlite(), true).await));
    }
    assert_same(&views);
    assert_same(&[by_rust.rows(NEWEST), by_python.rows(NEWEST)]);
}

#[tokio::test]
async fn a_database_stays_usable_while_python_migrates_it() {
    let home = Home::new();
    let store = home.sqlite();
    scenario::write(&store, true).await;
    python::ask(NEWEST, "local_store.py", &["read", &home.sqlite_uri()]);
    let name = scenario::model();
    store
        .set_alias(&name, &Alias::CHAMPION, version(1))
        .await
        .expect("the open connection sees the new columns");
    store.create_experiment("later", &Tags::new()).await.expect("an experiment");
    let seen = python::ask(NEWEST, "local_store.py", &["read", &home.sqlite_uri()]);
    assert_eq!(seen["model"]["aliases"], json!({"champion": 1, "é-1": 1}));
}

/// A directory with a file store and a database in it.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a directory"))
    }

    fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn file(&self) -> FileStore {
        FileStore::open(self.path("mlruns")).expect("a store")
    }

    fn file_uri(&self) -> String {
        format!("file://{}", self.path("mlruns"))
    }

    fn sqlite(&self) -> SqliteStore {
        SqliteStore::open(self.path("mlflow.db")).expect("a store")
    }

    fn database(&self) -> String {
        self.path("mlflow.db")
    }

    fn sqlite_uri(&self) -> String {
        format!("sqlite:///{}", self.database())
    }

    /// Every row of every table, normalized (without values that differ from run to run) and sorted.
    fn rows(&self, environment: &str) -> Value {
        let mut tables = self.normal(python::ask(environment, "local_store.py", &["rows", &self.database()]));
        for table in tables.as_object_mut().expect("tables").values_mut() {
            table.as_array_mut().expect("rows").sort_by_cached_key(Value::to_string);
        }
        tables
    }

    /// The text of every param, tag and metric of the LoggedModels in the file store, by its path.
    fn logged_model_files(&self) -> Value {
        let mut files = Vec::new();
        let mut directories = vec![self.0.path().join("mlruns")];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory") {
                let path = entry.expect("an entry").path();
                let shown = path.display().to_string();
                if path.is_dir() {
                    directories.push(path);
                } else if shown.contains("/models/m-") && !shown.ends_with("/meta.yaml") {
                    files.push(json!([shown, std::fs::read_to_string(&path).expect("text")]));
                }
            }
        }
        assert!(files.len() >= 7, "a param, two tags, four metrics: {files:?}");
        let Value::Array(mut files) = self.normal(Value::Array(files)) else { unreachable!("a list") };
        files.sort_by_cached_key(Value::to_string);
        Value::Array(files)
    }

    /// `view` without what differs from run to run: this directory, ids, and times of today.
    fn normal(&self, view: Value) -> Value {
        normal(view, self.0.path())
    }
}

fn normal(view: Value, home: &Path) -> Value {
    match view {
        Value::String(text) => {
            let text = text.replace(&home.display().to_string(), "<home>");
            Value::String(without_ids(&text))
        }
        Value::Number(number) if number.as_i64().is_some_and(|number| number > 1_600_000_000_000) => {
            json!("<time>")
        }
        Value::Array(items) => items.into_iter().map(|item| normal(item, home)).collect(),
        Value::Object(fields) => fields.into_iter().map(|(key, value)| (key, normal(value, home))).collect(),
        other => other,
    }
}

/// Replaces ids: runs of 32 hexadecimal or 18 decimal digits.
fn without_ids(text: &str) -> String {
    let mut normal = String::new();
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(u8::is_ascii_hexdigit).count();
        match digits {
            32 => normal.push_str("<id>"),
            18 => normal.push_str("<experiment>"),
            _ => normal.push_str(&rest[..digits]),
        }
        rest = &rest[digits..];
        let others = rest.find(|c: char| c.is_ascii_hexdigit()).unwrap_or(rest.len());
        normal.push_str(&rest[..others]);
        rest = &rest[others..];
    }
    normal
}

fn assert_same(views: &[Value]) {
    let text = |view: &Value| serde_json::to_string_pretty(view).expect("JSON");
    for (index, view) in views.iter().enumerate().skip(1) {
        assert_eq!(text(&views[0]), text(view), "view {index} differs");
    }
}
