//! Shared by the tests of this crate, and by those of the crate that compares with LightGBM itself.

mod recorded;

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::matrix::Matrix;
use crate::scorer::Scorer;
use crate::text::{Category, Limits, TextModel};

pub use recorded::{Recorded, directories, pickles};

/// A folder of the fixtures.
#[must_use]
pub fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(folder)
}

/// A JSON file.
#[must_use]
pub fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).expect("a fixture")).expect("JSON")
}

/// A model text.
#[must_use]
pub fn read_model(path: &Path) -> TextModel {
    TextModel::parse(&std::fs::read(path).expect("a fixture"), &Limits::default()).expect("a valid model")
}

/// The numbers of nested lists, in order. In fixtures, null is NaN and infinities are text.
#[must_use]
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        Value::String(text) => vec![text.parse().expect("a number")],
        Value::Null => vec![f64::NAN],
        value => vec![value.as_f64().expect("a number")],
    }
}

/// Whether a category is equal to the one in JSON.
#[must_use]
pub fn is_category(category: &Category, json: &Value) -> bool {
    match category {
        Category::Missing => json.is_null(),
        Category::Bool(flag) => json.as_bool() == Some(*flag),
        Category::Integer(number) => json.as_i64().map(i128::from) == Some(*number),
        Category::Float(number) => json.is_f64() && json.as_f64() == Some(*number),
        Category::Text(text) => json.as_str() == Some(text),
    }
}

/// Panics if scores differ from `expected` by more than `ulps` units in the last place.
pub fn assert_scores(name: &str, ours: &[f64], expected: &[f64], ulps: u64) {
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (index, (score, expected)) in ours.iter().zip(expected).enumerate() {
        let apart = score.to_bits().abs_diff(expected.to_bits());
        // Infinite features of linear models can result in NaN; the fixtures do not record its sign.
        let equal = apart <= ulps || score.is_nan() && expected.is_nan();
        assert!(equal, "{name}: score {index} is {score:e}, LightGBM's is {expected:e}");
    }
}

/// Checks that all ways to score give the same bits: blocks, single rows, every layout of the input, several threads.
#[must_use]
pub fn score_every_way(name: &str, scorer: &Scorer, rows: &[f64]) -> Vec<f64> {
    let (features, outputs) = (scorer.num_features(), scorer.num_outputs());
    let count = rows.len() / features;
    let mut by_row = vec![0.0; count * outputs];
    for (row, out) in rows.chunks(features).zip(by_row.chunks_mut(outputs)) {
        scorer.raw_row(row, out).expect("the sizes fit");
    }
    let columns: Vec<f64> =
        (0..rows.len()).map(|place| rows[place % count * features + place / count]).collect();
    let by_rows = Matrix::from_rows(rows, features).expect("whole rows");
    let by_columns = Matrix::from_columns(&columns, features).expect("whole columns");
    let slices: Vec<Cow<'_, [f64]>> = columns.chunks(count).map(Cow::Borrowed).collect();
    let by_slices = Matrix::from_column_slices(&slices, count).expect("equal lengths");
    // The columns the other way round, and the order that turns them back.
    let reversed: Vec<f64> = rows.chunks(features).flat_map(|row| row.iter().rev().copied()).collect();
    let order: Vec<usize> = (0..features).rev().collect();
    let reversed = Matrix::from_rows(&reversed, features).expect("whole rows");
    let by_order = reversed.with_order(&order).expect("every column");
    for data in [by_rows, by_columns, by_slices, by_order] {
        for threads in [0, 1, 2] {
            let mut ours = vec![f64::NAN; count * outputs];
            scorer.raw(&data, threads, &mut ours).expect("the sizes fit");
            assert_scores(name, &ours, &by_row, 0);
        }
    }
    by_row
}

/// The leaf of each row in each tree.
#[must_use]
pub fn leaves(scorer: &Scorer, rows: &[f64]) -> Vec<u32> {
    let data = Matrix::from_rows(rows, scorer.num_features()).expect("whole rows");
    let mut leaves = vec![u32::MAX; data.rows() * scorer.num_trees()];
    scorer.leaves(&data, 1, &mut leaves).expect("the sizes fit");
    leaves
}
