//! The kit, from a new project to a tested component, and the examples.

mod cases;
mod other_languages;
mod projects;

use std::path::{Path, PathBuf};

use super::*;
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The directory in which the build script of the default policy compiles guests: shared dependencies are compiled once.
fn guest_target_dir() -> PathBuf {
    // `<target>/<profile>/deps/<test>`
    std::env::current_exe().unwrap().ancestors().nth(3).unwrap().join("guests")
}

fn engine() -> PolicyEngine {
    PolicyEngine::new(&EngineOptions::default()).unwrap()
}

/// Runs the golden cases in `cases` on a component and fails with every difference.
#[track_caller]
fn assert_cases_pass(component: &Path, cases: &Path) {
    let policy = Policy::load_file(&engine(), component, &Budget::default()).unwrap();
    let mut failures = String::new();
    for file in CaseFile::read_dir(cases).unwrap() {
        let outcome = file.case.check(&policy);
        if !outcome.passed() {
            failures += &format!("{}:\n  {}\n", file.name(), outcome.differences.join("\n  "));
        }
    }
    assert!(failures.is_empty(), "{}\n{failures}", component.display());
}
