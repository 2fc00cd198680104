//! The cost of commands in round trips, requests and bytes, which must not depend on the length of the history.

mod long;

use std::time::Duration;

use hydra_base::names::Alias;
use hydra_policy::Policy;
use hydra_registry::{ModelRegistry, Target};

use super::{assert_sound, registry};
use crate::support::backends::{Backend, fresh_name, sound_files};
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// ARCHITECTURE.md states this number.
#[tokio::test(flavor = "multi_thread")]
async fn a_promotion_takes_six_round_trips_after_opening() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let model = fresh_name("rounds");
    let project = Project::new(Some(&proxy.url), &model);
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..3 {
        project.json(crate::cli::LOG);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    // Opens the model, which is in the cache from here on.
    project.json(["promote", "3", "--dry-run"]);
    proxy.take();
    proxy.slow_down(Duration::from_millis(150));
    let report = project.json(["promote", "3"]);
    assert_eq!(report["outcome"], "done");
    // The first round trip opens the ledger.
    let rounds = proxy.take_rounds();
    assert!(rounds <= 1 + 6, "{rounds} round trips");
    let changed = report["changes"].as_array().map(Vec::len);
    assert_eq!(changed, Some(3), "champion, archived and candidate moved: {report}");
}

/// The requests of a decision: what it was decided on, what was recorded, and what was moved.
fn decisions_send_no_request_too_many(release: &'static str) {
    let proxy = Proxy::start(&Server::shared(release).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("requests"));
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..3 {
        project.json(crate::cli::LOG);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    proxy.take();
    project.json(["rollback"]);
    let expected = [
        // The model with its aliases: when the ledger is opened, and after the moves.
        "GET registered-models/get",
        "GET registered-models/get",
        // The newest versions; the ledger when it is opened, and after the moves.
        "GET model-versions/search",
        "GET model-versions/search",
        "GET model-versions/search",
        // Who the server says is asking, which this one does not know.
        "GET users/current",
        // The runs of the versions, and that of the ledger.
        "POST runs/search",
        // The files of the version that becomes champion: are they there, with these sizes?
        "GET /api/2.0/mlflow-artifacts/artifacts",
        "PUT input",
        "POST model-versions/create",
        "POST registered-models/alias",
        "POST registered-models/alias",
        "POST model-versions/set-tag",
    ];
    assert_eq!(sorted(proxy.take()), sorted(expected.map(str::to_owned).to_vec()));
    // What its bytes are is judged once.
    project.json(["promote", "3", "--dry-run"]);
    proxy.take();
    project.json(["promote", "3"]);
    let sent = sorted(proxy.take());
    assert_eq!(
        sent.len(),
        15,
        "one alias more, and the aliases once more before `candidate` is moved: {sent:?}"
    );
    project.json(["rollback", "--dry-run"]);
    let sent = sorted(proxy.take());
    assert_eq!(sent.len(), 6, "{sent:?}");
}

/// Several policies cost no round trip more than one, and each is stored once.
#[tokio::test(flavor = "multi_thread")]
async fn a_panel_takes_the_round_trips_of_one_policy() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("rounds"));
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..3 {
        project.json(crate::cli::LOG);
    }
    project.json(["promote", "1"]);
    for guest in ["illegal_alias", "well_behaved", "unreachable"] {
        let component =
            hydra_test_guests::component_of(guest, &hydra_test_guests::read(guest), Policy::default_bytes());
        project.file(&format!("{guest}.wasm"), component);
    }
    project.file("default.wasm", Policy::default_bytes());
    let panel = [
        "--policy",
        "default.wasm",
        "--policy",
        "illegal_alias.wasm",
        "--policy",
        "again=illegal_alias.wasm",
        "--monitor",
        "well_behaved.wasm",
        "--monitor",
        "unreachable.wasm",
    ];
    for version in ["2", "3"] {
        // Opens the model, which is in the cache from here on.
        project.json(["promote", version, "--dry-run"]);
    }
    let measure = |version: &'static str, policies: &[&'static str]| {
        proxy.take();
        let report = project.json(["promote", version].into_iter().chain(policies.iter().copied()));
        assert_eq!(report["outcome"], "done");
        let (sent, rounds) = proxy.take_with_rounds();
        (sent.iter().filter(|request| request.starts_with("PUT ")).count(), rounds)
    };
    proxy.slow_down(Duration::from_millis(150));
    // The archive is looked through for policies that no entry names: one round trip more, as with a single new policy.
    let (stored, rounds) = measure("2", &panel);
    assert!(rounds <= 1 + 6 + 1, "{rounds} round trips");
    assert_eq!(stored, 2 + 3, "the input, the answers, and three new policies");
    let (stored, rounds) = measure("3", &panel);
    assert!(rounds <= 1 + 6, "{rounds} round trips");
    assert_eq!(stored, 2, "the input and the answers");
}

fn sorted(mut requests: Vec<String>) -> Vec<String> {
    for request in requests.iter_mut().filter(|request| request.starts_with("PUT ")) {
        "PUT input".clone_into(request);
    }
    requests.sort();
    requests
}

#[test]
fn decisions_send_few_requests() {
    decisions_send_no_request_too_many(NEWEST);
}

macro_rules! on_other_release {
    ($test:ident, $release:literal) => {
        #[test]
        #[ignore = "one more server; `cargo xtask test --all` runs it"]
        fn $test() {
            decisions_send_no_request_too_many($release);
        }
    };
}

on_other_release!(decisions_send_few_requests_to_mlflow_2_9_2, "mlflow-2.9.2");
on_other_release!(decisions_send_few_requests_to_mlflow_2_22_5, "mlflow-2.22.5");
on_other_release!(decisions_send_few_requests_to_mlflow_3_1_4, "mlflow-3.1.4");
on_other_release!(decisions_send_few_requests_to_mlflow_3_18_0, "mlflow-3.18.0");

/// Evaluations that were read before cost nothing, and one that is new costs one request, beside the others.
#[tokio::test(flavor = "multi_thread")]
async fn evaluations_cost_no_round_trip() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let backend = Backend::at_uri(&proxy.url);
    let cost_of = async |evaluations: usize, is_new: bool| {
        let registry = registry(&backend, &fresh_name("evaluated")).await;
        registry.promote(version(1)).await.expect("a promotion");
        registry.promote(version(2)).await.expect("a promotion");
        for index in 0..evaluations {
            super::evaluations::record(&registry, &format!("rows-{index}"), 1_000, &[3, 2]).await;
        }
        registry.promote(version(3)).dry_run().await.expect("a dry run");
        if is_new {
            super::evaluations::record(&registry, "new", 1_000, &[3, 2]).await;
        }
        proxy.take();
        proxy.slow_down(Duration::from_millis(150));
        let transition = registry.promote(version(3)).await.expect("a promotion");
        proxy.slow_down(Duration::ZERO);
        assert_eq!(transition.evaluations.len(), evaluations + usize::from(is_new), "{transition:?}");
        let (requests, rounds) = proxy.take_with_rounds();
        (sorted(requests), rounds)
    };
    let (without, rounds) = cost_of(0, false).await;
    for evaluations in [1, 8] {
        let (with, with_rounds) = cost_of(evaluations, false).await;
        assert_eq!(with, without);
        assert!(with_rounds <= rounds, "{with_rounds} round trips with evaluations, {rounds} without");
    }
    let (with, with_rounds) = cost_of(1, true).await;
    let others: Vec<_> = with.iter().filter(|line| !line.contains("/artifacts/")).collect();
    assert_eq!(with.len(), without.len() + 1, "{with:?}");
    assert!(others.iter().all(|line| without.contains(line)), "{with:?}");
    assert!(with_rounds <= rounds, "{with_rounds} round trips with a new evaluation, {rounds} without");
}

/// The standing takes one request, none if its document is cached, however long ago it changed.
#[tokio::test(flavor = "multi_thread")]
async fn a_standing_costs_one_request_at_most() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("standing"));
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..3 {
        project.json(crate::cli::LOG);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    let decide = |cache: Option<&std::path::Path>| {
        proxy.take();
        let mut command = project.command(["rollback", "--dry-run"]);
        if let Some(cache) = cache {
            command.env("HYDRA_CACHE_DIR", cache);
        }
        let output = command.output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        proxy.take().len()
    };
    let fresh = tempfile::tempdir().expect("a directory");
    decide(Some(fresh.path()));
    let (without, without_cache) = (decide(None), decide(Some(fresh.path())));
    project.json(["quarantine", "3", "--reason", "wrong prices"]);
    for _ in 0..3 {
        project.json(["rollback"]);
    }
    assert_eq!(decide(None), without, "this machine's commands wrote it");
    // The address of the archive, and the document.
    assert_eq!(decide(Some(fresh.path())), without_cache + 2);
    assert_eq!(decide(Some(fresh.path())), without_cache);
    proxy.take();
    project.json(["promote", "1"]);
    let sent = sorted(proxy.take());
    assert!(sent.len() <= 14, "{sent:?}");
}

/// An active policy that is in the private cache costs nothing, and one that is not costs a request for its document and one for each
/// component.
#[tokio::test(flavor = "multi_thread")]
async fn an_active_policy_costs_no_round_trip() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("active"));
    project.file("train.csv", crate::cli::training_csv());
    for _ in 0..2 {
        project.json(crate::cli::LOG);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    let measure = || {
        proxy.take();
        let report = project.json(["rollback"]);
        assert_eq!(report["outcome"], "done");
        let (sent, rounds) = proxy.take_with_rounds();
        (report["active_policy"].clone(), sorted(sent), rounds)
    };
    let dry_run = |cache: &std::path::Path| {
        proxy.take();
        let mut command = project.command(["rollback", "--dry-run"]);
        let output = command.env("HYDRA_CACHE_DIR", cache).output().expect("the binary runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        proxy.take().len()
    };
    let fresh = tempfile::tempdir().expect("a directory");
    dry_run(fresh.path());
    let without_cache = dry_run(fresh.path());
    proxy.slow_down(Duration::from_millis(150));
    let (none, without, rounds) = measure();
    proxy.slow_down(Duration::ZERO);
    assert!(none.is_null());
    crate::ledger::activation::component(project.path(), "default");
    let activated = project.json(["policy", "activate", "default.wasm"]);
    proxy.slow_down(Duration::from_millis(150));
    let (active, with, with_rounds) = measure();
    proxy.slow_down(Duration::ZERO);
    assert_eq!(active, activated["policy"]);
    assert_eq!(with, without, "the standing, the document and the component are in the cache");
    assert!(with_rounds <= rounds, "{with_rounds} round trips with an active policy, {rounds} without");
    // The address of the archive, the standing, the document and the component.
    assert_eq!(dry_run(fresh.path()), without_cache + 4);
    assert_eq!(dry_run(fresh.path()), without_cache);
}

/// Versions that are not among the newest are searched for by their numbers, those far apart are asked for one by one, and a
/// run in an unknown experiment is asked for once.
#[tokio::test(flavor = "multi_thread")]
async fn versions_and_runs_that_lie_elsewhere_are_found() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let backend = Backend::at_uri(&proxy.url);
    let registry = registry(&backend, &fresh_name("elsewhere")).await;
    let stores = registry.backend();
    let sound = backend.sound_version(stores, registry.model()).await;
    // The run of version 6 is in an experiment of its own.
    let elsewhere = backend.upload(stores, &sound_files()).await.version_of(registry.model());
    for number in 6..=60_u64 {
        let new = if number == 6 { &elsewhere } else { &sound };
        stores.registry.create_model_version(new).await.expect("a version");
    }
    for number in [5, 6] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    let count = |sent: &[String], request: &str| sent.iter().filter(|line| *line == request).count();
    // These versions have no tag with a digest, so that their files are read each time, in up to three round trips more.
    let without_files = |sent: &[String]| {
        let of_files = |line: &&String| line.contains("/artifacts") || line.contains("get-download-uri");
        sent.iter().filter(|line| line.starts_with("PUT ") || !of_files(line)).count()
    };
    // The promotions have left the numbers of champion and archived in the cache: they are searched for in place of the newest.
    proxy.take();
    proxy.slow_down(Duration::from_millis(150));
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    proxy.slow_down(Duration::ZERO);
    let (sent, rounds) = proxy.take_with_rounds();
    assert_eq!(count(&sent, "GET model-versions/search"), 3, "{sent:?}");
    assert_eq!(count(&sent, "GET runs/get"), 0, "the experiment was noted: {sent:?}");
    assert_eq!(count(&sent, "POST runs/search"), 1);
    assert!(without_files(&sent) < 13 && rounds <= 1 + 6 + 3, "{rounds} round trips: {sent:?}");
    registry.promote_to_champion(version(60)).await.expect("a promotion");
    // Too far apart for one search. Each is asked for beside the aliases.
    proxy.take();
    proxy.slow_down(Duration::from_millis(150));
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    proxy.slow_down(Duration::ZERO);
    let (sent, rounds) = proxy.take_with_rounds();
    assert_eq!(count(&sent, "GET model-versions/search"), 2, "{sent:?}");
    assert_eq!(count(&sent, "GET model-versions/get"), 2, "{sent:?}");
    assert!(without_files(&sent) < 14 && rounds <= 1 + 6 + 3, "{rounds} round trips: {sent:?}");
    // What is in the cache is a guess: another machine's decision is found all the same.
    let elsewhere = tempfile::tempdir().expect("a directory");
    let options = backend.options(registry.model().as_str()).with_cache_dir(elsewhere.path());
    let other = ModelRegistry::connect(options).await.expect("a registry");
    other.promote_to_champion(version(30)).await.expect("a promotion");
    let transition = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(transition.before.get(&Alias::CHAMPION), Some(version(30)));
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_champion_costs_two_requests() {
    let proxy = Proxy::start(&Server::shared(NEWEST).url);
    let project = Project::new(Some(&proxy.url), &fresh_name("two"));
    project.file("train.csv", crate::cli::training_csv());
    project.json(crate::cli::LOG);
    project.json(["promote"]);
    proxy.take();
    project.json(["champion"]);
    assert_eq!(proxy.take(), ["GET registered-models/alias", "GET runs/get"]);
}
