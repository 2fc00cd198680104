//! Python's client and the binary share one store: each reads the other's data.

use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::python;
use crate::support::server::{NEWEST, Server};

const ROWS: &str = "[[11.42, 20.38], [20.57, 17.77], [13.0, 15.0], [null, 21.5]]";

/// 160 rows; two features almost separate the two classes.
fn training_csv() -> String {
    let mut csv = String::from("radius,texture,malignant\n");
    for i in 0..160 {
        let radius = 8.0 + f64::from(i) * 0.1;
        let texture = 12.0 + f64::from((i * 37) % 100) * 0.13;
        csv += &format!("{radius},{texture},{}\n", u8::from(radius + 0.2 * texture > 18.0));
    }
    csv
}

fn python_sees_what_rust_wrote(environment: &str, project: &Project, uri: &str, model: &str) {
    project.file("train.csv", training_csv());
    let many: serde_json::Map<String, Value> = (0..250).map(|n| (format!("p{n}"), json!(n))).collect();
    project.file("many.json", Value::Object(many).to_string());
    project.file("rows.csv", "texture,radius\n20.38,11.42\n17.77,20.57\n15.0,13.0\n21.5,\n");
    for _ in 0..2 {
        project.json([
            "log-candidate",
            "--train",
            "train.csv",
            "--label",
            "malignant",
            "--metric",
            "auc=0.93",
            "--tag",
            "team=risk",
            "--run-name",
            "from rust",
            "--config-value",
            "nested={\"depth\": [1, 2]}",
            "--config-file",
            "many.json",
        ]);
        project.json(["promote"]);
    }
    project.json([
        "log-candidate",
        "--train",
        "train.csv",
        "--label",
        "malignant",
        "--param",
        "n_estimators=3",
    ]);
    let predicted = project.run(["predict", "rows.csv"]);
    assert_eq!(predicted.code, 0, "{}", predicted.err);
    let ours: Vec<f64> = predicted.out.lines().skip(1).map(|line| line.parse().expect("a number")).collect();

    let seen = python::ask(environment, "read_champion.py", &[uri, model, ROWS]);
    assert_eq!(seen["version"], 2);
    assert_eq!(seen["status"], "FINISHED");
    assert_eq!(seen["ended"], true);
    assert_eq!(seen["run_name"], "from rust");
    assert_eq!(seen["experiment"], model);
    assert_eq!(seen["params"]["params.n_estimators"], "100");
    assert_eq!(seen["params"]["nested.depth"], "[1,2]");
    assert_eq!(seen["params"]["data.label"], "malignant");
    assert_eq!(seen["config"]["nested"], json!({"depth": [1, 2]}));
    assert_eq!(seen["metrics"]["auc"], 0.93);
    assert_eq!(seen["tags"]["team"], "risk");
    let logged = &seen["logged_model"];
    assert_eq!(logged["metrics"], seen["metrics"]);
    assert_eq!(logged["runs"], json!([seen["run"]]));
    assert_eq!(logged["found"], true, "by its metric");
    assert_eq!(logged["params"], seen["params"], "more than one request takes");
    for key in ["mlflow.user", "mlflow.source.name", "mlflow.source.type"] {
        assert_eq!(logged["tags"][key], seen["tags"][key], "{key}");
    }
    let versions = logged["tags"]["mlflow.modelVersions"].as_str().expect("the versions");
    assert_eq!(versions, format!("[{{\"name\": \"{model}\", \"version\": 2}}]"));
    assert_eq!(seen["tags"]["mlflow.user"], "tester");
    assert_eq!(seen["aliases"], json!({"champion": 2, "archived": 1, "candidate": 3}));
    assert_eq!(seen["versions"], json!([1, 2, 3]));
    assert_eq!(seen["inputs"][0]["name"], "radius");
    assert_eq!(seen["inputs"][1]["type"], "double");
    assert_eq!(numbers(&seen["flavor"]), ours, "the flavor's predictions");
    assert_eq!(numbers(&seen["pyfunc"]), ours, "pyfunc's predictions");
}

fn rust_predicts_what_python_logged(
    environment: &str,
    project: &Project,
    uri: &str,
    model: &str,
    kind: &str,
) {
    let logged = python::ask(environment, "log_champion.py", &[uri, model, kind]);
    project.file("rows.csv", logged["csv"].as_str().expect("rows"));
    let champion = project.json(["champion"]);
    assert_eq!(champion["run_id"], logged["run_id"]);
    assert_eq!(champion["metrics"], json!({"auc": 0.875, "logloss": 0.25}));
    assert_eq!(champion["tags"]["team"], "python");
    let predicted = project.run(["predict", "rows.csv"]);
    assert_eq!(predicted.code, 0, "{}", predicted.err);
    let ours: Vec<Value> = predicted
        .out
        .lines()
        .skip(1)
        .map(|line| line.parse::<f64>().map_or_else(|_| json!(line), |number| json!(number)))
        .collect();
    assert_eq!(json!(ours), logged["predictions"]);
    assert_eq!(project.json(["list"])["versions"][0]["aliases"], json!(["champion"]));
}

fn numbers(values: &Value) -> Vec<f64> {
    values.as_array().expect("a list").iter().map(|value| value.as_f64().expect("a number")).collect()
}

fn on_server(environment: &'static str) -> (Project, String, String) {
    let uri = Server::shared(environment).url.clone();
    let model = fresh_name("python");
    (Project::new(Some(&uri), &model), uri, model)
}

fn on_file_store() -> (Project, String, String) {
    let model = fresh_name("python");
    let project = Project::new(None, &model);
    let uri = project.path().join("mlruns").display().to_string();
    project.file("hydra.toml", format!("model = \"{model}\"\ntracking-uri = \"{uri}\"\n"));
    (project, uri, model)
}

fn on_database() -> (Project, String, String) {
    let model = fresh_name("python");
    let project = Project::new(None, &model);
    let uri = format!("sqlite:///{}", project.path().join("mlflow.db").display());
    (project, uri, model)
}

#[test]
fn python_reads_rust_on_a_server() {
    let (project, uri, model) = on_server(NEWEST);
    python_sees_what_rust_wrote(NEWEST, &project, &uri, &model);
}

#[test]
fn python_reads_rust_in_a_file_store() {
    let (project, uri, model) = on_file_store();
    python_sees_what_rust_wrote(NEWEST, &project, &uri, &model);
}

#[test]
fn python_reads_rust_in_a_database() {
    let (project, uri, model) = on_database();
    python_sees_what_rust_wrote(NEWEST, &project, &uri, &model);
}

#[test]
fn rust_reads_a_booster_of_python_on_a_server() {
    let (project, uri, model) = on_server(NEWEST);
    rust_predicts_what_python_logged(NEWEST, &project, &uri, &model, "booster");
}

#[test]
fn rust_reads_a_skops_classifier_of_python_on_a_server() {
    let (project, uri, model) = on_server(NEWEST);
    rust_predicts_what_python_logged(NEWEST, &project, &uri, &model, "skops");
}

#[test]
fn rust_reads_a_pickled_classifier_of_python_in_a_file_store() {
    let (project, uri, model) = on_file_store();
    rust_predicts_what_python_logged(NEWEST, &project, &uri, &model, "cloudpickle");
}

#[test]
fn rust_reads_a_skops_classifier_of_python_in_a_database() {
    let (project, uri, model) = on_database();
    rust_predicts_what_python_logged(NEWEST, &project, &uri, &model, "skops");
}
