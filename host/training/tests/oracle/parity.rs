//! Equality with Python's LightGBM: labels and raw scores exactly, probabilities to one unit in the last place.

use std::path::{Path, PathBuf};

use serde_json::Value;

use hydra_base::Sha256;
use hydra_lightgbm::labels::{ClassLabel, ClassLabels};
use hydra_lightgbm::loaded::{
    Column, EncodedTable, Engine, Model, ModelLimits, Prediction, StringColumn, Table, Values,
};
use hydra_lightgbm::matrix::Matrix;
use hydra_mlflow::flavor::{MLMODEL_FILE, MlModel, MlModelLimits};
use hydra_training::Booster;

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures")
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

/// Loads a model directory as the registry would.
fn load(directory: &Path) -> Model {
    let mlmodel =
        MlModel::parse(&std::fs::read(directory.join(MLMODEL_FILE)).unwrap(), &MlModelLimits::default())
            .unwrap();
    let bytes = std::fs::read(directory.join(&mlmodel.lightgbm.data)).unwrap();
    Model::from_artifact(
        &mlmodel.lightgbm.data,
        &mlmodel.lightgbm.model_class,
        &bytes,
        &ModelLimits::default(),
    )
    .map(|model| if model.feature_names().contains(&"city".to_owned()) { categorical(model) } else { model })
    .unwrap()
}

/// The tables of these tests have no types that tell which columns have categories.
fn categorical(model: Model) -> Model {
    model.with_categories(&["city", "tier"]).unwrap()
}

/// A number as the fixtures write it: null is NaN, infinities are text.
fn number(value: &Value) -> f64 {
    match value {
        Value::Null => f64::NAN,
        Value::String(text) => text.replace("Infinity", "inf").parse().unwrap(),
        other => other.as_f64().unwrap(),
    }
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(items) => items.iter().flat_map(numbers).collect(),
        single => vec![number(single)],
    }
}

/// The rows as named columns, in reverse order: names decide, not positions.
fn table(expected: &Value) -> Table<'static> {
    let names = expected["feature_names"].as_array().unwrap();
    let rows = expected["input_rows"].as_array().unwrap();
    let column = |(index, name): (usize, &Value)| {
        let cells: Vec<&Value> = rows.iter().map(|row| &row[index]).collect();
        let text = cells.iter().any(|cell| cell.as_str().is_some_and(|text| !text.contains("Infinity")));
        let values = if text {
            let texts: Vec<Option<String>> =
                cells.iter().map(|cell| cell.as_str().map(str::to_owned)).collect();
            Values::Strings(Box::new(texts) as Box<dyn StringColumn>)
        } else {
            Values::Numbers(cells.into_iter().map(number).collect())
        };
        Column::new(name.as_str().unwrap().to_owned(), values)
    };
    Table::new(names.iter().enumerate().rev().map(column).collect()).unwrap()
}

fn bits(values: &[f64]) -> Vec<u64> {
    values.iter().map(|value| value.to_bits()).collect()
}

/// How many representable numbers lie between two.
fn ulps(a: f64, b: f64) -> u64 {
    let ordered = |x: f64| {
        let bits = x.to_bits() as i64;
        if bits < 0 { i64::MIN - bits } else { bits }
    };
    ordered(a).abs_diff(ordered(b))
}

fn assert_close(ours: &[f64], theirs: &[f64], what: &str) {
    assert_eq!(ours.len(), theirs.len(), "{what}");
    let worst = ours.iter().zip(theirs).map(|(a, b)| ulps(*a, *b)).max().unwrap_or(0);
    assert!(worst <= 1, "{what}: {worst} ulp");
}

fn assert_labels(ours: &ClassLabels, theirs: &Value, what: &str) {
    let theirs = theirs.as_array().unwrap();
    assert_eq!(ours.len(), theirs.len(), "{what}");
    for (ours, theirs) in ours.iter().zip(theirs) {
        let equal = match ours {
            ClassLabel::Int(label) => theirs.as_i64() == Some(label),
            ClassLabel::Bool(label) => theirs.as_bool() == Some(label),
            ClassLabel::Float(label) => theirs.as_f64() == Some(label),
            ClassLabel::String(label) => theirs.as_str() == Some(label),
            _ => false,
        };
        assert!(equal, "{what}: {ours} is not {theirs}");
    }
}

fn check_predictions(model: &Model, engine: &dyn Engine, data: &EncodedTable, expected: &Value, what: &str) {
    let matrix = data.matrix();
    let raw = engine.raw_scores(&matrix).unwrap();
    assert_eq!(bits(&raw), bits(&numbers(&expected["booster"]["raw_score"])), "{what}: raw scores");
    let outputs = engine.outputs(&matrix).unwrap();
    assert_close(&outputs, &numbers(&expected["booster"]["predict"]), what);
    let leaves: Vec<f64> = model.leaf_indices(&matrix).unwrap().into_iter().map(f64::from).collect();
    assert_eq!(leaves, numbers(&expected["booster"]["leaf_index"]), "{what}: leaves");
    if let Some(probabilities) = expected["sklearn"].get("predict_proba") {
        assert_close(&model.probabilities_by(engine, &matrix).unwrap(), &numbers(probabilities), what);
    }
}

#[test]
fn every_model_directory_predicts_what_python_predicts() {
    let mut checked = 0;
    for case in std::fs::read_dir(fixtures().join("models")).unwrap() {
        let case = case.unwrap().path();
        if !case.is_dir() {
            continue;
        }
        for format in std::fs::read_dir(&case).unwrap() {
            let directory = format.unwrap().path();
            if !directory.is_dir() {
                continue;
            }
            let format = directory.file_name().unwrap().to_str().unwrap().to_owned();
            let (kind, suffix) = format.split_at(format.find("-mlflow").unwrap_or(format.len()));
            let expected = json(&case.join(format!("expected{suffix}.json")));
            let what = directory.display().to_string();
            let native = load(&directory);
            let data = native.encode(&table(&expected)).unwrap();
            check_predictions(&native, &native, &data, &expected, &what);

            match native.predict(&data.matrix()).unwrap() {
                Prediction::Labels(labels) => {
                    assert_labels(&labels, &expected["pyfunc_predict"][kind]["value"], &what);
                    assert_labels(native.classes().unwrap(), &expected["classes"], &what);
                }
                Prediction::Values { values, .. } => {
                    assert_close(&values, &numbers(&expected["pyfunc_predict"][kind]["value"]), &what);
                }
            }

            let oracle = Booster::of(&native).unwrap();
            check_predictions(&native, &oracle, &data, &expected, &what);
            let values = data.matrix().to_row_major();
            if native.num_outputs() == 1 {
                let width = native.feature_names().len() + 1;
                let contributions = oracle.contributions(&values).unwrap();
                let raw = native.raw_scores(&data.matrix()).unwrap();
                for (row, raw) in contributions.chunks_exact(width).zip(raw) {
                    assert!((row.iter().sum::<f64>() - raw).abs() < 1e-9, "{what}: contributions");
                }
            } else {
                assert!(oracle.contributions(&values).is_err());
            }
            checked += 1;
        }
    }
    assert!(checked >= 42, "{checked} models");
}

#[test]
fn every_pickle_of_lightgbm_3_and_4_predicts_what_python_predicts() {
    let directory = fixtures().join("pickles");
    let mut texts = 0;
    for version in ["3.1.1", "3.3.5", "4.7.0"] {
        let expected = json(&directory.join(format!("expected-{version}.json")));
        let rows = numbers(&expected["rows"]);
        let data = Matrix::from_rows(&rows, 3).unwrap();
        for (name, expected) in expected["pickles"].as_object().unwrap() {
            let bytes = std::fs::read(directory.join(name)).unwrap();
            let extracted = hydra_lightgbm::pickle::read_pickle(
                &bytes,
                &hydra_lightgbm::extracted::ExtractLimits::default(),
            )
            .unwrap();
            // The digest is of what `model_to_string` says, to which pickling adds Python's categories in some versions.
            texts += usize::from(
                expected["text_sha256"] == Sha256::of(extracted.booster_text.as_bytes()).to_string(),
            );
            assert_eq!(extracted.estimator.class(), expected["estimator"], "{name}");
            assert_eq!(
                extracted.best_iteration.map(u64::from),
                expected["best_iteration"].as_u64(),
                "{name}"
            );

            let class = expected["estimator"].as_str().unwrap();
            let model = Model::from_artifact("model.pkl", class, &bytes, &ModelLimits::default())
                .unwrap_or_else(|error| panic!("{name}: {error}"));
            let oracle = Booster::of(&model).unwrap();
            for engine in [&model as &dyn Engine, &oracle] {
                match model.predict_by(engine, &data).unwrap() {
                    Prediction::Labels(labels) => {
                        assert_labels(&labels, &expected["predict"], name);
                        assert_labels(model.classes().unwrap(), &expected["classes"], name);
                    }
                    Prediction::Values { values, .. } => {
                        assert_close(&values, &numbers(&expected["predict"]), name);
                    }
                }
            }
        }
    }
    assert!(texts >= 70, "{texts} texts equal");
}

#[test]
fn models_are_shared_by_threads() {
    fn shared<T: Send + Sync>() {}
    shared::<Model>();
    shared::<Booster>();
    let directory = fixtures().join("models/binary_int/booster");
    let expected = json(&fixtures().join("models/binary_int/expected.json"));
    let model = load(&directory);
    let oracle = Booster::of(&model).unwrap();
    let data = model.encode(&table(&expected)).unwrap();
    let theirs = bits(&numbers(&expected["booster"]["raw_score"]));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20 {
                    let engines: [&dyn Engine; 2] = [&model, &oracle];
                    for engine in engines {
                        assert_eq!(bits(&engine.raw_scores(&data.matrix()).unwrap()), theirs);
                    }
                }
            });
        }
    });
}
