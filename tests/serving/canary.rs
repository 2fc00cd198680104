//! A share of the requests is answered by another version, always for the same keys.

use std::collections::BTreeMap;

use serde_json::json;

use super::process::{JSON, Serving, split};
use super::{ROWS, expected, point, project, registry};
use hydra_registry::Alias;

/// The version and the arm that answer a request of this key.
fn arm(serving: &Serving, key: Option<&str>) -> (String, String) {
    let key: Vec<(&str, &str)> = key.map(|key| ("x-customer", key)).into_iter().collect();
    let headers = [&[JSON], &key[..]].concat();
    let answer = serving.connect().ask("POST", "/invocations", &headers, split(&ROWS).to_string().as_bytes());
    assert_eq!(answer.status, 200, "{}", answer.text());
    let case = if answer.version() == "1" { "regression" } else { "binary_int" };
    assert_eq!(answer.json()["predictions"], json!(expected(case)));
    (answer.version().to_owned(), answer.headers["x-hydra-arm"].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_stays_with_its_version() {
    let project = project(&["regression", "binary_int"]);
    let registry = registry(&project).await;
    let args = ["--canary", "candidate=30%", "--canary-key", "header:X-Customer"];
    let serving = Serving::start(&project, &args);
    serving.wait_until("the canary", |model| model["canary"]["version"] == "2");
    let keys: Vec<String> = (0..200).map(|key| format!("customer-{key}")).collect();
    let first: BTreeMap<_, _> = keys.iter().map(|key| (key, arm(&serving, Some(key)))).collect();
    let canaries = first.values().filter(|arm| **arm == ("2".to_owned(), "canary".to_owned())).count();
    let champions = first.values().filter(|arm| **arm == ("1".to_owned(), "champion".to_owned())).count();
    assert_eq!(canaries + champions, keys.len());
    assert!((35..90).contains(&canaries), "{canaries}");
    assert!(first.iter().all(|(key, found)| arm(&serving, Some(key)) == *found));
    // Another process decides alike.
    let other = Serving::start(&project, &args);
    other.wait_until("the canary", |model| model["canary"]["version"] == "2");
    assert!(first.iter().take(50).all(|(key, found)| arm(&other, Some(key)) == *found));
    // Without a key, and in quarantine, the champion answers.
    assert_eq!(arm(&serving, None).0, "1");
    let canary = first.iter().find(|(_, arm)| arm.0 == "2").expect("a canary").0;
    project.json(["quarantine", "2", "--reason", "wrong prices"]);
    serving.wait_until("the quarantine", |model| model["canary"]["ready"] == false);
    assert_eq!(arm(&serving, Some(canary)).0, "1");
    // As champion, it answers all.
    project.json(["release", "2"]);
    point(&registry, &Alias::CHAMPION, 2).await;
    serving.wait_for_version(2);
    assert_eq!(arm(&serving, None), ("2".to_owned(), "champion".to_owned()));
}

#[test]
fn a_feature_of_the_first_row_can_be_the_key() {
    let project = project(&["regression", "binary_int"]);
    let args = ["--canary", "candidate=50%", "--canary-key", "column:f2"];
    let serving = Serving::start(&project, &args);
    serving.wait_until("the canary", |model| model["canary"]["version"] == "2");
    let arm = |key: u32| {
        let row = [0.5, -1.0, f64::from(key), 0.25, 1.5];
        let answer = serving.invoke(&split(&[row]));
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.headers["x-hydra-arm"].clone()
    };
    let first: Vec<String> = (0..60).map(arm).collect();
    let canaries = first.iter().filter(|arm| *arm == "canary").count();
    assert!((15..45).contains(&canaries), "{canaries}");
    assert_eq!((0..60).map(arm).collect::<Vec<_>>(), first);
    // A key that no request can have is a mistake.
    let args = ["--canary", "candidate=50%", "--canary-key", "column:customer"];
    let output = super::process::command(&project, &args, &[]).output().expect("it ends");
    let log = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{log}");
    assert!(log.contains("not a feature of the model: `customer`"), "{log}");
}
