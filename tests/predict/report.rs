//! What `predict` says of the rows that it read.

use serde_json::{Value, json};

use super::{champion, model};
use crate::support::binary::Project;
use crate::support::root;

/// Rows with missing values, unknown categories and a column that is not a feature.
const ROWS: &str =
    "id,num,city,tier,zeros\n1,0.5,Bonn,10,0\n2,,Paris,60,1\n3,1,Paris,10,0\n4,1,,,0\n5,1,Kyoto,20,0\n";

fn report(project: &Project, name: &str) -> Value {
    let text = std::fs::read_to_string(project.path().join(name)).expect("the report");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn a_report_counts_what_a_model_did_not_know() {
    let project = champion("regression");
    let model = root().join("tests/fixtures/models/binary_cat/booster/model.lgb").display().to_string();
    project.file("rows.csv", ROWS);
    project.file("more.jsonl", "{\"num\":null,\"city\":\"Paris\",\"tier\":70,\"zeros\":1}\n");
    let args = ["predict", "rows.csv", "more.jsonl", "--model-file", &model, "--categories", "city,tier"];
    let outcome = project.run([&args[..], &["--out", "out.csv", "--report", "report.json"]].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    let lines = "missing values: num 2, city 1, tier 1\nunknown categories: city 4 (`Paris`, `Kyoto`); tier 2 (`60`, `70`)\n";
    assert!(outcome.err.contains(lines), "{}", outcome.err);
    assert!(outcome.err.contains("scored 6 rows of 2 files in "), "{}", outcome.err);
    let mut found = report(&project, "report.json");
    let seconds = found["seconds"].as_f64().expect("seconds");
    let speed = found["rows_per_second"].as_f64().expect("a speed");
    assert!(seconds > 0.0 && (speed * seconds - 6.0).abs() < 1e-6, "{found}");
    for of_the_run in ["seconds", "rows_per_second"] {
        found.as_object_mut().expect("an object").remove(of_the_run);
    }
    let column = |name: &str, missing: u64, unseen: u64, examples: &[&str]| json!({"name": name, "missing": missing, "unseen": unseen, "examples": examples});
    let expected = json!({
        "schema": "hydra-registry/prediction/1",
        "inputs": ["rows.csv", "more.jsonl"],
        "files": 2,
        "rows": 6,
        "model": null,
        "version": null,
        "model_file": model,
        "output": "probability",
        "out": "out.csv",
        "columns": [
            column("num", 2, 0, &[]),
            column("city", 1, 4, &["Paris", "Kyoto"]),
            column("tier", 1, 2, &["60", "70"]),
            column("zeros", 0, 0, &[]),
        ],
        "ignored": ["id"],
    });
    assert_eq!(found, expected);
}

#[test]
fn a_report_names_the_version_and_is_not_written_after_a_failure() {
    let project = champion("regression");
    project.file("rows.csv", super::rows(100));
    let outcome = project.run(["-q", "predict", "rows.csv", "--report", "report.json", "--batch-rows", "7"]);
    assert_eq!((outcome.code, outcome.err.as_str()), (0, ""));
    let found = report(&project, "report.json");
    assert_eq!((found["model"].as_str(), &found["version"]), (Some(model(&project).as_str()), &json!(1)));
    assert_eq!(
        (&found["rows"], &found["out"], &found["ignored"]),
        (&json!(100), &Value::Null, &json!(["id"]))
    );
    assert_eq!(found["columns"][2], json!({"name": "f2", "missing": 50, "unseen": 0, "examples": []}));
    // The same by another engine.
    let other = project.run(["-q", "predict", "rows.csv", "--report", "other.json", "--engine", "lightgbm"]);
    assert_eq!((other.code, other.out), (0, outcome.out), "{}", other.err);
    assert_eq!(report(&project, "other.json")["columns"], found["columns"]);

    project.file("damaged.csv", super::rows(3) + "x,x,x,x,x,x\n");
    let failed = project.run(["predict", "damaged.csv", "--report", "none.json"]);
    assert_eq!(failed.code, 2);
    assert!(!project.path().join("none.json").exists());
    for (args, words) in [
        (["--report", "rows.csv", "--threads", "1"], "the report is the input"),
        (["--report", "-", "--threads", "1"], "the report is not a file"),
        (["--report", "x.csv", "--out", "x.csv"], "the report is the output"),
        (["--report", "no/such/directory", "--threads", "1"], "no/such/directory"),
    ] {
        let refused = project.run([&["predict", "rows.csv"][..], &args].concat());
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{args:?}");
        assert!(refused.err.contains(words), "{args:?}: {}", refused.err);
    }
}
