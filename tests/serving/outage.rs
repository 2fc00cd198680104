//! The registry is down, slow, or lies.

use std::time::Duration;

use super::process::{Serving, command, split};
use super::{ROWS, project_in};
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
    std::thread::sleep(Duration::from_secs(1));
    let looks = proxy.take();
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
