//! Predictions equal to Python's, for every fixture and model format.

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
