//! Guests in other languages: they need node, npm, python3 and the network, and take minutes. `cargo xtask test --all`
//! runs them.

use std::fs;
use std::time::Instant;

use super::*;

/// The same rule in another language passes the same golden cases.
#[track_caller]
fn assert_metric_gate_passes(name: &str) {
    let examples = repository().join("examples/policies");
    let component = guest_target_dir().join("examples").join(name).with_extension("wasm");
    let component = build(&examples.join(name), Some(&component), None).unwrap();
    assert_cases_pass(&component, &examples.join("metric-gate/cases"));
}

#[track_caller]
fn assert_new_project_passes(language: Language) {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("my-gate");
    scaffold(&dir, "my-gate", language).unwrap();
    let component = build(&dir, None, None).unwrap();
    assert_cases_pass(&component, &dir.join("cases"));

    // Compiling takes seconds once; from the cache it takes a fraction of that.
    let options = EngineOptions::default().with_cache_dir(root.path().join("code"));
    let load = || {
        let started = Instant::now();
        let engine = PolicyEngine::new(&options).unwrap();
        let policy = Policy::load_file(&engine, &component, &Budget::default()).unwrap();
        (policy, started.elapsed())
    };
    let ((_, first), (policy, again)) = (load(), load());
    let case = CaseFile::read(&dir.join("cases/good.json")).unwrap().case;
    let report = bench(&policy, &case.input, 100);
    let size = fs::metadata(&component).unwrap().len();
    println!("{language}: {size} bytes, compiled in {first:.1?}, loaded in {again:.1?}");
    println!("{:?}\n{report:?}", policy.summary());
    assert!(again < first / 5, "compiled in {first:?}, from the cache in {again:?}");
}

#[test]
#[ignore = "needs node and npm: cargo xtask test --all"]
fn a_new_javascript_project_builds_and_passes_its_cases() {
    assert_new_project_passes(Language::JavaScript);
}

#[test]
#[ignore = "needs python3 and the network: cargo xtask test --all"]
fn a_new_python_project_builds_and_passes_its_cases() {
    assert_new_project_passes(Language::Python);
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
