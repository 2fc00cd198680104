//! Bit by bit against LightGBM: recorded predictions of trained models, and lightgbm3 on random models and rows.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use hydra_base::ErrorKind;
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::scorer::Scorer;
use hydra_lightgbm::text::{Limits, TextModel};

fn fixtures(kind: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures").join(kind)
}

fn read_json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

fn read_model(path: &Path) -> TextModel {
    TextModel::parse(&fs::read(path).unwrap(), &Limits::default()).unwrap()
}

/// Numbers of nested lists, in order; null is NaN.
fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(list) => list.iter().flat_map(numbers).collect(),
        Value::String(text) => vec![text.parse().unwrap()],
        Value::Null => vec![f64::NAN],
        value => vec![value.as_f64().unwrap()],
    }
}

/// Panics where our scores differ from `expected` by more than `ulps` units in the last place.
pub fn assert_scores(name: &str, ours: &[f64], expected: &[f64], ulps: u64) {
    assert_eq!(ours.len(), expected.len(), "{name}");
    for (index, (score, expected)) in ours.iter().zip(expected).enumerate() {
        let apart = score.to_bits().abs_diff(expected.to_bits());
        // Infinite features of linear models can make NaN, the sign of which the fixtures do not keep.
        let equal = apart <= ulps || score.is_nan() && expected.is_nan();
        assert!(equal, "{name}: score {index} is {score:e}, LightGBM's is {expected:e}");
    }
}

/// Checks that every way to score gives the same bits: blocks, single rows, columns first, several threads.
pub fn score_every_way(name: &str, scorer: &Scorer, rows: &[f64]) -> Vec<f64> {
    let (features, outputs) = (scorer.num_features(), scorer.num_outputs());
    let count = rows.len() / features;
    let mut by_row = vec![0.0; count * outputs];
    for (row, out) in rows.chunks(features).zip(by_row.chunks_mut(outputs)) {
        scorer.raw_row(row, out).unwrap();
    }
    let columns: Vec<f64> =
        (0..rows.len()).map(|place| rows[place % count * features + place / count]).collect();
    for data in
        [Matrix::from_rows(rows, features).unwrap(), Matrix::from_columns(&columns, features).unwrap()]
    {
        for threads in [0, 1, 2] {
            let mut ours = vec![f64::NAN; count * outputs];
            scorer.raw(&data, threads, &mut ours).unwrap();
            assert_scores(name, &ours, &by_row, 0);
        }
    }
    by_row
}

pub fn leaves(scorer: &Scorer, rows: &[f64]) -> Vec<u32> {
    let data = Matrix::from_rows(rows, scorer.num_features()).unwrap();
    let mut leaves = vec![u32::MAX; data.rows() * scorer.num_trees()];
    scorer.leaves(&data, 1, &mut leaves).unwrap();
    leaves
}

/// Makes at least a few blocks of rows out of some.
fn repeat(rows: &[f64], features: usize) -> (usize, Vec<f64>) {
    let times = 1100 / (rows.len() / features) + 1;
    (times, rows.repeat(times))
}

#[test]
fn every_kind_of_model_scores_like_lightgbm() {
    let mut cases = 0;
    for file in fs::read_dir(fixtures("scores")).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "txt") {
            continue;
        }
        let name = path.file_stem().unwrap().to_str().unwrap();
        let expected = read_json(&path.with_extension("json"));
        let model = read_model(&path);
        let scorer = Scorer::compile(&model);
        let rows = numbers(&expected["rows"]);
        let raw = numbers(&expected["raw"]);

        let mut ours = score_every_way(name, &scorer, &rows);
        assert_scores(name, &ours, &raw, 0);
        let (times, many) = repeat(&rows, scorer.num_features());
        assert_scores(name, &score_every_way(name, &scorer, &many), &raw.repeat(times), 0);

        // Written for LightGBM and read again, the model is the same.
        let again = TextModel::parse(model.emit().as_bytes(), &Limits::default()).unwrap();
        assert_scores(name, &score_every_way(name, &Scorer::compile(&again), &rows), &raw, 0);

        let found: Vec<f64> = leaves(&scorer, &rows).into_iter().map(f64::from).collect();
        assert_eq!(found, numbers(&expected["leaf"]), "{name}");
        // `exp` is the C library's: another one than where the fixtures were made may round otherwise.
        scorer.convert(&mut ours);
        assert_scores(name, &ours, &numbers(&expected["output"]), 1);
        cases += 1;
    }
    assert!(cases >= 25, "the fixtures are there");
}

#[test]
fn every_model_of_mlflow_scores_like_python() {
    let mut cases = 0;
    for case in fs::read_dir(fixtures("models")).unwrap() {
        let path = case.unwrap().path();
        if !path.join("booster/model.lgb").exists() {
            continue;
        }
        let name = path.file_name().unwrap().to_str().unwrap();
        let expected = read_json(&path.join("expected.json"));
        let model = read_model(&path.join("booster/model.lgb"));
        let scorer = Scorer::compile(&model);
        let booster = &expected["booster"];
        let rows = numbers(&coded(&expected, &model));
        let mut ours = score_every_way(name, &scorer, &rows);
        assert_scores(name, &ours, &numbers(&booster["raw_score"]), 0);
        let found: Vec<f64> = leaves(&scorer, &rows).into_iter().map(f64::from).collect();
        assert_eq!(found, numbers(&booster["leaf_index"]), "{name}");
        scorer.convert(&mut ours);
        assert_scores(name, &ours, &numbers(&booster["predict"]), 1);
        cases += 1;
    }
    assert!(cases >= 9, "the fixtures are there");
}

/// The rows of a fixture with categories as pandas' codes.
fn coded(expected: &Value, model: &TextModel) -> Value {
    let names = expected["feature_names"].as_array().unwrap();
    let categorical = |column: usize| expected["dtypes"][names[column].as_str().unwrap()] == "category";
    let mut rows = expected["input_rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        let mut lists = model.pandas_categorical().unwrap_or_default().iter();
        for (column, cell) in row.as_array_mut().unwrap().iter_mut().enumerate() {
            if categorical(column) {
                let list = lists.next().unwrap();
                *cell = list.iter().position(|category| category == cell).map_or(Value::Null, Value::from);
            }
        }
    }
    rows
}

#[test]
fn the_first_iterations_can_be_scored_alone() {
    for name in ["multiclass", "random_forest", "linear"] {
        let path = fixtures("scores").join(name).with_extension("txt");
        let model = read_model(&path);
        let rows = numbers(&read_json(&path.with_extension("json"))["rows"]);
        let scorer = Scorer::compile_with(&model, Some(2));
        assert_eq!(scorer.num_iterations(), 2);
        assert_eq!(scorer.num_trees(), 2 * scorer.num_outputs());
        let mut ours = score_every_way(name, &scorer, &rows);
        let mut booster = lightgbm3::Booster::from_string(&model.emit()).unwrap();
        booster.set_max_iterations(2).unwrap();
        let width = scorer.num_features() as i32;
        assert_scores(name, &ours, &booster.raw_scores(&rows, width, true).unwrap(), 0);
        scorer.convert(&mut ours);
        assert_scores(name, &ours, &booster.predict(&rows, width, true).unwrap(), 0);
    }
    let model = read_model(&fixtures("scores").join("nan_as_missing.txt"));
    assert_eq!(Scorer::compile_with(&model, Some(usize::MAX)).num_iterations(), model.num_iterations());
    let none = Scorer::compile_with(&model, Some(0));
    assert_eq!(score_every_way("none", &none, &[1.0; 8 * 40]), [0.0; 40]);
}

#[test]
fn what_does_not_fit_is_refused() {
    let model = read_model(&fixtures("scores").join("nan_as_missing.txt"));
    let scorer = Scorer::compile(&model);
    let data = [0.0; 7 * 8];
    let narrow = Matrix::from_rows(&data, 7).unwrap();
    assert_eq!(scorer.raw(&narrow, 1, &mut [0.0; 8]).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(scorer.leaves(&narrow, 1, &mut []).unwrap_err().kind(), ErrorKind::InvalidData);
    assert_eq!(scorer.raw_row(&data, &mut [0.0]).unwrap_err().kind(), ErrorKind::InvalidData);
    let data = Matrix::from_rows(&data, 8).unwrap();
    assert_eq!(scorer.raw(&data, 1, &mut [0.0; 6]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    assert_eq!(scorer.leaves(&data, 1, &mut [0; 7]).unwrap_err().kind(), ErrorKind::InvalidArgument);
    let empty = Matrix::from_rows(&[], 8).unwrap();
    scorer.raw(&empty, 4, &mut []).unwrap();
    scorer.leaves(&empty, 4, &mut []).unwrap();
}

#[test]
fn a_scorer_is_shared_by_threads() {
    fn check<T: Send + Sync>() {}
    check::<Scorer>();
}
