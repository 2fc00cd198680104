//! `evaluate` through the binary, compared with what Python's LightGBM and scikit-learn measure on the same rows.

mod command;
mod killed;
mod recorded;

use std::fmt::Write as _;

use serde_json::Value;

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;
use crate::support::python::ask;
use crate::support::server::{NEWEST, Server};

/// Labelled and weighted rows of three regions.
fn rows() -> String {
    let mut csv = "f0,f1,f2,f3,f4,label,weight,region\n".to_owned();
    let regions = ["north", "south", "west"];
    for row in 0..900_u32 {
        let feature = f64::from(row * 37 % 101) / 25.0 - 2.0;
        let label = u8::from(feature + f64::from(row % 5) / 2.0 > 1.0);
        let (second, weight) = (f64::from(row % 7) / 3.0, f64::from(row % 4) / 2.0 + 0.25);
        writeln!(csv, "{feature},{second},,1,-1,{label},{weight},{}", regions[row as usize % 3])
            .expect("text");
    }
    csv
}

/// A project with a champion and a candidate, and the path of the rows.
fn project() -> (Project, String) {
    project_at(None)
}

/// A project in the store at `uri`.
fn project_at(uri: Option<&str>) -> (Project, String) {
    let project = Scene::new(uri).project;
    let rows = project.file("rows.csv", rows()).display().to_string();
    (project, rows)
}

/// A model with a champion and a candidate, and labelled rows.
struct Scene {
    project: Project,
    uri: String,
    model: String,
    /// The path of `may.csv`.
    csv: String,
}

impl Scene {
    /// In the embedded database, or in the store at `uri`; `mlruns` is a file store.
    fn new(uri: Option<&str>) -> Self {
        let name = fresh_name("evaluate");
        let project = Project::new(uri, &name);
        let uri = match uri {
            Some("mlruns") => project.path().join("mlruns").display().to_string(),
            Some(uri) => uri.to_owned(),
            None => format!("sqlite:///{}", project.path().join("mlflow.db").display()),
        };
        project.json(["log-candidate", &model("binary_int"), "--metric", "auc=1"]);
        project.json(["promote"]);
        project.json(["log-candidate", &model("binary_earlystop"), "--metric", "auc=1"]);
        let csv = project.file("may.csv", rows()).display().to_string();
        Self { project, uri, model: name, csv }
    }
}

#[test]
fn versions_are_measured_as_python_measures_them() {
    let (project, rows) = project();
    let report = project.json([
        "evaluate",
        &rows,
        "--label",
        "label",
        "--weight",
        "weight",
        "--segment",
        "region",
        "--resamples",
        "100",
    ]);
    let evaluation = &report["evaluation"];
    assert_eq!(evaluation["baseline"], "1", "the champion");
    let python = ask(NEWEST, "evaluate.py", &[&rows, &model("binary_int"), &model("binary_earlystop")]);
    let mut compared = 0;
    for measurement in evaluation["measurements"].as_array().expect("measurements") {
        let version: usize = measurement["version"].as_str().expect("a version").parse().expect("a number");
        let segment = measurement["segment"].as_u64().map_or("all", |index| {
            evaluation["segments"][index as usize]["value"].as_str().expect("a region")
        });
        let metric = measurement["metric"].as_str().expect("a metric");
        let Some(expected) = python[version - 1][segment][metric].as_f64() else {
            assert_eq!(metric, "ece");
            continue;
        };
        let found = measurement["value"].as_f64().expect("a value");
        assert!(
            (found - expected).abs() <= 1e-12 * expected.abs(),
            "{version} {segment} {metric}: {found} {expected}"
        );
        compared += 1;
    }
    assert_eq!(compared, 2 * 4 * 7);
}

/// The measurements of the rows in a file or directory, without what depends on the bytes.
fn measured(project: &Project, rows: &str) -> Value {
    let line = ["evaluate", rows, "--label", "label", "--weight", "weight", "--segment", "region"];
    let report = project.json(line.into_iter().chain(["--resamples", "0"]));
    report["evaluation"]["measurements"].clone()
}

#[test]
fn every_format_that_python_writes_is_measured_alike() {
    let (project, rows) = project();
    let expected = measured(&project, &rows);
    let files = ask(NEWEST, "write_rows.py", &[&rows, project.path().to_str().expect("a path")]);
    let files: Vec<&str> = files.as_array().expect("files").iter().filter_map(Value::as_str).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(measured(&project, file), expected, "{file}");
    }
}

#[test]
fn every_backend_measures_alike() {
    let (project, rows) = project();
    let expected = measured(&project, &rows);
    let (on_files, rows) = project_at(Some(&format!("{}/mlruns", project.path().display())));
    assert_eq!(measured(&on_files, &rows), expected);
    let (on_server, rows) = project_at(Some(&Server::shared(NEWEST).url));
    assert_eq!(measured(&on_server, &rows), expected);
}

#[test]
fn versions_are_selected_by_number_alias_and_file() {
    let (project, rows) = project();
    let versions = |selectors: &[&str]| {
        let line = ["evaluate", &rows, "--label", "label", "--metrics", "auc"].into_iter();
        let report = project.json(line.chain(selectors.iter().copied()));
        let versions = report["evaluation"]["versions"].as_array().expect("versions").clone();
        let names: Vec<String> =
            versions.iter().map(|one| one["version"].as_str().expect("text").to_owned()).collect();
        (names, report["evaluation"]["baseline"].as_str().expect("text").to_owned(), report["model"].clone())
    };
    let (names, baseline, _) = versions(&["--alias", "candidate", "--version", "1"]);
    assert_eq!((names, baseline.as_str()), (vec!["2".to_owned(), "1".to_owned()], "1"));
    let (names, baseline, _) = versions(&["--version", "2", "--alias", "candidate"]);
    assert_eq!((names, baseline.as_str()), (vec!["2".to_owned()], "2"));
    let file = model("binary_int");
    let (names, baseline, model_name) = versions(&["--model-file", &file]);
    assert_eq!(
        (names, baseline, model_name),
        (vec![format!("file:{file}")], format!("file:{file}"), Value::Null)
    );

    let missing = project.run(["evaluate", &rows, "--label", "label", "--alias", "shadow"]);
    assert_eq!(missing.code, 4);
    assert!(missing.err.contains("the alias `shadow` is not set"), "{}", missing.err);
}

#[test]
fn the_table_shows_the_versions_side_by_side() {
    let (project, rows) = project();
    let shown = project.run(["evaluate", &rows, "--label", "label"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    let heading = shown.out.lines().find(|line| line.starts_with("all rows (900)")).expect("a table");
    assert!(heading.contains("version 1") && heading.contains("version 2 - baseline"), "{heading}");
    let refused = project.run(["evaluate", &rows, "--label", "region"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("the cell is not a number: `north`"), "{}", refused.err);
}
