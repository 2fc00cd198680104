//! A network that drops, delays, repeats and refuses: each request of a promotion is spoiled in turn.

use hydra_registry::lifecycle::ledger::chain::Record;
use hydra_registry::lifecycle::ledger::entry::{Entry, Kind};
use hydra_registry::lifecycle::ledger::history::Fate;
use hydra_registry::mlflow::names::Version;

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::{Fault, Proxy};
use crate::support::server::{NEWEST, ON_POSTGRES, Server};

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
async fn promote_with(server: &Server, fault: Fault, index: usize) -> bool {
    let backend = Backend::on(server);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("fault");
    let registry = registry(&backend, &model).await;
    registry.promote_to_champion(Some(Version(1))).await.expect("a promotion");
    let project = Project::new(Some(&proxy.url), &model);
    proxy.spoil(index, fault);
    let mut command = project.command(["--output", "json", "promote", "2"]);
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{fault:?} of request {index}: {}", outcome.err);
    let promotions = |history: &[(Record, Fate)]| {
        let of_two = |entry: &Entry| entry.operation == Kind::Promote && entry.target == Some(Version(2));
        history.iter().filter(|(record, _)| of_two(&record.entry)).count()
    };
    match outcome.code {
        0 => {
            let history = assert_sound(&registry).await;
            assert_eq!(promotions(&history), 1, "{what}");
            assert_eq!(aliases(&registry).await, (Some(2), Some(1)), "{what}");
        }
        2 => {
            // It failed cleanly: an error that says so, and the next command finds its way.
            assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
            let next = registry.promote_to_champion(Some(Version(3))).await;
            assert!(next.is_ok(), "{what}: {next:?}");
            let history = assert_sound(&registry).await;
            assert!(promotions(&history) <= 1, "{what}");
            assert_eq!(aliases(&registry).await.0, Some(3), "{what}");
        }
        code => panic!("exit {code}: {what}"),
    }
    reached
}

async fn spoil_every_request(server: &Server, faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while promote_with(server, *fault, index).await {
            index += 1;
        }
        assert!(index >= 10, "a promotion takes more than {index} requests");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_refusals_at_every_request() {
    spoil_every_request(Server::shared(NEWEST), &[Fault::AnswerLost, Fault::DoneButAnswered(503)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    spoil_every_request(Server::shared(NEWEST), &FAULTS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn lost_answers_and_refusals_on_postgres() {
    let faults = [Fault::AnswerLost, Fault::Twice, Fault::DoneButAnswered(500)];
    spoil_every_request(Server::shared(ON_POSTGRES), &faults).await;
}
