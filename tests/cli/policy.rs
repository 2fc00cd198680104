//! The kit for authors of policies, as commands.

use std::path::PathBuf;

use hydra_registry::policy::Policy;
use serde_json::json;

use crate::support::backends::fresh_name;
use crate::support::binary::Project;

const ROLLBACK: &str = r#"{
  "description": "a rollback swaps",
  "input": {"operation": "rollback", "context": {"model_name": "m", "now": 0, "actor": "a",
    "champion": {"version": 2, "created_at": 0}, "archived": {"version": 1, "created_at": 0}}},
  "expect": {"verdict": "approve", "moves": [{"alias": "champion", "version": 1}, {"alias": "archived", "version": 2}]}
}"#;

const NOTHING: &str = r#"{
  "description": "nothing to roll back to",
  "input": {"operation": "rollback", "context": {"model_name": "m", "now": 0, "actor": "a"}},
  "expect": {"verdict": "hold"}
}"#;

fn project() -> (Project, PathBuf) {
    let project = Project::new(None, &fresh_name("kit"));
    let policy = project.file("default.wasm", Policy::default_bytes());
    std::fs::create_dir(project.path().join("cases")).expect("a directory");
    project.file("cases/rollback.json", ROLLBACK);
    (project, policy)
}

#[test]
fn inspect_shows_what_a_policy_is() {
    let (project, _) = project();
    let report = project.json(["policy", "inspect", "default.wasm"]);
    assert_eq!(report["schema"], "hydra-registry/policy-inspect/1");
    assert_eq!(report["name"], "default");
    assert_eq!(report["interface"], "hydra:lifecycle/policy@0.1.0");
    assert_eq!((&report["imports"], &report["settings"]), (&json!([]), &json!([])));
    let embedded = project.json(["--budget", "fuel=5000000", "policy", "inspect"]);
    assert_eq!(embedded["sha256"], report["sha256"]);
    assert_eq!(embedded["budget"]["fuel"], 5_000_000);
    let text = project.run(["policy", "inspect"]);
    assert!(text.out.contains("  memory                  128 MiB  bytes of linear memories"), "{}", text.out);
}

#[test]
fn run_exits_with_the_verdict() {
    let (project, _) = project();
    let report = project.json(["policy", "run", "--case", "cases/rollback.json"]);
    assert_eq!(report["verdict"], "approve");
    assert_eq!(report["moves"][0], json!({"alias": "champion", "version": "1"}));
    project.file("cases/nothing.json", NOTHING);
    let rejected = project.run(["policy", "run", "default.wasm", "--case", "cases/nothing.json"]);
    assert_eq!(rejected.code, 1, "{}", rejected.err);
    assert!(rejected.out.contains("No archived model to rollback to"), "{}", rejected.out);
    let unknown = project.run(["--set", "metric=auc", "policy", "run", "--case", "cases/nothing.json"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("the policy `default` has no setting `metric`"), "{}", unknown.err);
}

#[test]
fn test_passes_or_shows_what_differs() {
    let (project, _) = project();
    let passed = project.run(["policy", "test", "default.wasm", "cases"]);
    assert_eq!(passed.code, 0, "{}", passed.err);
    assert!(passed.out.starts_with("ok      rollback: a rollback swaps\n"), "{}", passed.out);

    project.file("cases/nothing.json", NOTHING);
    let failed = project.run(["policy", "test", "default.wasm", "cases"]);
    assert_eq!(failed.code, 1, "{}", failed.err);
    assert!(failed.out.contains("FAILED  nothing: nothing to roll back to\n"), "{}", failed.out);
    assert!(failed.out.contains("verdict: expected hold, got reject"), "{}", failed.out);
    assert!(failed.out.contains(": 1 passed, 1 failed"), "{}", failed.out);
}

#[test]
fn bench_measures() {
    let (project, _) = project();
    let report = project.json(["policy", "bench", "--case", "cases/rollback.json", "--runs", "20"]);
    assert_eq!(report["runs"], 20);
    assert!(
        report["fuel"].as_u64().expect("instructions") > 0 && report["elapsed_us"]["p99"].is_u64(),
        "{report}"
    );
}

#[test]
fn new_starts_a_project_once() {
    let (project, _) = project();
    for language in ["rust", "javascript", "python"] {
        let dir = format!("my-{language}");
        let report = project.json(["policy", "new", &dir, "--lang", language]);
        assert_eq!((&report["name"], &report["language"]), (&json!(dir), &json!(language)));
        assert!(project.path().join(&dir).join("wit/lifecycle.wit").exists());
        assert_eq!(project.run(["policy", "new", &dir]).code, 2);
    }
    let unknown = project.run(["policy", "new", "x", "--lang", "cobol"]);
    assert_eq!(unknown.code, 2);
    assert!(unknown.err.contains("rust, javascript, python"), "{}", unknown.err);
}

#[test]
fn what_is_no_policy_is_refused_with_what_to_do() {
    let (project, _) = project();
    project.file("module.wasm", b"\0asm\x01\0\0\0");
    let module = project.run(["policy", "inspect", "module.wasm"]);
    assert_eq!(module.code, 2);
    assert!(module.err.contains("this is a core module") && module.err.contains("hint: "), "{}", module.err);
    let missing = project.run(["policy", "inspect", "missing.wasm"]);
    assert!(missing.err.contains("cannot read the policy"), "{}", missing.err);
    let no_project = project.run(["policy", "build", "."]);
    assert_eq!(no_project.code, 2);
    assert!(no_project.err.contains("not a policy project"), "{}", no_project.err);
}
