use std::process::Command;

use super::*;
use crate::booster::Booster;

const NAMES: [&str; 3] = ["height", "weight", "größe"];

/// A small learnable table from a fixed linear congruential sequence.
fn table(rows: usize) -> (Vec<[f64; 3]>, Vec<f64>) {
    let mut state = 12_345_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f64 / f64::from(1 << 24) - 0.5
    };
    let x: Vec<[f64; 3]> = (0..rows).map(|_| [next(), next(), next()]).collect();
    let y = x.iter().map(|row| f64::from(u8::from(row[0] + row[1] * row[2] > 0.0))).collect();
    (x, y)
}

fn kind<T: std::fmt::Debug>(result: Result<T>) -> ErrorKind {
    result.unwrap_err().kind()
}

#[test]
fn learns_keeps_the_names_and_is_deterministic() {
    let (x, y) = table(300);
    let model = BaselineModel::train(&x, &y, &NAMES).unwrap();
    assert_eq!(model.text_model().feature_names(), NAMES);
    assert_eq!(model.text(), BaselineModel::train(&x, &y, &NAMES).unwrap().text());

    let booster = Booster::load(model.text_model()).unwrap();
    let flat: Vec<f64> = x.iter().flatten().copied().collect();
    let probabilities = booster.output(&flat).unwrap();
    let correct = probabilities.iter().zip(&y).filter(|(p, y)| (**p > 0.5) == (**y == 1.0)).count();
    assert!(correct > 280, "{correct} of 300");
}

#[test]
fn parameters_reach_lightgbm() {
    let (x, y) = table(300);
    let parameters = TrainingParameters::new().n_estimators(7).num_leaves(4);
    let model = BaselineModel::train_with(&parameters, &x, &y, &NAMES).unwrap();
    assert_eq!(model.text_model().num_trees(), 7);
    assert!(model.text().contains("[num_leaves: 4]"));
    assert!(BaselineModel::train(&x, &y, &NAMES).unwrap().text().contains("[min_data_in_leaf: 20]"));
}

#[test]
fn parameters_out_of_range_are_refused() {
    let (x, y) = table(60);
    let defaults = TrainingParameters::new;
    for parameters in [
        defaults().n_estimators(0),
        defaults().num_leaves(1),
        defaults().learning_rate(f64::NAN),
        defaults().subsample(1.5),
        defaults().min_child_samples(5),
    ] {
        let result = BaselineModel::train_with(&parameters, &x, &y, &NAMES);
        assert_eq!(kind(result), ErrorKind::InvalidArgument, "{parameters:?}");
    }
}

#[test]
fn bad_tables_are_refused() {
    let (x, y) = table(60);
    let replaced = |label: f64| y.iter().enumerate().map(|(i, y)| if i == 3 { label } else { *y }).collect();
    let labels: [Vec<f64>; 6] =
        [replaced(f64::NAN), replaced(2.0), replaced(-1.0), vec![0.0; 60], vec![1.0; 60], y[..59].to_vec()];
    for labels in labels {
        assert_eq!(kind(BaselineModel::train(&x, &labels, &NAMES)), ErrorKind::InvalidData);
    }
    let mut ragged: Vec<Vec<f64>> = x.iter().map(|row| row.to_vec()).collect();
    ragged[7].pop();
    assert_eq!(kind(BaselineModel::train(&ragged, &y, &NAMES)), ErrorKind::InvalidData);
    assert_eq!(kind(BaselineModel::train::<[f64; 3], _>(&[], &[], &NAMES)), ErrorKind::InvalidData);
    let no_names: [&str; 0] = [];
    assert_eq!(kind(BaselineModel::train(&x, &y, &no_names)), ErrorKind::InvalidData);
}

#[test]
fn names_that_lightgbm_cannot_hold_are_refused() {
    let (x, y) = table(60);
    let long = "n".repeat(257);
    for name in
        ["", "a b", "a\tb", "a\nTree=0", "a\u{0}", "{a", "a:b", "a,b", "a\"b", "a[0]", "weight", &long]
    {
        let names = [name, "weight", "other"];
        assert_eq!(kind(BaselineModel::train(&x, &y, &names)), ErrorKind::InvalidData, "{name:?}");
    }
}

#[test]
fn missing_values_and_constant_columns_train() {
    let (mut x, y) = table(200);
    for (index, row) in x.iter_mut().enumerate() {
        row[1] = f64::NAN;
        row[2] = 4.0;
        if index % 5 == 0 {
            row[0] = f64::INFINITY;
        }
    }
    BaselineModel::train(&x, &y, &NAMES).unwrap();
}

#[test]
fn too_few_rows_to_split_give_a_constant_model_as_in_python() {
    let (x, y) = table(12);
    let model = BaselineModel::train(&x, &y, &NAMES).unwrap();
    let booster = Booster::load(model.text_model()).unwrap();
    let output = booster.output(&[0.0, 0.0, 0.0, 9.0, 9.0, 9.0]).unwrap();
    assert_eq!(output[0], output[1]);
}

/// LightGBM warns about a table like this one on standard output, which belongs to the caller's data.
#[test]
fn lightgbm_says_nothing_on_standard_output() {
    const CHILD: &str = "HYDRA_TEST_CHILD_TRAINS";
    if std::env::var_os(CHILD).is_some() {
        let (x, y) = table(12);
        BaselineModel::train(&x, &y, &NAMES).unwrap();
        return;
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["baseline::tests::lightgbm_says_nothing_on_standard_output", "--exact", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && stdout.contains("1 passed"), "{stdout}");
    assert!(!stdout.contains("LightGBM"), "{stdout}");
}
