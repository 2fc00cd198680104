//! The commands about the active policy, and how other commands show it.

use serde_json::{Value, json};

use crate::cli::{LOG, training_csv};
use crate::ledger::activation::component;
use crate::ledger::lines;
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use hydra_base::Sha256;

/// A project with three versions, of which the first one is the champion, and two components.
fn project() -> Project {
    let project = Project::new(None, &fresh_name("active"));
    project.file("train.csv", training_csv());
    for _ in 0..3 {
        project.json(LOG);
    }
    for name in ["default", "well_behaved"] {
        component(project.path(), name);
    }
    project
}

fn fails(project: &Project, kind: &str, args: &[&str]) -> String {
    let refused = project.run([&["--output", "json"], args].concat());
    assert_eq!(refused.code, 2, "{}{}", refused.out, refused.err);
    assert!(refused.err.contains(&format!("\"{kind}\"")), "{kind}: {}", refused.err);
    refused.err
}

const ACTIVATE: &[&str] = &["policy", "activate", "default.wasm", "well_behaved.wasm"];

#[test]
fn commands_activate_and_show() {
    let project = project();
    let promoted = project.run(["promote", "1"]);
    assert!(promoted.out.contains("  active  none: this host chose the policy"), "{}", promoted.out);
    assert_eq!(project.json(["promote", "2", "--dry-run"])["active_policy"], json!(null));
    let none = project.run(["policy", "active"]);
    assert!(none.code == 1 && none.out.contains("no policy is active"), "{}{}", none.out, none.err);
    fails(&project, "NothingToActivate", &["policy", "activate"]);

    let tried = project.run([ACTIVATE, &["--dry-run"]].concat());
    assert!(tried.code == 0 && tried.out.contains("would be done (dry run"), "{}{}", tried.out, tried.err);
    let activated = project.json([ACTIVATE, &["--reason", "for all", "--actor", "ann"]].concat());
    assert_eq!(activated["schema"], "hydra-registry/policy-statement/1");
    let told = json!([activated["operation"], activated["outcome"], activated["actor"], activated["reason"]]);
    assert_eq!(told, json!(["activate", "done", "ann", "for all"]));
    let digest = activated["policy"].as_str().expect("a digest").to_owned();
    assert!(tried.out.contains(&digest), "{}", tried.out);
    assert_eq!(project.json(ACTIVATE.iter().copied())["outcome"], "unchanged");

    let shown = project.json(["policy", "active"]);
    assert_eq!(json!([shown["policy"], shown["actor"], shown["reason"]]), json!([digest, "ann", "for all"]));
    let modes: Vec<&Value> =
        shown["policies"].as_array().expect("a list").iter().map(|one| &one["mode"]).collect();
    assert_eq!(modes, ["leader", "gate"]);
    let text = project.run(["policy", "active"]).out;
    for part in [&digest, "by ann, because: for all", "leader  default: default 0.1.0"] {
        assert!(text.contains(part), "`{part}` is missing in:\n{text}");
    }

    let rejected = project.run(["promote", "2"]);
    assert_eq!(rejected.code, 1, "{}{}", rejected.out, rejected.err);
    assert!(rejected.out.contains(&format!("  active  {digest}, which decided")), "{}", rejected.out);
    let told = fails(&project, "InactivePolicy", &["promote", "2", "--policy", "default.wasm"]);
    for part in [&*digest, "configured policy", "policy activate", "--override-policy"] {
        assert!(told.contains(part), "`{part}` is missing in:\n{told}");
    }
    // Without a reason, the command line is not complete.
    let refused = project.run(["promote", "2", "--override-policy"]);
    assert!(refused.code == 2 && refused.err.contains("--reason"), "{}", refused.err);
    let overridden = project.run(["promote", "2", "--override-policy", "--reason", "an outage"]);
    assert_eq!(overridden.code, 0, "{}{}", overridden.out, overridden.err);
    for part in ["WARNING set aside, on record: inactive-policy", "which the request sets aside"] {
        assert!(overridden.out.contains(part), "`{part}` is missing in:\n{}", overridden.out);
    }
    let newest = lines(&project, &["history", "--limit", "1"]).remove(0);
    assert_eq!(newest["overrides"], json!(["inactive-policy"]));
    assert!(project.run(["history", "--limit", "1"]).out.contains("set aside: inactive-policy"));
    let number = newest["sequence"].to_string();
    let shown = project.run(["history", "show", &number]).out;
    assert!(shown.contains("sets aside  inactive-policy"), "{shown}");
    let found = project.run(["doctor"]);
    assert!(
        found.code == 1 && found.out.contains("overridden-policy: the champion, version 2"),
        "{}",
        found.out
    );
    let verified = project.json(["history", "verify"]);
    assert_eq!((&verified["sound"], &verified["set_aside"][0]["entry"]), (&json!(true), &newest["sequence"]));
    let verified = project.run(["history", "verify"]);
    assert!(verified.code == 0 && verified.out.contains("aside: an outage"), "{}", verified.out);

    let entries = lines(&project, &["policy", "history"]);
    let kinds: Vec<&Value> = entries.iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(kinds, ["promote", "activate"]);
    assert_eq!(entries[1]["policy_document"], digest);
    assert_eq!(lines(&project, &["policy", "history", "--limit", "1"]).len(), 1);
    assert!(project.run(["history"]).out.contains(&format!("the policy {digest} becomes the active one")));

    // Other policies can be asked, and nothing is recorded.
    let backtest = project.json(["policy", "backtest"]);
    assert_eq!(backtest["panel"].as_array().map(Vec::len), Some(2), "{backtest}");
    assert_eq!(project.json(["policy", "backtest", "--policy", "default.wasm"])["panel"], json!([]));
    let together = project.json(["policy", "what-if", "--version", "3"]);
    assert_eq!(
        (&together["verdict"], together["panel"].as_array().map(Vec::len)),
        (&json!("reject"), Some(2))
    );
    let asked = project.json(["policy", "what-if", "--version", "3", "--policy", "default.wasm"]);
    assert_eq!(asked["verdict"], "approve");
    let ended = project.json(["policy", "deactivate", "--reason", "too strict"]);
    assert_eq!((&ended["former"], &ended["policy"]), (&json!(digest), &json!(null)));
    assert_eq!(project.json(["promote", "3"])["active_policy"], json!(null));
    assert_eq!(project.run(["doctor"]).code, 0);
}

#[test]
fn approvals_are_given_by_digest_or_by_files() {
    let project = project();
    project.json(["promote", "1"]);
    let config = std::fs::read_to_string(project.path().join("hydra.toml")).expect("the configuration");
    project.file("hydra.toml", format!("activation-approvals = 1\npolicy = \"default.wasm\"\n{config}"));
    let activated = project.json(["policy", "activate", "--actor", "ann"]);
    assert_eq!(activated["activation_approvals"], 1);
    let asked = fails(&project, "ActivationApprovals", ACTIVATE);
    assert!(asked.contains("policy approve "), "{asked}");
    let by_files =
        ["policy", "approve", "default.wasm", "well_behaved.wasm", "--actor", "bob", "--expires", "7d"];
    let approved = project.json(by_files);
    let digest = approved["policy"].as_str().expect("a digest").to_owned();
    assert!(asked.contains(&digest), "{asked}");
    assert!(approved["expires"].is_string());
    let by_digest = project.json(["policy", "approve", &digest, "--actor", "eve"]);
    assert_eq!(by_digest["approved_by"], json!(["bob", "eve"]));
    project.json(["policy", "approve", "--deactivation", "--actor", "eve"]);
    let listed = project.json(["policy", "active"]);
    let listed: Vec<Value> = listed["approvals"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| json!([one["policy"], one["actor"]]))
        .collect();
    assert_eq!(json!(listed), json!([[digest, "bob"], [digest, "eve"], [null, "eve"]]));
    let activated = project.json(ACTIVATE.iter().copied());
    assert_eq!(activated["policy"], digest);
    let text = project.run(["policy", "active"]).out;
    assert!(text.contains(&digest) && !text.contains("approved"), "{text}");
    let unclear = project.run(["policy", "approve"]);
    assert_eq!(unclear.code, 2, "{}", unclear.out);
    assert_eq!(project.json(["history", "verify"])["sound"], true);
}

#[test]
fn several_models_follow_one_policy() {
    let project = project();
    let prefix = fresh_name("many");
    for number in ["1", "2"] {
        let model = format!("{prefix}-{number}");
        project.json([&["--model", &*model], &LOG[..]].concat());
        project.json(["--model", &model, "promote", "1"]);
    }
    let pattern = format!("{prefix}-*");
    let stated = lines(&project, &[ACTIVATE, &["--models", &pattern]].concat());
    let (models, policies): (Vec<_>, Vec<_>) =
        stated.iter().map(|one| (one["model"].to_string(), one["policy"].to_string())).unzip();
    assert_eq!(models.len(), 2, "{stated:?}");
    assert_eq!(policies[0], policies[1], "equal policies have equal documents");
    let active = lines(&project, &["policy", "active", "--models", &pattern]);
    assert!(active.iter().all(|one| one["policy"] == stated[0]["policy"]), "{active:?}");
    let none = project.run(["policy", "deactivate", "--models", "no-such-model-*"]);
    assert_eq!(none.code, 1, "{}", none.err);
    // One of several asks for approvals.
    let first = format!("{prefix}-1");
    project.json(["--model", &first, "policy", "activate", "default.wasm", "--activation-approvals", "1"]);
    let partly = project.run(["--output", "jsonl", "policy", "deactivate", "--models", &pattern]);
    assert_eq!(partly.code, 1, "{}{}", partly.out, partly.err);
    let each: Vec<Value> = partly.out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let told: Vec<_> = each.iter().map(|one| json!([one["model"], one["outcome"], one["actor"]])).collect();
    let actor = each[1]["actor"].clone();
    assert_eq!(told, [json!([first, "refused", null]), json!([format!("{prefix}-2"), "done", actor])]);
    let why = each[0]["explanation"].as_str().expect("a text");
    assert!(why.contains("asks for 1 approvals") && why.contains("policy approve --deactivation"), "{why}");
    let text = project.run(["policy", "deactivate", "--models", &pattern]).out;
    assert!(text.contains(&format!("deactivate of a policy for {first}: refused")), "{text}");
    // What is the same for all models is one error; and no model is not one with an active policy.
    fails(&project, "PolicyNotFound", &["policy", "activate", "none.wasm", "--models", &pattern]);
    let none = project.run(["policy", "active", "--models", "no-such-model-*"]);
    assert!(none.code == 1 && none.err.contains("no model fits"), "{}{}", none.out, none.err);
    let zeros = "0".repeat(64);
    let refused = fails(&project, "InvalidArgument", &["policy", "approve", &zeros]);
    assert!(refused.contains("--deactivation"), "{refused}");
}

#[test]
fn a_policy_with_another_digest_is_refused() {
    let project = project();
    let file = std::fs::read(project.path().join("default.wasm")).expect("a component");
    let (right, wrong) = (Sha256::of(&file).to_string(), Sha256::of(b"another").to_string());
    let argument = |digest: &str| format!("default.wasm@sha256:{digest}");
    let told = fails(&project, "PolicyDigest", &["promote", "1", "--policy", &argument(&wrong)]);
    assert!(told.contains(&right) && told.contains(&wrong), "{told}");
    project.json(["promote", "1", "--policy", &argument(&right)]);
    project.json(["promote", "2", "--policy", &format!("own={}", argument(&right.to_uppercase()))]);
    let config = std::fs::read_to_string(project.path().join("hydra.toml")).expect("the configuration");
    for (digest, code) in [(&wrong, 2), (&right, 0)] {
        let alone = format!("{config}policy = {{ file = \"default.wasm\", sha256 = \"{digest}\" }}\n");
        let together = format!("{config}[[policies]]\nfile = \"default.wasm\"\nsha256 = \"{digest}\"\n");
        for text in [alone, together] {
            project.file("hydra.toml", text);
            let outcome = project.run(["promote", "3", "--dry-run"]);
            assert_eq!(outcome.code, code, "{}{}", outcome.out, outcome.err);
        }
    }
    // Wherever a component can be named.
    project.file("hydra.toml", config);
    let key = project.path().join("k.key").display().to_string();
    let made = std::process::Command::new("openssl")
        .args(["genpkey", "-algorithm", "ed25519", "-out", &key])
        .output();
    assert!(made.expect("openssl").status.success());
    for (digest, is_right) in [(&wrong, false), (&right, true)] {
        let (file, monitor) = (&*argument(digest), &*format!("other={}", argument(digest)));
        for args in [
            &["policy", "inspect", file][..],
            &["policy", "compile", file],
            &["policy", "bench", file, "--runs", "1"],
            &["policy", "backtest", file],
            &["policy", "what-if", file, "--version", "3"],
            &["policy", "sign", file, "--key", &key],
            &["policy", "activate", file, "--dry-run"],
            &["policy", "activate", "well_behaved.wasm", file, "--dry-run"],
            &["promote", "3", "--dry-run", "--monitor", monitor],
        ] {
            if is_right {
                project.json(args.iter().copied());
            } else {
                fails(&project, "PolicyDigest", args);
            }
        }
    }
    // The signature is beside the file, and not beside its name with a digest.
    assert!(project.path().join("default.wasm.sig").exists());
    for text in ["policy = \"FILE\"", "[[policies]]\nfile = \"FILE\""] {
        let config = std::fs::read_to_string(project.path().join("hydra.toml")).expect("the configuration");
        for (digest, code) in [(&wrong, 2), (&right, 0)] {
            project.file("hydra.toml", format!("{config}{}\n", text.replace("FILE", &argument(digest))));
            let outcome = project.run(["promote", "3", "--dry-run"]);
            assert_eq!(outcome.code, code, "{text}: {}{}", outcome.out, outcome.err);
        }
        project.file("hydra.toml", config);
    }
}
