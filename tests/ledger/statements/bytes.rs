//! Approvals and quarantines by name, reason and bytes.

use serde_json::json;

use crate::cli::{LOG, training_csv};
use crate::ledger::commands::lines;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;

/// An approval ends when the bytes change, also where a tag still names the old ones.
#[test]
fn an_approval_of_other_bytes_does_not_count() {
    let project = Project::new(None, &fresh_name("swap"));
    project.file("train.csv", training_csv());
    let other = crate::support::backends::sound_model().join("model.lgb");
    for _ in 0..2 {
        project.json(LOG);
    }
    project.json(["promote", "1"]);
    project.json(["approve", "2", "--actor", "bob"]);
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let query = "SELECT storage_location FROM model_versions WHERE version = 2 AND name NOT LIKE '%_ledger'";
    let place: String = database.query_row(query, [], |row| row.get(0)).expect("a version");
    let file = std::path::Path::new(place.trim_start_matches("file://")).join("model.lgb");
    std::fs::copy(&other, file).expect("a swap");
    let policy = crate::support::example_policy("four-eyes");
    let forced = project.run(["promote", "2", "--policy", &policy, "--actor", "ann", "--allow-unloadable"]);
    assert_eq!(forced.code, 3, "{}{}", forced.out, forced.err);
    assert!(forced.out.contains("waits for an approval"), "{}", forced.out);
    let entry = lines(&project, &["history", "export"]).remove(0);
    let found = hydra_base::Sha256::of(&std::fs::read(other).expect("a model")).to_string();
    assert!(entry.to_string().contains(&found), "{entry}");
    let refused = project.run(["--output", "json", "approve", "2", "--actor", "bob"]);
    assert!(refused.code == 2 && refused.err.contains("\"Unloadable\""), "{}", refused.err);
}

/// Long names do not stop a decision and do not hide a person.
#[test]
fn names_are_compared_and_limited_everywhere_in_the_same_way() {
    let project = Project::new(None, &fresh_name("names"));
    project.file("train.csv", training_csv());
    for _ in 0..2 {
        project.json(LOG);
    }
    project.json(["promote", "1"]);
    let policy = crate::support::example_policy("four-eyes");
    let (longest, other) = ("🦀".repeat(200), "🐙".repeat(200));
    for command in ["approve", "promote", "nominate"] {
        let refused = project.run(["--output", "json", command, "2", "--actor", &"A".repeat(201)]);
        assert!(refused.code == 2 && refused.err.contains("\"TextTooLong\""), "{command}: {}", refused.err);
    }
    project.json(["approve", "2", "--actor", &longest, "--reason", &"r".repeat(1_000)]);
    let promote = |actor: &str| project.run(["promote", "2", "--policy", &policy, "--actor", actor]);
    let held = promote(&format!(" {longest} "));
    assert_eq!(held.code, 3, "{}{}", held.out, held.err);
    let promoted = promote(&other);
    assert_eq!(promoted.code, 0, "{}{}", promoted.out, promoted.err);
    assert_eq!(project.json(["history", "verify"])["sound"], true);
}

/// A rollback leaves a quarantine as it is, with its reason.
#[test]
fn a_rollback_keeps_the_reason_of_a_quarantine() {
    let project = Project::new(None, &fresh_name("reason"));
    project.file("train.csv", training_csv());
    for number in ["1", "2"] {
        project.json(LOG);
        project.json(["promote", number]);
    }
    project.json(["quarantine", "2", "--reason", "leak"]);
    let rolled_back = project.json(["rollback", "--quarantine"]);
    assert_eq!((&rolled_back["outcome"], &rolled_back["quarantined"]), (&json!("done"), &json!([])));
    let listed = project.run(["list"]).out;
    assert!(listed.contains("leak") && !listed.contains("left by a rollback"), "{listed}");
    let sound = project.run(["doctor"]);
    assert_eq!(sound.code, 0, "{}", sound.out);
    assert_eq!(project.json(["history", "verify"])["sound"], true);
}
