//! `history show`: one entry whole, and a decision as a case.

use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::{example_policy, root};

/// A champion by the default policy; then `soak-time` holds version 2, and approves it with another setting.
fn decisions() -> (Project, String) {
    let project = Project::new(None, &fresh_name("show"));
    let model = root().join("tests/fixtures/models/binary_int/booster/model.lgb");
    let policy = example_policy("soak-time");
    for _ in 0..2 {
        project.json(["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.9"]);
        project.run(["promote"]);
    }
    project.json(["rollback", "--reason", "a drill"]);
    let held = project.run(["--policy", &policy, "--set", "min-age=36h", "promote", "2"]);
    assert_eq!(held.code, 3, "{}", held.err);
    project.json([
        "--policy",
        &policy,
        "--set",
        "min-age=0s",
        "promote",
        "2",
        "--reason",
        "\u{202e}late\u{1b}[2J",
    ]);
    (project, policy)
}

#[test]
fn an_entry_is_shown_whole() {
    let (project, _) = decisions();
    let mut shown = project.json(["history", "show", "5"]);
    let exported = project.run(["history", "export"]);
    let line = exported.out.lines().nth(1).expect("the second newest entry");
    let evidence = shown.as_object_mut().and_then(|shown| shown.remove("evidence")).expect("the evidence");
    assert_eq!(evidence["context"]["settings"]["min-age"], "129600000");
    assert_eq!(evidence["target"]["run"]["metrics"]["auc"], 0.9);
    let mut line: Value = serde_json::from_str(line).expect("a document");
    line["schema"] = json!("hydra-registry/entry-details/1");
    for more in ["answers", "flaw_of_archive", "model_changes"] {
        line[more] = shown[more].clone();
    }
    assert_eq!(shown, line);
    assert_eq!([&shown["number"], &shown["entry"]["decided"]["verdict"]], [&json!(5), &json!("hold")]);
    let text = project.run(["history", "show", "5"]);
    assert_eq!(text.code, 0, "{}", text.err);
    let digest = shown["sha256"].as_str().expect("a digest");
    for part in
        ["    5  ", "promote version 2: held", digest, "follows     entry 4", " fuel, ", "fuel 1000000000, "]
    {
        assert!(text.out.contains(part), "`{part}` is missing in:\n{}", text.out);
    }
    assert!(project.run(["history", "show", "1"]).out.contains("genesis"));
    for missing in ["0", "7"] {
        let refused = project.run(["history", "show", missing]);
        assert!(
            refused.code == 4 && refused.err.contains(&format!("has no entry {missing}")),
            "{}",
            refused.err
        );
    }
    let new = Project::new(None, &fresh_name("show"));
    new.json([
        "log-candidate",
        root().join("tests/fixtures/models/binary_int/booster/model.lgb").to_str().expect("a path"),
        "--metric",
        "auc=0.9",
    ]);
    let none = new.run(["history", "show", "1"]);
    assert!(none.code == 4 && none.err.contains("has no entry 1"), "{}", none.err);
}

/// How the model of a decision differs from the champion's: in kind in the list, in full for an entry.
#[test]
fn what_changes_for_users_is_in_the_history() {
    let project = Project::new(None, &fresh_name("changes"));
    for case in ["binary_int", "binary_cat", "regression"] {
        let model = root().join("tests/fixtures/models").join(case).join("booster/model.lgb");
        project.json(["log-candidate", model.to_str().expect("a path"), "--metric", "auc=0.9"]);
        project.json(["promote"]);
    }
    project.json(["rollback"]);
    let entries = crate::ledger::lines(&project, &["history"]);
    let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["model_change_kinds"]).collect();
    let both = json!(["output", "columns"]);
    // The rollback, the three promotions, the beginning.
    assert_eq!(kinds, [&both, &both, &json!(["columns"]), &json!([]), &json!([])]);
    let text = project.run(["history"]).out;
    assert!(text.contains("changes for users: output, columns\n"), "{text}");
    for (entry, said) in [
        ("3", "the input columns change: added num, city, tier, zeros, removed f0, f1, f2, f3, f4"),
        ("4", "`predict` answers value instead of probability"),
        ("5", "`predict` answers probability instead of value"),
    ] {
        let text = project.run(["history", "show", entry]).out;
        assert!(text.contains(said), "{text}");
        let shown = project.json(["history", "show", entry]);
        assert_eq!(shown["model_changes"][0]["change"], if entry == "3" { "columns" } else { "output" });
    }
    assert_eq!(project.json(["history", "show", "2"])["model_changes"], json!([]));
}

/// The case of every decision passes as it is, by the policy that decided.
#[test]
fn every_decision_is_a_case() {
    let (project, policy) = decisions();
    project.file("default.wasm", hydra_policy::Policy::default_bytes());
    for (entries, component) in [(&["2", "3", "4"][..], "default.wasm"), (&["5", "6"], &policy)] {
        let cases = format!("cases-of-{}", entries.len());
        std::fs::create_dir(project.path().join(&cases)).expect("a directory");
        for entry in entries {
            let written = project.run(["history", "show", entry, "--as-case"]);
            assert_eq!(written.code, 0, "{}", written.err);
            project.file(&format!("{cases}/entry-{entry}.json"), &written.out);
        }
        let tested = project.run(["policy", "test", component, &cases]);
        assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
        assert!(tested.out.contains(&format!(": {} passed, 0 failed", entries.len())), "{}", tested.out);
    }
    let case = project.json(["history", "show", "5", "--as-case"]);
    assert_eq!(case["input"]["context"]["settings"]["min-age"], "1d12h", "as users write it");
    assert_eq!(case["expect"], json!({"verdict": "hold"}));
    let case = project.json(["history", "show", "6", "--as-case"]);
    assert_eq!(case["input"]["context"]["reason"], "\u{202e}late\u{1b}[2J");
    let champion = json!({"alias": "champion", "version": "2"});
    assert_eq!((&case["expect"]["verdict"], &case["expect"]["moves"][0]), (&json!("approve"), &champion));
    let raw = project.run(["history", "show", "6", "--as-case"]).out;
    assert!(!raw.contains('\u{202e}') && !raw.contains('\u{1b}'), "{raw}");

    let genesis = project.run(["--output", "json", "history", "show", "1", "--as-case"]);
    assert!(genesis.code == 2 && genesis.err.contains("NotADecision"), "{}", genesis.err);
}
