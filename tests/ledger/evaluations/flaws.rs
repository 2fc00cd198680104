//! Everything that can be wrong with the evaluation of a version.

use std::collections::BTreeMap;

use hydra_base::Sha256;
use hydra_base::names::Key;
use hydra_evaluation::Evaluation;
use hydra_lifecycle::evaluations::{EvaluationFlaw, EvaluationRef};
use hydra_registry::Outcome;
use serde_json::{Value, json};

use super::{document, left_out, newest, refer, store, tag, used};
use crate::ledger::{assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::version;

/// Everything that can be wrong with a tag or with its document, each under a name of its own.
async fn every_flaw_is_named(backend: &Backend) {
    let registry = registry(backend, &fresh_name("flaws")).await;
    registry.promote(version(1)).await.expect("a promotion");
    let sound = |dataset: &str| document(dataset, 1_000, &[2, 1]).to_json().expect("bytes");
    let edited = |dataset: &str, edit: fn(&mut Value)| {
        let mut value = serde_json::to_value(document(dataset, 1_000, &[2, 1])).expect("JSON");
        edit(&mut value);
        let read: Result<Evaluation, _> = serde_json::from_value(value.clone());
        // Canonical, unless it cannot be.
        read.map_or_else(|_| value.to_string().into_bytes(), |read| read.to_json().expect("bytes"))
    };
    let elsewhere = |reference: EvaluationRef, name: &str| EvaluationRef {
        uri: reference.uri.replace("evaluation.json", name),
        ..reference
    };
    let none = Sha256::of(b"none");
    let mut references = BTreeMap::new();
    for (dataset, bytes) in [
        ("bytes", b"\xff\xfe{".to_vec()),
        ("deep", "[".repeat(100_000).into_bytes()),
        ("empty", Vec::new()),
        ("huge", vec![b' '; (8 << 20) + 1]),
        ("index", edited("index", |of| of["measurements"][0]["segment"] = json!(u32::MAX))),
        ("nan", edited("nan", |of| of["settings"]["confidence"] = json!("NaN"))),
        ("other-dataset", sound("sound")),
        (
            "other-model",
            edited("other-model", |of| of["versions"][0]["model_sha256"] = json!(Sha256::of(b"x"))),
        ),
        ("reversed", edited("reversed", |of| of["comparisons"][0]["interval"]["low"] = json!(7))),
        ("schema", edited("schema", |of| of["schema"] = json!(99))),
        ("segments", edited("segments", |of| of["segments"] = json!([{"column": "other", "rows": 1}]))),
        ("spaces", [sound("spaces"), b"\n".to_vec()].concat()),
        ("twice", edited("twice", |of| of["measurements"][1] = of["measurements"][0].clone())),
        ("unmeasured", edited("unmeasured", |of| of["versions"][0]["version"] = json!("4"))),
    ] {
        references.insert(dataset, store(&registry, bytes).await);
    }
    references.insert("altered", EvaluationRef { sha256: none, ..store(&registry, sound("altered")).await });
    let missing = store(&registry, sound("missing")).await;
    references.insert("missing", elsewhere(missing, "none.json"));
    // One dataset over the limit of 16; the last one by its name is not read.
    references.insert("zzz", store(&registry, sound("zzz")).await);
    for (dataset, reference) in &references {
        refer(&registry, dataset, reference, &[2]).await;
    }
    let key = |name: &str| Key::new(format!("hydra.evaluation.{name}")).expect("a key");
    tag(&registry, &key("-not a name"), "{}", &[2]).await;
    tag(&registry, &key("not-json"), "1a2b3c", &[2]).await;
    tag(&registry, &key("no-digest"), r#"{"sha256":"1a2b","uri":"/x/evaluation.json"}"#, &[2]).await;

    let transition = registry.promote(version(2)).await.expect("a promotion");
    assert_eq!(transition.outcome, Outcome::Done);
    assert_eq!(used(&transition), []);
    assert_eq!(
        left_out(&transition),
        [
            ("-not a name", EvaluationFlaw::MalformedTag),
            ("altered", EvaluationFlaw::Altered),
            ("bytes", EvaluationFlaw::Malformed),
            ("deep", EvaluationFlaw::Malformed),
            ("empty", EvaluationFlaw::Malformed),
            ("huge", EvaluationFlaw::TooLarge),
            ("index", EvaluationFlaw::Malformed),
            ("missing", EvaluationFlaw::Missing),
            ("nan", EvaluationFlaw::Malformed),
            ("no-digest", EvaluationFlaw::MalformedTag),
            ("not-json", EvaluationFlaw::MalformedTag),
            ("other-dataset", EvaluationFlaw::OtherDataset),
            ("other-model", EvaluationFlaw::OtherModel),
            ("reversed", EvaluationFlaw::Malformed),
            ("schema", EvaluationFlaw::Unsupported),
            ("segments", EvaluationFlaw::Malformed),
            ("spaces", EvaluationFlaw::Malformed),
            ("twice", EvaluationFlaw::Malformed),
            ("unmeasured", EvaluationFlaw::Malformed),
            ("zzz", EvaluationFlaw::TooMany),
        ]
    );
    let whys: Vec<&str> = transition.left_out.iter().map(|one| one.why.as_str()).collect();
    assert!(whys.iter().all(|why| !why.is_empty() && !why.contains('\n') && why.len() < 1_500), "{whys:?}");
    let (entry, input) = newest(&registry).await;
    assert_eq!(input.context().evaluations, []);
    let decided = entry.entry.decided.as_ref().expect("a decision");
    assert!(decided.evaluations.len() >= 8 && decided.more_evaluations > 0, "{decided:?}");
    assert_eq!(decided.evaluations.len() as u32 + decided.more_evaluations, 20);
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flaw_is_named_on_rest() {
    every_flaw_is_named(&Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flaw_is_named_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        every_flaw_is_named(&backend).await;
    }
}
