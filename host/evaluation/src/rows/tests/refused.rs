//! Input that cannot be measured: an error of its own kind, which says where.

use super::{Columns, Request, Subject, evaluated, fixtures, subject, two};
use crate::Evaluation;
use hydra_base::testing::{dataset, kind};
use hydra_base::{Error, ErrorKind, Result};
use hydra_tables::FileFormat;

const HEADER: &str = "f0,f1,f2,f3,f4,label,weight,group,region\n";

fn csv(subjects: Vec<Subject>, rows: &[&str], change: impl Fn(&mut Request)) -> Result<Evaluation> {
    let mut request = Request { resamples: 100, ..Request::new(dataset("rows"), Columns::new("label")) };
    change(&mut request);
    evaluated(subjects, HEADER.to_owned() + &rows.join("\n") + "\n", FileFormat::Csv, &request)
}

fn refused(rows: &[&str], change: impl Fn(&mut Request)) -> Error {
    csv(two(), rows, change).expect_err("an error was expected")
}

fn weighted(request: &mut Request) {
    request.columns.weight = Some("weight".to_owned());
}

#[test]
fn each_has_its_kind_and_says_where() {
    let good = "1,2,3,4,5,0,1,a,x";
    let with = |row: &'static str| [good, row];
    let mut messages = String::new();
    let no_label = |request: &mut Request| request.columns.label = "target".to_owned();
    let grouped = |request: &mut Request| request.columns.group = Some("group".to_owned());
    let unchanged = |_: &mut Request| ();
    for (expected, rows, change) in [
        (ErrorKind::MissingColumns, with("1,2,3,4,5,1,1,a,x").as_slice(), &no_label as &dyn Fn(&mut Request)),
        (ErrorKind::NoRows, &[], &unchanged),
        (ErrorKind::InvalidLabels, &with("1,2,3,4,5,,1,a,x"), &unchanged),
        (ErrorKind::InvalidLabels, &with("1,2,3,4,5,NaN,1,a,x"), &unchanged),
        (ErrorKind::InvalidLabels, &with("1,2,3,4,5,yes,1,a,x"), &unchanged),
        (ErrorKind::UnknownLabel, &with("1,2,3,4,5,2,1,a,x"), &unchanged),
        (ErrorKind::OneClass, &with("1,2,3,4,5,0,1,a,x"), &unchanged),
        (ErrorKind::InvalidWeights, &with("1,2,3,4,5,1,-0.5,a,x"), &weighted),
        (ErrorKind::InvalidWeights, &with("1,2,3,4,5,1,,a,x"), &weighted),
        (ErrorKind::InvalidWeights, &with("1,2,3,4,5,1,heavy,a,x"), &weighted),
        (ErrorKind::InvalidGroups, &with("1,2,3,4,5,1,1,,x"), &grouped),
        (ErrorKind::InvalidData, &with("1,2,3,4,x,1,1,a,x"), &unchanged),
    ] {
        let error = refused(rows, change);
        assert_eq!(error.kind(), expected, "{error}");
        messages += &format!("{error}\n");
    }
    insta::assert_snapshot!(messages, @r"
    columns that the evaluation needs are missing from the input (missing: target, file: rows)
    there are no rows to measure on (column: label, file: rows)
    the row has no label (row: 2, column: label, file: rows)
    the row has no label (row: 2, column: label, file: rows)
    the cell is not a number: `yes` (row: 2, column: label, file: rows)
    the label is not one of the model's classes: `2` (classes: 0, 1, row: 2, column: label, file: rows)
    all labels are of one class (class: 0, column: label, file: rows)
    the weight is not a number from 0 to 3.4e38: `-0.5` (row: 2, column: weight, file: rows)
    the weight is not a number from 0 to 3.4e38: `NaN` (row: 2, column: weight, file: rows)
    the cell is not a number: `heavy` (row: 2, column: weight, file: rows)
    the row has no group (row: 2, column: group, file: rows)
    the cell is not a number (line: 3, column: f4, cell: x, file: rows)
    ");
}

#[test]
fn all_weights_must_not_be_zero() {
    let rows = ["1,2,3,4,5,0,0,a,x", "1,2,3,4,5,1,0,a,x"];
    assert_eq!(refused(&rows, weighted).kind(), ErrorKind::InvalidWeights);
}

#[test]
fn models_must_be_of_one_task_and_have_the_same_classes() {
    let rows = ["1,2,3,4,5,0,1,a,x", "1,2,3,4,5,1,1,a,x"];
    let differ =
        |a: &str, b: &str| csv(vec![subject(a), subject(b)], &rows, |_| ()).expect_err("they differ");
    let error = differ("binary_int/booster/model.lgb", "regression/booster/model.lgb");
    assert_eq!(error.to_string(), "the models have different tasks (task: binary, other: regression)");
    let error = differ("binary_int/booster/model.lgb", "binary_str/skops/model.skops");
    assert_eq!(error.to_string(), "the models have different classes (classes: 0, 1, other: no, yes)");
}

#[test]
fn metrics_must_be_for_the_models() {
    let rows = ["1,2,3,4,5,0,1,a,x", "1,2,3,4,5,1,1,a,x"];
    let error = refused(&rows, |request| request.metrics = Some(vec![crate::Metric::Rmse]));
    assert_eq!(error.kind(), ErrorKind::MetricMismatch);
    assert_eq!(
        error.to_string(),
        "the metric is not for the models' task: `rmse` (metric's task: regression, models' task: binary)"
    );
    let ranker = || vec![subject("lambdarank.txt")];
    assert_eq!(kind(csv(ranker(), &rows, |_| ())), ErrorKind::MissingColumns);
}

#[test]
fn a_version_is_measured_once() {
    let same = || subject("binary_int/booster/model.lgb");
    let rows = ["1,2,3,4,5,0,1,a,x", "1,2,3,4,5,1,1,a,x"];
    let error = csv(vec![same(), same()], &rows, |_| ()).expect_err("twice");
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}

#[test]
fn a_model_file_that_is_none_is_named() {
    let error = Subject::open(&fixtures().join("rows/pandas.csv")).expect_err("no model");
    assert!(error.to_string().contains("pandas.csv"), "{error}");
    assert_eq!(kind(Subject::open(&fixtures().join("rows/missing.txt"))), ErrorKind::Storage);
}
