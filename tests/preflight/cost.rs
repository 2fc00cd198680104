//! The requests of the preflight.

use std::time::Duration;

use crate::support::backends::{fresh_name, sound_model};
use crate::support::binary::Project;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};

const LISTING: &str = "GET /api/2.0/mlflow-artifacts/artifacts";

fn on_server(server: &Server) -> (Proxy, Project) {
    let proxy = Proxy::start(&server.url);
    let project = Project::new(Some(&proxy.url), &fresh_name("preflight"));
    let model = sound_model().join("model.lgb").display().to_string();
    for _ in 0..3 {
        project.json(["log-candidate", &model, "--metric", "auc=1"]);
    }
    for version in ["1", "2"] {
        project.json(["promote", version]);
    }
    (proxy, project)
}

fn of_files(requests: &[String]) -> Vec<&str> {
    let of_files = |line: &&str| {
        line.starts_with("GET ") && line.contains("mlflow-artifacts") || line.contains("download-uri")
    };
    requests.iter().map(String::as_str).filter(of_files).collect()
}

#[test]
fn a_version_that_was_opened_costs_one_listing_beside_other_requests() {
    let (proxy, project) = on_server(Server::shared(NEWEST));
    proxy.take();
    project.json(["promote", "3", "--dry-run"]);
    let sent = proxy.take();
    assert_eq!(of_files(&sent).len(), 4, "address, listing, MLmodel and model: {sent:?}");
    proxy.slow_down(Duration::from_millis(150));
    project.json(["promote", "3", "--dry-run"]);
    // The model and its ledger, then the runs beside the listing.
    let rounds = proxy.take_rounds();
    assert_eq!(rounds, 2, "{rounds} round trips");
    project.json(["promote", "3", "--dry-run"]);
    let sent = proxy.take();
    assert_eq!(of_files(&sent), [LISTING], "{sent:?}");
}

/// A server that does not answer is an error of its own kind, not a finding about the model, and `--allow-unloadable` covers it.
#[test]
fn a_listing_that_fails_is_not_a_verdict() {
    let (proxy, project) = on_server(Server::shared(NEWEST));
    for opened_before in [false, true] {
        for (status, kind, code) in [(403, "PermissionDenied", 2), (503, "Server", 5)] {
            proxy.refuse("mlflow-artifacts", status);
            let mut command = project.command(["--output", "json", "promote", "3"]);
            let outcome =
                command.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0").output().expect("the binary runs");
            let err = String::from_utf8_lossy(&outcome.stderr);
            assert_eq!(outcome.status.code(), Some(code), "{err}");
            assert!(err.contains(&format!("\"{kind}\"")), "{opened_before}: {err}");
            // The hint is for emergencies.
            assert!(err.contains("`hydra-registry promote 3 --allow-unloadable`"), "{opened_before}: {err}");
            let mut command = project.command(["--output", "json", "rollback"]);
            let outcome =
                command.env("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0").output().expect("the binary runs");
            let err = String::from_utf8_lossy(&outcome.stderr);
            assert!(err.contains("`hydra-registry rollback --to 1 --allow-unloadable`"), "{err}");
            assert_eq!(project.json(["champion"])["version"], 2);
        }
        proxy.refuse("nothing", 0);
        project.json(["promote", "3", "--dry-run"]);
    }
    proxy.refuse("GET /api/2.0/mlflow-artifacts", 403);
    let forced = project.json(["promote", "3", "--allow-unloadable"]);
    assert_eq!((&forced["outcome"], &forced["overrides"][0]), (&"done".into(), &"unloadable-model".into()));
}
