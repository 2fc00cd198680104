//! Answers, compared with those of MLflow's own server (`tests/fixtures/serving/make_serving.py`).

use std::fs;

use bytes::Bytes;
use serde_json::Value;

use super::{LIMITS, fixtures, schema};
use crate::options::NonFinite;
use crate::protocol::{Forms, MediaType, Refusal, Rows, Schema};

#[test]
fn answers_are_those_of_mlflow_or_differ_for_a_reason() {
    let cases: Value =
        serde_json::from_slice(&fs::read(fixtures().join("serving/cases.json")).unwrap()).unwrap();
    let mut seen = 0;
    for model in cases["models"].as_array().unwrap() {
        let path = model["path"].as_str().unwrap();
        let schema = schema(path);
        for case in model["cases"].as_array().unwrap() {
            seen += 1;
            check(&schema, case, &format!("{path}: {}", case["name"]));
        }
    }
    assert!(seen > 100, "{seen}");
}

fn check(schema: &Schema, case: &Value, name: &str) {
    let ours = case["ours"].as_str();
    let predictions = answer(schema, case);
    let expected = case.get("predictions");
    match (ours, expected) {
        (None, Some(expected)) => assert_eq!(&predictions.expect(name), expected, "{name}"),
        (None, None) => panic!("{name}: MLflow refuses it, and nothing says what we do"),
        (Some("accepts"), expected) => {
            assert!(case["because"].is_string(), "{name}");
            assert_ne!(Some(&predictions.expect(name)), expected, "{name}");
        }
        (Some(label), expected) => {
            assert!(expected.is_none() || case["because"].is_string(), "{name}");
            let refusal = predictions.expect_err(name);
            assert_eq!(refusal.cause().label(), label, "{name}: {}", refusal.says(true));
            assert_eq!(refusal.mlflow(false).status, 400, "{name}");
        }
    }
}

fn answer(schema: &Schema, case: &Value) -> Result<Value, Refusal> {
    let body =
        case["body"].as_str().map_or_else(|| of_hex(case["hex"].as_str().unwrap()), |text| text.into());
    let rows = match MediaType::of(case["type"].as_str())? {
        MediaType::Json => Rows::from_json(schema, &LIMITS, Forms::MLflow, &body),
        MediaType::Table(format) => Rows::from_table(schema, &LIMITS, format, &Bytes::from(body)),
    }?;
    let answer = schema.predict(&rows)?.predictions(NonFinite::Null);
    let mut answer: Value = serde_json::from_slice(&answer.bytes).unwrap();
    Ok(answer["predictions"].take())
}

fn of_hex(digits: &str) -> Vec<u8> {
    let byte = |start| u8::from_str_radix(&digits[start..start + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}
