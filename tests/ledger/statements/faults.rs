//! Statements over a faulty network.

use std::collections::BTreeSet;

use hydra_base::names::Version;
use hydra_lifecycle::ledger::chain::Record;

use super::{APPROVE, NOMINATE, QUARANTINE, RELEASE, ROLLBACK, approved, quarantined, standing, tagged};
use crate::ledger::{assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, Server};
use crate::support::version;

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
    let is_release = command == RELEASE;
    if is_release {
        registry.quarantine(version(3), "for now").await.expect("a quarantine");
    }
    let before = ledger(&registry).await.history(None, None).await.expect("a history").len() as u64;
    let project = Project::new(Some(&proxy.url), &model);
    proxy.spoil(index, fault);
    let mut command = project.command([&["--output", "json"], command].concat());
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: crate::support::binary::Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    if matches!(outcome.code, 2 | 4 | 5) {
        // The command reported an error, and the next command succeeds.
        assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
        registry.promote(version(4)).await.expect("the next command");
    }
    let history = assert_sound(&registry).await;
    let recorded: Vec<&Record> = history
        .iter()
        .map(|(record, _)| record)
        .filter(|record| {
            record.number > before
                && record.entry.actor == "tester"
                && record.entry.target != Some(version(4))
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
    let expected: BTreeSet<u64> = match (is_release, recorded.is_empty()) {
        (true, true) => [3].into(),
        (true, false) => [].into(),
        _ => recorded.iter().flat_map(|record| record.entry.quarantined()).map(Version::get).collect(),
    };
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

/// The other statements send the same requests, so that the default run spoils one kind of them.
#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_at_every_request_of_every_other_statement() {
    for command in [RELEASE, APPROVE, NOMINATE] {
        spoil_every_request(Server::shared(NEWEST), command, &[Fault::AnswerLost]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    let faults =
        [Fault::Dropped, Fault::Late, Fault::Twice, Fault::Answered(500), Fault::DoneButAnswered(500)];
    for command in [QUARANTINE, RELEASE, APPROVE, NOMINATE, ROLLBACK] {
        spoil_every_request(Server::shared(NEWEST), command, &faults).await;
    }
}
