//! The output of every command against the JSON Schemas in docs/schemas, and stderr of `--output json`.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::python::ask;
use crate::support::registry::Registry;
use crate::support::{example_policy, root};

/// The documents that a command writes, on both streams. The command may fail.
fn documents(project: &Project, words: &[&str], format: &str) -> Vec<String> {
    let mut command = project.command([&["--output", format], words].concat());
    // What building a policy needs.
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        command.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let outcome: Outcome = command.env("CARGO_NET_OFFLINE", "true").output().expect("the binary runs").into();
    let mut documents = Vec::new();
    for (stream, text) in [("stdout", &outcome.out), ("stderr", &outcome.err)] {
        if stream == "stdout" && format == "json" && words != ["history", "export"] {
            if !text.is_empty() {
                let document: Value =
                    serde_json::from_str(text).unwrap_or_else(|error| panic!("{words:?}: {error} in {text}"));
                documents.push(document.to_string());
            }
            continue;
        }
        for line in text.lines() {
            let document: Value = serde_json::from_str(line)
                .unwrap_or_else(|error| panic!("{words:?} on {stream}: {error} in {line}"));
            // Events have no schema.
            if stream == "stdout" || !document["schema"].is_null() {
                documents.push(document.to_string());
            } else {
                assert!(document["level"].is_string() && document["message"].is_string(), "{line}");
            }
        }
    }
    documents
}

/// A pair of keys by openssl.
pub fn key(project: &Project) {
    for words in [
        &["genpkey", "-algorithm", "ED25519", "-out", "release.key"][..],
        &["pkey", "-in", "release.key", "-pubout", "-out", "release.pub"],
    ] {
        let made = Command::new("openssl").args(words).current_dir(project.path()).output().expect("openssl");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    }
}

/// A model with three versions, decisions of several kinds, evaluations, and a quarantine.
fn project() -> Project {
    let project = Project::new(None, &fresh_name("json"));
    project.file("train.csv", training_csv());
    project
}

#[test]
fn the_output_of_every_command_fits_its_schema() {
    let project = project();
    let soak = example_policy("soak-time");
    let soak = soak.as_str();
    let copy = format!("sqlite:///{}", project.path().join("copy.db").display());
    let registry = Registry::start();
    let reference = registry.reference("team/gate:1.2");
    key(&project);
    project.file("notify.toml", "[notify.team]\nurl = \"http://127.0.0.1:9/\"\n");
    let mut log = LOG.to_vec();
    log.extend(["--config-value", "data.rows=569", "--tag", "team=risk"]);
    let evaluate = ["evaluate", "train.csv", "--label", "label", "--resamples", "100"];
    let commands: Vec<Vec<&str>> = vec![
        vec!["list"],
        log.clone(),
        vec!["promote", "--dry-run"],
        vec!["promote"],
        log.clone(),
        evaluate.to_vec(),
        vec!["approve", "2", "--expires", "7d"],
        vec!["--policy", soak, "--set", "min-age=36h", "promote"],
        vec!["--policy", soak, "--policy", "also=default.wasm", "--set", "min-age=0s", "promote"],
        vec!["rollback", "--quarantine"],
        vec!["nominate", "1"],
        vec!["release", "2"],
        vec!["quarantine", "2", "--reason", "x"],
        vec!["champion"],
        vec!["champion", "--as-of", "2999-01-01"],
        vec!["list"],
        vec!["list", "--metrics", "auc,none,train.auc", "--sort", "auc", "--where", "auc>=0"],
        vec!["show", "--version", "2"],
        vec!["show", "--model-file", "model.lgb"],
        vec!["download", "model.lgb"],
        vec!["show", "--model-file", "model.lgb"],
        vec!["diff", "1", "2", "--all"],
        vec!["copy", "2", "--to", &copy],
        vec!["history"],
        vec!["history", "--verdict", "approve", "--operation", "promote"],
        vec!["history", "show", "1"],
        vec!["history", "show", "3"],
        vec!["history", "show", "5"],
        vec!["history", "verify"],
        vec!["history", "export"],
        vec!["history", "export", "--head"],
        vec!["status"],
        vec!["doctor"],
        vec!["doctor", "--models", "*"],
        vec!["config", "show"],
        vec!["config", "check"],
        vec!["policy", "new", "mine"],
        vec!["policy", "build", "mine"],
        vec!["policy", "inspect"],
        vec!["policy", "run", "--case", "cases/entry-2.json"],
        vec!["policy", "test", "default.wasm", "cases"],
        vec!["policy", "bench", "--runs", "2"],
        vec!["policy", "what-if", "--entry", "2"],
        vec!["policy", "compile"],
        vec!["policy", "build", "mine", "--check", "default.wasm"],
        vec!["policy", "sign", "default.wasm", "--key", "release.key"],
        vec!["policy", "verify", "default.wasm", "--key", "release.pub"],
        vec!["policy", "push", &reference, "default.wasm"],
        vec!["policy", "pull", &reference, "--out", "pulled.wasm"],
        vec!["model", "sign", "1", "--key", "release.key"],
        vec!["model", "verify", "1", "--key", "release.pub"],
        vec!["policy", "activate", "default.wasm", "--reason", "x"],
        vec!["policy", "activate", "default.wasm", "--models", "*", "--dry-run"],
        vec!["policy", "active"],
        vec!["policy", "active", "--models", "*"],
        vec!["policy", "history"],
        vec!["policy", "deactivate", "--reason", "x"],
        vec!["--config", "notify.toml", "notify", "test"],
        vec!["policy", "backtest", "default.wasm"],
        vec!["no-such-command"],
        vec!["champion", "--no-such-option"],
        vec!["--model", "no/model", "list"],
        vec!["--policy", "missing.wasm", "promote"],
    ];
    project.file("default.wasm", hydra_policy::Policy::default_bytes());
    let mut all = Vec::new();
    std::fs::create_dir(project.path().join("cases")).expect("a directory");
    for words in &commands {
        if words == &["policy", "run", "--case", "cases/entry-2.json"] {
            let case = project.run(["history", "show", "2", "--as-case"]);
            assert_eq!(case.code, 0, "{}", case.err);
            project.file("cases/entry-2.json", case.out);
        }
        let changes = [
            "log-candidate",
            "promote",
            "rollback",
            "approve",
            "nominate",
            "release",
            "quarantine",
            "copy",
            "pull",
        ];
        let format = if all.len() % 2 == 0 { "json" } else { "jsonl" };
        all.extend(documents(&project, words, format));
        if !words.iter().any(|word| changes.contains(word)) && !words.starts_with(&["policy", "new"]) {
            let other = if format == "json" { "jsonl" } else { "json" };
            all.extend(documents(&project, words, other));
        }
    }
    // The report of a command that writes rows.
    project.file("score.csv", "size,weekday\n1,1\n");
    let scored = project.run(["-q", "predict", "score.csv", "--version", "1", "--report", "prediction.json"]);
    assert_eq!(scored.code, 0, "{}", scored.err);
    let report = std::fs::read(project.path().join("prediction.json")).expect("the report");
    all.push(serde_json::from_slice::<Value>(&report).expect("JSON").to_string());
    let file = project.file("documents.jsonl", all.join("\n"));
    let schemas = root().join("docs/schemas").display().to_string();
    let answer = ask("moto", "validate.py", &[&schemas, &file.display().to_string()]);
    assert_eq!(answer["problems"], json!([]), "{answer:#}");
    assert_eq!(answer["unseen"], json!([]), "no command wrote these");
}

#[test]
fn a_list_is_one_document_and_its_items_are_those_of_the_lines() {
    let project = project();
    project.json(LOG);
    let empty = project.json(["history"]);
    assert_eq!((&empty["schema"], &empty["entries"]), (&json!("hydra-registry/history/1"), &json!([])));
    for _ in 0..3 {
        project.json(LOG);
        project.json(["promote"]);
    }
    for (command, field) in [("list", "versions"), ("history", "entries")] {
        let document = project.json([command]);
        let lines = project.run(["--output", "jsonl", command]).out;
        let lines: Vec<Value> =
            lines.lines().map(|line| serde_json::from_str(line).expect("a document")).collect();
        assert_eq!(document[field], Value::from(lines), "{command}");
        assert_eq!(document["model"], project.json(["champion"])["model"]);
        let one = project.json([command, "--limit", "1"]);
        assert_eq!(one[field].as_array().map(Vec::len), Some(1));
    }
    let one_line = project.run(["--output", "jsonl", "champion"]).out;
    assert_eq!(one_line.lines().count(), 1);
}

/// What is wrong with the command line is JSON, too, wherever the format is named.
#[test]
fn all_of_stderr_is_json() {
    let project = project();
    project.json(LOG);
    let mut command = project.command(["no-such-command"]);
    let output = command.env("HYDRA_OUTPUT", "json").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let error: Value = serde_json::from_slice(&output.stderr).expect("an error");
    assert_eq!((&error["kind"], &error["category"]), (&json!("Usage"), &json!("usage")));
    assert_eq!(error["exit_status"], 2);
    assert!(error["message"].as_str().is_some_and(|text| text.contains("no-such-command")), "{error}");
    for words in [
        &["promote", "--limt", "1", "--output", "json"][..],
        &["--output=json", "history", "--since", "someday"],
        &["--output", "json", "policy"],
        &["--output", "json"],
    ] {
        let refused = project.run(words);
        assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{words:?}: {}", refused.err);
        assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
        let error: Value = serde_json::from_str(&refused.err).expect("an error");
        assert!(error["hint"].is_string() || error["message"] == "a command is missing", "{error}");
    }
    let kinds: BTreeSet<String> = [&["champion"][..], &["-vvv", "promote", "--dry-run"], &["history"]]
        .iter()
        .flat_map(|words| {
            let outcome = project.run([&["--output", "json"], *words].concat());
            let line = |line: &str| {
                let message: Value = serde_json::from_str(line).expect("JSON");
                message["schema"].as_str().unwrap_or("event").to_owned()
            };
            outcome.err.lines().map(line).collect::<Vec<_>>()
        })
        .collect();
    let expected = ["event", "hydra-registry/error/1", "hydra-registry/note/1"];
    assert_eq!(kinds.iter().map(String::as_str).collect::<Vec<_>>(), expected);
    let codes = [("champion", 4), ("history", 0)];
    for (command, code) in codes {
        assert_eq!(project.run(["--output", "json", command]).code, code);
    }
}
