//! Policies that decide together, through the command line and `hydra.toml`.

use hydra_policy::Policy;
use hydra_test_guests::{component_of, read};
use serde_json::{Value, json};

use crate::support::backends::{fresh_name, sound_model};
use crate::support::binary::{Outcome, Project};
use crate::support::example_policy;

/// Three policies: the gain in `auc`, then the gain in `loss`, beside one that traps.
const PANEL: &str = r#"
[[policies]]
file = "metric-gate.wasm"
settings = { metric = "auc" }

[[policies]]
name = "loss"
file = "metric-gate.wasm"
settings = { metric = "loss:min" }

[[policies]]
name = "next"
file = "unreachable.wasm"
mode = "monitor"
budget = { fuel = 1_000_000 }
"#;

/// A project with the policies' files and two versions: the second is better by `auc` and worse by `loss`.
fn project(config: &str) -> Project {
    let name = fresh_name("panel");
    let project = Project::new(None, &name);
    project.file("hydra.toml", format!("model = \"{name}\"\n{config}"));
    let gate = std::fs::read(example_policy("metric-gate")).expect("a component");
    project.file("metric-gate.wasm", gate);
    for guest in ["unreachable", "well_behaved"] {
        let component = component_of(guest, &read(guest), Policy::default_bytes());
        project.file(&format!("{guest}.wasm"), component);
    }
    let model = sound_model().join("model.lgb").display().to_string();
    for [auc, loss] in [["auc=0.8", "loss=0.3"], ["auc=0.9", "loss=0.4"]] {
        project.json(["log-candidate", &model, "--metric", auc, "--metric", loss]);
    }
    project
}

fn document(outcome: &Outcome) -> Value {
    serde_json::from_str(&outcome.out)
        .unwrap_or_else(|error| panic!("{error}: {}{}", outcome.out, outcome.err))
}

/// Name, part, verdict and explanation of each answer.
fn answers(report: &Value) -> Value {
    let answers = report["panel"].as_array().expect("answers").iter();
    answers
        .map(|answer| json!([answer["name"], answer["mode"], answer["verdict"], answer["explanation"]]))
        .collect()
}

#[test]
fn a_panel_in_hydra_toml_decides_and_every_explanation_is_shown() {
    let project = project(PANEL);
    let first = project.json(["promote", "1"]);
    let alone = "there is no champion to beat; self-reported: auc is 0.8";
    let trapped = "the policy trapped: wasm `unreachable` instruction executed";
    assert_eq!(
        answers(&first),
        json!([
            ["metric-gate", "leader", "approve", alone],
            ["loss", "gate", "approve", "there is no champion to beat; self-reported: loss is 0.3"],
            ["next", "monitor", "error", trapped],
        ])
    );
    assert_eq!((&first["outcome"], &first["explanation"]), (&json!("done"), &json!(alone)));

    let refused = project.run(["--output", "json", "promote", "2"]);
    assert_eq!(refused.code, 1, "{}", refused.err);
    let refused = document(&refused);
    let [leader, gate, monitor] = &refused["panel"].as_array().expect("answers")[..] else {
        panic!("{refused}")
    };
    assert_eq!((&leader["verdict"], &leader["decides"]), (&json!("approve"), &json!(false)));
    assert_eq!((&gate["verdict"], &gate["decides"]), (&json!("reject"), &json!(true)));
    assert_eq!((&monitor["error"], &monitor["fuel"]), (&json!("policy-trap"), &Value::Null));
    assert_eq!(refused["explanation"], gate["explanation"]);
    assert_eq!((&leader["sha256"], &leader["policy"]), (&gate["sha256"], &gate["policy"]));
    let text = project.run(["promote", "2"]).out;
    for part in [
        "\n  leader  metric-gate: approve, ",
        "\n  gate    loss: reject, ",
        " (this decided)\n",
        "\n  monitor next: error, ",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }

    let entries = project.run(["--output", "jsonl", "history", "--limit", "1"]);
    let entry = document(&entries);
    assert_eq!((answers(&entry), &entry["panel_flaw"]), (answers(&refused), &Value::Null));
    let text = project.run(["history", "--limit", "1"]).out;
    for part in [
        "\n       leader  metric-gate: approve, ",
        "\n       gate    loss: reject, ",
        "\n       monitor next: error, ",
    ] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }

    a_decision_is_a_case_of_its_panel(&project, entry["sequence"].as_u64().expect("a number"));

    // A setting of one policy, and one without a name, which is the leader's.
    let held = project.run(["promote", "2", "--set", "loss.metric=auc", "--set", "metric=unknown"]);
    assert_eq!(held.code, 3, "{}{}", held.out, held.err);
    assert_eq!(project.json(["promote", "2", "--set", "loss.metric=auc"])["outcome"], "done");
    let verified = project.json(["history", "verify"]);
    assert_eq!((&verified["sound"], &verified["rerun"]), (&json!(true), &json!(4)));
    assert_eq!(project.run(["doctor"]).code, 0);

    // Without the archived answers, the history shows what the entry has.
    let archive = crate::ledger::walk(&project.path().join("mlruns"), "panels");
    std::fs::remove_dir_all(archive).expect("removed");
    let entry = document(&project.run(["--output", "jsonl", "history", "--limit", "1"]));
    assert_eq!(
        answers(&entry),
        json!([
            [null, "leader", "approve", null],
            [null, "gate", "approve", null],
            [null, "monitor", "error", null]
        ])
    );
    assert!(entry["panel_flaw"].is_string());
    let verified = project.run(["history", "verify"]);
    assert_eq!(verified.code, 1, "{}", verified.out);
    let doctor = project.run(["doctor"]);
    assert!(doctor.code == 1 && doctor.out.contains("panels/"), "{}", doctor.out);
}

#[test]
fn policies_are_named_on_the_command_line() {
    let project = project("");
    let auc = ["--policy", "metric-gate.wasm", "--policy", "loss=metric-gate.wasm", "--set", "metric=auc"];
    let promote = |version: &'static str, more: &[&'static str]| {
        project.run([&["--output", "json", "promote", version], &auc[..], more].concat())
    };
    let missing = promote("1", &[]);
    assert_eq!(missing.code, 2, "{}", missing.out);
    for part in ["PolicySettings", "policy of the panel: loss", "`metric`"] {
        assert!(missing.err.contains(part), "`{part}` is missing in:\n{}", missing.err);
    }
    let done = promote("1", &["--set", "loss.metric=loss:min", "--monitor", "well_behaved.wasm"]);
    assert_eq!(done.code, 0, "{}", done.err);
    let names: Vec<Value> = answers(&document(&done))
        .as_array()
        .expect("answers")
        .iter()
        .map(|answer| answer[0].clone())
        .collect();
    assert_eq!(json!(names), json!(["metric-gate", "loss", "well_behaved"]));
    assert_eq!(promote("2", &["--set", "loss.metric=loss:min"]).code, 1);

    // A limit is for all policies, or for the one that it names.
    let limited = promote("2", &["--set", "loss.metric=auc", "--budget", "loss.fuel=1000"]);
    assert!(limited.code == 2 && limited.err.contains("PolicyFuel"), "{}", limited.err);
    let limited =
        promote("2", &["--set", "loss.metric=auc", "--budget", "fuel=1000", "--budget", "loss.fuel=1000000"]);
    assert!(limited.code == 2 && limited.err.contains("PolicyFuel"), "{}", limited.err);

    // A monitor beside what is configured otherwise.
    let watched = project.json(["promote", "2", "--dry-run", "--monitor", "unreachable.wasm"]);
    let expected = "version 2 becomes champion; version 1, champion until now, is archived; it is no longer the candidate";
    assert_eq!(answers(&watched)[0], json!(["default", "leader", "approve", expected]));
    assert_eq!(answers(&watched)[1][2], "error");
}

#[test]
fn policies_that_form_no_panel_are_refused() {
    let project = project("");
    let gate = "metric-gate.wasm";
    let nine: Vec<String> = (0..9).map(|index| format!("p{index}={gate}")).collect();
    let nine: Vec<&str> = nine.iter().flat_map(|policy| ["--policy", policy]).collect();
    for (arguments, kind) in [
        (&nine[..], "PanelSize"),
        (&["--policy", gate, "--policy", gate], "PanelNames"),
        (&["--policy", gate, "--monitor", gate], "PanelNames"),
        (&["--policy", gate, "--policy", "absent.wasm"], "PolicyNotFound"),
        (&["--policy", gate, "--policy", ""], "PolicyNotFound"),
        (&["--policy", "", "--policy", gate], "PolicyNotFound"),
        (&["--policy", "gate="], "PolicyNotFound"),
        (&["--monitor", ""], "PolicyNotFound"),
    ] {
        let refused = project.run([&["--output", "json", "promote", "1"], arguments].concat());
        assert!(refused.code == 2 && refused.err.contains(&format!("\"{kind}\"")), "{kind}: {}", refused.err);
    }
    let model = std::fs::read_to_string(project.path().join("hydra.toml")).expect("hydra.toml");
    for (config, part) in [
        ("policy = 'a.wasm'\n[[policies]]\nfile = 'b.wasm'", "`policy` and `policies` exclude each other"),
        (
            "[settings]\nmetric = 'auc'\n[[policies]]\nfile = 'b.wasm'",
            "`settings` and `policies` exclude each other",
        ),
        ("[[policies]]\nmode = 'gate'", "the first policy, `default`, is not a leader but a gate"),
        (
            "[[policies]]\n[[policies]]\nname = 'b'\nmode = 'leader'",
            "the policy `b` cannot lead because it is not the first",
        ),
        ("[[policies]]\nmode = 'boss'", "unknown variant `boss`"),
        ("[[policies]]\nname = 'a.b'", "the text is not a valid name of a policy: `a.b`"),
        ("[[policies]]\npath = 'b.wasm'", "unknown field `path`"),
        ("[[policies]]\nbudget = { petrol = 1 }", "the policy limit is unknown: `petrol`"),
    ] {
        project.file("hydra.toml", format!("{model}{config}\n"));
        let refused = project.run(["promote", "1"]);
        assert!(refused.code == 2 && refused.err.contains(part), "{config}: {}", refused.err);
    }
}

const CASE: &str = r#"{
  "description": "the loss is worse",
  "input": {"operation": "promote",
    "target": {"version": 2, "created_at": 0, "run": {"metrics": {"auc": 0.9, "loss": 0.4}}},
    "context": {"model_name": "m", "now": 0, "actor": "a", SETTINGS
      "champion": {"version": 1, "created_at": 0, "run": {"metrics": {"auc": 0.8, "loss": 0.3}}}}},
  "expect": {"verdict": "VERDICT", "mentions": ["MENTION"]}
}"#;

#[test]
fn the_kit_understands_panels() {
    let project = project(&PANEL.replace("unreachable", "well_behaved"));
    std::fs::create_dir(project.path().join("cases")).expect("a directory");
    let case = |settings: &str, verdict: &str, mention: &str| {
        CASE.replace("SETTINGS", settings).replace("VERDICT", verdict).replace("MENTION", mention)
    };
    project.file("cases/configured.json", case("", "reject", "loss"));
    let own = r#""settings": {"loss.metric": "auc", "margin": "0.05"},"#;
    project.file("cases/own-settings.json", case(own, "approve", "auc"));
    let tested = project.run(["policy", "test", "cases"]);
    assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
    assert!(tested.out.contains(": 2 passed, 0 failed"), "{}", tested.out);
    // A file is tested alone, with the settings of the case.
    let alone = project.run(["policy", "test", "well_behaved.wasm", "cases"]);
    assert_eq!(alone.code, 1, "{}{}", alone.out, alone.err);
    assert!(alone.out.contains(": 0 passed, 2 failed"), "{}", alone.out);

    let run = project.run(["--output", "json", "policy", "run", "--case", "cases/configured.json"]);
    assert_eq!(run.code, 1, "{}", run.err);
    let run = document(&run);
    assert_eq!(run["panel"].as_array().map(Vec::len), Some(3));
    assert_eq!((&run["moves"], &run["explanation"]), (&json!([]), &run["panel"][1]["explanation"]));
    let one = project.json(["policy", "run", "--case", "cases/configured.json", "--set", "loss.metric=auc"]);
    assert_eq!((&one["verdict"], &one["panel"][1]["verdict"]), (&json!("approve"), &json!("approve")));
    for command in [&["policy", "inspect"][..], &["policy", "bench", "--runs", "1"]] {
        let refused = project.run([&["--output", "json"], command].concat());
        assert!(refused.code == 2 && refused.err.contains("SeveralPolicies"), "{}", refused.err);
        assert!(refused.err.contains("metric-gate, loss, next"), "{}", refused.err);
    }

    // The recorded decisions are those of the default policy, which approves.
    let model = std::fs::read_to_string(project.path().join("hydra.toml")).expect("hydra.toml");
    project.file("plain.toml", model.lines().next().expect("the model"));
    for version in ["1", "2"] {
        project.json(["promote", version, "--config", "plain.toml"]);
    }
    let tested = project.json(["policy", "backtest"]);
    assert_eq!((&tested["decisions"], &tested["agreements"]), (&json!(2), &json!(1)), "{tested}");
    assert_eq!(tested["panel"][1]["name"], "loss");
    assert_eq!(tested["changed"][0]["verdict"], "reject");
    assert!(
        tested["policy"]
            .as_str()
            .is_some_and(|label| label.starts_with("metric-gate ") && label.contains(" + "))
    );
    // And the other way round: one policy on what a panel decided.
    assert_eq!(project.run(["promote", "1"]).code, 1);
    let tested = project.json(["policy", "backtest", "metric-gate.wasm", "--set", "metric=auc"]);
    assert_eq!((&tested["decisions"], &tested["panel"]), (&json!(3), &json!([])), "{tested}");
}

/// The decision about version 2 was a gate's. Its case is one of the panel, and so is the search for changes.
fn a_decision_is_a_case_of_its_panel(project: &Project, entry: u64) {
    let entry = entry.to_string();
    let case = project.run(["history", "show", &entry, "--as-case"]);
    assert_eq!(case.code, 0, "{}", case.err);
    std::fs::create_dir(project.path().join("cases")).expect("a directory");
    project.file("cases/rejected.json", &case.out);
    let found = document(&case);
    assert_eq!(found["expect"]["verdict"], "reject");
    let settings = &found["input"]["context"]["settings"];
    assert_eq!((&settings["metric"], &settings["loss.metric"]), (&json!("auc"), &json!("loss:min")));
    for cases in ["cases", "cases/rejected.json"] {
        let tested = project.run(["policy", "test", cases]);
        assert_eq!(tested.code, 0, "{}{}", tested.out, tested.err);
        assert!(tested.out.contains(": 1 passed, 0 failed"), "{}", tested.out);
    }
    // The case has the settings of all policies: those of the configuration may be others by now.
    let tested = project.run(["policy", "test", "cases/rejected.json", "--set", "loss.metric=auc"]);
    assert!(tested.code == 2 && tested.err.contains("takes no settings"), "{}", tested.err);

    let now = project.json(["policy", "what-if", "--version", "2"]);
    let recorded = project.json(["policy", "what-if", "--entry", &entry]);
    let of_a_case = project.json(["policy", "what-if", "--case", "cases/rejected.json"]);
    for report in [&now, &recorded, &of_a_case] {
        assert_eq!((&report["verdict"], &report["failed"]), (&json!("reject"), &json!(0)), "{report}");
        let why = report["explanation"].as_str().expect("text");
        assert!(why.starts_with("loss: self-reported: loss is 0.4"), "{why}");
        let names: Vec<&Value> =
            report["panel"].as_array().expect("a panel").iter().map(|member| &member["name"]).collect();
        assert_eq!(names, ["metric-gate", "loss", "next"]);
        let decisions = report["decisions"].as_u64().expect("a number");
        assert!(decisions > 40 && decisions.is_multiple_of(2), "leader and gate are asked: {decisions}");
        // What the gate lacks, and nothing that only the leader would like.
        let flips: Vec<[&str; 3]> = report["flips"]
            .as_array()
            .expect("flips")
            .iter()
            .map(|flip| ["what", "to", "verdict"].map(|key| flip[key].as_str().expect("text")))
            .collect();
        let has = |what: &str, to: &str, verdict: &str| flips.contains(&[what, to, verdict]);
        assert!(has("the setting `loss.self-reported`", "false", "hold"), "{flips:?}");
        for (what, near) in [
            ("loss of version 2, which its run reports", 0.3),
            ("loss of version 1, which its run reports", 0.4),
        ] {
            let flip = flips
                .iter()
                .find(|[found, ..]| *found == what)
                .unwrap_or_else(|| panic!("{what}: {flips:?}"));
            let to: f64 = flip[1].parse().expect("a number");
            assert!((to - near).abs() < 1e-3 && flip[2] == "approve", "{what}: {flip:?}");
        }
        assert!(!flips.iter().any(|[what, ..]| what.contains("metric-gate.margin")), "{flips:?}");
        assert!(!flips.iter().any(|[what, ..]| what.starts_with("auc of version")), "{flips:?}");
    }
    assert_eq!(recorded["flips"], now["flips"]);

    // Each has its own settings and limits.
    let approved = project.json(["policy", "what-if", "--version", "2", "--set", "loss.metric=auc"]);
    assert_eq!(approved["verdict"], "approve");
    let flip = |what: &str| {
        let mut flips = approved["flips"].as_array().expect("flips").iter();
        flips.find(|flip| flip["what"] == what).map(|flip| flip["explanation"].clone())
    };
    for name in ["metric-gate", "loss"] {
        let why = flip(&format!("the setting `{name}.margin`")).expect("a flip");
        assert!(why.as_str().is_some_and(|why| why.starts_with(&format!("{name}: "))), "{why}");
    }
    let limited = project.run([
        "--output",
        "json",
        "policy",
        "what-if",
        "--version",
        "2",
        "--budget",
        "loss.fuel=1000",
    ]);
    assert!(limited.code == 2 && limited.err.contains("PolicyFuel"), "{}", limited.err);
    let text = project.run(["policy", "what-if", "--entry", &entry, "--decisions", "31"]);
    assert!(text.out.contains(" more changes were not tried"), "{}", text.out);
    assert!(text.out.contains("\n  why     loss: self-reported: "), "{}", text.out);
}
