//! Wrong clocks: on servers, on local stores, and in the middle of a transition. And who a server says is asking.

use std::process::Command;

use hydra_lifecycle::ledger::entry::EntryKind;
use serde_json::Value;

use super::commands::lines;
use super::crash::kill_at;
use super::{aliases, assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;

/// A command on a machine whose clock is wrong by so many milliseconds.
fn wrong(project: &Project, by: i64, args: &[&str]) -> Command {
    let mut command = project.command([&["--output", "json"], args].concat());
    command.env("HYDRA_CLOCK_WRONG_BY", by.to_string()).env("MLFLOW_ALLOW_FILE_STORE", "true");
    command
}

fn run(project: &Project, by: i64, args: &[&str]) -> Outcome {
    wrong(project, by, args).output().expect("the binary runs").into()
}

fn codes(report: &Value) -> Vec<&str> {
    let findings = report["findings"].as_array().expect("findings");
    findings.iter().map(|finding| finding["code"].as_str().expect("a code")).collect()
}

/// The head of a model, as an export shows it.
fn newest(project: &Project) -> Value {
    lines(project, &["history", "export"]).remove(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_clock_that_differs_from_the_servers_is_refused_before_the_policy_is_asked() {
    let server = Server::shared(NEWEST);
    let model = fresh_name("clock");
    let registry = registry(&Backend::on(server), &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let before = assert_sound(&registry).await.len();
    let project = Project::new(Some(&server.url), &model);
    // A policy that does not exist would be an error of its own, if it were asked first; it is loaded when it decides.
    for (by, side) in [(-2 * DAY, "behind"), (2 * DAY, "ahead of")] {
        for request in [
            &["promote", "2"][..],
            &["promote", "2", "--dry-run"],
            &["rollback"],
            &["approve", "2"],
            &["nominate", "2"],
        ] {
            let refused = run(&project, by, request);
            let expected = format!("this machine's clock is 2 days {side} the server's");
            assert_eq!(refused.code, 2, "{request:?}: {}", refused.err);
            assert!(
                refused.err.contains(&expected) && refused.err.contains("\"ClockDifference\""),
                "{}",
                refused.err
            );
        }
    }
    assert_eq!(assert_sound(&registry).await.len(), before, "nothing was recorded");
    assert_eq!(aliases(&registry).await, (Some(1), None));
    // Doctor names the clock of this machine.
    let doctor = run(&project, -2 * DAY, &["doctor"]);
    let report: Value = serde_json::from_str(&doctor.out).expect("a report");
    assert_eq!((doctor.code, codes(&report)), (1, vec!["wrong-clock"]));
    // Half a minute is within the tolerance, and so are days for those who set it so. Both are on record.
    let tolerated = run(&project, 30_000, &["promote", "2"]);
    assert_eq!(tolerated.code, 0, "{}", tolerated.err);
    let difference =
        |entry: &Value| entry["entry"]["clock_ms"].as_str().expect("a difference").parse::<i64>().unwrap();
    assert!((-33_000..=-27_000).contains(&difference(&newest(&project))), "{}", newest(&project));
    let tolerated = run(&project, -2 * DAY, &["--clock-tolerance", "3d", "promote", "3"]);
    assert_eq!(tolerated.code, 0, "{}", tolerated.err);
    let recorded = difference(&newest(&project));
    assert!((recorded - 2 * DAY).abs() < 3_000, "{recorded}");
    let shown = lines(&project, &["history", "--limit", "1"]).remove(0);
    assert_eq!(shown["clock_difference_ms"], recorded);
    // The difference is in the evidence, and does not make it another evidence.
    let ledger = ledger(&registry).await;
    let head = ledger.head().await.expect("a head").number;
    let (_, input) = ledger.decision(head).await.expect("the input");
    assert_eq!(input.context().clock_difference_ms, Some(recorded));
    // It is named, and the entry stands.
    let verified = project.run(["--output", "json", "history", "verify"]);
    let report: Value = serde_json::from_str(&verified.out).expect("a report");
    assert_eq!((verified.code, &report["sound"]), (0, &true.into()), "{}", verified.out);
    let named = report["clocks"][0]["what"].as_str().expect("a difference");
    assert!(named.contains("2 days behind the server's"), "{named}");
    let doctor = project.run(["--output", "json", "doctor"]);
    assert_eq!(
        codes(&serde_json::from_str(&doctor.out).expect("a report")),
        ["wrong-time"],
        "{}",
        doctor.out
    );
}

/// A local store has no second clock: there, time may not run backwards along the ledger.
async fn time_does_not_run_backwards(backend: Backend) {
    let model = fresh_name("clock");
    let registry = registry(&backend, &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let project = Project::new(Some(uri.expose()), &model);
    let witness = project.file("before.jsonl", project.run(["history", "export"]).out);
    // Half a minute behind is tolerated, and the entry is not older than the one before it.
    assert_eq!(run(&project, -30_000, &["promote", "2"]).code, 0);
    let export = lines(&project, &["history", "export"]);
    let at = |entry: &Value| entry["entry"]["at"].as_str().expect("a time").parse::<i64>().expect("a number");
    assert!(at(&export[0]) >= at(&export[1]));
    let refused = run(&project, -2 * DAY, &["promote", "3"]);
    assert!(refused.code == 2 && refused.err.contains("\"ClockBackwards\""), "{}", refused.err);
    // An entry from the future locks out honest writers, until an honest doctor bridges it on record.
    assert_eq!(run(&project, 2 * DAY, &["promote", "3"]).code, 0);
    let number = newest(&project)["number"].as_u64().expect("a number");
    let refused = run(&project, 0, &["rollback"]);
    assert_eq!(refused.code, 2, "{}", refused.out);
    assert!(
        refused.err.contains(&format!("behind entry {number} (promote) of the ledger")),
        "{}",
        refused.err
    );
    assert!(refused.err.contains("doctor --fix"), "{}", refused.err);
    let doctor = run(&project, 0, &["doctor"]);
    assert_eq!(codes(&serde_json::from_str(&doctor.out).expect("a report")), ["future-entry"]);
    let fixed = run(&project, 0, &["doctor", "--fix"]);
    assert_eq!(fixed.code, 0, "{}{}", fixed.out, fixed.err);
    assert_eq!(newest(&project)["entry"]["operation"], "checkpoint");
    assert_eq!(aliases(&registry).await, (Some(3), Some(2)), "the decision stands");
    project.json(["rollback"]);
    assert_eq!(aliases(&registry).await, (Some(2), Some(3)));
    // `verify` says that a checkpoint bridges something, by its own exit status.
    let verified = run(&project, 0, &["history", "verify", "--against", &witness.display().to_string()]);
    let report: Value = serde_json::from_str(&verified.out).expect("a report");
    assert_eq!((verified.code, &report["sound"]), (6, &true.into()), "{}", verified.out);
    assert_eq!(report["bridged"][0]["entry"], number);
}

#[tokio::test(flavor = "multi_thread")]
async fn time_does_not_run_backwards_on_sqlite() {
    time_does_not_run_backwards(Backend::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn time_does_not_run_backwards_on_file() {
    time_does_not_run_backwards(Backend::file()).await;
}

/// A clock that was set back together with a `doctor --fix` evades a rule about time; a right clock finds both.
async fn a_checkpoint_in_the_past_is_found(backend: Backend) {
    let model = fresh_name("clock");
    let registry = registry(&backend, &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    let project = Project::new(Some(uri.expose()), &model);
    let bridged = newest(&project)["number"].as_u64().expect("a number");
    assert_eq!(run(&project, -2 * DAY, &["promote", "2"]).code, 2);
    let fixed = run(&project, -2 * DAY, &["doctor", "--fix"]);
    assert_eq!(fixed.code, 0, "{}{}", fixed.out, fixed.err);
    for number in ["2", "3"] {
        assert_eq!(run(&project, -2 * DAY, &["promote", number]).code, 0);
    }
    let doctor = run(&project, 0, &["doctor"]);
    let report: Value = serde_json::from_str(&doctor.out).expect("a report");
    assert_eq!((doctor.code, codes(&report)), (1, vec!["time-bridged"]), "{report}");
    let what = report["findings"][0]["what"].as_str().expect("a text");
    let checkpoint = bridged + 1;
    assert!(what.contains(&format!("the checkpoint of tester, entry {checkpoint} of ")), "{what}");
    assert!(what.contains(&format!("before entry {bridged} of ")) && what.contains("2 decisions"), "{what}");
    let named = || {
        let verified = run(&project, 0, &["history", "verify"]);
        let report: Value = serde_json::from_str(&verified.out).expect("a report");
        assert_eq!((verified.code, &report["sound"]), (6, &true.into()), "{report}");
        let named: Vec<u64> = report["clocks"]
            .as_array()
            .expect("times")
            .iter()
            .map(|clock| clock["entry"].as_u64().expect("a number"))
            .collect();
        named
    };
    assert_eq!(named(), [checkpoint + 1, checkpoint + 2]);
    // A right clock goes on. What was decided in between stays named.
    project.json(["promote", "4"]);
    let doctor = run(&project, 0, &["doctor"]);
    assert_eq!(doctor.code, 0, "{}", doctor.out);
    assert_eq!(named(), [checkpoint + 1, checkpoint + 2]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_the_past_is_found_on_sqlite() {
    a_checkpoint_in_the_past_is_found(Backend::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_checkpoint_in_the_past_is_found_on_file() {
    a_checkpoint_in_the_past_is_found(Backend::file()).await;
}

/// What is between this machine and the server may send a date of its own: the server's time of an entry contradicts it.
#[tokio::test(flavor = "multi_thread")]
async fn an_entry_that_the_server_took_at_another_time_is_named() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("clock");
    let registry = registry(&Backend::on(server), &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    proxy.shift_dates(-2 * DAY);
    let deceived = Project::new(Some(&proxy.url), &model);
    let done = run(&deceived, -2 * DAY, &["promote", "2"]);
    assert_eq!(done.code, 0, "{}", done.err);
    assert!(done.err.contains("by the entry that the server just took"), "{}", done.err);
    let project = Project::new(Some(&server.url), &model);
    let number = newest(&project)["number"].as_u64().expect("a number");
    let verified = run(&project, 0, &["history", "verify"]);
    let report: Value = serde_json::from_str(&verified.out).expect("a report");
    assert_eq!(report["clocks"][0]["entry"], number, "{report}");
    let what = report["clocks"][0]["what"].as_str().expect("a text");
    assert_eq!(what, "its time is 2 days before that at which the store took it");
    let doctor = run(&project, 0, &["doctor"]);
    assert_eq!(codes(&serde_json::from_str(&doctor.out).expect("a report")), ["wrong-time"]);
}

/// The age of an interrupted decision does not depend on the clock of the one who finds it.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupted_decision_is_completed_by_any_clock() {
    let server = Server::shared(NEWEST);
    let backend = Backend::on(server);
    for (deciding, finding) in
        [(0, 15 * MINUTE), (15 * MINUTE, 0), (-15 * MINUTE, 0), (0, -15 * MINUTE), (0, DAY)]
    {
        let model = fresh_name("clock");
        let registry = registry(&backend, &model).await;
        registry.promote_to_champion(version(1)).await.expect("a promotion");
        let project = Project::new(Some(&server.url), &model);
        let tolerant = ["--clock-tolerance", "2d"];
        kill_at(
            wrong(&project, deciding, &[&tolerant[..], &["promote", "2"]].concat()),
            "ledger.before-aliases",
        );
        let next = run(&project, finding, &[&tolerant[..], &["promote", "3"]].concat());
        assert_eq!(next.code, 0, "{deciding} {finding}: {}", next.err);
        let ledger = ledger(&registry).await;
        let history = ledger.history(None, None).await.expect("a history");
        let kinds: Vec<EntryKind> = history.iter().rev().map(|(record, _)| record.entry.operation).collect();
        let promoted = [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::Promote];
        assert_eq!(kinds, promoted, "decided at {deciding}, found at {finding}");
        assert_eq!(aliases(&registry).await, (Some(3), Some(2)));
    }
}

/// The user is what the server says, once per process; the actor remains what the requester says.
#[tokio::test(flavor = "multi_thread")]
async fn the_authenticated_user_is_recorded_beside_the_actor() {
    let server = Server::shared(NEWEST);
    let model = fresh_name("user");
    let registry = registry(&Backend::on(server), &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    let proxy = Proxy::start(&server.url);
    let project = Project::new(Some(&proxy.url), &model);
    // This server has no users.
    project.json(["promote", "2"]);
    assert_eq!(proxy.take().iter().filter(|line| line.contains("users/current")).count(), 1);
    let unverified = project.run(["history", "--limit", "1"]);
    assert!(unverified.out.contains("requested by tester (unverified)"), "{}", unverified.out);
    proxy.answer(
        "users/current",
        r#"{"user":{"id":7,"username":"ann","is_admin":false},"is_basic_auth":true}"#,
    );
    proxy.take();
    project.json(["promote", "3", "--actor", "mallory"]);
    assert_eq!(proxy.take().iter().filter(|line| line.contains("users/current")).count(), 1);
    let recorded = newest(&project);
    assert_eq!((&recorded["entry"]["actor"], &recorded["entry"]["user"]), (&"mallory".into(), &"ann".into()));
    let shown = project.run(["history", "--limit", "1"]);
    assert!(shown.out.contains("requested by mallory (authenticated as ann)"), "{}", shown.out);
    let decided = ledger(&registry).await;
    let head = decided.head().await.expect("a head").number;
    let (_, input) = decided.decision(head).await.expect("the input");
    assert_eq!(input.context().user.as_deref(), Some("ann"));
    // Statements, and what policies see of them.
    project.json(["approve", "4", "--actor", "mallory"]);
    project.json(["quarantine", "5", "--reason", "leaked labels"]);
    let view = ledger(&registry).await.view().await.expect("a view");
    assert_eq!(view.standing.approvals()[0].user.as_deref(), Some("ann"));
    assert_eq!(view.standing.quarantine(version(5)).expect("a quarantine").user.as_deref(), Some("ann"));
    assert_sound(&registry).await;
}
