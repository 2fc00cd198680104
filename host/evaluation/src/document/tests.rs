use super::*;
use hydra_base::ErrorKind;
use hydra_base::testing::{dataset, kind, version};

fn interval() -> IntervalRecord {
    IntervalRecord { low: -0.25, high: 0.5, method: Method::Bootstrap }
}

fn evaluation() -> Evaluation {
    let (challenger, baseline) =
        (VersionId::Registered(version(7)), VersionId::File("old model.txt".to_owned()));
    Evaluation {
        schema: SCHEMA,
        kind: EvaluationKind::Holdout,
        dataset: DatasetRecord {
            name: dataset("may"),
            digest: Sha256::of(b"rows"),
            rows: 3,
            label: Some("y".to_owned()),
            weight: None,
            group: Some("client".to_owned()),
            segments: vec!["region".to_owned()],
        },
        began_at: 1_764_460_799_876,
        measured_at: 1_764_460_800_123,
        host: "hydra-registry/0.1.0".to_owned(),
        task: Task::Binary,
        classes: vec!["0".to_owned(), "1".to_owned()],
        settings: SettingsRecord { threshold: 0.5, resamples: 1_000, confidence: 0.95 },
        baseline: baseline.clone(),
        versions: vec![VersionRecord {
            version: challenger.clone(),
            model_sha256: Sha256::of(b"model"),
            scores: vec![DistributionRecord { edges: vec![0.0, 0.1, 1.0], counts: vec![1, 2] }],
            calibration: vec![CalibrationRecord { rows: 0, mean_score: f64::NAN, positive_share: f64::NAN }],
        }],
        segments: vec![
            SegmentRecord { column: "region".to_owned(), value: Some("north".to_owned()), rows: 1 },
            SegmentRecord { column: "region".to_owned(), value: None, rows: 2 },
        ],
        measurements: vec![MeasurementRecord {
            version: challenger.clone(),
            metric: "auc".to_owned(),
            direction: Direction::Higher,
            segment: Some(0),
            value: f64::NAN,
            interval: None,
        }],
        comparisons: vec![ComparisonRecord {
            challenger: challenger.clone(),
            baseline: baseline.clone(),
            metric: "brier".to_owned(),
            direction: Direction::Lower,
            segment: None,
            difference: 1e-7,
            interval: Some(interval()),
        }],
        agreements: vec![AgreementRecord {
            challenger,
            baseline,
            segment: None,
            equal: 0.0,
            label_changes: 1.0 / 3.0,
            mean_difference: 0.125,
            psi: 0.5,
            ks: 1.0,
            difference_quantiles: Vec::new(),
            latency_ratio: None,
        }],
    }
}

#[test]
fn the_document_is_canonical_json() {
    let json = evaluation().to_json().unwrap();
    insta::assert_snapshot!(String::from_utf8(json).unwrap(), @r#"{"agreements":[{"baseline":"file:old model.txt","challenger":"7","equal":0,"ks":1,"label_changes":0.3333333333333333,"mean_difference":0.125,"psi":0.5}],"baseline":"file:old model.txt","began_at":"1764460799876","classes":["0","1"],"comparisons":[{"baseline":"file:old model.txt","challenger":"7","difference":1e-7,"direction":"lower","interval":{"high":0.5,"low":-0.25,"method":"bootstrap"},"metric":"brier"}],"dataset":{"digest":"bc51e9e65d79e1c90ba544ab2eae1044ccdf8c1af7a559ba375cba4276f7d99e","group":"client","label":"y","name":"may","rows":3,"segments":["region"]},"host":"hydra-registry/0.1.0","kind":"holdout","measured_at":"1764460800123","measurements":[{"direction":"higher","metric":"auc","segment":0,"value":"NaN","version":"7"}],"schema":1,"segments":[{"column":"region","rows":1,"value":"north"},{"column":"region","rows":2}],"settings":{"confidence":0.95,"resamples":1000,"threshold":0.5},"task":"binary","versions":[{"calibration":[{"mean_score":"NaN","positive_share":"NaN","rows":0}],"model_sha256":"9372c470eeadd5ecd9c3c74c2b3cb633f8e2f2fad799250a0f70d652b6b825e4","scores":[{"counts":[1,2],"edges":[0,0.1,1]}],"version":"7"}]}"#);
}

#[test]
fn a_document_is_read_back() {
    let json = evaluation().to_json().unwrap();
    let read = Evaluation::from_json(&json).unwrap();
    assert_eq!(read.to_json().unwrap(), json);
    assert_eq!(read.comparisons, evaluation().comparisons);
    assert!(read.measurements[0].value.is_nan());
    assert_eq!(read.measured_at, evaluation().measured_at);
}

#[test]
fn anything_else_is_refused() {
    let json = String::from_utf8(evaluation().to_json().unwrap()).unwrap();
    for (text, expected) in [
        (json.replacen("\"schema\":1", "\"schema\":2", 1), ErrorKind::Unsupported),
        (json.replacen("\"rows\":3", "\"rows\": 3", 1), ErrorKind::Protocol),
        (json.replacen("\"host\"", "\"extra\":1,\"host\"", 1), ErrorKind::Protocol),
        (json.replacen("\"7\"", "\"0\"", 1), ErrorKind::Protocol),
        (json.replacen("\"7\"", "\"07\"", 1), ErrorKind::Protocol),
        (json.replacen("0.125", "1.25e-1", 1), ErrorKind::Protocol),
        (json.replacen("0.125", "1e999", 1), ErrorKind::Protocol),
        (json.replacen("\"segment\":0", "\"segment\":2", 1), ErrorKind::Protocol),
        (json.replacen("\"name\":\"may\"", "\"name\":\"../may\"", 1), ErrorKind::Protocol),
        (json.replacen("bootstrap", "guess", 1), ErrorKind::Protocol),
        (json.replacen("\"NaN\"", "\"nan\"", 1), ErrorKind::Protocol),
        (json[..json.len() - 1].to_owned(), ErrorKind::Protocol),
        (String::new(), ErrorKind::Protocol),
        ("[".repeat(100_000), ErrorKind::Protocol),
    ] {
        assert_eq!(kind(Evaluation::from_json(text.as_bytes())), expected, "{text:.300}");
    }
}
