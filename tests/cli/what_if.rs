//! `policy what-if`, `policy compile`, and the text of a panic.

use hydra_policy::Policy;
use hydra_test_guests as guests;
use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{example_policy, root};

const BETTER: &str = r#"{
  "input": {"operation": "promote",
    "target": {"version": 3, "created_at": 0, "run": {"metrics": {"auc": 0.91}}},
    "context": {"model_name": "churn", "now": 1795392000000, "actor": "ann", "settings": {"metric": "auc", "margin": "0.01"},
      "champion": {"version": 2, "created_at": 0, "run": {"metrics": {"auc": 0.902}}}}},
  "expect": {"verdict": "reject"}
}"#;

/// Two versions of one model, with an AUC of 0.902 and 0.91; the first is the champion, the second the candidate.
fn registry() -> Project {
    let project = Project::new(None, &fresh_name("what-if"));
    let model = root().join("tests/fixtures/models/binary_int/booster/model.lgb");
    let model = model.to_str().expect("a path");
    project.json(["log-candidate", model, "--metric", "auc=0.902"]);
    project.json(["promote"]);
    project.json(["log-candidate", model, "--metric", "auc=0.91"]);
    project
}

/// Each flip: what changes, how, and to which value.
fn flips(report: &Value) -> Vec<[&str; 3]> {
    let text = |flip: &'_ Value, key: &str| flip[key].as_str().map(str::to_owned);
    let flips = report["flips"].as_array().expect("flips");
    assert!(flips.iter().all(|flip| text(flip, "explanation").is_some()), "{report}");
    flips.iter().map(|flip| ["what", "relation", "to"].map(|key| flip[key].as_str().expect("text"))).collect()
}

const MARGIN: [[&str; 3]; 4] = [
    ["the setting `margin`", "at-most", "0.008"],
    ["the setting `self-reported`", "exactly", "false"],
    ["auc of version 2, which its run reports", "at-least", "0.912"],
    ["auc of version 1, which its run reports", "at-most", "0.9"],
];

#[test]
fn a_request_that_was_not_made_is_examined() {
    let project = registry();
    let policy = example_policy("metric-gate");
    let ask = ["--set", "metric=auc", "--set", "margin=0.01", "policy", "what-if", &policy];
    let report = project.json(ask);
    assert_eq!(report["schema"], "hydra-registry/policy-what-if/1");
    assert_eq!(
        [&report["verdict"], &report["operation"], &report["target"], &report["left_out"], &report["failed"]],
        [&json!("reject"), &json!("promote"), &json!(2), &json!(0), &json!(0)]
    );
    assert_eq!(flips(&report), MARGIN);
    assert!(report["decisions"].as_u64() > Some(20) && report["tried"].as_u64() > Some(5), "{report}");
    let by_number = project.json(ask.into_iter().chain(["--version", "2", "--reason", "weekly"]));
    assert_eq!(by_number["flips"], report["flips"]);
    let history = project.run(["--output", "jsonl", "history"]);
    assert_eq!(history.out.lines().count(), 2, "nothing is recorded");

    let text = project.run(ask);
    assert_eq!(text.code, 0, "{}", text.err);
    for line in [
        "metric-gate 2.0.0: reject (promote of version 2, the registered model ",
        "approve from auc of version 2, which its run reports >= 0.912 (now 0.91)\n  why     self-reported: auc is 0.912",
        "approve from the setting `margin` <= 0.008 (now 0.01)\n",
        "tried ",
    ] {
        assert!(text.out.contains(line), "`{line}` is missing in:\n{}", text.out);
    }

    let champion = project.run(["policy", "what-if", "--version", "1"]);
    assert_eq!(champion.code, 2);
    assert!(champion.err.contains("version 1 is already the champion"), "{}", champion.err);
    let few = project.run(ask.into_iter().chain(["--decisions", "10"]));
    assert!(few.out.contains("more changes were not tried; raise --decisions"), "{}", few.out);
}

#[test]
fn a_recorded_decision_is_examined_by_the_policy_that_made_it() {
    let project = registry();
    let policy = example_policy("metric-gate");
    let settings = ["--set", "metric=auc", "--set", "margin=0.01"];
    let rejected = project.run(settings.into_iter().chain(["--policy", &policy, "promote"]));
    assert_eq!(rejected.code, 1, "{}", rejected.err);
    let report = project.json(["policy", "what-if", "--entry", "3"]);
    assert_eq!(flips(&report), MARGIN);
    assert!(report["source"].as_str().expect("text").starts_with("entry 3 of the ledger of "), "{report}");
    // Another policy, and another setting.
    let looser = project.json(["--set", "margin=0.001", "policy", "what-if", "--entry", "3"]);
    assert_eq!(looser["verdict"], "approve");
    let other = project.json(settings.into_iter().chain(["policy", "what-if", &policy, "--entry", "3"]));
    assert_eq!(other["flips"], report["flips"]);

    for (entry, code, objection) in [
        ("1", 2, "entry 1 (genesis) is not a decision of a policy"),
        ("99", 4, "has no entry 99"),
        ("0", 4, "has no entry 0"),
    ] {
        let refused = project.run(["policy", "what-if", "--entry", entry]);
        assert_eq!(refused.code, code);
        assert!(refused.err.contains(objection), "{}", refused.err);
    }
    let empty = Project::new(None, &fresh_name("what-if"));
    empty.json([
        "log-candidate",
        root().join("tests/fixtures/models/binary_int/booster/model.lgb").to_str().expect("a path"),
        "--metric",
        "auc=0.9",
    ]);
    let none = empty.run(["--output", "json", "policy", "what-if", "--entry", "1"]);
    assert!(none.code == 4 && none.err.contains("EntryNotFound"), "{}", none.err);
}

#[test]
fn a_case_is_examined_and_no_single_change_may_do() {
    let project = Project::new(None, &fresh_name("what-if"));
    project.file("better.json", BETTER);
    let policy = example_policy("metric-gate");
    let report = project.json(["policy", "what-if", &policy, "--case", "better.json"]);
    assert_eq!(flips(&report)[2], ["auc of version 3, which its run reports", "at-least", "0.912"]);
    let again = project.json(["policy", "what-if", &policy, "--case", "better.json"]);
    assert_eq!(again["flips"], report["flips"]);

    project.file(
        "nothing.json",
        r#"{"input": {"operation": "rollback", "context": {"model_name": "m", "now": 0, "actor": "a"}}}"#,
    );
    let text = project.run(["policy", "what-if", "--case", "nothing.json"]);
    assert_eq!(text.code, 0, "{}", text.err);
    assert!(text.out.contains("\nno single change does\n"), "{}", text.out);
    let both = project.run(["policy", "what-if", "--case", "nothing.json", "--entry", "1"]);
    assert!(both.code == 2 && both.err.contains("cannot be used with"), "{}", both.err);
}

#[test]
fn a_panic_is_quoted_for_authors_and_not_in_decisions() {
    let project = registry();
    let component =
        guests::component_of("forges_panic", &guests::read("forges_panic"), Policy::default_bytes());
    project.file("panics.wasm", component);
    std::fs::create_dir(project.path().join("cases")).expect("a directory");
    project.file("cases/better.json", BETTER.replace(r#""metric": "auc", "margin": "0.01""#, ""));
    let quoted = "(panic: \u{fffd}[2Jno ok: \u{fffd}version 3 is champion\u{fffd}";
    let run = project.run(["policy", "run", "panics.wasm", "--case", "cases/better.json"]);
    assert!(run.code == 2 && run.err.contains(quoted), "{}", run.err);
    assert!(!run.err.contains("core dump") && !run.err.contains("coredump"), "{}", run.err);
    let tested = project.run(["policy", "test", "panics.wasm", "cases"]);
    assert!(tested.out.contains(quoted), "{}{}", tested.out, tested.err);
    let examined = project.run(["policy", "what-if", "panics.wasm", "--case", "cases/better.json"]);
    assert!(examined.code == 2 && examined.err.contains(quoted), "{}", examined.err);
    for command in [&["promote"][..], &["promote", "--dry-run"]] {
        let decided = project.run(["--policy", "panics.wasm"].iter().chain(command));
        assert_eq!(decided.code, 2);
        assert!(
            decided.err.contains("the policy trapped") && !decided.err.contains("panic:"),
            "{}",
            decided.err
        );
    }
}

#[test]
fn a_policy_is_compiled_ahead() {
    let project = Project::new(None, &fresh_name("compile"));
    project.file("default.wasm", Policy::default_bytes());
    let compile = |cache: Option<&str>| {
        let mut command = project.command(["--output", "json", "policy", "compile", "default.wasm"]);
        command.env_remove("HYDRA_CACHE_DIR");
        command.envs(cache.map(|cache| ("HYDRA_CACHE_DIR", project.path().join(cache))));
        let output = command.output().expect("the binary runs");
        (output.status.code(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
    };
    for compiled in [1, 0] {
        let (code, text) = compile(Some("cache"));
        let report: Value = serde_json::from_str(&text).expect("a document");
        assert_eq!((code, &report["schema"]), (Some(0), &json!("hydra-registry/policy-compile/1")));
        assert_eq!(report["compiled"], compiled, "{report}");
    }
    // The commands that quote panics use the same compiled code.
    project.file(
        "nothing.json",
        r#"{"input": {"operation": "rollback", "context": {"model_name": "m", "now": 0, "actor": "a"}}}"#,
    );
    let files = || hydra_policy_cache(&project.path().join("cache/policies"));
    let before = files();
    let mut run = project.command(["policy", "run", "default.wasm", "--case", "nothing.json"]);
    run.env("HYDRA_CACHE_DIR", project.path().join("cache")).output().expect("the binary runs");
    assert!(!before.is_empty() && files() == before);

    project.file("file", "");
    for cache in [None, Some("file")] {
        let (code, text) = compile(cache);
        assert!(code == Some(2) && text.contains("CacheUnavailable"), "{text}");
    }
}

/// The files of compiled code, whose names have no extension.
fn hydra_policy_cache(directory: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(directory).expect("a cache").map(|entry| entry.expect("an entry").path());
    let (directories, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let below = directories.iter().flat_map(|directory| hydra_policy_cache(directory));
    let mut files: Vec<_> =
        files.into_iter().filter(|file| file.extension().is_none()).chain(below).collect();
    files.sort();
    files
}
