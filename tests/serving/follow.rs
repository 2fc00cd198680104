//! The server follows the alias.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use hydra_registry::Alias;
use serde_json::Value;

use super::process::{JSON, Serving, split};
use super::{ROWS, expected, point, project, project_in, registry};

fn predictions(answer: &Value) -> Vec<f64> {
    let list = answer["predictions"].as_array().expect("predictions");
    list.iter().map(|number| number.as_f64().expect("a number")).collect()
}

#[test]
fn a_promotion_is_served_without_a_restart() {
    promote_in(None);
}

#[test]
fn a_promotion_in_a_file_store_is_served_too() {
    let home = tempfile::tempdir().expect("a directory");
    promote_in(home.path().join("mlruns").to_str());
}

fn promote_in(tracking_uri: Option<&str>) {
    let project = project_in(tracking_uri, &["regression", "binary_int"]);
    let serving = Serving::start(&project, &[]);
    let first = serving.invoke(&split(&ROWS));
    assert_eq!((first.status, first.version()), (200, "1"), "{}", first.text());
    assert_eq!(predictions(&first.json()), expected("regression"));

    project.json(["promote"]);
    serving.wait_for_version(2);
    let second = serving.invoke(&split(&ROWS));
    assert_eq!((second.status, second.version()), (200, "2"));
    assert_eq!(predictions(&second.json()), expected("binary_int"));
    assert!(serving.metric("hydra_serve_swaps_total", &[r#"alias="champion""#]) >= 1.0);
    assert!(serving.metric("hydra_serve_following", &[r#"alias="champion""#]) >= 1.0);
    assert!(serving.metric("hydra_serve_rows_total", &[r#"version="2""#, "mlflow"]) >= 4.0);
}

/// Clients ask as fast as they can while the alias moves `times` times: no request fails, and each answer is that of the version
/// that it names.
async fn flap(times: usize) {
    let project = project(&["regression", "binary_int"]);
    let registry = registry(&project).await;
    let serving = Arc::new(Serving::start(&project, &["--poll", "10ms"]));
    let stop = Arc::new(AtomicBool::new(false));
    let (asked, versions) = (Arc::new(AtomicUsize::new(0)), [expected("regression"), expected("binary_int")]);
    let clients: Vec<_> = (0..3)
        .map(|_| {
            let (stop, asked, versions) = (stop.clone(), asked.clone(), versions.clone());
            let mut connection = serving.connect();
            let body = split(&ROWS).to_string();
            thread::spawn(move || {
                let mut seen = [0_usize; 2];
                while !stop.load(Ordering::Relaxed) {
                    let answer = connection.ask("POST", "/invocations", &[JSON], body.as_bytes());
                    assert_eq!(answer.status, 200, "{}", answer.text());
                    let version: usize = answer.version().parse().expect("a version");
                    assert_eq!(predictions(&answer.json()), versions[version - 1], "version {version}");
                    seen[version - 1] += 1;
                    asked.fetch_add(1, Ordering::Relaxed);
                }
                seen
            })
        })
        .collect();
    for time in 0..times {
        let number = if time % 2 == 0 { 2 } else { 1 };
        point(&registry, &Alias::CHAMPION, number).await;
        let swaps = (time + 1) as f64;
        while serving.metric("hydra_serve_swaps_total", &[]) < swaps {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
    stop.store(true, Ordering::Relaxed);
    let seen: Vec<[usize; 2]> =
        clients.into_iter().map(|client| client.join().expect("no failure")).collect();
    let of = |version: usize| seen.iter().map(|seen| seen[version]).sum::<usize>();
    assert!(of(0) > times && of(1) > times, "{seen:?}");
    assert!(serving.metric("hydra_serve_errors_total", &[]) == 0.0);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_the_alias_moves() {
    flap(50).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "minutes; `cargo xtask test --all` runs it"]
async fn no_request_fails_while_the_alias_moves_1000_times() {
    flap(1_000).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_version_in_quarantine_is_not_swapped_in() {
    let project = project(&["regression", "binary_int"]);
    let registry = registry(&project).await;
    project.json(["quarantine", "2", "--reason", "leaked labels"]);
    let serving = Serving::start(&project, &[]);
    point(&registry, &Alias::CHAMPION, 2).await;
    let model = serving.wait_until("the quarantine", |model| model["problem"]["kind"] == "quarantined");
    assert_eq!(
        (model["version"].as_str(), model["problem"]["version"].as_u64()),
        (Some("1"), Some(2)),
        "{model}"
    );
    assert!(model["problem"]["since"].as_i64().is_some_and(|since| since > 0), "{model}");
    let ready = serving.get("/v2/health/ready");
    assert_eq!(ready.status, 200);
    assert_eq!(ready.json()["problems"][0]["problem"]["kind"], "quarantined");
    assert!(serving.metric("hydra_serve_following", &[r#"alias="champion""#]) == 0.0);
    assert_eq!(serving.invoke(&split(&ROWS)).version(), "1");

    project.json(["release", "2"]);
    serving.wait_for_version(2);
    assert!(serving.model()["problem"].is_null());
    // Its log says what happened.
    while !serving.log().contains("following the alias again") {
        thread::sleep(Duration::from_millis(10));
    }
    assert!(serving.log().contains("quarantined"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_model_is_not_swapped_in() {
    let project = project(&["regression", "binary_int"]);
    let registry = registry(&project).await;
    let serving = Serving::start(&project, &[]);
    let stores = registry.backend();
    let found =
        stores.registry.download_uri(registry.model(), crate::support::version(2)).await.expect("its files");
    let artifacts = stores.artifact_store(&found.parse().expect("a URI")).await.expect("artifacts");
    let sound = std::fs::read(crate::support::model("binary_int")).expect("the model");
    let mut damaged = sound.clone();
    damaged.truncate(sound.len() / 2);
    artifacts.put_bytes("model.lgb", damaged).await.expect("damage");
    point(&registry, &Alias::CHAMPION, 2).await;
    let model = serving.wait_until("the damage", |model| model["problem"]["kind"] == "unloadable");
    assert_eq!(
        (model["version"].as_str(), model["problem"]["version"].as_u64()),
        (Some("1"), Some(2)),
        "{model}"
    );
    assert_eq!(serving.invoke(&split(&ROWS)).version(), "1");
    // Why stays visible while it is tried again, and is logged once.
    let again = serving.wait_until("other attempts", |model| model["problem"]["attempts"].as_u64() > Some(2));
    for part in ["kind", "why", "since", "version"] {
        assert_eq!(again["problem"][part], model["problem"][part], "{again}");
    }
    let ready = serving.get("/v2/health/ready").json();
    assert_eq!(ready["problems"][0]["problem"]["why"], model["problem"]["why"], "{ready}");
    assert_eq!(serving.log().matches("cannot follow the alias").count(), 1, "{}", serving.log());

    artifacts.put_bytes("model.lgb", sound).await.expect("the sound file");
    serving.wait_for_version(2);
    assert!(serving.model()["problem"].is_null());
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_alias_the_version_that_is_served_stays() {
    let project = project(&["regression"]);
    let registry = registry(&project).await;
    let serving = Serving::start(&project, &[]);
    let store = &registry.backend().registry;
    store.delete_alias(registry.model(), &Alias::CHAMPION).await.expect("no champion");
    serving.wait_until("the missing alias", |model| model["problem"]["kind"] == "no-champion");
    assert_eq!(serving.invoke(&split(&ROWS)).version(), "1");
    // A server that starts now has nothing to serve.
    let output = super::process::command(&project, &[], &[]).output().expect("it ends");
    assert_eq!(output.status.code(), Some(4));
}
