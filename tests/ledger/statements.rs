//! Nominations, approvals and quarantines: on every backend, killed at every step, raced, and over a faulty network.

use std::collections::BTreeSet;
use std::thread;

use hydra_base::names::{Alias, Version};
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::ledger::{QUARANTINE_TAG, Standing};
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use hydra_registry::{ErrorKind, ModelRegistry, Outcome, Target};
use serde_json::{Value, json};

use super::commands::lines;
use super::crash::kill_at;
use super::{aliases, assert_sound, ledger, registry};
use crate::cli::{LOG, training_csv};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, ON_POSTGRES, Server};
use crate::support::version;

async fn standing(registry: &ModelRegistry) -> Standing {
    ledger(registry).await.view().await.expect("a view").standing
}

fn quarantined(standing: &Standing) -> BTreeSet<u64> {
    standing.quarantines().map(|(version, _)| version.get()).collect()
}

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
#[ignore = "older releases; `cargo xtask test --all` runs it"]
async fn each_verb_on_older_servers() {
    for environment in ["mlflow-2.9.2", "mlflow-2.22.5", "mlflow-3.1.4"] {
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
    for part in ["quarantine version 2\n", "requested by ann, because: reviewed", "quarantine: version 3"] {
        assert!(history.contains(part), "`{part}` is missing in:\n{history}");
    }
    assert_eq!(project.json(["history", "verify"])["sound"], true);
    let missing = project.run(["--output", "json", "approve", "99"]);
    assert!(missing.code == 2 && missing.err.contains("VersionNotFound"), "{}", missing.err);
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

/// Long names end no decision, and hide nobody.
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

/// A kill of a command, and whether its entry was there by then.
type Kill<'a> = (&'a [&'a str], &'a str, bool);

/// Kills a command at a failpoint, promotes version 4, and compares what stands then.
async fn the_next_command_finishes(backend: &Backend, uri: &str, kills: &[Kill<'_>]) {
    for (command, failpoint, committed) in kills {
        let model = fresh_name("kill");
        let registry = registry(backend, &model).await;
        for number in [1, 2] {
            registry.promote(version(number)).await.expect("a promotion");
        }
        if command[0] == "release" {
            registry.quarantine(version(3), "for now").await.expect("a quarantine");
        }
        let project = Project::new(Some(uri), &model);
        kill_at(project.command(*command), failpoint);
        assert_eq!(project.json(["promote", "4"])["outcome"], "done", "{command:?} at {failpoint}");
        let what = format!("{command:?} killed at {failpoint}");
        let history = assert_sound(&registry).await;
        let recorded = history.iter().filter(|(record, _)| record.entry.operation.to_string() == command[0]);
        assert_eq!(recorded.count(), usize::from(*committed), "{what}");
        let expected: BTreeSet<u64> = match (command[0], committed) {
            ("quarantine", true) | ("release", false) => [3].into(),
            ("rollback", true) => [2].into(),
            _ => [].into(),
        };
        let standing = standing(&registry).await;
        assert_eq!(quarantined(&standing), expected, "{what}");
        assert_eq!(tagged(&registry).await, expected, "{what}");
        let approvals = if command[0] == "approve" && *committed { vec![3] } else { Vec::new() };
        assert_eq!(approved(&standing), approvals, "{what}");
        let former = if command[0] == "rollback" && *committed { 1 } else { 2 };
        assert_eq!(aliases(&registry).await, (Some(4), Some(former)), "{what}");
        let candidate =
            registry.backend().registry.version_by_alias(registry.model(), &Alias::CANDIDATE).await;
        let candidate = candidate.expect("an answer").map(|candidate| candidate.version);
        assert_eq!(candidate.is_some(), command[0] == "nominate" && *committed, "{what}");
    }
}

const QUARANTINE: &[&str] = &["quarantine", "3", "--reason", "wrong prices"];
const RELEASE: &[&str] = &["release", "3"];
const APPROVE: &[&str] = &["approve", "3"];
const NOMINATE: &[&str] = &["nominate", "3"];
const ROLLBACK: &[&str] = &["rollback", "--quarantine"];

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_rest() {
    let mut kills: Vec<Kill<'_>> = Vec::new();
    for command in [QUARANTINE, RELEASE, NOMINATE, ROLLBACK] {
        kills.extend([(command, "ledger.decided", false), (command, "ledger.archived", false)]);
        let after = ["ledger.appended", "ledger.before-aliases", "ledger.before-mark", "ledger.marked"];
        kills.extend(after.map(|failpoint| (command, failpoint, true)));
    }
    kills.push((ROLLBACK, "ledger.between-aliases", true));
    kills.extend([(APPROVE, "ledger.archived", false), (APPROVE, "ledger.appended", true)]);
    the_next_command_finishes(&Backend::rest(), &Server::shared(NEWEST).url, &kills).await;
}

/// Entry, aliases and tags are one transaction.
async fn killed_on_local(backend: Backend, own: &[(&str, bool)]) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let mut kills: Vec<Kill<'_>> = Vec::new();
    for command in [QUARANTINE, RELEASE, APPROVE, NOMINATE, ROLLBACK] {
        kills.extend([(command, "ledger.archived", false), (command, "ledger.appended", true)]);
        kills.extend(own.iter().map(|(failpoint, committed)| (command, *failpoint, *committed)));
    }
    the_next_command_finishes(&backend, uri.expose(), &kills).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_sqlite() {
    killed_on_local(Backend::sqlite(), &[("sqlite.appended", false), ("sqlite.moved", false)]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_file() {
    let own = [("file.journaled", true), ("file.half-applied", true), ("file.applied", true)];
    killed_on_local(Backend::file(), &own).await;
}

const PROCESSES: u64 = 6;

/// Runs commands in sequence, and returns the entries that they reported.
fn work(project: &Project, writer: u64, operations: u64) -> Vec<u64> {
    let mut done = Vec::new();
    for operation in 0..operations {
        let pick = writer * 5 + operation * 3;
        let version = (pick % 5 + 1).to_string();
        let command: Vec<&str> = match pick % 7 {
            0 => vec!["quarantine", &version, "--reason", "a race"],
            1 => vec!["release", &version],
            2 => vec!["approve", &version],
            3 => vec!["nominate", &version],
            4 => vec!["rollback", "--quarantine"],
            _ => vec!["promote", &version],
        };
        let outcome = project.run([&["--output", "json"], &command[..]].concat());
        let refusals = ["\"Contention\"", "\"Quarantined\"", "\"NotQuarantined\"", "\"NoArchived\""];
        match outcome.code {
            0 => {
                let report: Value = serde_json::from_str(&outcome.out).expect("a report");
                done.extend(report["sequence"].as_u64());
            }
            1 => {}
            2 if refusals.iter().any(|kind| outcome.err.contains(kind)) => {}
            code => panic!("{command:?} ended with {code}: {}", outcome.err),
        }
    }
    done
}

/// Applies the entries in sequence, and asserts that none makes a version champion that is in quarantine.
fn replay(chain: &[Record]) -> (BTreeSet<u64>, BTreeSet<u64>) {
    let (mut quarantined, mut approved) = (BTreeSet::new(), BTreeSet::new());
    for record in chain {
        let entry = &record.entry;
        let target = entry.target.map(Version::get);
        if entry.is_decision()
            && let Some(champion) = entry.crowned().map(Version::get)
        {
            assert!(!quarantined.contains(&champion), "{record}");
            approved.remove(&champion);
        }
        quarantined.extend(entry.quarantined().into_iter().map(Version::get));
        match entry.operation {
            EntryKind::Release => drop(target.map(|version| quarantined.remove(&version))),
            EntryKind::Approve => approved.extend(target),
            EntryKind::External | EntryKind::Aborted | EntryKind::Checkpoint => {
                panic!("no command leaves an entry `{}` here", entry.operation)
            }
            _ => {}
        }
    }
    (quarantined, approved)
}

async fn many_processes_keep_to_the_standing(backend: &Backend, uri: &str, operations: u64) {
    let model = fresh_name("race");
    let registry = registry(backend, &model).await;
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    let writers: Vec<_> = (0..PROCESSES)
        .map(|writer| {
            let project = Project::new(Some(uri), &model);
            thread::spawn(move || work(&project, writer, operations))
        })
        .collect();
    let mut done: Vec<u64> =
        writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect();
    done.sort_unstable();
    let ledger = ledger(&registry).await;
    let engine = PolicyEngine::new(&EngineOptions::default()).expect("an engine");
    let verified = ledger.verify(Some(&PolicyReplay::new(engine))).await.expect("a verification");
    assert!(verified.is_sound(), "{verified:?}");
    let findings = ledger.diagnose().await.expect("findings");
    let expected = |finding: &LedgerFinding| finding.code() == "quarantined-champion";
    assert!(findings.iter().all(expected), "{findings:?}");
    let mut chain: Vec<Record> =
        ledger.history(None, None).await.expect("a history").into_iter().map(|(record, _)| record).collect();
    chain.reverse();
    for number in &done {
        assert!(chain.iter().any(|record| record.number == *number), "entry {number} is lost");
    }
    let mut counted = done.clone();
    counted.dedup();
    assert_eq!(counted, done, "two operations report one entry");
    let (quarantines, approvals) = replay(&chain);
    let standing = standing(&registry).await;
    assert_eq!(quarantined(&standing), quarantines);
    assert_eq!(approved(&standing).into_iter().collect::<BTreeSet<_>>(), approvals);
    assert_eq!(tagged(&registry).await, quarantines);
    assert!(done.len() as u64 >= PROCESSES * operations / 4, "only {} of them succeeded", done.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
        many_processes_keep_to_the_standing(&backend, uri.expose(), 25).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_rest() {
    let server = Server::start(NEWEST, &["--workers", "2"]);
    many_processes_keep_to_the_standing(&Backend::on(&server), &server.url, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn raced_on_postgres() {
    let server = Server::shared(ON_POSTGRES);
    many_processes_keep_to_the_standing(&Backend::on(server), &server.url, 25).await;
}

/// Runs a command on a model with champion 2, archived version 1 and version 3 approved, with `fault` in request number
/// `index` (from 0). Returns whether the command sent that many requests.
async fn ask_with(server: &Server, command: &[&str], fault: Fault, index: usize) -> bool {
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("fault");
    let registry = registry(&Backend::on(server), &model).await;
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    registry.approve(version(3)).await.expect("an approval");
    let project = Project::new(Some(&proxy.url), &model);
    proxy.spoil(index, fault);
    let mut command = project.command([&["--output", "json"], command].concat());
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: crate::support::binary::Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    if outcome.code == 2 {
        // The command reported an error, and the next command succeeds.
        assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
        registry.promote(version(4)).await.expect("the next command");
    }
    let history = assert_sound(&registry).await;
    // Entries 1 to 4 are the genesis, the two promotions and the approval above.
    let recorded: Vec<&Record> = history
        .iter()
        .map(|(record, _)| record)
        .filter(|record| {
            record.number > 4 && record.entry.actor == "tester" && record.entry.target != Some(version(4))
        })
        .collect();
    assert!(recorded.len() <= 1, "{what}");
    match outcome.code {
        0 => assert_eq!(recorded.len(), 1, "{what}"),
        2 => assert!(recorded.is_empty() || outcome.err.contains("may be recorded"), "{what}"),
        code => panic!("exit {code}: {what}"),
    }
    let standing = standing(&registry).await;
    assert_eq!(approved(&standing), [3], "{what}");
    let expected: BTreeSet<u64> =
        recorded.iter().flat_map(|record| record.entry.quarantined()).map(Version::get).collect();
    assert_eq!(quarantined(&standing), expected, "{what}");
    assert_eq!(tagged(&registry).await, expected, "{what}");
    reached
}

async fn spoil_every_request(server: &Server, command: &[&str], faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while ask_with(server, command, *fault, index).await {
            index += 1;
        }
        assert!(index >= 8, "it takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_refusals_at_every_request() {
    spoil_every_request(Server::shared(NEWEST), QUARANTINE, &[Fault::AnswerLost]).await;
    spoil_every_request(Server::shared(NEWEST), ROLLBACK, &[Fault::DoneButAnswered(503)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    let faults =
        [Fault::Dropped, Fault::Late, Fault::Twice, Fault::Answered(500), Fault::DoneButAnswered(500)];
    for command in [QUARANTINE, ROLLBACK] {
        spoil_every_request(Server::shared(NEWEST), command, &faults).await;
    }
}
