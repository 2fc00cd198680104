//! Comparisons to the bit with recorded predictions of LightGBM.

use std::fs;

use serde_json::Value;

use super::Scorer;
use crate::matrix::Matrix;
use crate::testing::{
    assert_scores, fixtures, is_category, leaves, numbers, read_json, read_model, score_every_way,
};
use crate::text::{Limits, TextModel};
use hydra_base::ErrorKind;

/// Repeats rows until there are several blocks.
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
        // `exp` comes from the C library, which may round differently from the one that made the fixtures.
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
pub(super) fn coded(expected: &Value, model: &TextModel) -> Value {
    let names = expected["feature_names"].as_array().unwrap();
    let categorical = |column: usize| expected["dtypes"][names[column].as_str().unwrap()] == "category";
    let mut rows = expected["input_rows"].clone();
    for row in rows.as_array_mut().unwrap() {
        let mut lists = model.pandas_categorical().unwrap_or_default().iter();
        for (column, cell) in row.as_array_mut().unwrap().iter_mut().enumerate() {
            if categorical(column) {
                let list = lists.next().unwrap();
                *cell = list
                    .iter()
                    .position(|category| is_category(category, cell))
                    .map_or(Value::Null, Value::from);
            }
        }
    }
    rows
}

#[test]
fn data_of_another_size_is_refused() {
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

#[test]
fn iteration_counts_beyond_the_model_and_zero_are_accepted() {
    let model = read_model(&fixtures("scores").join("nan_as_missing.txt"));
    assert_eq!(Scorer::compile_with(&model, Some(usize::MAX)).num_iterations(), model.num_iterations());
    for none in [Scorer::compile_with(&model, Some(0)), Scorer::compile_range(&model, usize::MAX, None)] {
        assert_eq!(score_every_way("none", &none, &[1.0; 8 * 40]), [0.0; 40]);
        assert_eq!(none.num_iterations(), 0);
    }
}

#[test]
fn iterations_in_the_middle_are_scored_alone() {
    for name in ["multiclass", "random_forest", "linear", "categorical", "nan_as_missing"] {
        let path = fixtures("scores").join(name).with_extension("txt");
        let model = read_model(&path);
        let rows = numbers(&read_json(&path.with_extension("json"))["rows"]);
        let last = model.num_iterations() - 1;
        let middle = Scorer::compile_range(&model, 1, Some(last - 1));
        assert_eq!(middle.num_iterations(), last - 1, "{name}");

        // In the order of the iterations, as LightGBM adds them.
        let mut expected = vec![0.0; rows.len() / middle.num_features() * middle.num_outputs()];
        for iteration in 1..last {
            let alone = Scorer::compile_range(&model, iteration, Some(1));
            let scores = score_every_way(name, &alone, &rows);
            expected.iter_mut().zip(scores).for_each(|(sum, score)| *sum += score);
        }
        let mut ours = score_every_way(name, &middle, &rows);
        assert_scores(name, &ours, &expected, 0);

        let all = leaves(&Scorer::compile(&model), &rows);
        let outputs = middle.num_outputs();
        let leaves_between: Vec<u32> =
            all.chunks(model.num_trees()).flat_map(|row| row[outputs..last * outputs].to_vec()).collect();
        assert_eq!(leaves(&middle, &rows), leaves_between, "{name}");

        // A random forest divides by the number of iterations that are used.
        middle.convert(&mut ours);
        if model.average_output() {
            for sum in &mut expected {
                *sum /= (last - 1) as f64;
            }
        }
        let objective = model.objective().expect("an objective");
        expected.chunks_mut(outputs).for_each(|row| objective.convert(row));
        assert_scores(name, &ours, &expected, 0);
    }
}
