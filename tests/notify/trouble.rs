//! Receivers in trouble, and commands that are killed: no decision fails, no event is lost, and the other receivers notice nothing.

use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Receiver, log, project};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};

/// A receiver that hangs, fails or redirects never fails a decision, costs two seconds, and gets its events later.
#[test]
fn a_receiver_in_trouble_costs_two_seconds_and_no_decision() {
    let receiver = Receiver::start();
    let (project, _) = project(&receiver, "events = [\"promoted\", \"rolled-back\"]\n");
    log(&project, "auc=0.9");
    receiver.answer("slow");
    let start = Instant::now();
    let promoted = project.run(["promote"]);
    let took = start.elapsed();
    assert_eq!(promoted.code, 0, "{}", promoted.err);
    assert!(promoted.out.contains("version 2"), "{}", promoted.out);
    assert!(promoted.err.contains("it takes too long"), "{}", promoted.err);
    // A decision takes a second on a busy machine.
    assert!(took < Duration::from_secs(6), "{took:?}");
    for (mode, why) in
        [("500", "status 500"), ("410", "status 410"), ("redirect", "redirect 302, which is not followed")]
    {
        receiver.answer(mode);
        let held = project.run(["rollback"]);
        assert_eq!(held.code, 0, "{}", held.err);
        assert!(held.err.contains(why) && held.err.contains("notify catch-up"), "{mode}: {}", held.err);
        assert!(!held.err.contains("T0K3N"), "{}", held.err);
        let report = project.run(["--output", "json", "notify", "catch-up"]);
        assert_eq!(report.code, 1, "{}", report.err);
        assert!(!report.out.contains("T0K3N") && report.out.contains(why), "{}", report.out);
    }
    assert!(
        receiver.requests().iter().all(|request| request["path"] == "/hook/T0K3N"),
        "no redirect was followed"
    );
    receiver.answer("ok");
    let report = project.json(["notify", "catch-up"]);
    assert_eq!(report["receivers"][0]["sent"], 4, "{report}");
    assert_eq!(receiver.kinds(), ["promoted", "rolled-back", "rolled-back", "rolled-back"]);
    let again = project.json(["notify", "catch-up"]);
    assert_eq!(
        (&again["receivers"][0]["sent"], receiver.taken().len()),
        (&json!(0), 4),
        "nothing is told twice"
    );
}

/// Kills a promotion while the receiver takes its event, and never answers.
fn promote_and_kill(project: &Project, receiver: &Receiver) {
    receiver.answer("slow");
    let mut child =
        project.command(["promote"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("it starts");
    let start = Instant::now();
    while receiver.requests().is_empty() {
        assert!(start.elapsed() < Duration::from_mins(1), "the receiver was not told");
        std::thread::sleep(Duration::from_millis(10));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    receiver.answer("ok");
}

/// A command that is killed after its decision and before its deliveries loses no event: the next one on any host sends them.
#[test]
fn a_killed_command_loses_no_event() {
    let receiver = Receiver::start();
    let (project, _) = project(&receiver, "");
    log(&project, "auc=0.9");
    promote_and_kill(&project, &receiver);
    log(&project, "auc=0.95");
    project.json(["nominate", "2"]);
    assert_eq!(receiver.kinds(), ["promoted"], "by a command that decided nothing itself");
    let ids: Vec<_> =
        receiver.requests().iter().map(|request| request["headers"]["webhook-id"].clone()).collect();
    assert_eq!(ids[0], ids[1], "the same event has the same id");
}

/// Also the events of the very first decision, before which there is no ledger to keep a cursor in.
#[test]
fn a_killed_first_decision_loses_no_event() {
    let receiver = Receiver::start();
    let name = fresh_name("notify");
    let project = Project::new(None, &name);
    let url = receiver.url("/first");
    project.file("hydra.toml", format!("model = \"{name}\"\n[notify.team]\nurl = \"{url}\"\n"));
    log(&project, "auc=0.8");
    promote_and_kill(&project, &receiver);
    log(&project, "auc=0.9");
    project.json(["promote"]);
    assert_eq!(receiver.kinds(), ["promoted", "promoted"]);
    assert_eq!(receiver.taken()[0]["subject"], format!("{name}/versions/1"));
}

/// A receiver that is slow, and one for which hundreds of entries wait, take nothing from the others, and each warning names its receiver.
#[test]
fn a_receiver_in_trouble_takes_nothing_from_the_others() {
    let (receiver, hanging, lost) = (Receiver::start(), Receiver::start(), Receiver::start());
    hanging.answer("slow");
    let project = crate::look::scale::long_ledger(620);
    let name = project.json(["list"])["model"].as_str().expect("a name").to_owned();
    let receivers = [("lost", &lost), ("slow", &hanging), ("team", &receiver)].map(|(name, receiver)| {
        format!("[notify.{name}]\nurl = \"{}\"\nevents = [\"quarantined\"]\n", receiver.url("/T0K3N"))
    });
    project.file("hydra.toml", format!("model = \"{name}\"\n{}", receivers.concat()));
    // The receiver that is lost knows the first entry.
    let id = project.json(["history", "export", "--head"])["ledger"].as_str().expect("an id").to_owned();
    let database = rusqlite::Connection::open(project.path().join("mlflow.db")).expect("the database");
    let values = [format!("{name}_ledger"), "hydra.notify.lost".to_owned(), format!("{id}:1")];
    let tag = "INSERT INTO registered_model_tags (name, key, value) VALUES (?1, ?2, ?3)";
    assert_eq!(database.execute(tag, values).expect("a tag"), 1);
    drop(database);
    let mut command = project.command(["quarantine", "1", "--reason", "wrong prices"]);
    // The entries of this ledger are of the next hours.
    command.env("HYDRA_CLOCK_WRONG_BY", "86400000");
    let outcome: Outcome = command.output().expect("the binary runs").into();
    assert_eq!(outcome.code, 0, "{}", outcome.err);
    assert_eq!(receiver.kinds(), ["quarantined"], "{}", outcome.err);
    assert_eq!(lost.requests().len(), 0, "none before the ones that it misses");
    let warnings: Vec<&str> =
        outcome.err.lines().filter(|line| line.contains("not every receiver")).collect();
    assert_eq!(warnings.len(), 2, "{warnings:#?}");
    assert!(
        warnings[0].contains("cannot tell lost (") && warnings[0].contains("more entries wait"),
        "{warnings:#?}"
    );
    assert!(
        warnings[1].contains("cannot tell slow (") && warnings[1].contains("takes too long"),
        "{warnings:#?}"
    );
    let caught_up = project.json(["notify", "catch-up", "--receiver", "lost"]);
    assert_eq!((&caught_up["receivers"][0]["sent"], lost.kinds().len()), (&json!(1), 1), "{caught_up}");
}
