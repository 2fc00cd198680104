use serde_json::{Value, json};

use super::*;
use hydra_base::testing::version;

/// A document about versions 1, 2, 3 and a model file, in another order than the contract's.
fn document() -> Value {
    let sha256 = |number: u64| Sha256::of(&[u8::try_from(number).unwrap()]).to_string();
    let measured = |version: &str, metric: &str, segment: Option<u32>, value: Value| {
        let mut one = json!({"version": version, "metric": metric, "direction": "higher", "value": value,
            "interval": {"low": -0.25, "high": 0.5, "method": "delong"}});
        if let Some(segment) = segment {
            one["segment"] = segment.into();
        }
        one
    };
    let version = |id: &str, model_sha256: String| json!({"version": id, "model_sha256": model_sha256, "scores": [], "calibration": []});
    json!({
        "schema": 1,
        "kind": "holdout",
        "dataset": {"name": "may", "digest": Sha256::of(b"rows"), "rows": 100, "label": "y", "weight": "w",
            "segments": ["region", "age"]},
        "began_at": "1000",
        "measured_at": "2000",
        "host": "hydra-registry/0.1.0",
        "task": "binary",
        "classes": [],
        "settings": {"threshold": 0.5, "resamples": 1000, "confidence": 0.9},
        "baseline": "1",
        "versions": [version("2", sha256(2)), version("1", sha256(1)), version("3", sha256(9)), version("file:x", sha256(4))],
        "segments": [
            {"column": "region", "rows": 10},
            {"column": "region", "value": "south", "rows": 50},
            {"column": "region", "value": "", "rows": 40},
            {"column": "age", "value": "old", "rows": 100},
        ],
        "measurements": [
            measured("2", "auc", None, json!(0.75)),
            measured("2", "auc", Some(0), json!("NaN")),
            measured("2", "auc", Some(3), json!(0.5)),
            measured("1", "auc", None, json!(0.7)),
            measured("3", "auc", None, json!(0.9)),
            measured("file:x", "auc", None, json!(0.9)),
            measured("2", "accuracy", None, json!(1.0)),
        ],
        "comparisons": [{"challenger": "2", "baseline": "1", "metric": "auc", "direction": "higher", "difference": 0.05,
            "interval": {"low": "NaN", "high": 0.5, "method": "bootstrap"}}],
        "agreements": [{"challenger": "2", "baseline": "1", "equal": 0.5, "label_changes": "NaN",
            "mean_difference": 0.125, "psi": 0.01, "ks": 0.02}],
    })
}

/// What a promotion of version 2 over version 1, with version 3 archived, receives of a document.
fn converted(document: Value) -> Result<Evaluation, Flawed> {
    let digest = |number: u64| (version(number), Sha256::of(&[u8::try_from(number).unwrap()]));
    let subjects =
        Subjects { needed: vec![version(2), version(1)], digests: [digest(1), digest(2), digest(3)].into() };
    evaluation(&serde_json::from_value(document).unwrap(), &subjects)
}

#[test]
fn a_policy_receives_the_contracts_order_and_the_versions_of_the_decision() {
    let evaluation = converted(document()).unwrap();
    assert_eq!((evaluation.dataset.as_str(), evaluation.rows), ("may", 100));
    assert_eq!(evaluation.dataset_digest, Sha256::of(b"rows").to_string()[..36]);
    assert_eq!((evaluation.began_at, evaluation.measured_at), (1_000, 2_000));
    assert_eq!(evaluation.confidence.get(), 0.9);
    assert_eq!((evaluation.label.as_deref(), evaluation.weight.as_deref()), (Some("y"), Some("w")));
    let segments: Vec<_> =
        evaluation.segments.iter().map(|of| (of.column.as_str(), of.value.as_deref(), of.rows)).collect();
    assert_eq!(
        segments,
        [
            ("age", Some("old"), 100),
            ("region", Some(""), 40),
            ("region", Some("south"), 50),
            ("region", None, 10)
        ]
    );
    let names: Vec<&str> = evaluation.metrics.iter().map(|metric| metric.name.as_str()).collect();
    assert_eq!(names, ["accuracy", "auc"]);
    let auc = &evaluation.metrics[1];
    let figures: Vec<_> = auc.measurements.iter().map(|one| (one.version.get(), one.segment)).collect();
    // Version 3 is another model file than the one that was measured.
    assert_eq!(figures, [(1, None), (2, None), (2, Some(0)), (2, Some(3))]);
    assert_eq!(auc.measurements[2].value.get(), 0.5);
    assert!(auc.measurements[3].value.get().is_nan());
    assert_eq!(auc.measurements[0].interval, Some(Interval::new(-0.25, 0.5, IntervalMethod::Delong)));
    assert_eq!((auc.comparisons.len(), auc.comparisons[0].interval), (1, None), "half an interval is none");
    let agreement = &evaluation.agreements[0];
    assert_eq!((agreement.label_changes, agreement.psi), (None, Some(0.01.into())));
}

#[test]
fn a_document_that_contradicts_itself_is_named() {
    let cases: [(&str, Value, &str); 27] = [
        ("/dataset/rows", json!(0), "no rows"),
        ("/began_at", json!("3000"), "ended before it began"),
        ("/began_at", json!("-1"), "before 1970"),
        ("/settings/confidence", json!(95), "confidence level"),
        ("/settings/confidence", json!(-0.95), "confidence level"),
        ("/versions/1/version", json!("2"), "lists version 2 twice"),
        ("/segments/0/column", json!("income"), "the column `income`, which is not one"),
        ("/segments/2/value", json!("south"), "`region` twice"),
        ("/segments/0/rows", json!(101), "more rows than its dataset"),
        ("/measurements/0/version", json!("7"), "version 7, which it does not list"),
        ("/measurements/0/version", json!("file:y"), "version file:y, which it does not list"),
        ("/measurements/0/segment", json!(4), "not in its list of segments"),
        ("/measurements/0/segment", json!(u32::MAX), "not in its list of segments"),
        ("/measurements/1/segment", json!(3), "measures `auc` of version 2 twice"),
        ("/measurements/0/direction", json!("lower"), "`auc` is better the other way"),
        ("/measurements/0/interval/low", json!(0.6), "an interval of `auc` ends below"),
        ("/measurements/0/interval/low", json!("Infinity"), "an interval of `auc` ends below"),
        ("/comparisons/0/direction", json!("lower"), "`auc` is better both ways"),
        ("/comparisons/0/difference", json!(0.06), "the difference of `auc` is not that"),
        ("/settings/resamples", json!(10), "an interval of `auc` has too few resamples"),
        ("/comparisons/0/baseline", json!("2"), "compares version 2 with itself"),
        ("/comparisons/0/challenger", json!("8"), "version 8, which it does not list"),
        ("/agreements/0/baseline", json!("8"), "version 8, which it does not list"),
        ("/agreements/0/equal", json!("NaN"), "is not a share"),
        ("/agreements/0/ks", json!(1.5), "is not a share"),
        ("/agreements/0/psi", json!(-1), "negative"),
        ("/agreements/0/mean_difference", json!("-Infinity"), "negative"),
    ];
    for (pointer, value, expected) in cases {
        let mut document = document();
        let (parent, key) = pointer.rsplit_once('/').unwrap();
        document.pointer_mut(parent).unwrap()[key] = value;
        let (flaw, why) = converted(document).unwrap_err();
        assert_eq!(flaw, EvaluationFlaw::Malformed, "{pointer}");
        assert!(why.contains(expected), "{pointer}: {why}");
    }
    for list in ["comparisons", "agreements"] {
        let mut document = document();
        let twice = document[list][0].clone();
        document[list].as_array_mut().unwrap().push(twice);
        let (flaw, why) = converted(document).unwrap_err();
        assert_eq!(flaw, EvaluationFlaw::Malformed);
        assert!(why.contains("twice") || why.contains("the agreement of version 2 twice"), "{why}");
    }
}

#[test]
fn text_of_a_document_stays_on_one_line() {
    let mut document = document();
    document["segments"][0]["column"] = json!(format!("a\nb\u{1b}{}", "c".repeat(1_000)));
    let (_, why) = converted(document).unwrap_err();
    assert!(!why.contains('\n') && !why.contains('\u{1b}') && why.chars().count() < 200, "{why}");
}

#[test]
fn another_model_file_is_named() {
    let mut other = document();
    other["versions"][0]["model_sha256"] = json!(Sha256::of(b"other"));
    let (flaw, why) = converted(other).unwrap_err();
    assert_eq!(
        (flaw, why.as_str()),
        (EvaluationFlaw::OtherModel, "it measures another model file than that of version 2")
    );

    let mut without = document();
    without["versions"].as_array_mut().unwrap().remove(1);
    for list in ["measurements", "comparisons", "agreements"] {
        without[list].as_array_mut().unwrap().retain(|one| one["version"] != "1" && one["baseline"] != "1");
    }
    let (flaw, why) = converted(without).unwrap_err();
    assert_eq!((flaw, why.as_str()), (EvaluationFlaw::NotMeasured, "it does not measure version 1"));

    let subjects = Subjects { needed: vec![version(2)], digests: BTreeMap::new() };
    let (flaw, why) = evaluation(&serde_json::from_value(document()).unwrap(), &subjects).unwrap_err();
    assert_eq!(flaw, EvaluationFlaw::OtherModel);
    assert_eq!(why, "the digest of the model file of version 2 is not known");
}

/// Without a champion, the target alone counts.
#[test]
fn the_first_promotion_needs_only_the_target() {
    let subjects = Subjects { needed: vec![version(2)], digests: [(version(2), Sha256::of(&[2]))].into() };
    let evaluation = evaluation(&serde_json::from_value(document()).unwrap(), &subjects).unwrap();
    assert!(evaluation.metrics.iter().all(|metric| metric.comparisons.is_empty()));
    assert_eq!(evaluation.agreements, []);
}
