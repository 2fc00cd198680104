//! Guests in other languages: they need node, npm, python3 and the network, and take minutes. `cargo xtask test --all`
//! runs them.

use std::fs;

use super::*;
use hydra_base::error::ErrorKind;
use hydra_policy::Pooling;
use hydra_policy::testing::compiled_code;

/// The same rule in another language passes the same golden cases.
#[track_caller]
fn assert_metric_gate_passes(name: &str) {
    let examples = repository().join("examples/policies");
    let component = guest_target_dir().join("examples").join(name).with_extension("wasm");
    let component = build(&examples.join(name), Some(&component), None).unwrap();
    assert_cases_pass(&component, &examples.join("metric-gate/cases"));
}

#[track_caller]
fn assert_new_project_passes(language: Language, pooling: Pooling) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("my-gate");
    scaffold(&dir, "my-gate", language).unwrap();
    let component = build(&dir, None, None).unwrap();
    assert_cases_pass(&component, &dir.join("cases"));

    // Compiling takes seconds, once.
    let code = root.path().join("code");
    let load = |pooling| {
        let mut options = EngineOptions::default().with_cache_dir(&code);
        options.pooling = pooling;
        Policy::load_file(&PolicyEngine::new(&options).unwrap(), &component, &Budget::default())
    };
    load(None).unwrap();
    let compiled = compiled_code(&code);
    let policy = load(None).unwrap();
    assert_eq!(policy.interface_version(), "0.2.0");
    assert!(!compiled.is_empty() && compiled_code(&code) == compiled, "it was compiled again");

    let pooled = load(Some(pooling)).unwrap();
    let case = CaseFile::read(&dir.join("cases/good.json")).unwrap().case;
    let (alone, together) = (case.decide(&policy).unwrap(), case.decide(&pooled).unwrap());
    assert_eq!((together.verdict, together.usage.fuel), (alone.verdict, alone.usage.fuel));
    if pooling.instances > Pooling::default().instances {
        let error = load(Some(Pooling::default())).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
        assert!(error.hint().unwrap().contains("`Pooling::instances`"), "{error:?}");
    }
}

/// A rule that throws answers with the text of the exception.
#[track_caller]
fn assert_exceptions_are_answered(language: Language, file: &str, replaced: &str, by: &str, text: &str) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("my-gate");
    scaffold(&dir, "my-gate", language).unwrap();
    let source = fs::read_to_string(dir.join(file)).unwrap();
    assert!(source.contains(replaced));
    fs::write(dir.join(file), source.replacen(replaced, by, 1)).unwrap();
    let component = build(&dir, None, None).unwrap();
    let policy = Policy::load_file(&engine(), &component, &Budget::default()).unwrap();
    let error = CaseFile::read(&dir.join("cases/good.json")).unwrap().case.decide(&policy).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyError, "{error:?}");
    assert!(error.message().starts_with(&format!("the policy failed: {text}")), "{error:?}");
}

#[test]
#[ignore = "needs node and npm: cargo xtask test --all"]
fn what_a_javascript_policy_throws_is_its_answer() {
    let (replaced, by) = ("setting(context, 'metric');", "undefined.metric;");
    assert_exceptions_are_answered(Language::JavaScript, "policy.js", replaced, by, "TypeError: ");
}

#[test]
#[ignore = "needs python3 and the network: cargo xtask test --all"]
fn what_a_python_policy_raises_is_its_answer() {
    let (replaced, by) = ("settings[\"metric\"], float", "settings[\"é\" * 2000], float");
    let text = "KeyError: 'é";
    assert_exceptions_are_answered(Language::Python, "rules.py", replaced, by, text);
}

#[test]
#[ignore = "needs node and npm: cargo xtask test --all"]
fn a_new_javascript_project_builds_and_passes_its_cases() {
    assert_new_project_passes(Language::JavaScript, Pooling::default().with_decisions(2));
}

#[test]
#[ignore = "needs python3 and the network: cargo xtask test --all"]
fn a_new_python_project_builds_and_passes_its_cases() {
    let pooling = Pooling::default().with_decisions(2).with_instances(Pooling::PYTHON_INSTANCES);
    assert_new_project_passes(Language::Python, pooling);
}

#[test]
#[ignore = "needs node and npm: cargo xtask test --all"]
fn example_metric_gate_in_javascript() {
    assert_metric_gate_passes("metric-gate-javascript");
}

#[test]
#[ignore = "needs python3 and the network: cargo xtask test --all"]
fn example_metric_gate_in_python() {
    assert_metric_gate_passes("metric-gate-python");
}
