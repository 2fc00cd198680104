//! The lifecycle through the binary, on the embedded default store.

use std::path::PathBuf;

use serde_json::json;

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{files_below, model};

fn project() -> Project {
    let project = Project::new(None, &fresh_name("cli"));
    project.file("train.csv", training_csv());
    project
}

/// The path of an artifact.
fn stored(project: &Project, name: &str) -> PathBuf {
    let mut files = files_below(&project.path().join("mlruns")).into_iter();
    files.find(|path| path.ends_with(name)).expect("the artifact")
}

#[test]
fn the_whole_lifecycle_with_its_exit_codes() {
    let project = project();
    let logged = project.json(LOG);
    assert_eq!((&logged["schema"], &logged["version"]), (&json!("hydra-registry/candidate/1"), &json!(1)));
    assert!(logged["metrics"]["auc"].as_f64().is_some(), "{logged}");
    assert_eq!(logged["replaced"], json!(null));

    let tried = project.json(["promote", "--dry-run"]);
    assert_eq!((&tried["outcome"], &tried["dry_run"]), (&json!("done"), &json!(true)));
    assert_eq!(project.run(["champion"]).code, 4, "a dry run changes nothing");

    let promoted = project.json(["promote", "--reason", "first"]);
    assert_eq!(promoted["schema"], "hydra-registry/transition/1");
    assert_eq!(
        promoted["changes"],
        json!([
            {"alias": "candidate", "from": 1, "to": null}, {"alias": "champion", "from": null, "to": 1}
        ])
    );
    assert_eq!(promoted["reason"], "first");
    assert_eq!(promoted["actor"], "tester");
    assert_eq!(promoted["policy"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(project.json(["promote", "1"])["outcome"], "unchanged");

    let nothing = project.run(["rollback"]);
    assert_eq!(nothing.code, 1);
    assert!(nothing.out.contains("No archived model to rollback to"), "{}", nothing.out);

    project.json(LOG);
    project.json(["promote"]);
    assert_eq!(project.json(["champion"])["version"], 2);
    assert_eq!(project.json(["rollback"])["outcome"], "done");
    assert_eq!(project.json(["champion"])["version"], 1);

    let listed = project.run(["--output", "jsonl", "list"]);
    let versions: Vec<serde_json::Value> =
        listed.out.lines().map(|line| serde_json::from_str(line).expect("a document per line")).collect();
    let aliases: Vec<_> = versions.iter().map(|version| (&version["version"], &version["aliases"])).collect();
    assert_eq!(aliases, [(&json!(2), &json!(["archived"])), (&json!(1), &json!(["champion"]))]);
}

#[test]
fn data_goes_to_stdout_and_messages_to_stderr() {
    let project = project();
    let logged = project.run(LOG);
    assert_eq!(logged.code, 0, "{}", logged.err);
    assert!(logged.out.starts_with("logged "), "{}", logged.out);
    assert!(logged.err.contains("training on 80 rows"), "{}", logged.err);
    let quiet = project.run(LOG.into_iter().chain(["--quiet"]));
    assert_eq!(quiet.err, "");
}

#[test]
fn a_model_file_is_logged_as_it_is() {
    let project = project();
    let model = model("binary_int");
    let bytes = std::fs::read(&model).expect("the fixture");
    project.json(["log-candidate", &model, "--metric", "auc=0.9", "--metric", "f1=0.5"]);
    project.json(["promote"]);
    let champion = project.json(["champion"]);
    assert_eq!(champion["metrics"], json!({"auc": 0.9, "f1": 0.5}));
    let stored = stored(&project, "model.lgb");
    assert_eq!(std::fs::read(stored).expect("the artifact"), bytes);
}

#[test]
fn a_configuration_value_replaces_a_training_parameter() {
    let project = project();
    project.file("config.toml", "[data]\nsource = 'warehouse'\n");
    let more = [
        "--config-file",
        "config.toml",
        "--config-value",
        "data.rows=569",
        "--config-value",
        "data.origin.day=\"7\"",
    ];
    project.json(LOG.into_iter().chain(more));
    let stored = stored(&project, "config.json");
    let config: serde_json::Value =
        serde_json::from_slice(&std::fs::read(stored).expect("the artifact")).expect("a document");
    assert_eq!(config["data"], json!({"source": "warehouse", "rows": 569, "origin": {"day": "7"}}));

    project.json(LOG.into_iter().chain(["--config-value", "data.rows=569"]));
    let crossed = project.run(LOG.into_iter().chain(["--config-value", "data.rows.train=1"]));
    assert_eq!(crossed.code, 2);
    assert!(crossed.err.contains("`data.rows` is not an object"), "{}", crossed.err);
}

#[test]
fn the_store_is_in_the_project_root_in_every_directory_below() {
    let project = project();
    let inner = project.path().join("a/b");
    std::fs::create_dir_all(&inner).expect("directories");
    project.json(LOG);
    let output =
        project.command(["--output", "json", "list"]).current_dir(&inner).output().expect("the binary runs");
    assert!(String::from_utf8_lossy(&output.stdout).contains("\"candidate\""));
    assert!(!inner.join("mlruns").exists() && !inner.join("mlflow.db").exists());
}

#[test]
fn relative_paths_in_hydra_toml_are_relative_to_it() {
    let project = project();
    let inner = project.path().join("a/b");
    let other = project.path().join("cfg");
    for directory in [&inner, &other] {
        std::fs::create_dir_all(directory).expect("a directory");
    }
    let config = "model = \"m\"\ntracking-uri = \"sqlite:///store.db\"\npolicy = \"pol.wasm\"\n";
    project.file("hydra.toml", config);
    project.file("cfg/hydra.toml", config);
    let run = |directory: &std::path::Path, args: &[&str]| {
        let output = project.command(args).current_dir(directory).output().expect("the binary runs");
        crate::support::binary::Outcome::from(output)
    };
    let train = project.path().join("train.csv").display().to_string();
    let log = ["log-candidate", "--train", &train, "--label", "label", "--param", "n_estimators=3"];

    let logged = run(&inner, &log);
    assert_eq!(logged.code, 0, "{}", logged.err);
    assert!(project.path().join("store.db").exists() && !inner.join("store.db").exists());
    assert!(run(project.path(), &["list"]).out.contains("candidate"));

    let config = ["--config", "../../cfg/hydra.toml"];
    let logged = run(&inner, &[&config[..], &log[..]].concat());
    assert_eq!(logged.code, 0, "{}", logged.err);
    assert!(other.join("store.db").exists() && !inner.join("store.db").exists());
    let asked = run(&inner, &[&config[..], &["promote"]].concat());
    assert_eq!(asked.code, 2);
    assert!(asked.err.contains(&other.join("pol.wasm").display().to_string()), "{}", asked.err);

    // Paths in flags and variables are relative to the current directory, as in MLflow.
    let exported = project
        .command(["list"])
        .env("MLFLOW_TRACKING_URI", "sqlite:///store.db")
        .current_dir(&inner)
        .output();
    let missing = String::from_utf8_lossy(&exported.expect("the binary runs").stdout).into_owned();
    assert!(!missing.contains("candidate"), "{missing}");
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let project = project();
    let names = [
        "MLFLOW_TRACKING_URI",
        "MLFLOW_REGISTRY_URI",
        "HYDRA_MODEL",
        "HYDRA_POLICY",
        "HYDRA_CONFIG",
        "HYDRA_ACTOR",
    ];
    let mut command = project.command(LOG);
    let output = command.envs(names.map(|name| (name, ""))).output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(project.run(["list"]).out.contains("candidate"));
    let promoted =
        project.command(["promote"]).envs(names.map(|name| (name, ""))).output().expect("the binary runs");
    assert_eq!(promoted.status.code(), Some(0), "{}", String::from_utf8_lossy(&promoted.stderr));
}

#[test]
fn a_closed_pipe_is_not_an_error() {
    use std::io::Read as _;
    let project = project();
    project.json(LOG);
    let mut child = project
        .command(["list"])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let mut err = String::new();
    child.stderr.take().expect("stderr").read_to_string(&mut err).expect("text");
    let status = child.wait().expect("an end");
    assert_eq!((status.code(), err.as_str()), (Some(0), ""));
}
