//! Nominations, approvals and quarantines: on every backend, killed at every step, raced, and over a faulty network.

mod bytes;
mod faults;
mod kills;
mod outside;
mod race;

use std::collections::BTreeSet;

use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::ledger::{QUARANTINE_TAG, Standing};
use hydra_registry::{ErrorKind, ModelRegistry, Outcome, Target};
use serde_json::{Value, json};

use super::commands::lines;
use super::{aliases, assert_sound, ledger, registry};
use crate::cli::{LOG, training_csv};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::OTHER_RELEASES;
use crate::support::version;

async fn standing(registry: &ModelRegistry) -> Standing {
    ledger(registry).await.view().await.expect("a view").standing
}

fn quarantined(standing: &Standing) -> BTreeSet<u64> {
    standing.quarantines().map(|(version, _)| version.get()).collect()
}

const QUARANTINE: &[&str] = &["quarantine", "3", "--reason", "wrong prices"];
const ROLLBACK: &[&str] = &["rollback", "--quarantine"];
const RELEASE: &[&str] = &["release", "3"];
const APPROVE: &[&str] = &["approve", "3"];
const NOMINATE: &[&str] = &["nominate", "3"];

fn approved(standing: &Standing) -> Vec<u64> {
    standing.approvals().iter().map(|approval| approval.version.get()).collect()
}

/// The versions with the tag of a quarantine.
async fn tagged(registry: &ModelRegistry) -> BTreeSet<u64> {
    let versions = registry.backend().registry.model_versions(registry.model(), None, 100, None).await;
    let versions = versions.expect("the versions").items.into_iter();
    versions
        .filter(|version| version.tags.contains_key(QUARANTINE_TAG))
        .map(|version| version.version.get())
        .collect()
}

async fn each_verb(backend: &Backend) {
    let registry = registry(backend, &fresh_name("verbs")).await;
    // The first statement founds the ledger.
    let nominated = registry.nominate(version(2)).reason("from a notebook").await.expect("a nomination");
    assert_eq!((nominated.recorded, nominated.sequence), (true, Some(2)));
    let promoted = registry.promote(Target::Candidate).await.expect("a promotion");
    assert_eq!((promoted.target, promoted.outcome), (Some(version(2)), Outcome::Done));

    let approval = registry.approve(version(3)).expires(std::time::Duration::from_hours(1)).await;
    let approval = approval.expect("an approval");
    let digest = standing(&registry).await.approvals()[0].sha256;
    assert_eq!(
        approval.sha256,
        Some(digest.to_string()),
        "of the file, because the version has no tag of it"
    );
    let lasts = approval.expires.expect("an end") - approval.at;
    assert!((3_599_000..=3_600_000).contains(&lasts), "{lasts} ms");
    registry.promote(version(3)).dry_run().await.expect("a dry run");
    assert_eq!(approved(&standing(&registry).await), [3], "a dry run does not use it up");

    registry.quarantine(version(3), "wrong\nprices").await.expect("a quarantine");
    assert_eq!(tagged(&registry).await, [3].into());
    for refused in [registry.promote(version(3)).await, registry.promote(version(3)).dry_run().await] {
        let refused = refused.expect_err("in quarantine");
        assert_eq!(refused.kind(), ErrorKind::Quarantined, "{refused:?}");
    }
    assert_eq!(registry.nominate(version(3)).await.expect_err("too").kind(), ErrorKind::Quarantined);
    assert_eq!(approved(&standing(&registry).await), [3], "and neither does a refusal");
    registry.release(version(3)).await.expect("a release");
    assert_eq!(tagged(&registry).await, [].into());
    assert_eq!(registry.release(version(3)).await.expect_err("again").kind(), ErrorKind::NotQuarantined);
    registry.promote(version(3)).await.expect("a promotion");
    assert_eq!(approved(&standing(&registry).await), [] as [u64; 0]);

    let left = registry.rollback(Target::PolicyChoice).quarantine().reason("slow").await.expect("a rollback");
    assert_eq!(left.quarantined, [version(3)].into());
    assert_eq!(aliases(&registry).await, (Some(2), Some(3)));
    assert_eq!((quarantined(&standing(&registry).await), tagged(&registry).await), ([3].into(), [3].into()));
    let refused = registry.rollback(Target::PolicyChoice).await.expect_err("the archived version");
    assert_eq!(refused.kind(), ErrorKind::Quarantined);
    registry.promote(version(4)).await.expect("a promotion");
    let refused = registry.rollback(version(3)).await.expect_err("a former champion");
    assert!(refused.hint().is_some_and(|hint| hint.contains("rollback --to 2")), "{refused:?}");
    registry.rollback(version(2)).await.expect("the way that the hint names");

    registry.quarantine(version(2), "too late").await.expect("the champion");
    assert_eq!(aliases(&registry).await, (Some(2), Some(4)), "nothing moves");
    let codes: Vec<_> =
        registry.diagnose().await.expect("findings").iter().map(|found| found.code()).collect();
    assert!(codes.contains(&"quarantined-champion"), "{codes:?}");
    assert!(registry.champion_info().await.expect("a champion").quarantine.is_some());
    registry.release(version(2)).await.expect("a release");
    let kinds: Vec<EntryKind> =
        assert_sound(&registry).await.iter().map(|(record, _)| record.entry.operation).collect();
    let expected = [
        EntryKind::Genesis,
        EntryKind::Nominate,
        EntryKind::Promote,
        EntryKind::Approve,
        EntryKind::Quarantine,
        EntryKind::Release,
        EntryKind::Promote,
        EntryKind::Rollback,
        EntryKind::Promote,
        EntryKind::Rollback,
        EntryKind::Quarantine,
        EntryKind::Release,
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_on_rest() {
    each_verb(&Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_verb_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        each_verb(&backend).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other releases; `cargo xtask test --all` runs it"]
async fn each_verb_on_other_servers() {
    for environment in OTHER_RELEASES {
        each_verb(&Backend::server(environment)).await;
    }
}

/// From the outside: what each command says, and where a quarantine shows.
#[test]
fn commands_state_and_show() {
    let project = Project::new(None, &fresh_name("verbs"));
    project.file("train.csv", training_csv());
    for _ in 0..3 {
        project.json(LOG);
    }
    for number in ["1", "2"] {
        project.json(["promote", number]);
    }
    let approved =
        project.json(["approve", "3", "--expires", "7d", "--actor", "ann", "--reason", "reviewed"]);
    assert_eq!(approved["schema"], "hydra-registry/statement/1");
    let told = json!([approved["operation"], approved["outcome"], approved["own"], approved["actor"]]);
    assert_eq!(told, json!(["approve", "done", false, "ann"]));
    assert_eq!(
        project.json(["approve", "3", "--actor", " Tester"])["own"],
        true,
        "`tester` logged the version"
    );
    let nominated = project.json(["nominate", "1"]);
    assert_eq!(nominated["changes"], json!([{"alias": "candidate", "from": 3, "to": 1}]));
    assert_eq!(project.json(["nominate", "1"])["outcome"], "unchanged");
    let text = project.run(["quarantine", "2", "--reason", "wrong prices"]);
    for part in ["quarantine of", "version 2: done", "stays the champion", "next: hydra-registry rollback"] {
        assert!(text.out.contains(part), "`{part}` is missing in:\n{}", text.out);
    }
    let champion = project.json(["champion"]);
    assert!(champion["quarantine"].as_str().is_some_and(|text| text.ends_with("tester: wrong prices")));
    assert!(project.run(["champion"]).out.contains("in quarantine since 20"));
    project.file("rows.csv", training_csv());
    assert!(
        project.run(["predict", "rows.csv"]).err.contains("WARNING: version 2 is in quarantine since 20")
    );
    assert!(
        project.json(["promote", "2"])["explanation"].to_string().contains("it is in quarantine since 20")
    );
    assert!(project.run(["list"]).out.contains("in quarantine since 20"));
    let found = project.run(["doctor"]);
    assert!(
        found.code == 1 && found.out.contains("quarantined-champion: the champion, version 2"),
        "{}",
        found.out
    );

    let rolled_back = project.json(["rollback"]);
    assert_eq!((&rolled_back["outcome"], &rolled_back["quarantined"]), (&json!("done"), &json!([])));
    let refused = project.run(["--output", "json", "rollback"]);
    assert_eq!(refused.code, 2);
    for part in ["\"Quarantined\"", "version 2 is in quarantine", "promote another version"] {
        assert!(refused.err.contains(part), "`{part}` is missing in:\n{}", refused.err);
    }
    project.json(["promote", "3"]);
    let refused = project.run(["rollback", "--to", "2"]);
    assert!(refused.err.contains("hydra-registry rollback --to 1"), "{}", refused.err);
    let config = std::fs::read_to_string(project.path().join("hydra.toml")).expect("the configuration");
    project.file("hydra.toml", format!("{config}quarantine-on-rollback = true\n"));
    let tried = project.json(["rollback", "--to", "1", "--dry-run"]);
    assert_eq!((&tried["quarantined"], &tried["sequence"]), (&json!([3]), &json!(null)));
    let rolled_back = project.json(["rollback", "--to", "1"]);
    assert_eq!((&rolled_back["quarantined"], &rolled_back["target"]), (&json!([3]), &json!(1)));

    let entries = lines(&project, &["history"]);
    let shown: Vec<Value> = entries
        .iter()
        .map(|entry| json!([entry["operation"], entry["target"], entry["quarantined"]]))
        .collect();
    assert_eq!(
        json!(shown[..7]),
        json!([
            ["rollback", 1, [3]],
            ["promote", 3, []],
            ["rollback", null, []],
            ["quarantine", 2, [2]],
            ["nominate", 1, []],
            ["approve", 3, []],
            ["approve", 3, []],
        ])
    );
    assert!(entries[6]["expires"].is_string() && entries[5]["expires"].is_null());
    let history = project.run(["history"]).out;
    for part in [
        "quarantine version 2\n",
        "requested by ann (unverified), because: reviewed",
        "quarantine: version 3",
    ] {
        assert!(history.contains(part), "`{part}` is missing in:\n{history}");
    }
    assert_eq!(project.json(["history", "verify"])["sound"], true);
    let missing = project.run(["--output", "json", "approve", "99"]);
    assert!(missing.code == 4 && missing.err.contains("VersionNotFound"), "{}", missing.err);
    let forever = project.run(["approve", "1", "--expires", "0d"]);
    assert!(forever.code == 2 && forever.err.contains("not a span of time"), "{}", forever.err);
}

/// The example policy counts the approvals of other people, each once.
#[test]
fn approvals_are_evidence() {
    let project = Project::new(None, &fresh_name("eyes"));
    project.file("train.csv", training_csv());
    for _ in 0..2 {
        project.json(LOG);
    }
    project.json(["promote", "1"]);
    let policy = crate::support::example_policy("four-eyes");
    let ask = || project.run(["promote", "2", "--policy", &policy, "--actor", "ann"]);
    let held = |what: &str| {
        let outcome = ask();
        assert_eq!(outcome.code, 3, "{what}: {}{}", outcome.out, outcome.err);
    };
    held("there is no approval");
    assert_eq!(project.json(["approve", "2"])["own"], true);
    held("`tester` logged the version");
    project.json(["approve", "2", "--actor", "ann"]);
    held("`ann` asks for the promotion");
    project.json(["approve", "2", "--actor", "bob", "--reason", "reviewed"]);
    let promoted = ask();
    assert!(
        promoted.code == 0 && promoted.out.contains("approved by bob"),
        "{}{}",
        promoted.out,
        promoted.err
    );
    project.json(["rollback"]);
    held("the promotion used the approvals up");
    assert_eq!(project.json(["history", "verify"])["sound"], true);
}
