//! `history`, `doctor`, `champion --as-of`, `rollback --to` and `policy backtest`, through the binary.

use serde_json::{Value, json};

use crate::cli::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;

/// Three versions, promoted in turn: the champion is version 3, and version 2 is archived.
fn three_promotions() -> Project {
    let project = Project::new(None, &fresh_name("commands"));
    project.file("train.csv", training_csv());
    for _ in 0..3 {
        project.json(LOG);
        project.json(["promote", "--reason", "nightly"]);
    }
    project
}

/// The JSON documents that a command writes, one per line.
pub(crate) fn lines(project: &Project, command: &[&str]) -> Vec<Value> {
    let outcome = project.run([&["--output", "jsonl"], command].concat());
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    outcome.out.lines().map(|line| serde_json::from_str(line).expect("a document per line")).collect()
}

#[test]
fn the_history_shows_who_when_what_and_why() {
    let project = three_promotions();
    project.json(["rollback", "--actor", "ann"]);
    let entries = lines(&project, &["history"]);
    let shown: Vec<_> =
        entries.iter().map(|e| (&e["sequence"], &e["operation"], &e["verdict"], &e["target"])).collect();
    let (promote, approve) = (json!("promote"), json!("approve"));
    assert_eq!(
        shown,
        [
            (&json!(5), &json!("rollback"), &approve, &json!(null)),
            (&json!(4), &promote, &approve, &json!(3)),
            (&json!(3), &promote, &approve, &json!(2)),
            (&json!(2), &promote, &approve, &json!(1)),
            (&json!(1), &json!("genesis"), &json!(null), &json!(null)),
        ]
    );
    assert_eq!((&entries[0]["actor"], &entries[1]["reason"]), (&json!("ann"), &json!("nightly")));
    assert_eq!(
        entries[0]["changes"],
        json!([{"alias": "archived", "from": 2, "to": 3}, {"alias": "champion", "from": 3, "to": 2}])
    );
    assert_eq!(entries[0]["policy"]["sha256"].as_str().map(str::len), Some(64));
    assert_eq!(lines(&project, &["history", "--limit", "2"]).len(), 2);
    assert_eq!(lines(&project, &["history", "--since", "1 hour ago"]).len(), 5);
    assert_eq!(lines(&project, &["history", "--since", "2999-01-01"]).len(), 0);
    let text = project.run(["history", "--limit", "1"]);
    for part in ["rollback", "champion: 3 -> 2", "by ann", "policy default"] {
        assert!(text.out.contains(part), "`{part}` is missing in:\n{}", text.out);
    }
}

/// A dry run decides on the current aliases; a real run would first settle the ledger.
#[test]
fn a_dry_run_reports_moved_aliases() {
    let project = three_promotions();
    let quiet = project.run(["rollback", "--dry-run"]);
    assert!(quiet.code == 0 && !quiet.err.contains("settles this first"), "{}", quiet.err);
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let moved = "UPDATE registered_model_aliases SET version = 1 WHERE alias = 'champion'";
    assert_eq!(database.execute(moved, []).expect("done"), 1);
    let reported = project.run(["rollback", "--dry-run"]);
    assert!(reported.err.contains("settles this first"), "{}", reported.err);
}

/// An embedding program can subscribe to this event.
#[test]
fn a_transition_is_an_event_with_fields() {
    let project = three_promotions();
    let outcome = project.run(["-v", "rollback"]);
    for field in [
        "transition",
        "operation=rollback",
        "outcome=Done",
        "sequence=5",
        "after=archived -> 3, champion -> 2",
    ] {
        assert!(outcome.err.contains(field), "`{field}` is missing in:\n{}", outcome.err);
    }
}

#[test]
fn a_missing_ledger_is_not_an_error() {
    let project = Project::new(None, &fresh_name("commands"));
    project.file("train.csv", training_csv());
    project.json(LOG);
    let outcome = project.run(["history"]);
    assert_eq!((outcome.code, outcome.out.as_str()), (0, ""));
    assert!(outcome.err.contains("no history yet"), "{}", outcome.err);
    assert_eq!(lines(&project, &["history"]), [] as [Value; 0], "entries come one a line");
    assert_eq!(lines(&project, &["history", "export"]), [] as [Value; 0]);
    let verified = project.json(["history", "verify"]);
    assert_eq!(verified["schema"], "hydra-registry/verify/1");
    assert_eq!((&verified["sound"], &verified["entries"]), (&json!(true), &json!(0)));
    assert_eq!(verified["flaws"], json!([]));
    assert!(project.run(["history", "verify"]).out.contains("0 entries"));
    assert_eq!(project.run(["doctor"]).code, 0);
    let as_of = project.run(["champion", "--as-of", "1 day ago"]);
    assert_eq!(as_of.code, 4, "{}", as_of.err);
}

#[test]
fn the_champion_of_another_day() {
    let project = three_promotions();
    let second = lines(&project, &["history"])[1]["at"].as_str().expect("a time").to_owned();
    let then = project.json(["champion", "--as-of", &second]);
    assert_eq!((&then["version"], &then["archived"], &then["sequence"]), (&json!(2), &json!(1), &json!(3)));
    assert_eq!(project.json(["champion", "--as-of", "2999-01-01"])["version"], 3);
    let before = project.run(["champion", "--as-of", "2001-01-01"]);
    assert_eq!(before.code, 4);
    assert!(before.err.contains("did not exist at that time"), "{}", before.err);
}

/// Target and reason of each transition in the archived input of the newest decision.
fn past_shown_last(project: &Project) -> Vec<(String, String)> {
    let newest = &lines(project, &["history", "--limit", "1"])[0];
    let id = newest["operation_id"].as_str().expect("an id");
    let inputs = std::fs::read_dir(walk(&project.path().join("mlruns"), "decisions")).expect("the inputs");
    let mut paths = inputs.map(|input| input.expect("an input").path());
    let own = |path: &std::path::PathBuf| path.to_string_lossy().contains(id);
    let path = paths.find(own).expect("the decision's input");
    let input: Value = serde_json::from_slice(&std::fs::read(path).expect("the input")).expect("JSON");
    let history = input["context"]["history"].as_array().expect("a history");
    let text = |value: &Value| value.as_str().expect("a text").to_owned();
    history
        .iter()
        .inspect(|past| assert_eq!(past["operation"], "promote"))
        .map(|past| (text(&past["target"]), text(&past["reason"])))
        .collect()
}

fn past(shown: &[(&str, &str)]) -> Vec<(String, String)> {
    shown.iter().map(|(target, reason)| ((*target).to_owned(), (*reason).to_owned())).collect()
}

#[test]
fn a_policy_receives_earlier_transitions() {
    let project = three_promotions();
    assert_eq!(past_shown_last(&project), past(&[("2", "nightly"), ("1", "nightly")]));
}

/// There are more rejections than a decision reads entries of the ledger.
#[test]
fn rejections_do_not_hide_earlier_transitions() {
    let project = three_promotions();
    let soak = crate::support::example_policy("soak-time");
    for attempt in 0..70 {
        // A different reason is different evidence, so the ledger records each hold.
        let reason = format!("attempt {attempt}");
        let held =
            project.run(["promote", "1", "--policy", &soak, "--set", "min-age=1000h", "--reason", &reason]);
        assert_eq!(held.code, 3, "{}", held.err);
    }
    let nightly = [("3", "nightly"), ("2", "nightly"), ("1", "nightly")];
    assert_eq!(past_shown_last(&project), past(&nightly));
    // Without the archived inputs, the history comes from the entries.
    std::fs::remove_dir_all(walk(&project.path().join("mlruns"), "decisions")).expect("the inputs");
    project.json(["promote", "1", "--reason", "now"]);
    assert_eq!(past_shown_last(&project), past(&nightly));
}

#[test]
fn verification_runs_every_decision_again_and_finds_what_was_changed() {
    let project = three_promotions();
    let report = project.json(["history", "verify"]);
    assert_eq!(
        (&report["sound"], &report["entries"], &report["rerun"]),
        (&json!(true), &json!(4), &json!(3))
    );
    assert_eq!(project.json(["history", "verify", "--no-rerun"])["rerun"], 0);

    // Change an archived input, then an entry.
    let inputs = walk(&project.path().join("mlruns"), "decisions");
    let input =
        std::fs::read_dir(inputs).expect("the inputs").next().expect("an input").expect("an input").path();
    let text = std::fs::read_to_string(&input).expect("an input");
    std::fs::write(&input, text.replace("nightly", "monthly")).expect("changed");
    let outcome = project.run(["--output", "json", "history", "verify"]);
    assert_eq!(outcome.code, 1);
    let report: Value = serde_json::from_str(&outcome.out).expect("a report");
    assert_eq!(
        (report["flaws"].as_array().map(Vec::len), &report["rerun"]),
        (Some(1), &json!(2)),
        "{report}"
    );

    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let changed = database
        .execute(
            "UPDATE model_version_tags SET value = replace(value, 'tester', 'forger') WHERE key = 'hydra.entry' AND version > 1",
            [],
        )
        .expect("changed entries");
    assert_eq!(changed, 3);
    let outcome = project.run(["history", "verify"]);
    assert_eq!(outcome.code, 1);
    assert!(outcome.out.contains("entry 4: its digest of the previous entry is wrong"), "{}", outcome.out);
    assert!(
        outcome.out.contains("entry 2: its digest differs from the one in the next entry"),
        "{}",
        outcome.out
    );

    // Writers stop; `doctor` reports the damage and `doctor --fix` bridges it.
    project.json(LOG);
    let stopped = project.run(["promote"]);
    assert_eq!(stopped.code, 2);
    assert!(stopped.err.contains("doctor"), "{}", stopped.err);
    let found = project.run(["doctor"]);
    assert_eq!(found.code, 1);
    assert!(found.out.contains("unknown-entry: entry 4 is damaged"), "{}", found.out);
    let fixed = project.run(["doctor", "--fix"]);
    assert!(fixed.out.contains("repaired: entry 4 is damaged"), "{}{}", fixed.out, fixed.err);
    assert_eq!(project.json(["promote"])["outcome"], "done");
    assert_eq!(lines(&project, &["history"])[1]["operation"], "checkpoint");
}

/// Commands report a gap in the history until a checkpoint bridges it.
#[test]
fn unreadable_entries_are_reported() {
    let project = three_promotions();
    let entries = lines(&project, &["history"]);
    let at = |index: usize| entries[index]["at"].as_str().expect("a time").to_owned();
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let damaged = "DELETE FROM model_version_tags WHERE key = 'hydra.entry' AND version = 3";
    assert_eq!(database.execute(damaged, []).expect("done"), 1);
    let warning = "an entry of the ledger cannot be read and is left out";
    let shown = project.run(["history"]);
    assert!(shown.code == 0 && shown.err.contains(warning), "{}", shown.err);
    let then = project.run(["champion", "--as-of", &at(1)]);
    assert!(then.out.contains("version 1") && then.err.contains(warning), "{}{}", then.out, then.err);
    // Nothing unreadable lies between the entry and that time.
    for time in [at(0), at(3)] {
        let then = project.run(["champion", "--as-of", &time]);
        assert!(then.code == 0 && !then.err.contains(warning), "{time}: {}", then.err);
    }
    project.run(["doctor", "--fix"]);
    let shown = project.run(["history"]);
    assert!(shown.out.contains("entry 3 is damaged") && !shown.err.contains(warning), "{}", shown.err);
}

#[test]
fn the_export_contains_every_entry_unchanged() {
    let project = three_promotions();
    let exported = lines(&project, &["history", "export"]);
    let numbers: Vec<_> = exported.iter().map(|line| line["number"].as_u64()).collect();
    assert_eq!(numbers, [Some(4), Some(3), Some(2), Some(1)]);
    for pair in exported.windows(2) {
        assert_eq!(pair[0]["entry"]["previous"], pair[1]["sha256"]);
    }
    assert_eq!(exported[3]["entry"]["operation"], "genesis");
}

#[test]
fn doctor_names_each_finding_with_its_remedy() {
    let project = three_promotions();
    assert!(project.run(["doctor"]).out.contains("no problems found"));
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let execute = |sql: &str| assert!(database.execute(sql, []).expect("done") > 0, "{sql}");
    // A killed `log-candidate`, an alias moved by hand, a missing archived policy and a missing model of the champion.
    execute(
        "UPDATE runs SET status = 'RUNNING', end_time = NULL, start_time = 1000 WHERE run_uuid IN (SELECT run_id FROM model_versions WHERE version = 1 AND run_id IS NOT NULL)",
    );
    execute("UPDATE registered_model_aliases SET version = 1 WHERE alias = 'archived'");
    std::fs::remove_dir_all(walk(&project.path().join("mlruns"), "policies")).expect("removed");
    let champion = walk(&project.path().join("mlruns"), "models");
    std::fs::remove_dir_all(&champion).expect("removed");
    let outcome = project.run(["--output", "json", "doctor"]);
    assert_eq!(outcome.code, 1, "{}", outcome.err);
    let report: Value = serde_json::from_str(&outcome.out).expect("a report");
    let findings = report["findings"].as_array().expect("findings");
    let mut codes: Vec<&str> = findings.iter().filter_map(|finding| finding["code"].as_str()).collect();
    codes.dedup();
    assert_eq!(codes, ["drift", "missing-artifact", "unreadable-model", "unfinished-run"], "{report}");
    assert!(findings.iter().all(|finding| finding["remedy"].as_str().is_some_and(|text| text.len() > 20)));
    let outcome = project.run(["--output", "json", "doctor", "--fix"]);
    let report: Value = serde_json::from_str(&outcome.out).expect("a report");
    let mut fixed: Vec<&Value> =
        report["fixed"].as_array().expect("repairs").iter().map(|f| &f["code"]).collect();
    fixed.dedup();
    // The repair records the move and stores the policy again; the missing model remains a finding.
    assert_eq!(fixed, ["drift", "missing-artifact", "unfinished-run"], "{report}");
    let status: String = database
        .query_row("SELECT status FROM runs WHERE start_time = 1000", [], |row| row.get(0))
        .expect("the run");
    assert_eq!(status, "FAILED");
}

#[test]
fn a_rollback_goes_to_former_champions_only() {
    let project = three_promotions();
    project.json(LOG);
    let never = project.run(["--output", "json", "rollback", "--to", "4"]);
    assert_eq!(never.code, 2);
    assert!(
        never.err.contains("NeverChampion") && never.err.contains("was never the champion"),
        "{}",
        never.err
    );
    let tried = project.json(["rollback", "--to", "1", "--dry-run"]);
    assert_eq!((&tried["outcome"], &tried["sequence"]), (&json!("done"), &json!(null)));
    let report = project.json(["rollback", "--to", "1"]);
    assert_eq!((&report["outcome"], &report["target"]), (&json!("done"), &json!(1)));
    assert_eq!(project.json(["champion"])["version"], 1);
    assert_eq!(project.json(["history", "verify"])["sound"], true);
}

#[test]
fn a_backtest_runs_another_policy_on_recorded_evidence() {
    let project = three_promotions();
    project.json(["rollback"]);
    let gate = crate::support::example_policy("metric-gate");
    let report = project.json(["policy", "backtest", &gate, "--set", "metric=auc", "--set", "margin=0.5"]);
    assert_eq!(report["decisions"], 4);
    let agreements = report["agreements"].as_u64().expect("a count");
    let changed = report["changed"].as_array().expect("changes");
    assert_eq!(agreements + changed.len() as u64, 4);
    // No model beats an equal one by a margin of 0.5, so the two promotions over a champion get another verdict.
    let otherwise: Vec<_> = changed.iter().map(|change| (&change["target"], &change["verdict"])).collect();
    assert_eq!(otherwise, [(&json!(3), &json!("reject")), (&json!(2), &json!("reject"))], "{report}");
    assert_eq!(report["summary"]["approve"], json!({"approve": 2, "reject": 2}));
    let text = project.run(["policy", "backtest", &gate, "--set", "metric=auc", "--set", "margin=0.5"]);
    assert!(text.out.contains("2 the same, 2 different"), "{}", text.out);
    // A backtest ignores settings of another policy; a decision rejects settings that its policy does not have.
    let config =
        std::fs::read_to_string(project.path().join("hydra.toml")).expect("the project's configuration");
    project.file("hydra.toml", format!("{config}[settings]\nmetric = 'auc'\nmargin = 0.5\nmin-age = '1h'\n"));
    let text = project.run(["policy", "backtest", &gate]);
    assert!(text.out.contains("2 the same, 2 different"), "{}{}", text.out, text.err);
    assert!(text.err.contains("ignoring the setting `min-age` of hydra.toml"), "{}", text.err);
    let refused = project.run(["--output", "json", "promote", "1", "--policy", &gate]);
    assert!(refused.code == 2 && refused.err.contains("PolicySettings"), "{}", refused.err);
    project.file("hydra.toml", config);
    let recorded = project.json(["history", "verify"]);
    assert_eq!((&recorded["sound"], &recorded["entries"]), (&json!(true), &json!(5)), "nothing was recorded");
}

/// The first directory named `name` below `root`.
pub fn walk(root: &std::path::Path, name: &str) -> std::path::PathBuf {
    let mut open = vec![root.to_owned()];
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(&directory).expect("a directory").map_while(Result::ok) {
            if entry.file_name() == name {
                return entry.path();
            }
            if entry.path().is_dir() {
                open.push(entry.path());
            }
        }
    }
    panic!("there is no {name} below {}", root.display());
}
