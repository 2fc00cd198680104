//! Predictions equal to Python's, for every fixture and model format.

use std::fs;
use std::path::Path;

use serde_json::Value;

use super::{Case, Folder};

const CASES: [&str; 9] = [
    "binary_bool",
    "binary_cat",
    "binary_earlystop",
    "binary_int",
    "binary_str",
    "binary_ustr",
    "multi_int",
    "multi_str",
    "regression",
];

/// The engines in this build.
const ENGINES: &[&str] = if cfg!(feature = "training") { &["native", "lightgbm"] } else { &["native"] };

#[test]
fn predictions_are_those_of_pyfunc() {
    for name in CASES {
        let case = Case::new(name);
        for format in ["booster", "pickle", "cloudpickle", "skops"] {
            let expected = &case.expected["pyfunc_predict"][format]["value"];
            for engine in ENGINES {
                let out = Folder::new();
                let options = format!("--engine {engine} --batch-rows 7{}", case.options());
                let out = out.predict_csv(case.model(format), case.input(), &options).unwrap();
                assert_rows(&out, expected, &format!("{name} {format} {engine}"));
            }
        }
    }
}

#[test]
fn raw_scores_are_those_of_lightgbm() {
    for name in CASES {
        let case = Case::new(name);
        let options = format!("--output-type raw{}", case.options());
        let out = Folder::new().predict_csv(case.model("booster"), case.input(), &options).unwrap();
        assert_rows(&out, &case.expected["booster"]["raw_score"], name);
    }
}

#[test]
fn probabilities_and_leaves_have_a_named_column_each() {
    let case = Case::new("multi_str");
    let out = Folder::new().predict_csv(case.model("skops"), case.input(), "--output-type proba").unwrap();
    assert!(out.starts_with("probability_ant,probability_bee,probability_cat\n"), "{out}");
    let out = Folder::new().predict_csv(case.model("booster"), case.input(), "--output-type proba").unwrap();
    assert!(out.starts_with("probability_0,probability_1,probability_2\n"), "{out}");
    let out = Folder::new().predict_csv(case.model("skops"), case.input(), "--output-type leaf").unwrap();
    assert!(out.starts_with("leaf_0,leaf_1,leaf_2,"), "{out}");
    assert_eq!(out.lines().next().unwrap().split(',').count(), 30);
    assert_eq!(out.lines().count(), 25);
}

#[test]
fn contributions_are_those_of_lightgbm() {
    let recorded =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/scores/contributions.json");
    let recorded: Value = serde_json::from_slice(&fs::read(recorded).unwrap()).unwrap();
    for (name, first, last) in [
        ("binary_cat", "contribution_num,contribution_city,contribution_tier,", ",expected_value"),
        ("multi_str", "contribution_f0_0,", ",contribution_f4_2,expected_value_2"),
    ] {
        let case = Case::new(name);
        let options = format!("--output-type contrib --batch-rows 7{}", case.options());
        let out = Folder::new().predict_csv(case.model("booster"), case.input(), &options).unwrap();
        let (header, rows) = out.split_once('\n').unwrap();
        assert!(header.starts_with(first) && header.ends_with(last), "{header}");
        let expected = recorded[format!("models/{name}/booster/model.lgb")].as_array().unwrap();
        assert_eq!(rows.lines().count(), expected.len());
        for (row, expected) in rows.lines().zip(expected) {
            let row: Vec<f64> = row.split(',').map(|cell| cell.parse().unwrap()).collect();
            let expected: Vec<f64> =
                expected.as_array().unwrap().iter().map(|value| value.as_f64().unwrap()).collect();
            assert_eq!(row.len(), expected.len());
            let largest = expected.iter().fold(0.0, |largest: f64, value| largest.max(value.abs()));
            let apart = row.iter().zip(&expected).map(|(ours, expected)| (ours - expected).abs());
            assert!(apart.fold(0.0, f64::max) <= 1e-10 * largest, "{name}: {row:?}");
        }
    }
}

#[test]
fn the_strongest_features_of_a_row_are_named() {
    let case = Case::new("regression");
    let options = "--output-type contrib --top 2";
    let out = Folder::new().predict_csv(case.model("booster"), case.input(), options).unwrap();
    let mut rows = out.lines();
    assert_eq!(rows.next(), Some("top_1_feature,top_1_contribution,top_2_feature,top_2_contribution"));
    assert!(rows.next().unwrap().starts_with("f1,-0.618"), "{out}");
}

/// Compares CSV without quotes with Python's list of values or of rows: numbers by their bits, labels by their text.
fn assert_rows(csv: &str, expected: &Value, what: &str) {
    let expected = expected.as_array().unwrap_or_else(|| panic!("{what}: no expected values"));
    let rows: Vec<&str> = csv.lines().skip(1).collect();
    assert_eq!(rows.len(), expected.len(), "{what}");
    for (index, (row, expected)) in rows.iter().zip(expected).enumerate() {
        let expected = expected.as_array().cloned().unwrap_or_else(|| vec![expected.clone()]);
        let cells: Vec<&str> = row.split(',').collect();
        assert_eq!(cells.len(), expected.len(), "{what}, row {index}");
        for (cell, expected) in cells.iter().zip(&expected) {
            match expected {
                Value::Number(number) if number.is_f64() => {
                    let (cell, number): (f64, f64) = (cell.parse().unwrap(), number.as_f64().unwrap());
                    assert_eq!(cell.to_bits(), number.to_bits(), "{what}, row {index}: {cell} and {number}");
                }
                Value::String(text) => assert_eq!(cell, text, "{what}, row {index}"),
                other => assert_eq!(**cell, other.to_string(), "{what}, row {index}"),
            }
        }
    }
}
