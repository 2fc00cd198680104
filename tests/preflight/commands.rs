//! The refusal through the binary: its exit code, its words, and hints that work when typed.

use std::fs;

use serde_json::json;

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::python;
use crate::support::server::NEWEST;
use crate::support::{backends::sound_model, root};

const ROWS: &str = "f0,f1,f2,f3,f4\n1,2,3,4,5\n";

/// A working champion, and a candidate whose files are lost: a cleaned bucket, `mlflow gc`, a wrong source.
fn lost_candidate() -> Project {
    let project = Project::new(None, &fresh_name("lost"));
    let model = sound_model().join("model.lgb").display().to_string();
    for metric in ["auc=0.90", "auc=0.95"] {
        project.json(["log-candidate", &model, "--metric", metric]);
        if metric == "auc=0.90" {
            project.json(["promote"]);
        }
    }
    project.file("rows.csv", ROWS);
    fs::remove_dir_all(directory_of(&project, 2)).expect("the files are lost");
    project
}

/// Where the files of a version are.
fn directory_of(project: &Project, version: i64) -> String {
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let query = "SELECT storage_location FROM model_versions WHERE version = ?1 ORDER BY name LIMIT 1";
    let place: String = database.query_row(query, [version], |row| row.get(0)).expect("a version");
    place.trim_start_matches("file://").to_owned()
}

#[test]
fn a_promotion_never_replaces_a_working_champion_by_lost_files() {
    let project = lost_candidate();
    let refused = project.run(["promote"]);
    assert_eq!((refused.code, refused.out.as_str()), (2, ""));
    let lines: Vec<&str> = refused.err.lines().collect();
    let model = project.json(["champion"])["model"].as_str().expect("a name").to_owned();
    assert_eq!(
        lines[0],
        format!(
            "error: version 2 cannot become champion because its model cannot be loaded (model: {model})"
        )
    );
    assert!(lines[1].starts_with("  caused by: there is no MLmodel at "), "{}", refused.err);
    assert_eq!(
        lines[2],
        "hint: restore the files from a backup, or log the model again; in an emergency, \
         `hydra-registry promote 2 --allow-unloadable` makes version 2 champion all the same"
    );
    let report: serde_json::Value =
        serde_json::from_str(&project.run(["--output", "json", "promote"]).err).expect("an error report");
    assert_eq!((&report["kind"], &report["retryable"]), (&json!("Unloadable"), &json!(false)));

    assert_eq!(project.json(["champion"])["version"], 1);
    assert_eq!(project.run(["predict", "rows.csv"]).code, 0, "the champion still predicts");
    let sick = project.run(["doctor"]);
    assert_eq!(sick.code, 1);
    assert!(sick.out.contains("cannot load the model of version 2 (`candidate`)"), "{}", sick.out);
}

#[test]
fn the_hints_work_when_they_are_typed() {
    let project = lost_candidate();
    let forced = project.run(["promote", "2", "--allow-unloadable"]);
    assert_eq!(forced.code, 0, "{}", forced.err);
    assert!(forced.out.contains("  WARNING set aside, on record: unloadable-model\n"), "{}", forced.out);
    for _ in 0..2 {
        let sick = project.run(["doctor"]);
        assert_eq!(sick.code, 1, "doctor keeps saying so");
        assert!(sick.out.contains("version 2 (`champion`)"), "{}", sick.out);
    }
    // Back to the working version, and then not again to the broken one.
    assert_eq!(project.json(["rollback"])["outcome"], "done");
    let refused = project.run(["rollback"]);
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("no other former champion was found"), "{}", refused.err);
    let forced = project.json(["rollback", "--to", "2", "--allow-unloadable"]);
    assert_eq!(forced["overrides"], json!(["unloadable-model"]));
    assert_eq!(project.json(["champion"])["version"], 2);
}

#[test]
fn a_changed_meaning_cannot_be_overlooked() {
    let project = Project::new(None, &fresh_name("meaning"));
    let uri = format!("sqlite:///{}", project.path().join("mlflow.db").display());
    let booster = root().join("tests/fixtures/models/binary_int/booster/model.lgb").display().to_string();
    project.json(["log-candidate", &booster, "--metric", "auc=1"]);
    project.json(["promote"]);
    // A classifier of other columns, logged by Python as version 2.
    let model = project.json(["champion"])["model"].as_str().expect("a name").to_owned();
    python::ask(NEWEST, "log_version.py", &[&uri, &model, "lightgbm"]);
    let expected = [
        "`predict` answers label instead of probability",
        "the classes change from none to no, yes",
        "the input columns change: added a, b, c, d, removed f0, f1, f2, f3, f4",
    ];
    let tried = project.run(["-q", "promote", "2", "--dry-run"]);
    let warnings: Vec<&str> = tried.out.lines().filter_map(|line| line.strip_prefix("  WARNING ")).collect();
    assert_eq!(warnings, expected, "{}", tried.out);
    let done = project.run(["--output", "json", "promote", "2"]);
    let notes = done.err.lines().map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a note"));
    let warned: Vec<String> = notes
        .filter_map(|note| note["message"].as_str()?.strip_prefix("WARNING: ").map(str::to_owned))
        .collect();
    assert_eq!(warned, expected, "{}", done.err);
    let report: serde_json::Value = serde_json::from_str(&done.out).expect("a report");
    assert_eq!(
        report["model_changes"],
        json!([
            {"change": "output", "from": "probability", "to": "label"},
            {"change": "classes", "from": [], "to": ["no", "yes"]},
            {"change": "columns", "added": ["a", "b", "c", "d"], "removed": ["f0", "f1", "f2", "f3", "f4"]},
        ])
    );
}

/// Models that Python logs with `mlflow.sklearn`: those of LightGBM are read, others are refused with what they are.
#[test]
fn the_flavor_of_scikit_learn_is_read_where_it_holds_a_model_of_lightgbm() {
    let project = Project::new(None, &fresh_name("sklearn"));
    let uri = format!("sqlite:///{}", project.path().join("mlflow.db").display());
    let model = sound_model().join("model.lgb").display().to_string();
    let logged = project.json(["log-candidate", &model, "--metric", "auc=1"]);
    project.json(["promote"]);
    let name = logged["model"].as_str().expect("a name");
    let log = |flavor: &str| python::ask(NEWEST, "log_version.py", &[&uri, name, flavor]);
    for (version, flavor, why) in [
        (2, "sklearn", "(class: sklearn.linear_model._logistic.LogisticRegression"),
        (
            3,
            "sklearn+pipeline",
            "(class: sklearn.pipeline.Pipeline, holds: sklearn.preprocessing._data.StandardScaler, lightgbm.sklearn.LGBMClassifier",
        ),
    ] {
        log(flavor);
        let refused = project.run(["promote", &version.to_string()]);
        assert_eq!(refused.code, 2, "{flavor}");
        assert!(
            refused.err.contains("an object of scikit-learn, not a model of LightGBM alone"),
            "{}",
            refused.err
        );
        assert!(refused.err.contains(why), "{}", refused.err);
        assert_eq!(project.json(["champion"])["version"], 1, "{flavor}");
    }
    for (version, flavor) in [(4, "sklearn+classifier"), (5, "sklearn+skops")] {
        let seen = log(flavor);
        let rows = seen["rows"].as_array().expect("rows").iter().map(|row| {
            let cells = row.as_array().expect("cells").iter().map(ToString::to_string);
            cells.collect::<Vec<_>>().join(",") + "\n"
        });
        project.file("rows.csv", "a,b,c,d\n".to_owned() + &rows.collect::<String>());
        let promoted = project.run(["promote", &version.to_string()]);
        assert_eq!(promoted.code, 0, "{flavor}: {}", promoted.err);
        let predicted = project.run(["-q", "predict", "rows.csv"]);
        assert_eq!(predicted.code, 0, "{flavor}: {}", predicted.err);
        let labels: Vec<&str> = predicted.out.lines().skip(1).collect();
        assert_eq!(json!(labels), seen["predictions"], "{flavor}");
    }
}
