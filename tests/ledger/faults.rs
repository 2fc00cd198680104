//! A network that drops, delays, repeats and refuses: each request of a promotion is spoiled in turn.

use hydra_registry::lifecycle::ledger::entry::Kind;
use hydra_registry::mlflow::names::Version;

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, Server};

const FAULTS: [Fault; 8] = [
    Fault::Dropped,
    Fault::AnswerLost,
    Fault::Late,
    Fault::Twice,
    Fault::Answered(500),
    Fault::Answered(503),
    Fault::DoneButAnswered(500),
    Fault::DoneButAnswered(503),
];

/// The promotion of version 2, with its request of that index spoiled. Returns whether the index was reached.
async fn promote_with(fault: Fault, index: usize) -> bool {
    let backend = Backend::rest();
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let model = fresh_name("fault");
    let registry = registry(&backend, &model).await;
    registry.promote_to_champion(Some(Version(1))).await.expect("a promotion");
    let project = Project::new(Some(&proxy.url), &model);
    proxy.spoil(index, fault);
    let mut command = project.command(["--output", "json", "promote", "2"]);
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: crate::support::binary::Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    let promotions = |history: &[(hydra_registry::lifecycle::ledger::chain::Record, _)], version| {
        let of = |entry: &hydra_registry::lifecycle::ledger::entry::Entry| {
            entry.operation == Kind::Promote && entry.target == Some(Version(version))
        };
        history.iter().filter(|(record, _)| of(&record.entry)).count()
    };
    match outcome.code {
        0 => {
            let history = assert_sound(&registry).await;
            assert_eq!(promotions(&history, 2), 1, "{what}");
            assert_eq!(aliases(&registry).await, (Some(2), Some(1)), "{what}");
        }
        2 => {
            // It failed cleanly: an error that says so, and the next command finds its way.
            assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
            let next = registry.promote_to_champion(Some(Version(3))).await;
            assert!(next.is_ok(), "{what}: {next:?}");
            let history = assert_sound(&registry).await;
            assert!(promotions(&history, 2) <= 1, "{what}");
            assert_eq!(aliases(&registry).await.0, Some(3), "{what}");
        }
        code => panic!("exit {code}: {what}"),
    }
    reached
}

async fn spoil_every_request(faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while promote_with(*fault, index).await {
            index += 1;
        }
        assert!(index >= 10, "a promotion takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_refusals_at_every_request() {
    spoil_every_request(&[Fault::AnswerLost, Fault::DoneButAnswered(503)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    spoil_every_request(&FAULTS).await;
}
