//! The commands for policy authors.

use std::path::PathBuf;
use std::process::Command;

use hydra_policy::Policy;
use serde_json::json;

use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};
use crate::support::root;

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
    assert_eq!(report["interface"], "hydra:lifecycle/policy@0.2.0");
    assert_eq!(report["imports"], json!([]));
    let settings = report["settings"].as_array().expect("settings");
    assert_eq!(settings.len(), 1, "{settings:?}");
    assert_eq!(
        json!([settings[0]["key"], settings[0]["kind"], settings[0]["default"], settings[0]["required"]]),
        json!(["refuse-changes", "texts", null, false])
    );
    let embedded = project.json(["--budget", "fuel=5000000", "policy", "inspect"]);
    assert_eq!(embedded["sha256"], report["sha256"]);
    assert_eq!(embedded["budget"]["fuel"], "5000000");
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
    assert_eq!(project.json(["policy", "bench", "default.wasm", "--runs", "5"])["runs"], 5);
    assert!(
        report["fuel"].as_u64().expect("instructions") > 0 && report["elapsed_us"]["p99"].is_u64(),
        "{report}"
    );
}

#[test]
fn settings_are_used_or_refused_never_ignored() {
    let (project, _) = project();
    for command in [
        &["policy", "test", "default.wasm", "cases"][..],
        &["policy", "inspect"],
        &["policy", "run", "--case", "cases/rollback.json"],
        &["policy", "bench", "--runs", "1"],
    ] {
        let refused = project.run(["--set", "nonsense=1"].iter().chain(command));
        assert_eq!(refused.code, 2, "{command:?}: {}", refused.out);
        assert!(refused.err.contains("hint: "), "{}", refused.err);
    }
    // A case is self-contained: `policy run` ignores the settings that are configured for promotions.
    project.file("hydra.toml", "[settings]\nmetric = \"auc\"\n");
    assert_eq!(project.run(["policy", "run", "--case", "cases/rollback.json"]).code, 0);
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
fn settings_and_limits_come_from_hydra_toml_and_flags_win() {
    let name = fresh_name("kit");
    let project = Project::new(None, &name);
    let model = root().join("tests/fixtures/models/binary_int/booster/model.lgb");
    project.json(["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.9"]);
    let promote = |config: &str, flags: &[&str]| {
        project.file("hydra.toml", format!("model = \"{name}\"\n{config}"));
        project.run(flags.iter().copied().chain(["promote"]))
    };
    for (config, objection) in [
        ("[settings]\nmetric = \"auc\"\n", "the policy `default` has no setting `metric`"),
        ("[budget]\nspeed = 3\n", "use one of fuel, wall-clock, memory"),
        ("[budget]\nmemory = \"much\"\n", "the policy limit `memory` is not valid: `much`"),
        ("[budget]\nfuel = 1000\n", "the policy used up its fuel of 1000"),
    ] {
        let refused = promote(config, &[]);
        assert_eq!(refused.code, 2, "{config}: {}", refused.out);
        assert!(refused.err.contains(objection), "{config}: {}", refused.err);
    }
    assert_eq!(project.run(["champion"]).code, 4, "nothing was moved");
    let done = promote("[budget]\nfuel = 1000\n", &["--budget", "fuel=1_000_000"]);
    assert_eq!(done.code, 0, "{}", done.err);
}

/// Works like a policy author: in a separate directory, with the tools on the path, but without network.
#[test]
fn a_new_project_is_tested_built_and_used_offline() {
    let (project, _) = project();
    project.json(["policy", "new", "my-gate"]);
    let with_tools = |mut command: Command| {
        for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
            command.envs(std::env::var_os(name).map(|value| (name, value)));
        }
        let output = command.env("CARGO_NET_OFFLINE", "true").output().expect("the command runs");
        let said = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes).into_owned());
        assert!(output.status.success(), "{}", said.join("\n"));
        said.join("\n")
    };

    let mut own_test = Command::new("cargo");
    own_test.args(["test", "--locked"]).current_dir(project.path().join("my-gate")).env_clear();
    assert!(with_tools(own_test).contains("2 passed"));

    let built = with_tools(project.command(["policy", "build", "my-gate"]));
    assert!(built.contains("built ") && built.contains("next: hydra-registry policy inspect"), "{built}");
    let component = "my-gate/target/my-gate.wasm";
    let tested = project.run(["policy", "test", component, "my-gate/cases"]);
    assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
    assert!(tested.out.contains(": 4 passed, 0 failed"), "{}", tested.out);
    let report = project.json(["policy", "inspect", component]);
    assert_eq!((&report["name"], &report["settings"][0]["key"]), (&json!("my-gate"), &json!("metric")));
    let decided = project.run(["policy", "run", component, "--case", "my-gate/cases/not-measured.json"]);
    assert_eq!(decided.code, 3, "{}{}", decided.out, decided.err);

    // The compiler's message keeps its line breaks.
    project.file("my-gate/src/rules.rs", "fn broken( {\n");
    let mut again = project.command(["policy", "build", "my-gate"]);
    for name in ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"] {
        again.envs(std::env::var_os(name).map(|value| (name, value)));
    }
    let failed: Outcome = again.env("CARGO_NET_OFFLINE", "true").output().expect("the binary runs").into();
    assert_eq!(failed.code, 2, "{}", failed.err);
    assert!(failed.err.lines().any(|line| line.trim_start().starts_with("--> ")), "{}", failed.err);
    assert!(!failed.err.contains('\u{fffd}'), "{}", failed.err);
}

#[test]
fn a_missing_tool_is_named_with_where_to_get_it() {
    let (project, _) = project();
    for (language, tool, source) in [
        ("rust", "cargo", "https://rustup.rs"),
        ("javascript", "npm", "https://nodejs.org"),
        ("python", "python3", "https://python.org"),
    ] {
        let dir = format!("my-{language}");
        project.json(["policy", "new", &dir, "--lang", language]);
        let mut build = project.command(["policy", "build", &dir]);
        let failed: Outcome = build.env("PATH", project.path()).output().expect("the binary runs").into();
        assert_eq!(failed.code, 2, "{}", failed.err);
        assert!(failed.err.contains(tool) && failed.err.contains(source), "{}", failed.err);
    }
}

#[test]
fn a_file_that_is_not_a_policy_is_refused_with_a_hint() {
    let (project, _) = project();
    project.file("module.wasm", b"\0asm\x01\0\0\0");
    let module = project.run(["policy", "inspect", "module.wasm"]);
    assert_eq!(module.code, 2);
    assert!(
        module.err.contains("the file is a core module") && module.err.contains("hint: "),
        "{}",
        module.err
    );
    project.file("text.wasm", "hello");
    let text = project.run(["policy", "inspect", "text.wasm"]);
    assert!(text.err.starts_with("error: the file is not a WebAssembly file ("), "{}", text.err);
    let missing = project.run(["policy", "inspect", "missing.wasm"]);
    assert!(missing.err.contains("cannot read the policy"), "{}", missing.err);
    let no_project = project.run(["policy", "build", "."]);
    assert_eq!(no_project.code, 2);
    assert!(no_project.err.contains("not a policy project"), "{}", no_project.err);
}
