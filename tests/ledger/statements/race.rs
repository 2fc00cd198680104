//! Statements and transitions of many processes at the same time.

use std::collections::BTreeSet;
use std::thread;

use hydra_base::names::Version;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use serde_json::Value;

use super::{approved, quarantined, standing, tagged};
use crate::ledger::{ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::{NEWEST, ON_POSTGRES, Server};
use crate::support::version;

const PROCESSES: u64 = 6;

/// Runs commands in sequence, and returns the entries that they reported, and how many commands gave up because others kept winning.
fn work(project: &Project, writer: u64, operations: u64) -> (Vec<u64>, usize) {
    let (mut done, mut contended) = (Vec::new(), 0);
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
        let gave_up = ["\"Contention\"", "\"PremiseChanged\""].iter().any(|kind| outcome.err.contains(kind));
        let refusals = ["\"Quarantined\"", "\"NotQuarantined\"", "\"NoArchived\""];
        match outcome.code {
            0 => {
                let report: Value = serde_json::from_str(&outcome.out).expect("a report");
                done.extend(report["sequence"].as_u64());
            }
            1 => {}
            2 if gave_up => contended += 1,
            2 if refusals.iter().any(|kind| outcome.err.contains(kind)) => {}
            code => panic!("{command:?} ended with {code}: {}", outcome.err),
        }
    }
    (done, contended)
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
    let (mut done, mut contended) = (Vec::new(), 0);
    for writer in writers {
        let (entries, gave_up) = writer.join().expect("no panic");
        done.extend(entries);
        contended += gave_up;
    }
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
    let (succeeded, expected) = (done.len(), usize::try_from(PROCESSES * operations / 4).expect("few"));
    assert!(succeeded + contended >= expected, "only {succeeded} of them succeeded, {contended} gave up");
    assert!(contended <= succeeded, "{contended} gave up, and only {succeeded} succeeded");
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
