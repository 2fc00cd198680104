//! Activations over a faulty network.

use super::{World, active, component, tagged};
use crate::ledger::assert_sound;
use crate::support::backends::Backend;
use crate::support::binary::Project;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, Server};
use crate::support::version;
use hydra_lifecycle::ledger::entry::EntryKind;

/// Activates a policy with `fault` in request number `index` (from 0). Returns whether the command sent that many requests.
async fn activate_with(server: &Server, fault: Fault, index: usize) -> bool {
    let proxy = Proxy::start(&server.url);
    let (world, plain) = World::new(Backend::on(server), "fault").await;
    let project = Project::new(Some(&proxy.url), &world.model);
    component(project.path(), "default");
    proxy.spoil(index, fault);
    let mut command = project.command(["--output", "json", "policy", "activate", "default.wasm"]);
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: crate::support::binary::Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    if matches!(outcome.code, 2 | 5) {
        assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
    }
    plain.promote(version(2)).await.expect("the next command");
    let history = assert_sound(&plain).await;
    let recorded = history.iter().filter(|(record, _)| record.entry.operation == EntryKind::Activate).count();
    match outcome.code {
        0 => assert_eq!(recorded, 1, "{what}"),
        2 | 5 => assert!(recorded == 0 || outcome.err.contains("may be recorded"), "{what}"),
        code => panic!("exit {code}: {what}"),
    }
    let named = active(&plain).await.map(|sha256| sha256.to_string());
    assert_eq!((named.is_some(), tagged(&plain).await), (recorded == 1, named), "{what}");
    reached
}

async fn spoil_every_request(faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while activate_with(Server::shared(NEWEST), *fault, index).await {
            index += 1;
        }
        assert!(index >= 8, "it takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_at_every_request() {
    spoil_every_request(&[Fault::AnswerLost]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    let faults =
        [Fault::Dropped, Fault::Late, Fault::Twice, Fault::Answered(500), Fault::DoneButAnswered(500)];
    spoil_every_request(&faults).await;
}
