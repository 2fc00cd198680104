//! Many processes change one model concurrently; the ledger must be one chain that explains the final aliases.

use std::thread;

use hydra_base::names::Alias;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::entry::EntryKind;
use serde_json::Value;

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::server::{NEWEST, ON_MARIADB, ON_POSTGRES, OTHER_RELEASES, Server};
use crate::support::version;

const PROCESSES: u64 = 8;

/// The results of one process.
#[derive(Debug, Default)]
struct Seen {
    /// The entries of the operations that succeeded.
    done: Vec<u64>,
    /// Commands that gave up because other writers kept winning, or rollbacks of a champion that a slow writer had set.
    contended: usize,
    /// Those of them whose decision may be recorded, by their own account.
    doubtful: usize,
}

/// Runs `operations` commands in sequence; the writer's number determines which.
fn work(project: &Project, writer: u64, operations: u64) -> Seen {
    let mut seen = Seen::default();
    for operation in 0..operations {
        let pick = writer * 7 + operation * 3;
        let version = (pick % 5 + 1).to_string();
        let command: Vec<&str> = match pick % 8 {
            0..=3 => vec!["promote", &version],
            4 | 5 => vec!["rollback"],
            6 => vec!["rollback", "--to", &version],
            _ => vec!["promote", &version, "--dry-run"],
        };
        let outcome: Outcome = project.run([&["--output", "json"], &command[..]].concat());
        match outcome.code {
            0 => {
                let report: Value = serde_json::from_str(&outcome.out).expect("a report");
                if report["outcome"] == "done" && report["dry_run"] == false {
                    seen.done.push(report["sequence"].as_u64().expect("a sequence"));
                }
            }
            _ if outcome.err.contains("\"Contention\"") => {
                seen.contended += 1;
                seen.doubtful += usize::from(outcome.err.contains("the decision may be recorded"));
            }
            _ if outcome.err.contains("\"PremiseChanged\"") && command == ["rollback"] => seen.contended += 1,
            // `rollback --to` a version that was not champion yet; versions 1 and 2 were champion before the race.
            _ if outcome.err.contains("\"NeverChampion\"") && !["1", "2"].contains(&version.as_str()) => {}
            1 => {}
            code => panic!("{command:?} ended with {code}: {}", outcome.err),
        }
    }
    seen
}

/// Applies the recorded operations in sequence, by the default policy's rules, and compares the result with each entry.
fn replay(history: &[Record]) -> (Option<u64>, Option<u64>) {
    let (mut champion, mut archived) = (None, None);
    for record in history {
        let entry = &record.entry;
        if entry.before == entry.after {
            continue;
        }
        let target = entry.target.map(|version| version.get());
        (champion, archived) = match entry.operation {
            EntryKind::Promote => (target, champion),
            EntryKind::Rollback => (target.or(archived), champion),
            // The undone alias moves of a slow writer.
            EntryKind::Reassert => (champion, archived),
            other => panic!("no alias was moved outside the ledger, but it has an entry `{other}`"),
        };
        let after = |alias| entry.after.get(&alias).map(|version| version.get());
        assert_eq!((after(Alias::CHAMPION), after(Alias::ARCHIVED)), (champion, archived), "{record}");
    }
    (champion, archived)
}

async fn many_processes_leave_one_chain(backend: &Backend, uri: &str, operations: u64) {
    let model = fresh_name("race");
    let registry = registry(backend, &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    registry.promote_to_champion(version(2)).await.expect("a promotion");
    let writers: Vec<_> = (0..PROCESSES)
        .map(|writer| {
            let project = Project::new(Some(uri), &model);
            thread::spawn(move || work(&project, writer, operations))
        })
        .collect();
    let seen: Vec<Seen> = writers.into_iter().map(|writer| writer.join().expect("no panic")).collect();
    let mut done: Vec<u64> = seen.iter().flat_map(|seen| seen.done.iter().copied()).collect();
    done.sort_unstable();
    let contended: usize = seen.iter().map(|seen| seen.contended).sum();
    let doubtful: usize = seen.iter().map(|seen| seen.doubtful).sum();
    let history = assert_sound(&registry).await;
    // Each successful operation has one entry with moves. Every other such entry is of a command that reported that it may be.
    let moved = |record: &Record| record.entry.is_decision() && record.entry.before != record.entry.after;
    let recorded: Vec<u64> = history
        .iter()
        .map(|(record, _)| record)
        .filter(|record| moved(record))
        .map(|record| record.number)
        .collect();
    let (own, others): (Vec<u64>, Vec<u64>) =
        recorded[2..].iter().copied().partition(|number| done.contains(number));
    assert_eq!(own, done, "{contended} gave up");
    assert!(others.len() <= doubtful, "no command reported {others:?}; {doubtful} were in doubt");
    let entries: Vec<Record> = history.into_iter().map(|(record, _)| record).collect();
    assert_eq!(replay(&entries), aliases(&registry).await);
    // Writers make progress, however slow the machine is: a command gives up only while others succeed.
    let (succeeded, expected) = (done.len(), usize::try_from(PROCESSES * operations / 3).expect("few"));
    assert!(succeeded + contended >= expected, "only {succeeded} of them succeeded, {contended} gave up");
    assert!(contended <= succeeded, "{contended} gave up, and only {succeeded} succeeded");
}

async fn on_local(backend: Backend, operations: u64) {
    let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
    many_processes_leave_one_chain(&backend, uri.expose(), operations).await;
}

async fn on_server(environment: &'static str, operations: u64) {
    // Two server workers, so that requests of two processes meet in the database.
    let server = Server::start(environment, &["--workers", "2"]);
    many_processes_leave_one_chain(&Backend::on(&server), &server.url, operations).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_sqlite() {
    on_local(Backend::sqlite(), 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_file() {
    on_local(Backend::file(), 50).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    on_server(NEWEST, 5).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn on_rest_for_long() {
    on_server(NEWEST, 50).await;
}

/// MLflow's file store behind a server with two workers, which can give two entries one number.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_a_file_store_behind_a_server() {
    let server = Server::start(NEWEST, &["--workers", "2", "--backend-store-uri", "./mlruns"]);
    many_processes_leave_one_chain(&Backend::on(&server), &server.url, 10).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_postgres() {
    let server = Server::shared(ON_POSTGRES);
    many_processes_leave_one_chain(&Backend::on(server), &server.url, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn on_mariadb() {
    let server = Server::shared(ON_MARIADB);
    many_processes_leave_one_chain(&Backend::on(server), &server.url, 50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other releases; `cargo xtask test --all` runs it"]
async fn on_other_servers() {
    for environment in OTHER_RELEASES {
        on_server(environment, 10).await;
    }
}
