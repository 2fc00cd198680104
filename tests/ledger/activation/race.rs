//! Activations and decisions of many processes at the same time: each decision is by the policy that was active.

use std::thread;

use super::{World, active, component, tagged};
use crate::ledger::ledger;
use crate::support::backends::Backend;
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use serde_json::Value;

const PROCESSES: u64 = 6;

/// Runs commands in sequence, and returns the entries that they reported.
fn work(project: &Project, writer: u64, operations: u64) -> Vec<u64> {
    let mut done = Vec::new();
    for operation in 0..operations {
        let pick = writer * 5 + operation * 3;
        let version = (pick % 5 + 1).to_string();
        let command: Vec<&str> = match pick % 6 {
            0 => vec!["policy", "activate", "default.wasm", "well_behaved.wasm"],
            1 => vec!["policy", "activate", "default.wasm"],
            2 => vec!["policy", "deactivate"],
            3 => vec!["rollback"],
            _ => vec!["promote", &version],
        };
        let outcome = project.run([&["--output", "json"], &command[..]].concat());
        match outcome.code {
            0 | 1 | 3 => {
                let report: Value = serde_json::from_str(&outcome.out).expect("a report");
                done.extend(report["sequence"].as_u64());
            }
            2 if outcome.err.contains("\"Contention\"") || outcome.err.contains("\"NoArchived\"") => {}
            code => panic!("{command:?} ended with {code}: {}", outcome.err),
        }
    }
    done
}

async fn many_processes_keep_to_the_active_policy(backend: Backend, uri: &str, operations: u64) {
    let (world, plain) = World::new(backend, "race").await;
    let writers: Vec<_> = (0..PROCESSES)
        .map(|writer| {
            let project = Project::new(Some(uri), &world.model);
            for name in ["default", "well_behaved"] {
                component(project.path(), name);
            }
            thread::spawn(move || work(&project, writer, operations))
        })
        .collect();
    let done: Vec<u64> = writers.into_iter().flat_map(|writer| writer.join().expect("no panic")).collect();
    let ledger = ledger(&plain).await;
    let engine = PolicyEngine::new(&EngineOptions::default()).expect("an engine");
    // It compares the policy of each decision with the one that was active.
    let verified = ledger.verify(Some(&PolicyReplay::new(engine))).await.expect("a verification");
    assert!(verified.is_sound(), "{verified:?}");
    let mut chain: Vec<Record> =
        ledger.history(None, None).await.expect("a history").into_iter().map(|(record, _)| record).collect();
    chain.reverse();
    for number in &done {
        assert!(chain.iter().any(|record| record.number == *number), "entry {number} is lost");
    }
    let mut expected = None;
    for record in &chain {
        match (record.entry.operation, &record.entry.activation) {
            (EntryKind::Activate, Some(activation)) => expected = Some(activation.panel_sha256),
            (EntryKind::Deactivate, _) => expected = None,
            // Two policies decide only under the one of the two that has two.
            _ if record.entry.is_decision() => {
                let decided = record.entry.decided.as_ref().expect("a decision");
                assert!(decided.panel.is_empty() || expected.is_some(), "{record}");
            }
            _ => {}
        }
    }
    assert_eq!(active(&plain).await, expected);
    let named = expected.map_or_else(|| "none".to_owned(), |sha256| sha256.to_string());
    assert_eq!(tagged(&plain).await, Some(named));
    let kinds: std::collections::BTreeSet<String> =
        chain.iter().map(|record| record.entry.operation.to_string()).collect();
    for kind in ["activate", "deactivate", "promote"] {
        assert!(kinds.contains(kind), "{kinds:?}");
    }
    // A decision that lost a race and then had nothing to decide leaves its input.
    let findings = ledger.diagnose().await.expect("findings");
    let left = |finding: &LedgerFinding| matches!(finding, LedgerFinding::Unrecorded { quarantined, policies, .. } if quarantined.is_empty() && policies.is_empty());
    assert!(findings.iter().all(left), "{findings:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI").expose().to_owned();
        many_processes_keep_to_the_active_policy(backend, &uri, 20).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn raced_on_rest() {
    let server = Server::start(NEWEST, &["--workers", "2"]);
    many_processes_keep_to_the_active_policy(Backend::on(&server), &server.url, 5).await;
}
