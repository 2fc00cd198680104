//! The registry is down, slow, or lies.

use std::time::{Duration, Instant};

use serde_json::json;

use hydra_registry::Alias;

use super::process::{Serving, command, split};
use super::{ROWS, point, project_in, registry_at};
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};

/// One attempt per request: the tests do not wait for retries.
const NO_RETRIES: (&str, &str) = ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0");

#[test]
fn an_outage_of_the_registry_does_not_end_the_serving() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let project = project_in(Some(&server.url), &["regression", "binary_int"]);
    let through = ["--tracking-uri", &proxy.url];
    let cache = project.path().join("cache");
    let variables = [NO_RETRIES, ("HYDRA_CACHE_DIR", cache.to_str().expect("a path"))];
    let serving = Serving::start_with(&project, &through, &variables);
    // Quarantine and version come with one request.
    proxy.take();
    let (mut looks, start) = (Vec::new(), Instant::now());
    while looks.len() < 4 && start.elapsed() < Duration::from_secs(30) {
        std::thread::sleep(Duration::from_millis(500));
        looks.extend(proxy.take());
    }
    assert!(
        looks.len() >= 4 && looks.iter().all(|look| look.contains("registered-models/alias")),
        "{looks:?}"
    );

    for status in [500, 503, 401, 404, 200] {
        proxy.refuse("registered-models/alias", status);
        let model = serving.wait_until("the trouble", |model| !model["problem"].is_null());
        assert_eq!(model["version"], "1", "{status}: {model}");
        assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
        proxy.refuse("no such request", 500);
        serving.wait_until("the end of the trouble", |model| model["problem"].is_null());
    }

    proxy.slow_down(Duration::from_secs(2));
    assert_eq!(serving.invoke(&split(&ROWS)).status, 200);
    proxy.slow_down(Duration::ZERO);

    // A server that starts now needs the cache.
    proxy.refuse("registered-models", 503);
    let output = command(&project, &through, &variables).output().expect("it ends");
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
    let args = [&through[..], &["--offline-ok"]].concat();
    let offline = Serving::start_with(&project, &args, &variables);
    let model = offline.model();
    assert_eq!(model["version"], "1", "{model}");
    assert!(!model["problem"].is_null(), "{model}");
    assert_eq!(offline.invoke(&split(&ROWS)).text(), serving.invoke(&split(&ROWS)).text());

    proxy.refuse("no such request", 500);
    project.json(["promote"]);
    serving.wait_for_version(2);
    offline.wait_for_version(2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_that_takes_long_to_open_does_not_stop_the_following() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let project = project_in(Some(&server.url), &["regression", "binary_int", "binary_bool"]);
    let registry = registry_at(&server.url, &project).await;
    let cache = project.path().join("cache");
    let variables = [NO_RETRIES, ("HYDRA_CACHE_DIR", cache.to_str().expect("a path"))];
    let args = ["--tracking-uri", &proxy.url, "--open-time", "4s"];
    let serving = Serving::start_with(&project, &args, &variables);
    let following = |expected: f64| {
        let start = Instant::now();
        while serving.metric("hydra_serve_following", &[]) != expected {
            assert!(start.elapsed() < Duration::from_secs(20), "{}", serving.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        start.elapsed()
    };
    following(1.0);
    // The files of version 2 do not come.
    proxy.stall(Some("mlflow-artifacts"));
    point(&registry, &Alias::CHAMPION, 2).await;
    following(0.0);
    assert_eq!(serving.invoke(&split(&ROWS)).version(), "1");
    // The alias goes on, at once.
    point(&registry, &Alias::CHAMPION, 1).await;
    assert!(following(1.0) < Duration::from_secs(3));
    // So does a quarantine.
    point(&registry, &Alias::CHAMPION, 2).await;
    following(0.0);
    project.json(["quarantine", "2", "--reason", "leaked labels"]);
    let start = Instant::now();
    let model = serving.wait_until("the quarantine", |model| model["problem"]["kind"] == "quarantined");
    assert!(start.elapsed() < Duration::from_secs(3), "{model}");
    // It does not take longer than allowed, and is tried again.
    point(&registry, &Alias::CHAMPION, 3).await;
    let model = serving.wait_until("the end of its time", |model| model["problem"]["kind"] == "timeout");
    assert_eq!((&model["version"], &model["problem"]["version"]), (&json!("1"), &json!(3)), "{model}");
    let why = model["problem"]["why"].as_str().expect("a reason").to_owned();
    assert!(why.contains("could not be opened within 4 s"), "{why}");
    proxy.stall(None);
    serving.wait_for_version(3);
    assert!(serving.model()["problem"].is_null());
}
