//! Activations over a faulty network.

use super::{LAX, World, active, component, standing, tagged};
use crate::ledger::assert_sound;
use crate::support::backends::Backend;
use crate::support::binary::Project;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, Server};
use crate::support::version;
use hydra_lifecycle::ledger::entry::EntryKind;

const ACTIVATE: &[&str] = &["policy", "activate", "default.wasm"];
const DEACTIVATE: &[&str] = &["policy", "deactivate"];
const APPROVE: &[&str] = &["policy", "approve", "--deactivation"];

/// Runs a command with `fault` in request number `index` (from 0). Returns whether it sent that many requests.
async fn ask_with(server: &Server, asked: &[&str], fault: Fault, index: usize) -> bool {
    let proxy = Proxy::start(&server.url);
    let (world, plain) = World::new(Backend::on(server), "fault").await;
    let former = match asked {
        ACTIVATE => None,
        _ => world.host(LAX).await.activate_policy().await.expect("an activation").sha256,
    };
    let project = Project::new(Some(&proxy.url), &world.model);
    component(project.path(), "default");
    proxy.spoil(index, fault);
    let mut command = project.command([&["--output", "json"], asked].concat());
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: crate::support::binary::Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    if matches!(outcome.code, 2 | 5) {
        assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
    }
    plain.promote(version(2)).await.expect("the next command");
    let history = assert_sound(&plain).await;
    let before = history.iter().filter(|(record, _)| record.entry.operation == EntryKind::Activate).count();
    let operation = asked[1];
    let recorded =
        history.iter().filter(|(record, _)| record.entry.operation.to_string() == operation).count();
    match outcome.code {
        0 => assert_eq!(recorded, 1, "{what}"),
        2 | 5 => assert!(recorded == 0 || outcome.err.contains("may be recorded"), "{what}"),
        code => panic!("exit {code}: {what}"),
    }
    let is_active = match asked {
        DEACTIVATE => recorded == 0,
        _ => before == 1,
    };
    let named = active(&plain).await;
    assert_eq!(named.is_some(), is_active, "{what}");
    assert!(former.is_none() || !is_active || named == former, "{what}");
    let tag = tagged(&plain).await.filter(|tag| tag != "none");
    assert_eq!(tag, named.map(|sha256| sha256.to_string()), "{what}");
    let approvals = standing(&plain).await.panel_approvals().len();
    assert_eq!(approvals, if asked == APPROVE { recorded } else { 0 }, "{what}");
    reached
}

async fn spoil_every_request(asked: &[&str], faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while ask_with(Server::shared(NEWEST), asked, *fault, index).await {
            index += 1;
        }
        assert!(index >= 8, "it takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_at_every_request() {
    for asked in [ACTIVATE, DEACTIVATE, APPROVE] {
        spoil_every_request(asked, &[Fault::AnswerLost]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    let faults =
        [Fault::Dropped, Fault::Late, Fault::Twice, Fault::Answered(500), Fault::DoneButAnswered(500)];
    for asked in [ACTIVATE, DEACTIVATE, APPROVE] {
        spoil_every_request(asked, &faults).await;
    }
}
