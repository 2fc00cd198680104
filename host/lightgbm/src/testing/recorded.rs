//! Models of the fixtures with Python's predictions.

use std::path::Path;

use serde_json::Value;

use super::{assert_scores, fixtures, numbers, read_json};
use crate::extracted::ExtractLimits;
use crate::labels::{ClassLabel, ClassLabels};
use crate::loaded::{Column, Engine, Model, ModelLimits, Prediction, StringColumn, Table, Values};
use crate::matrix::{Layout, Matrix};
use crate::pickle::read_pickle;
use hydra_base::Sha256;

/// A model with rows and Python's predictions for them.
#[derive(Debug)]
pub struct Recorded {
    /// The name for messages.
    pub name: String,
    /// The model, as loaded by this crate.
    pub model: Model,
    /// The features of the rows, column by column.
    values: Vec<f64>,
    /// The result of `predict` of the model's Python class, or labels.
    predict: Value,
    /// The labels of the classes.
    classes: Value,
    /// The booster's predictions, if they were recorded: `raw_score`, `predict` and `leaf_index`.
    booster: Option<Value>,
    /// The result of `predict_proba`, for classifiers.
    probabilities: Option<Value>,
}

impl Recorded {
    /// The rows.
    #[must_use]
    pub fn data(&self) -> Matrix<'_> {
        let columns = self.model.feature_names().len();
        Matrix::new(&self.values, self.values.len() / columns, columns, Layout::ColumnMajor)
            .expect("whole columns")
    }

    /// Panics unless the numbers of `engine` give Python's predictions: labels, leaves and raw scores exactly, outputs
    /// within one unit in the last place.
    pub fn check(&self, engine: &dyn Engine) {
        let (name, model, data) = (&self.name, &self.model, self.data());
        if let Some(booster) = &self.booster {
            let raw = engine.raw_scores(&data).expect("raw scores");
            assert_eq!(bits(&raw), bits(&numbers(&booster["raw_score"])), "{name}: raw scores");
            let outputs = engine.outputs(&data).expect("outputs");
            assert_scores(name, &outputs, &numbers(&booster["predict"]), 1);
            let leaves = model.leaf_indices(&data).expect("leaves");
            let leaves: Vec<f64> = leaves.into_iter().map(f64::from).collect();
            assert_eq!(leaves, numbers(&booster["leaf_index"]), "{name}: leaves");
        }
        if let Some(probabilities) = &self.probabilities {
            let ours = model.probabilities_by(engine, &data).expect("probabilities");
            assert_scores(name, &ours, &numbers(probabilities), 1);
        }
        match model.predict_by(engine, &data).expect("predictions") {
            Prediction::Labels(labels) => {
                assert_labels(&labels, &self.predict, name);
                assert_labels(model.classes().expect("a classifier"), &self.classes, name);
            }
            Prediction::Values { values, .. } => {
                assert_scores(name, &values, &numbers(&self.predict), 1);
            }
        }
    }
}

/// The model directories that MLflow wrote, in every format and by every version.
#[must_use]
pub fn directories() -> Vec<Recorded> {
    let mut found = Vec::new();
    for case in folders(&fixtures("models")) {
        for directory in folders(&case) {
            let format = directory.file_name().and_then(|name| name.to_str()).expect("a name").to_owned();
            let (kind, version) = format.split_at(format.find("-mlflow").unwrap_or(format.len()));
            let expected = read_json(&case.join(format!("expected{version}.json")));
            let model = load(&directory);
            let table = table(&expected);
            let encoded = model.encode(&table).expect("the rows fit the model");
            found.push(Recorded {
                name: directory.display().to_string(),
                values: column_major(&encoded.matrix()),
                predict: expected["pyfunc_predict"][kind]["value"].clone(),
                classes: expected["classes"].clone(),
                booster: Some(expected["booster"].clone()),
                probabilities: expected["sklearn"].get("predict_proba").cloned(),
                model,
            });
        }
    }
    assert!(found.len() >= 42, "{} models", found.len());
    found
}

/// The pickles that LightGBM 3 and 4 wrote. Panics if the reader finds another class, text or best iteration than
/// Python.
#[must_use]
pub fn pickles() -> Vec<Recorded> {
    let directory = fixtures("pickles");
    let (mut found, mut equal_texts) = (Vec::new(), 0);
    for version in ["3.1.1", "3.3.5", "4.7.0"] {
        let expected = read_json(&directory.join(format!("expected-{version}.json")));
        let rows = numbers(&expected["rows"]);
        let rows = Matrix::from_rows(&rows, 3).expect("whole rows");
        for (name, expected) in expected["pickles"].as_object().expect("an object") {
            let bytes = std::fs::read(directory.join(name)).expect("a fixture");
            let extracted = read_pickle(&bytes, &ExtractLimits::default()).expect("a valid pickle");
            // The digest is that of `model_to_string`; in some versions, pickles contain Python's categories in
            // addition.
            let digest = Sha256::of(extracted.booster_text.as_bytes()).to_string();
            equal_texts += usize::from(expected["text_sha256"] == digest);
            assert_eq!(extracted.estimator.class(), expected["estimator"], "{name}");
            let best = extracted.best_iteration.map(u64::from);
            assert_eq!(best, expected["best_iteration"].as_u64(), "{name}");

            let class = expected["estimator"].as_str().expect("a class");
            let model = Model::from_artifact("model.pkl", class, &bytes, &ModelLimits::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            found.push(Recorded {
                name: name.clone(),
                model,
                values: column_major(&rows),
                predict: expected["predict"].clone(),
                classes: expected["classes"].clone(),
                booster: None,
                probabilities: None,
            });
        }
    }
    assert!(equal_texts >= 70, "{equal_texts} texts equal");
    found
}

fn folders(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of fixtures");
    let mut folders: Vec<_> = entries.map(|entry| entry.expect("an entry").path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

/// Loads the data file that `MLmodel` names.
fn load(directory: &Path) -> Model {
    let mlmodel = std::fs::read_to_string(directory.join("MLmodel")).expect("an MLmodel");
    // The flavor `lightgbm` comes first.
    let value = |key: &str| mlmodel.lines().find_map(|line| line.trim_start().strip_prefix(key));
    let data = value("data: ").expect("a data file");
    let bytes = std::fs::read(directory.join(data)).expect("the data file");
    let class = value("model_class: ").unwrap_or_default();
    let model = Model::from_artifact(data, class, &bytes, &ModelLimits::default()).expect("a valid model");
    if model.feature_names().iter().any(|name| name == "city") {
        // The tables of these tests have no types that determine the columns with categories.
        return model.with_categories(&["city", "tier"]).expect("features of the model");
    }
    model
}

/// The rows as named columns, in reverse order, because names decide and not positions.
fn table(expected: &Value) -> Table<'static> {
    let names = expected["feature_names"].as_array().expect("names");
    let rows = expected["input_rows"].as_array().expect("rows");
    let column = |(index, name): (usize, &Value)| {
        let cells: Vec<&Value> = rows.iter().map(|row| &row[index]).collect();
        let is_text = |cell: &&Value| cell.as_str().is_some_and(|text| !text.contains("Infinity"));
        let values = if cells.iter().any(is_text) {
            let texts: Vec<Option<String>> =
                cells.iter().map(|cell| cell.as_str().map(str::to_owned)).collect();
            Values::Strings(Box::new(texts) as Box<dyn StringColumn>)
        } else {
            Values::Numbers(cells.into_iter().flat_map(numbers).collect())
        };
        Column::new(name.as_str().expect("a name").to_owned(), values)
    };
    Table::new(names.iter().enumerate().rev().map(column).collect()).expect("a table")
}

fn column_major(data: &Matrix<'_>) -> Vec<f64> {
    (0..data.columns()).flat_map(|column| (0..data.rows()).map(move |row| data.value(row, column))).collect()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

fn assert_labels(ours: &ClassLabels, theirs: &Value, name: &str) {
    let theirs = theirs.as_array().expect("labels");
    assert_eq!(ours.len(), theirs.len(), "{name}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let equal = match ours {
            ClassLabel::Int(label) => theirs.as_i64() == Some(label),
            ClassLabel::Bool(label) => theirs.as_bool() == Some(label),
            ClassLabel::Float(label) => theirs.as_f64() == Some(label),
            ClassLabel::String(label) => theirs.as_str() == Some(label),
        };
        assert!(equal, "{name}: {ours} is not {theirs}");
    }
}
