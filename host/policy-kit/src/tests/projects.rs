//! New projects, and the examples of this repository.

use std::fs;
use std::process::Command;

use super::*;
use hydra_base::error::ErrorKind;
use hydra_policy::{VerdictKind, testing};

#[track_caller]
fn assert_example_passes(name: &str) {
    let project = repository().join("examples/policies").join(name);
    let component = guest_target_dir().join("examples").join(name).with_extension("wasm");
    let component = build(&project, Some(&component), Some(&guest_target_dir())).unwrap();
    assert_cases_pass(&component, &project.join("cases"));
    assert_evaluations_fit(&component, name);
}

/// A context full of evaluations takes a small part of the default budget.
#[track_caller]
fn assert_evaluations_fit(component: &Path, name: &str) {
    let budget = Budget::default().with_fuel(20_000_000).with_memory(4 << 20).with_input_bytes(1 << 20);
    let policy = Policy::load_file(&engine(), component, &budget).unwrap();
    let (_, settings) = testing::EXAMPLES.iter().find(|(example, _)| *example == name).unwrap();
    let mut case = Case::new(testing::measured_promotion());
    let given = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    case.input.context_mut().settings = given.collect();
    let decision = case.decide(&policy).unwrap();
    if matches!(name, "evidence-gate" | "metric-gate") {
        let explanation = decision.verdict.explanation();
        assert_eq!(decision.verdict.kind(), VerdictKind::Approve, "{explanation}");
        assert!(explanation.contains("auc +0.004 [0.001, 0.007] on holdout_0, wanted > 0"), "{explanation}");
        assert!(explanation.len() <= 1_000, "{explanation}");
    }
}

#[test]
fn every_rust_example_is_tested_and_measured() {
    let examples = fs::read_dir(repository().join("examples/policies")).unwrap();
    let mut names: Vec<String> = examples
        .map(|entry| entry.unwrap())
        .filter(|entry| entry.path().join("Cargo.toml").is_file() && entry.path().join("cases").is_dir())
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    assert_eq!(names, testing::EXAMPLES.map(|(name, _)| name));
}

#[test]
fn example_budget() {
    assert_example_passes("budget");
}

#[test]
fn example_evidence_gate() {
    assert_example_passes("evidence-gate");
}

#[test]
fn example_challenger() {
    assert_example_passes("challenger");
}

#[test]
fn example_four_eyes() {
    assert_example_passes("four-eyes");
}

#[test]
fn example_freeze_window() {
    assert_example_passes("freeze-window");
}

#[test]
fn example_metric_gate() {
    assert_example_passes("metric-gate");
}

#[test]
fn example_soak_time() {
    assert_example_passes("soak-time");
}

#[test]
fn a_new_rust_project_builds_and_passes_its_cases() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("my-gate");
    let written = scaffold(&dir, "my-gate", Language::Rust).unwrap();
    assert!(written.contains(&dir.join("wit/lifecycle.wit")), "{written:?}");
    let component = build(&dir, None, Some(&guest_target_dir())).unwrap();
    assert_eq!(component, fs::canonicalize(&dir).unwrap().join("target/my-gate.wasm"));
    assert_cases_pass(&component, &dir.join("cases"));
    let policy = Policy::load_file(&engine(), &component, &Budget::default()).unwrap();
    assert_eq!((policy.descriptor().name.as_str(), policy.interface_version()), ("my-gate", "0.2.0"));
    for case in ["good", "measured-worse"] {
        let case = CaseFile::read(&dir.join(format!("cases/{case}.json"))).unwrap().case;
        assert_eq!(case.input.context().evaluations.len(), 1);
    }
}

#[test]
fn a_rust_policy_that_panics_leaves_its_text_for_its_author() {
    let root = tempfile::tempdir().unwrap();
    scaffold(root.path(), "my-gate", Language::Rust).unwrap();
    let rules = root.path().join("src/rules.rs");
    let text = fs::read_to_string(&rules).unwrap();
    let broken = text.replace(
        "    if value < minimum {",
        "    assert!(value < minimum, \"é: no {metric}\\nlike {value}\");\n    if value < minimum {",
    );
    assert_ne!(text, broken);
    fs::write(&rules, broken).unwrap();
    let component = build(root.path(), None, Some(&guest_target_dir())).unwrap();
    let case = CaseFile::read(&root.path().join("cases/good.json")).unwrap().case;
    let fails = |engine: &PolicyEngine| {
        let policy = Policy::load_file(engine, &component, &Budget::default()).unwrap();
        let error = case.decide(&policy).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PolicyTrap);
        (error.to_string(), case.check(&policy).differences.join("\n"))
    };
    let quoting = PolicyEngine::new(&EngineOptions::default().with_quoted_panics()).unwrap();
    let (message, differences) = fails(&quoting);
    let panic = "(panic: panicked at src/rules.rs:37:5: é: no auc like 0.91, fuel: ";
    assert!(message.contains(panic) && differences.contains(panic), "{message}\n{differences}");
    let (message, differences) = fails(&engine());
    assert!(!message.contains("panic") && !differences.contains("panic"), "{message}\n{differences}");
}

/// `HYDRA_UPDATE=1 cargo test -p hydra-policy-kit` updates it.
#[test]
fn new_projects_are_locked_to_the_versions_of_this_repository() {
    let root = tempfile::tempdir().unwrap();
    scaffold(root.path(), "my-gate", Language::Rust).unwrap();
    let lock = root.path().join("Cargo.lock");
    fs::copy(repository().join("Cargo.lock"), &lock).unwrap();
    // Removes the packages that the project does not need.
    let pruned = Command::new("cargo")
        .args(["update", "--workspace", "--offline"])
        .current_dir(root.path())
        .output()
        .unwrap();
    assert!(pruned.status.success(), "{pruned:?}");
    let current = fs::read_to_string(&lock).unwrap().replace("\"my-gate\"", "\"{{name}}\"");

    let path = repository().join("host/policy-kit/src/templates/rust/Cargo.lock.in");
    if std::env::var_os("HYDRA_UPDATE").is_some() {
        fs::write(&path, &current).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), current, "set HYDRA_UPDATE=1 to rewrite it");
}

#[test]
fn the_python_template_passes_its_own_test() {
    let root = tempfile::tempdir().unwrap();
    scaffold(root.path(), "my-gate", Language::Python).unwrap();
    let output = Command::new("python3").arg("rules.py").current_dir(root.path()).output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_directory_that_is_not_empty_is_left_alone() {
    let root = tempfile::tempdir().unwrap();
    fs::write(root.path().join("work.txt"), "precious").unwrap();
    let error = scaffold(root.path(), "my-gate", Language::Rust).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists);
    assert_eq!(fs::read_dir(root.path()).unwrap().count(), 1);
}

#[test]
fn names_that_no_project_can_have_are_refused() {
    for name in ["", "Gate", "2gate", "a/b", "../x", "gate name", &"g".repeat(65)] {
        let error = scaffold(Path::new("/nonexistent/x"), name, Language::Rust).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidName, "{name}");
    }
}

#[test]
fn a_project_that_does_not_compile_quotes_the_compiler() {
    let root = tempfile::tempdir().unwrap();
    scaffold(root.path(), "my-gate", Language::Rust).unwrap();
    fs::write(root.path().join("src/lib.rs"), "this is not Rust").unwrap();
    let error = build(root.path(), None, Some(&guest_target_dir())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyBuild);
    let source = std::error::Error::source(&error).unwrap().to_string();
    assert!(source.contains("lib.rs"), "{source}");
}

#[test]
fn a_crate_that_exports_no_policy_is_not_built() {
    let root = tempfile::tempdir().unwrap();
    scaffold(root.path(), "my-gate", Language::Rust).unwrap();
    fs::write(root.path().join("src/lib.rs"), "//! Nothing.\n").unwrap();
    let error = build(root.path(), None, Some(&guest_target_dir())).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyIncompatible, "{error:?}");
    assert_eq!(error.message(), "the component does not export the policy interface");
}

#[test]
fn a_directory_that_is_no_project_says_what_it_lacks() {
    let root = tempfile::tempdir().unwrap();
    let error = build(root.path(), None, None).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PolicyBuild);
    assert!(error.hint().unwrap().contains("Cargo.toml, package.json, requirements.txt"), "{error:?}");
    assert_eq!("rust".parse::<Language>().unwrap(), Language::Rust);
    assert_eq!("cobol".parse::<Language>().unwrap_err().kind(), ErrorKind::InvalidArgument);
}
