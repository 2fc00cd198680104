//! A faulty network: each request of a promotion or rollback in turn is dropped, delayed, repeated or rejected.

use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::entry::Entry;
use hydra_lifecycle::ledger::history::Fate;

use super::{aliases, assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::proxy::{FAULTS, Fault, Proxy};
use crate::support::server::{NEWEST, ON_POSTGRES, Server};
use crate::support::version;

/// Runs a command on a model with champion 2 and archived version 1, with `fault` in request number `index` (from 0).
/// Returns whether the command sent that many requests.
async fn ask_with(server: &Server, request: &[&str], fault: Fault, index: usize) -> bool {
    let backend = Backend::on(server);
    let proxy = Proxy::start(&server.url);
    let model = fresh_name("fault");
    let registry = registry(&backend, &model).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let project = Project::new(Some(&proxy.url), &model);
    proxy.spoil(index, fault);
    let mut command = project.command([&["--output", "json"], request].concat());
    command.env("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "0").env("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "0");
    let outcome: Outcome = command.output().expect("the binary runs").into();
    let reached = proxy.take().len() > index;
    let what = format!("{request:?} with {fault:?} of request {index}: {}", outcome.err);
    // Entries 1 to 3 are the genesis and the two promotions above.
    let asked = |history: &[(Record, Fate)]| {
        let of_request = |entry: &Entry| entry.operation.to_string() == request[0] && entry.actor == "tester";
        history.iter().filter(|(record, _)| record.number > 3 && of_request(&record.entry)).count()
    };
    match outcome.code {
        0 => {
            let history = assert_sound(&registry).await;
            assert_eq!(asked(&history), 1, "{what}");
            let expected = if request[0] == "rollback" { (Some(1), Some(2)) } else { (Some(3), Some(2)) };
            assert_eq!(aliases(&registry).await, expected, "{what}");
        }
        2 => {
            // The command reported an error, and the next command succeeds.
            assert!(outcome.err.contains("\"hydra-registry/error/1\""), "{what}");
            let next = registry.promote_to_champion(version(4)).await;
            assert!(next.is_ok(), "{what}: {next:?}");
            let history = assert_sound(&registry).await;
            let recorded = asked(&history) - usize::from(request[0] == "promote");
            assert!(recorded <= 1, "{what}");
            let reported = outcome.err.contains("the decision may be recorded");
            assert!(reported || recorded == 0, "{what}: recorded, and the error does not say so");
            assert_eq!(aliases(&registry).await.0, Some(4), "{what}");
        }
        code => panic!("exit {code}: {what}"),
    }
    reached
}

async fn spoil_every_request(server: &Server, request: &[&str], faults: &[Fault]) {
    for fault in faults {
        let mut index = 0;
        while ask_with(server, request, *fault, index).await {
            index += 1;
        }
        assert!(index >= 10, "it takes more than {index} requests");
    }
}

const PROMOTE: &[&str] = &["promote", "3"];
const ROLLBACK: &[&str] = &["rollback"];

#[tokio::test(flavor = "multi_thread")]
async fn lost_answers_and_refusals_at_every_request() {
    spoil_every_request(Server::shared(NEWEST), PROMOTE, &[Fault::AnswerLost]).await;
    spoil_every_request(Server::shared(NEWEST), ROLLBACK, &[Fault::DoneButAnswered(503)]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "many minutes; `cargo xtask test --all` runs it"]
async fn every_fault_at_every_request() {
    for request in [PROMOTE, ROLLBACK] {
        spoil_every_request(Server::shared(NEWEST), request, &FAULTS).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn lost_answers_and_refusals_on_postgres() {
    let faults = [Fault::AnswerLost, Fault::Twice, Fault::DoneButAnswered(500)];
    spoil_every_request(Server::shared(ON_POSTGRES), ROLLBACK, &faults).await;
}
