//! Scoring a single row allocates no memory, and scoring a table does not copy its columns of numbers.
//!
//! The allocator of this binary counts per thread, so concurrent tests do not change the count.

use std::hint::black_box;

use allocation_counter::measure;
use hydra_lightgbm::loaded::{Column, Model, ModelLimits, Table, Values};
use serde_json::Value;

use crate::support::root;

/// The rows of a fixture; null is a missing value.
fn rows(fixture: &Value) -> Vec<Vec<f64>> {
    let number = |cell: &Value| match cell {
        Value::Null => f64::NAN,
        Value::String(text) => text.parse().expect("a number as text"),
        number => number.as_f64().expect("a number"),
    };
    let rows = fixture["rows"].as_array().expect("rows");
    rows.iter().map(|row| row.as_array().expect("a row").iter().map(number).collect()).collect()
}

#[test]
fn the_allocator_counts() {
    let info = measure(|| drop(black_box(Vec::<f64>::with_capacity(3))));
    assert_eq!(info.count_total, 1);
}

#[test]
fn a_single_row_is_scored_without_allocating() {
    let mut models = 0;
    for file in std::fs::read_dir(root().join("tests/fixtures/scores")).expect("the fixtures") {
        let path = file.expect("a file").path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let text = std::fs::read(&path).expect("a model");
        let model = Model::from_artifact("model.lgb", "lightgbm.Booster", &text, &ModelLimits::default());
        let model = model.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let json = std::fs::read(path.with_extension("json")).expect("its rows");
        let rows = rows(&serde_json::from_slice(&json).expect("JSON"));
        let mut scores = vec![0.0; model.num_outputs()];
        let info = measure(|| {
            for row in &rows {
                model.raw_row(row, &mut scores).expect("raw scores");
                model.output_row(row, &mut scores).expect("outputs");
            }
        });
        assert_eq!(info.count_total, 0, "{} allocates", path.display());
        models += 1;
    }
    assert!(models >= 25, "the fixtures are there");
}

#[test]
fn columns_of_numbers_are_scored_in_place() {
    let file = root().join("tests/fixtures/models/regression/booster/model.lgb");
    let model = Model::open(file).expect("a model").with_threads(1);
    let values: Vec<f64> = (0..100_000).map(f64::from).collect();
    // In another order than the model's.
    let names = ["f3", "f0", "f4", "f1", "f2"];
    let columns = names.map(|name| Column::new(name, Values::Numbers(values.as_slice().into())));
    let table = Table::new(columns.into()).expect("equal lengths");
    let info = measure(|| {
        let encoded = model.encode(&table).expect("the model's features");
        assert_eq!(encoded.matrix().value(7, 4), 7.0);
    });
    assert!(info.bytes_total < 8 * values.len() as u64 / 100, "{} bytes", info.bytes_total);
}
