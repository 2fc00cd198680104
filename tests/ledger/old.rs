//! This release reads, verifies and continues ledgers of earlier releases, which are in `tests/fixtures/ledgers`.

use std::fs;
use std::path::Path;

use hydra_policy::Policy;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::commands::lines;
use crate::support::binary::Project;
use crate::support::root;

/// The placeholder in each fixture for the directory where its store was created.
const MADE_IN: &str = "/old/home";

#[test]
fn a_database_of_schema_1_is_read_verified_and_continued() {
    let project = copy_of("schema-1/sqlite");
    let database = Connection::open(project.path().join("mlflow.db")).expect("the database");
    for (table, column) in [
        ("experiments", "artifact_location"),
        ("runs", "artifact_uri"),
        ("logged_models", "artifact_location"),
        ("model_versions", "storage_location"),
    ] {
        let moved = format!("UPDATE {table} SET {column} = replace({column}, ?1, ?2)");
        let home = project.path().display().to_string();
        assert!(database.execute(&moved, [MADE_IN, &home]).expect("moved") > 0, "{table}");
    }
    let marks = || {
        let marks =
            "SELECT version, value FROM model_version_tags WHERE key = 'hydra.applied' ORDER BY version";
        let mut marks = database.prepare(marks).expect("a query");
        let marks = marks.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).expect("marks");
        marks.collect::<Result<_, _>>().expect("marks")
    };
    assert_is_read_verified_and_continued(&project, &marks);
}

#[test]
fn a_file_store_of_schema_1_is_read_verified_and_continued() {
    let project = copy_of("schema-1/file");
    let home = project.path().display().to_string();
    for meta in files_below(project.path()).filter(|path| path.ends_with("meta.yaml")) {
        let text = fs::read_to_string(&meta).expect("a meta file");
        fs::write(&meta, text.replace(MADE_IN, &home)).expect("moved");
    }
    let mark = |number: u32| {
        let path = format!("mlruns/models/old_ledger/version-{number}/tags/hydra.applied");
        Some((number, fs::read_to_string(project.path().join(path)).ok()?))
    };
    let marks = || (1..=10).filter_map(mark).collect();
    assert_is_read_verified_and_continued(&project, &marks);
}

/// `marks` reads the tags `hydra.applied` with the numbers of their entries, oldest first.
fn assert_is_read_verified_and_continued(project: &Project, marks: &dyn Fn() -> Vec<(u32, String)>) {
    let before = lines(project, &["history", "export"]);
    let old_marks = marks();
    assert_was_written_by_the_first_release(&before, &old_marks);

    let entries = lines(project, &["history"]);
    let shown: Vec<Value> = entries
        .iter()
        .map(|entry| {
            json!([entry["sequence"], entry["operation"], entry["target"], entry["verdict"], entry["actor"]])
        })
        .collect();
    assert_eq!(
        json!(shown),
        json!([
            [6, "external", null, null, "tester"],
            [5, "promote", 3, "reject", "tester"],
            [4, "rollback", null, "approve", "ann"],
            [3, "promote", 2, "approve", "tester"],
            [2, "promote", 1, "approve", "tester"],
            [1, "genesis", null, null, "tester"],
        ])
    );
    assert!(entries.iter().all(|entry| entry["fate"] == "done"), "{entries:?}");
    let verified = project.json(["history", "verify"]);
    assert_eq!(
        json!([verified["sound"], verified["entries"], verified["rerun"], verified["flaws"]]),
        json!([true, 6, 4, []])
    );

    for (index, champion, archived) in
        [(0, 3, json!(2)), (2, 1, json!(2)), (3, 2, json!(1)), (4, 1, json!(null))]
    {
        let time = entries[index]["at"].as_str().expect("a time");
        let then = project.json(["champion", "--as-of", time]);
        assert_eq!(json!([then["version"], then["archived"]]), json!([champion, archived]), "{time}");
    }

    let promoted = project.json(["promote", "2", "--reason", "a later release"]);
    assert_eq!(json!([promoted["outcome"], promoted["sequence"]]), json!(["done", 7]));
    let after = lines(project, &["history", "export"]);
    assert_eq!(after[1..], before, "the old entries are as they were");
    assert_eq!(after[0]["entry"]["previous"], before[0]["sha256"]);
    assert_eq!(json!([before[0]["entry"]["schema"], after[0]["entry"]["schema"]]), json!([1, 2]));
    let mixed = marks();
    assert_eq!(mixed[..5], old_marks, "the old marks are as they were");
    assert_eq!(mixed[5..], [(7, "atomic".to_owned())]);
    let verified = project.json(["history", "verify"]);
    assert_eq!(json!([verified["sound"], verified["entries"], verified["rerun"]]), json!([true, 7, 5]));
    project.file("default.wasm", Policy::default_bytes());
    let together = ["promote", "3", "--policy", "default.wasm", "--policy", "gate=default.wasm"];
    assert_eq!(project.json(together)["sequence"], 8);
    let panel = &lines(project, &["history", "--limit", "1"])[0]["panel"];
    assert_eq!(
        json!([panel[1]["name"], panel[1]["mode"], panel[1]["verdict"]]),
        json!(["gate", "gate", "approve"])
    );
    assert_eq!(lines(project, &["history", "export"])[1..], after, "the entries below are as they were");
    let verified = project.json(["history", "verify"]);
    assert_eq!(json!([verified["sound"], verified["entries"], verified["rerun"]]), json!([true, 8, 6]));
    let doctor = project.run(["doctor"]);
    assert_eq!(doctor.code, 0, "{}{}", doctor.out, doctor.err);
    assert_eq!(project.json(["champion"])["version"], 3);
}

/// Ensures that the fixture comes from release 0.1: one of a later release would not test old formats.
fn assert_was_written_by_the_first_release(exported: &[Value], marks: &[(u32, String)]) {
    for line in exported {
        let entry = &line["entry"];
        assert_eq!(json!([entry["schema"], entry["host"]]), json!([1, "hydra-registry/0.1.0"]));
    }
    let made_at = |number: u32| {
        let line = exported.iter().find(|line| line["number"] == number).expect("an entry");
        line["entry"]["at"].as_str().expect("a time").to_owned()
    };
    let numbers: Vec<u32> = marks.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [2, 3, 4, 5, 6]);
    for (number, mark) in marks {
        let later = mark.parse::<u64>().expect("a bare number") > made_at(*number).parse().expect("a number");
        assert_eq!(
            later,
            *number == 6,
            "entry {number}: an outside move is recorded first and marked afterwards"
        );
    }
}

/// A project with a copy of a fixture's store.
fn copy_of(fixture: &str) -> Project {
    let project = Project::new(None, "old");
    let fixture = root().join("tests/fixtures/ledgers").join(fixture);
    for from in files_below(&fixture) {
        let to = project.path().join(from.strip_prefix(&fixture).expect("a path below the fixture"));
        fs::create_dir_all(to.parent().expect("a parent")).expect("a directory");
        fs::copy(&from, &to).expect("a copy");
    }
    project
}

/// Every file below a directory.
fn files_below(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> {
    let (mut open, mut files) = (vec![directory.to_owned()], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in fs::read_dir(directory).expect("a directory") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { open.push(path) } else { files.push(path) }
        }
    }
    files.into_iter()
}
