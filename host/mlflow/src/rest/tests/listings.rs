//! Listings of hostile or damaged servers: each ends, with an error of its own kind.

use super::{name, store};
use crate::artifacts::ArtifactStore;
use crate::entities::{ModelFilter, RunStatus};
use crate::listing::Listing;
use crate::rest::{ArtifactProxy, RestStore};
use crate::store::{RegistryStore, TrackingStore};
use crate::testing::fault_server::{Answer, FaultServer, ok};
use crate::uri::ArtifactUri;
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{ExperimentId, RunId};
use hydra_base::testing::version;

/// Reads all pages of a listing of `what`, two items a page, and returns the number of requests and the error.
async fn read(answers: Vec<Answer>, what: &str) -> (usize, Result<()>) {
    let server = FaultServer::start(answers);
    let store = store(&server);
    let outcome = match what {
        "runs" => runs(&store).await,
        "models" => models(&store).await,
        _ => versions(&store).await,
    };
    (server.lines().len(), outcome)
}

async fn runs(store: &RestStore) -> Result<()> {
    let (mut listing, experiment) = (Listing::default(), ExperimentId::new("1").expect("an id"));
    while !listing.is_at_end() {
        let token = listing.token();
        listing.advance(&store.runs_by_status(&experiment, RunStatus::Running, 2, token).await?)?;
    }
    Ok(())
}

async fn models(store: &RestStore) -> Result<()> {
    let (mut listing, filter) = (Listing::default(), ModelFilter::Name("*".parse().expect("a pattern")));
    while !listing.is_at_end() {
        let token = listing.token();
        listing.advance(&store.registered_models(&filter, 2, token).await?)?;
    }
    Ok(())
}

async fn versions(store: &RestStore) -> Result<()> {
    let mut listing = Listing::default();
    while !listing.is_at_end() {
        listing.advance(&store.model_versions(&name(), None, 2, listing.token()).await?)?;
    }
    Ok(())
}

/// A page of `what` with items of these numbers.
fn page(what: &str, numbers: &[u64], token: &str) -> Answer {
    let item = |number: &u64| match what {
        "runs" => format!(r#"{{"info":{{"run_id":"r{number}","experiment_id":"1"}}}}"#),
        "models" => format!(r#"{{"name":"m{number}"}}"#),
        _ => format!(r#"{{"version":"{number}"}}"#),
    };
    let key = match what {
        "runs" => "runs",
        "models" => "registered_models",
        _ => "model_versions",
    };
    let items: Vec<String> = numbers.iter().map(item).collect();
    ok(&format!(r#"{{"{key}":[{}],"next_page_token":"{token}"}}"#, items.join(",")))
}

#[tokio::test]
async fn pages_that_do_not_go_on_are_refused() {
    for what in ["runs", "models", "versions"] {
        let endless = |outcome: (usize, Result<()>), requests| {
            let error = outcome.1.expect_err(what);
            assert_eq!((error.kind(), outcome.0), (ErrorKind::EndlessListing, requests), "{what}: {error}");
        };
        endless(read(vec![page(what, &[3, 2, 1], "")], what).await, 1);
        endless(read(vec![page(what, &[], "more")], what).await, 1);
        let long = "x".repeat(5000);
        endless(read(vec![page(what, &[9, 8], &long)], what).await, 1);
        let same = || page(what, &[9, 8], "again");
        endless(read(vec![same(), same(), same()], what).await, 2);
        if what != "versions" {
            // Longer circles are found across pages; versions have to descend anyway.
            let circle = ["a", "b", "c", "a"].map(|token| page(what, &[9, 8], token));
            endless(read(circle.into(), what).await, 4);
        }
        let honest = vec![page(what, &[9, 8], "a"), page(what, &[7], "")];
        assert!(read(honest, what).await.1.is_ok());
    }
}

#[tokio::test]
async fn versions_come_in_their_order_and_only_those_asked_for() {
    for numbers in [&[3, 4][..], &[4, 4]] {
        let (_, outcome) = read(vec![page("versions", numbers, "")], "versions").await;
        assert_eq!(outcome.expect_err("a disorder").kind(), ErrorKind::EndlessListing);
    }
    let server = FaultServer::start(vec![page("versions", &[9, 8], ""), page("versions", &[9], "")]);
    let error = store(&server).versions_between(&name(), version(1), version(8)).await.expect_err("9");
    assert_eq!(error.kind(), ErrorKind::EndlessListing);
    let error = store(&server).model_versions(&name(), Some(version(9)), 2, None).await.expect_err("9");
    assert_eq!(error.kind(), ErrorKind::EndlessListing);
    let server = FaultServer::start(vec![page("runs", &[1, 2], "")]);
    let run = RunId::new("r1").expect("an id");
    let error = store(&server).runs(&[], &[run]).await.expect_err("two of one");
    assert_eq!(error.kind(), ErrorKind::EndlessListing);
}

/// A page of a list with `items` items, of which each is `item`.
fn full(key: &str, item: &str, items: usize) -> Answer {
    ok(&format!(r#"{{"{key}":[{}]}}"#, vec![item; items].join(",")))
}

#[tokio::test]
async fn an_answer_that_is_too_large_is_asked_for_in_smaller_pages() {
    // As many bytes as no page may have, then a sound page of fewer versions.
    let large =
        || full("model_versions", &format!(r#"{{"version":"1","source":"{}"}}"#, "x".repeat(1000)), 9_000);
    let server = FaultServer::start(vec![large(), page("versions", &[2, 1], "")]);
    let found = store(&server).model_versions(&name(), None, 500, None).await.expect("a page");
    assert_eq!(found.items.len(), 2);
    let asked: Vec<_> = server.lines().iter().map(|line| line.contains("max_results=500&")).collect();
    assert_eq!(asked, [true, false]);
    // In the end, a single version is too large.
    let server = FaultServer::start((0..9).map(|_| large()).collect());
    let error = store(&server).model_versions(&name(), None, 500, None).await.expect_err("too large");
    assert_eq!((error.kind(), error.retryable(), server.lines().len()), (ErrorKind::AnswerSize, false, 4));
}

#[tokio::test]
async fn few_bytes_with_very_many_values_are_refused_unparsed() {
    let server = FaultServer::start(vec![full("model_versions", r#"{"version":"1"}"#, 200_000)]);
    let error = store(&server).model_versions(&name(), None, 1, None).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::AnswerSize);
    let aliases = full("aliases", r#"{"alias":"a","version":"1"}"#, 1001);
    let Answer::Json(_, _, aliases) = aliases else { panic!("JSON") };
    let server = FaultServer::start(vec![ok(&format!(r#"{{"registered_model":{aliases}}}"#))]);
    let error = store(&server).registered_model(&name()).await.expect_err("too many");
    assert_eq!(error.kind(), ErrorKind::AnswerSize);
    let server = FaultServer::start(vec![full("files", r#"{"path":"a"}"#, 600_000)]);
    let uri = ArtifactUri::new("mlflow-artifacts:/1").expect("a URI");
    let root = ArtifactProxy::new(&store(&server), Vec::new()).open(&uri, None, "1").expect("a root");
    assert_eq!(root.list("").await.expect_err("too many").kind(), ErrorKind::AnswerSize);
}
