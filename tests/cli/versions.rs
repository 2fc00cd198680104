//! Versions side by side: `list` with metrics, `diff`, `show`, `copy`, and the filters of `history`.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::Stdio;

use serde_json::{Value, json};

use super::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::{files_below, model};

/// Three versions with metrics, params and tags; the second one is the champion.
fn fill(project: &Project) {
    project.file("train.csv", training_csv());
    let model = model("binary_int");
    for (auc, team) in [("0.80", "risk"), ("0.95", "risk"), ("0.90", "growth")] {
        let metric = format!("auc={auc}");
        let (tag, leaves) = (format!("team={team}"), format!("num_leaves={}", auc.trim_start_matches("0.")));
        let log = ["log-candidate", &model, "--metric", &metric, "--tag", &tag, "--config-value", &leaves];
        project.json(
            log.into_iter()
                .chain((auc == "0.80").then_some(["--metric", "log_loss=0.4"]).into_iter().flatten()),
        );
    }
    project.json(["promote", "2", "--reason", "first"]);
}

fn on_each_store() -> Vec<Project> {
    let file_store = tempfile::tempdir().expect("a directory").keep().join("mlruns").display().to_string();
    let stores = [None, Some(file_store), Some(Server::shared(NEWEST).url.clone())];
    let project = |uri: Option<String>| Project::new(uri.as_deref(), &fresh_name("versions"));
    stores.into_iter().map(project).inspect(fill).collect()
}

fn numbers(list: &Value) -> Vec<u64> {
    let versions = list["versions"].as_array().expect("versions");
    versions.iter().filter_map(|version| version["version"].as_u64()).collect()
}

#[test]
fn versions_are_listed_with_metrics_sorted_and_filtered() {
    for project in on_each_store() {
        let list = |words: &[&str]| project.json([&["list"], words].concat());
        let sorted = list(&["--metrics", "auc,log_loss", "--sort", "auc"]);
        assert_eq!(numbers(&sorted), [2, 3, 1]);
        assert_eq!(sorted["versions"][0]["metrics"], json!({"auc": 0.95, "log_loss": null}));
        assert_eq!(numbers(&list(&["--sort=-auc"])), [1, 3, 2]);
        assert_eq!(
            numbers(&list(&["--sort", "log_loss"])),
            [1, 3, 2],
            "without the metric: last, newest first"
        );
        assert_eq!(numbers(&list(&["--sort=-version", "--limit", "2"])), [1, 2]);
        let unknown = project.run(["list", "--metrics", "auc,aux", "--sort", "f1"]);
        assert!(
            unknown.code == 0 && unknown.err.contains("no version has aux, f1; there are auc, log_loss"),
            "{}",
            unknown.err
        );
        let known = project.run(["list", "--metrics", "auc"]);
        assert!(!known.err.contains("no version has"), "{}", known.err);
        for (condition, expected) in [
            ("auc>=0.9", &[3, 2][..]),
            ("auc<0.9", &[1]),
            ("tag.team=risk", &[2, 1]),
            ("tag.team!=risk", &[3]),
            ("param.num_leaves=95", &[2]),
            ("alias=champion", &[2]),
            ("quarantine=yes", &[]),
            ("log_loss<1", &[1]),
        ] {
            assert_eq!(numbers(&list(&["--where", condition])), expected, "{condition}");
        }
        assert_eq!(numbers(&list(&["--where", "auc>=0.9", "--where", "tag.team=risk"])), [2]);
        let text = project.run(["list", "--metrics", "auc,log_loss", "--sort", "auc"]).out;
        let heading = text.lines().next().expect("a heading");
        assert_eq!(
            heading.split_whitespace().collect::<Vec<_>>(),
            ["version", "created", "auc", "log_loss", "aliases", "evaluations"]
        );
        let none = project.run(["list", "--where", "auc>1"]);
        assert!(none.code == 0 && none.err.contains("no version of"), "{}", none.err);
        let bad = project.run(["list", "--where", "auc"]);
        assert!(bad.code == 2 && bad.err.contains("not a condition on versions: `auc`"), "{}", bad.err);
    }
}

#[test]
fn what_differs_between_two_versions_is_shown() {
    for project in on_each_store() {
        let diff = project.json(["diff", "champion", "3"]);
        assert_eq!((&diff["a"], &diff["b"]), (&json!(2), &json!(3)));
        let rows = diff["rows"].as_array().expect("rows");
        let row = |name: &str| rows.iter().find(|row| row["name"] == name);
        let auc = row("auc").expect("the metric");
        assert_eq!((&auc["a"], &auc["b"]), (&json!(0.95), &json!(0.9)));
        assert!(auc["difference"].as_f64().is_some_and(|difference| (difference + 0.05).abs() < 1e-12));
        assert_eq!(row("num_leaves").expect("the param")["b"], "90");
        assert_eq!(row("team").expect("the tag")["a"], "risk");
        assert!(row("sha256").is_none(), "the models are the same: {diff}");
        let all = project.json(["diff", "champion", "3", "--all"]);
        assert!(all["rows"].as_array().map(Vec::len) > Some(rows.len()));
        assert!(!all["importances"].as_array().expect("importances").is_empty());
        let text = project.run(["diff", "champion", "3"]).out;
        assert!(
            text.contains("version 2") && text.contains("metric auc") && text.contains("-0.05000"),
            "{text}"
        );
        let missing = project.run(["diff", "1", "99"]);
        assert_eq!(missing.code, 4, "{}", missing.err);
        let unset = project.run(["diff", "1", "shadow"]);
        assert_eq!(unset.code, 4, "{}", unset.err);
    }
}

#[test]
fn trained_models_differ_by_their_columns_and_evaluations() {
    let project = Project::new(None, &fresh_name("diff"));
    project.file("train.csv", training_csv());
    project.json(LOG);
    project.json(["log-candidate", "--train", "train.csv", "--label", "label", "--param", "n_estimators=9"]);
    project.json([
        "evaluate",
        "train.csv",
        "--label",
        "label",
        "--resamples",
        "100",
        "--version",
        "1",
        "--version",
        "2",
    ]);
    let diff = project.json(["diff", "1", "2"]);
    let measured = diff["evaluations"].as_array().expect("evaluations");
    let loss = measured.iter().find(|one| one["metric"] == "log_loss").expect("log_loss");
    assert!(loss["difference"]["low"].is_number() && loss["a"]["value"].is_number(), "{loss}");
    let back = project.json(["diff", "2", "1"]);
    let other =
        back["evaluations"].as_array().expect("evaluations").iter().find(|one| one["metric"] == "log_loss");
    let this = measured.iter().find(|one| one["metric"] == "log_loss");
    let value =
        |one: Option<&Value>| one.and_then(|one| one["difference"]["value"].as_f64()).expect("a number");
    assert!((value(this) + value(other)).abs() < 1e-12, "the sign turns with the order");
    let listed = project.json(["list", "--metrics", "train.auc"]);
    assert!(listed["versions"][0]["metrics"]["train.auc"].is_number(), "{listed}");
    assert_eq!(listed["versions"][0]["evaluations"], json!(["train"]));
}

#[test]
fn everything_about_a_version_is_shown() {
    for project in on_each_store() {
        project.json(["approve", "3", "--actor", "ann", "--reason", "reviewed"]);
        project.run(["rollback"]);
        let shown = project.json(["show", "--version", "3"]);
        let approval = &shown["approvals"][0];
        assert_eq!((&approval["actor"], &approval["counts"]), (&json!("ann"), &json!(true)));
        assert_eq!(shown["decisions"][0]["operation"], "approve");
        let champion = project.json(["show", "--alias", "champion"]);
        assert_eq!(champion["decisions"][0]["verdict"], "approve");
        assert_eq!(champion["metrics"], json!({"auc": 0.95}));
        let text = project.run(["show", "--version", "3"]).out;
        for part in ["approved  by ann", "because: reviewed", "entry 3  ", "approve by ann"] {
            assert!(text.contains(part), "`{part}` is missing in:\n{text}");
        }
    }
}

#[test]
fn the_history_is_filtered() {
    let project = Project::new(None, &fresh_name("filter"));
    fill(&project);
    project.json(["promote", "3", "--actor", "bob"]);
    project.json(["quarantine", "1", "--reason", "leak", "--actor", "ann"]);
    let refused = project.run(["rollback", "--to", "1"]);
    assert_ne!(refused.code, 0);
    let entries = |words: &[&str]| -> Vec<u64> {
        let history = project.json([&["history"], words].concat());
        let entries = history["entries"].as_array().expect("entries").clone();
        entries.iter().filter_map(|entry| entry["sequence"].as_u64()).collect()
    };
    assert_eq!(entries(&[]), [4, 3, 2, 1]);
    assert_eq!(entries(&["--actor", "bob"]), [3]);
    assert_eq!(entries(&["--actor", "bob", "--actor", "ann"]), [4, 3]);
    assert_eq!(entries(&["--version", "2"]), [3, 2], "also what moves an alias away from it");
    assert_eq!(entries(&["--verdict", "approve"]), [3, 2]);
    assert_eq!(entries(&["--verdict", "approve", "--limit", "1"]), [3]);
    assert_eq!(entries(&["--operation", "quarantine", "--operation", "genesis"]), [4, 1]);
    assert_eq!(entries(&["--actor", "nobody-here"]), Vec::<u64>::new());
    let bad = project.run(["history", "--operation", "demote"]);
    assert!(bad.code == 2 && bad.err.contains("not an operation"), "{}", bad.err);
}

#[test]
fn the_history_is_followed() {
    let project = Project::new(None, &fresh_name("follow"));
    fill(&project);
    let mut child = project
        .command(["--output", "jsonl", "history", "--follow", "--limit", "1"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    let mut lines = BufReader::new(child.stdout.take().expect("stdout")).lines();
    let mut next = || -> u64 {
        let line = lines.next().expect("a line").expect("text");
        let entry: Value = serde_json::from_str(&line).expect("a document");
        entry["sequence"].as_u64().expect("a number")
    };
    assert_eq!(next(), 2, "the newest one first");
    project.json(["promote", "3"]);
    project.json(["rollback"]);
    assert_eq!([next(), next()], [3, 4], "then each as it comes");
    child.kill().expect("it runs");
    child.wait().expect("it ends");
}

#[test]
fn one_entry_is_shown_with_its_evidence_side_by_side() {
    let project = Project::new(None, &fresh_name("evidence"));
    project.file("train.csv", training_csv());
    project.json(LOG);
    project.json(["promote"]);
    project.json(LOG);
    project.json(["evaluate", "train.csv", "--label", "label", "--resamples", "100"]);
    project.json(["promote"]);
    let shown = project.run(["history", "show", "3"]);
    assert_eq!(shown.code, 0, "{}", shown.err);
    for part in [
        "evidence\n",
        "version 1",
        "version 2",
        "difference",
        "metric auc",
        "evaluation on train",
        "fact sha256",
    ] {
        assert!(shown.out.contains(part), "`{part}` is missing in:\n{}", shown.out);
    }
    let document = project.json(["history", "show", "3"]);
    assert_eq!(document["evidence"]["context"]["champion"]["version"], "1");
    // Without its archive, the entry itself is shown.
    for file in files_below(&project.path().join("mlruns")) {
        if file.display().to_string().contains("/decisions/") {
            std::fs::remove_file(file).expect("removed");
        }
    }
    let rest = project.run(["history", "show", "3"]);
    assert!(rest.code == 0 && rest.out.contains("cannot show the evidence"), "{}{}", rest.out, rest.err);
}

/// From every store to every other.
#[test]
fn a_version_is_copied_with_its_evidence() {
    let project = Project::new(None, &fresh_name("copy"));
    project.file("train.csv", training_csv());
    project.json(LOG.iter().copied().chain(["--tag", "team=risk", "--config-value", "data.rows=569"]));
    project.json(["promote"]);
    project.json(LOG);
    project.json(["evaluate", "train.csv", "--label", "label", "--resamples", "100"]);
    let here = project.json(["show", "--version", "2"]);
    let home = tempfile::tempdir().expect("a directory");
    let server = Server::shared(NEWEST).url.clone();
    let places = [
        format!("sqlite:///{}", home.path().join("other.db").display()),
        home.path().join("mlruns").display().to_string(),
        server,
    ];
    for place in places {
        let name = fresh_name("copied");
        let copied = project.json(["copy", "2", "--to", &place, "--to-model", &name]);
        assert_eq!((&copied["version"], &copied["evaluations"]), (&json!(1), &json!(["train"])), "{place}");
        let there = |words: &[&str]| {
            project.json([&["--tracking-uri", place.as_str(), "--model", &name], words].concat())
        };
        let shown = there(&["show", "--version", "1"]);
        assert_eq!(shown["model_file"]["sha256"], here["model_file"]["sha256"]);
        assert_eq!(shown["metrics"], here["metrics"], "{place}");
        assert_eq!(shown["aliases"], json!(["candidate"]));
        let origin: Value =
            serde_json::from_str(shown["tags"]["hydra.copied-from"].as_str().expect("the tag"))
                .expect("JSON");
        assert_eq!((&origin["version"], &origin["run_id"]), (&json!(2), &here["run_id"]));
        assert_eq!(shown["run_tags"]["hydra.copied-from"], shown["tags"]["hydra.copied-from"]);
        let figures = |shown: &Value| -> Vec<Value> {
            let all = shown["evaluations"].as_array().expect("evaluations");
            all.iter().map(|one| json!([one["metric"], one["figure"], one["difference"]])).collect()
        };
        assert_eq!(figures(&shown), figures(&here), "{place}");
        // The copy is a candidate like any other, and its evidence counts.
        let promoted = there(&["promote"]);
        assert_eq!(promoted["outcome"], "done");
        assert_eq!(promoted["evaluations_left_out"], json!([]), "{promoted}");
        assert_eq!(there(&["doctor"])["findings"], json!([]));
    }
    // The configuration as a whole, not only its leaves.
    let run = here["run_id"].as_str().expect("a run");
    let configs = |root: &Path| {
        let files = files_below(root).into_iter().filter(|path| path.ends_with("config.json"));
        files.map(|path| (path.display().to_string(), std::fs::read_to_string(&path).expect("JSON")))
    };
    let (_, original) =
        configs(project.path()).find(|(path, _)| path.contains(run)).expect("that of the run");
    assert!(original.contains("\"params\": {"), "nested: {original}");
    let copies: Vec<_> = configs(home.path()).map(|(_, text)| text).collect();
    assert_eq!(copies, [original.clone(), original], "in the two local stores");
    for words in [["show", "2"], ["show", "candidate"]] {
        assert_eq!(project.json(words)["version"], 2, "{words:?}");
    }
    let both = project.run(["show", "2", "--alias", "candidate"]);
    assert!(both.code == 2 && both.err.contains("cannot be used with"), "{}", both.err);
    let missing = project.run(["copy", "99", "--to", "elsewhere"]);
    assert_eq!(missing.code, 4, "{}", missing.err);
    assert!(!project.path().join("elsewhere").exists(), "nothing is created");
}
