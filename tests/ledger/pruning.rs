//! How the archive grows, and what may be deleted in it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::cli::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::files_below;

/// The sizes of the archived files, by their paths.
fn archive(project: &Project, directory: &str) -> BTreeMap<PathBuf, u64> {
    let inside = |path: &Path| path.parent().is_some_and(|parent| parent.ends_with(directory));
    let files = files_below(&project.path().join("mlruns")).into_iter();
    files
        .filter(|path| inside(path))
        .map(|path| (path.clone(), path.metadata().expect("a file").len()))
        .collect()
}

fn promoted(versions: usize) -> Project {
    let project = Project::new(None, &fresh_name("pruning"));
    project.file("train.csv", training_csv());
    for _ in 0..versions {
        project.json(LOG);
        project.json(["promote"]);
    }
    project
}

#[test]
fn a_decision_adds_its_input_and_a_policy_is_kept_once() {
    let project = promoted(2);
    let (before, policies) = (archive(&project, "decisions"), archive(&project, "policies"));
    assert_eq!((before.len(), policies.len()), (2, 1));
    for more in 1..=3 {
        project.json(["rollback"]);
        let inputs = archive(&project, "decisions");
        assert_eq!(inputs.len(), 2 + more);
        assert!(inputs.values().all(|bytes| *bytes < 32 << 10), "{inputs:?}");
    }
    assert_eq!(archive(&project, "policies"), policies);
}

#[test]
fn inputs_of_old_decisions_can_be_moved_away_and_brought_back() {
    let project = promoted(3);
    let kept = project.path().join("kept");
    fs::create_dir(&kept).expect("a directory");
    let inputs: Vec<PathBuf> = archive(&project, "decisions").into_keys().collect();
    for input in &inputs {
        fs::rename(input, kept.join(input.file_name().expect("a name"))).expect("moved");
    }
    // Decisions go on, the chain can be checked, and the decisions cannot be repeated.
    project.json(LOG);
    assert_eq!(project.json(["promote"])["outcome"], "done");
    assert_eq!(project.json(["rollback"])["outcome"], "done");
    let chain = project.run(["history", "verify", "--no-rerun"]);
    assert_eq!(chain.code, 0, "{}", chain.out);
    let verified = project.run(["history", "verify"]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    assert!(verified.out.contains("entry 2: "), "{}", verified.out);
    let doctor = project.run(["doctor"]);
    assert!(doctor.out.contains("missing-artifact"), "{}", doctor.out);
    for input in &inputs {
        fs::rename(kept.join(input.file_name().expect("a name")), input).expect("moved back");
    }
    assert_eq!(project.run(["history", "verify"]).code, 0);
    assert_eq!(project.run(["doctor"]).code, 0);
}
