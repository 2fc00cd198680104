//! The JSON forms: the same table in each of them is the same matrix.

use std::fmt::Write as _;

use bytes::Bytes;
use proptest::prelude::*;

use super::{LIMITS, bits, cause, of_values, regression, schema};
use crate::protocol::rows::{Cause, Limits, Rows, Schema};
use crate::protocol::{Forms, Params, TableFormat};

fn read(schema: &Schema, body: &str) -> Result<Rows, crate::protocol::Refusal> {
    Rows::from_json(schema, &LIMITS, Forms::MLflow, body.as_bytes())
}

/// A number in one of the spellings that requests have.
fn spelled(value: f64) -> String {
    match value {
        value if value.is_nan() => ["NaN", "null", "\"NaN\""][(value.to_bits() % 3) as usize].to_owned(),
        f64::INFINITY => "Infinity".to_owned(),
        f64::NEG_INFINITY => "-Infinity".to_owned(),
        other => serde_json::to_string(&other).unwrap(),
    }
}

fn list(items: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", items.into_iter().collect::<Vec<_>>().join(","))
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![
        4 => any::<u64>().prop_map(f64::from_bits),
        4 => -1e6..1e6_f64,
        2 => (-100..100_i32).prop_map(f64::from),
        1 => Just(f64::NAN),
    ]
}

/// Rows of five values, and an order of the columns with two more.
fn tables() -> impl Strategy<Value = (Vec<[f64; 5]>, Vec<usize>)> {
    let rows = prop::collection::vec(prop::array::uniform5(number()), 1..6);
    (rows, Just((0..7).collect::<Vec<_>>()).prop_shuffle())
}

proptest! {
    #[test]
    fn every_form_is_the_same_matrix((rows, order) in tables()) {
        let schema = regression();
        let expected = of_values(&rows.concat());
        let names = ["f0", "f1", "f2", "f3", "f4", "id", "x"];
        let cell = |row: &[f64; 5], column: usize| match column {
            5 => "{\"a\": [null, \"b\"]}".to_owned(),
            6 => "\"other\"".to_owned(),
            feature => spelled(row[feature]),
        };
        let columns = list(order.iter().map(|column| format!("\"{}\"", names[*column])));
        let data = list(rows.iter().map(|row| list(order.iter().map(|column| cell(row, *column)))));
        let object = |row: &[f64; 5], order: &[usize]| {
            let members = order.iter().map(|column| format!("\"{}\": {}", names[*column], cell(row, *column)));
            format!("{{{}}}", members.collect::<Vec<_>>().join(","))
        };
        let reversed: Vec<usize> = order.iter().rev().copied().collect();
        let objects = list(rows.iter().enumerate().map(|(index, row)| {
            object(row, if index % 2 == 0 { &order } else { &reversed })
        }));
        let by_column = order.iter().filter(|column| **column < 5).map(|column| {
            format!("\"{}\": {}", names[*column], list(rows.iter().map(|row| spelled(row[*column]))))
        });
        let by_column = format!("{{{}}}", by_column.collect::<Vec<_>>().join(", "));
        for body in [
            format!("{{\"dataframe_split\": {{\"columns\": {columns}, \"data\": {data}}}}}"),
            format!("{{\"dataframe_split\": {{\"data\": {data}, \"index\": [0], \"columns\": {columns}}}}}"),
            format!("{{\"dataframe_records\": {objects}}}"),
            format!("{{\"instances\": {objects}}}"),
            format!("{{\"inputs\": {objects}, \"x\": [1, {{}}]}}"),
        ] {
            let read = read(&schema, &body).unwrap();
            prop_assert_eq!(bits(&read), expected.clone(), "{}", body);
            prop_assert_eq!((read.len(), read.ignored()), (rows.len(), 2));
        }
        let plain = list(rows.iter().map(|row| list(row.iter().map(|value| spelled(*value)))));
        for body in [
            format!("{{\"inputs\": {by_column}}}"),
            format!("{{\"inputs\": {plain}}}"),
            format!("{{\"instances\": {plain}}}"),
            format!("{{\"dataframe_split\": {{\"data\": {plain}}}}}"),
            format!("{{\"dataframe_split\": {{\"columns\": [0, 1, 2, 3, 4], \"data\": {plain}}}}}"),
        ] {
            let read = read(&schema, &body).unwrap();
            prop_assert_eq!(bits(&read), expected.clone(), "{}", body);
            prop_assert_eq!((read.len(), read.ignored()), (rows.len(), 0));
        }
    }
}

#[test]
fn csv_is_the_same_matrix_and_by_the_same_names() {
    let schema = regression();
    let mut body = "f4,id,f3,f2,f1,f0\n".to_owned();
    let mut expected = Vec::new();
    for row in 0..50 {
        let values: [f64; 5] = std::array::from_fn(|column| f64::from(row * 5) + column as f64 / 7.0);
        let [first, last @ ..] = values.map(|value| value.to_string());
        let [second, third, fourth, fifth] = last;
        writeln!(body, "{fifth},{row},{fourth},{third},{second},{first}").unwrap();
        expected.extend(values);
    }
    let limits = |rows| Limits { rows, ..LIMITS };
    let read = |limits: &Limits, body: &str| {
        Rows::from_table(&schema, limits, TableFormat::Csv, &Bytes::from(body.to_owned()))
    };
    let rows = read(&LIMITS, &body).unwrap();
    assert_eq!(bits(&rows), of_values(&expected));
    assert_eq!((rows.len(), rows.ignored()), (50, 1));
    assert_eq!(cause(read(&limits(49), &body)), Some(Cause::RowCount));
    assert_eq!(cause(read(&LIMITS, &body.replace("f4", "g"))), Some(Cause::Columns));
    assert_eq!(cause(read(&LIMITS, "f0,f1,f2,f3,f4\n1,2,3,4,x\n")), Some(Cause::Table));
    assert_eq!(cause(read(&LIMITS, "f0,f1,f2,f3,f4\n")), Some(Cause::NoRows));
    assert_eq!(
        bits(&read(&LIMITS, "0,1,2,3,4\n1,2,3,4,NA\n").unwrap())[..4],
        of_values(&[1.0, 2.0, 3.0, 4.0])
    );
}

#[test]
fn limits_are_refused_before_they_are_used() {
    let schema = regression();
    let row = "[1,2,3,4,5]";
    let rows = |count: usize| format!("{{\"instances\": {}}}", list(vec![row.to_owned(); count]));
    let most =
        |limits: Limits, body: &str| cause(Rows::from_json(&schema, &limits, Forms::MLflow, body.as_bytes()));
    assert_eq!(most(Limits { rows: 3, ..LIMITS }, &rows(3)), None);
    assert_eq!(most(Limits { rows: 3, ..LIMITS }, &rows(4)), Some(Cause::RowCount));
    assert_eq!(most(Limits { body: 20, ..LIMITS }, &rows(3)), Some(Cause::BodySize));
    // Records may leave out values, which take memory all the same.
    let records =
        format!("{{\"instances\": [{{\"f0\":1,\"f1\":1,\"f2\":1,\"f3\":1,\"f4\":1}}{}]}}", ",{}".repeat(600));
    assert_eq!(most(Limits { rows: 10_000, body: 4_000, ..LIMITS }, &records), Some(Cause::RowCount));
    // Values of models with categories take more memory than numbers.
    let categories = super::schema("models/binary_cat/booster");
    let width = categories.width();
    let narrow = list(vec![list(vec!["1".to_owned(); width]); 400 / width]);
    let body = format!("{{\"instances\": {narrow}}}");
    let limits = |body| Limits { body, rows: 10_000, ..LIMITS };
    let read =
        |body: &str, limits| cause(Rows::from_json(&categories, &limits, Forms::MLflow, body.as_bytes()));
    assert_eq!(read(&body, limits(1_200)), Some(Cause::RowCount));
    assert_eq!(read(&body, limits(4_000)), None);
    let columns = list((0..101).map(|column| format!("\"c{column}\"")));
    let wide = format!("{{\"dataframe_split\": {{\"columns\": {columns}, \"data\": []}}}}");
    assert_eq!(most(LIMITS, &wide), Some(Cause::ColumnCount));
    let keys = (0..101).map(|column| format!("\"c{column}\":1")).collect::<Vec<_>>().join(",");
    assert_eq!(most(LIMITS, &format!("{{\"inputs\": {{{keys}}}}}")), Some(Cause::ColumnCount));
    assert_eq!(most(LIMITS, &format!("{{\"instances\": [{{{keys}}}]}}")), Some(Cause::ColumnCount));
    let csv = |header: String| {
        let body = Bytes::from(header + "\n");
        cause(Rows::from_table(&schema, &LIMITS, TableFormat::Csv, &body))
    };
    assert_eq!(csv("c;".repeat(200_000)), Some(Cause::ColumnCount));
    assert_eq!(csv(format!("\"\n\"{}", ",c".repeat(200_000))), Some(Cause::ColumnCount));
    let deep = format!("{{\"x\": {}{}}}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(most(LIMITS, &deep), Some(Cause::Depth));
}

#[test]
fn names_decide_by_the_rule_of_predict() {
    let schema = regression();
    for (body, expected) in [
        (r#"{"dataframe_split":{"columns":["f0","f1","f2","f3"],"data":[[1,2,3,4]]}}"#, Cause::Columns),
        (
            r#"{"dataframe_split":{"columns":["f0","f1","f2","f3","f4","f0"],"data":[[1,2,3,4,5,6]]}}"#,
            Cause::Columns,
        ),
        (r#"{"dataframe_split":{"columns":[1,2,3,4,5],"data":[[1,2,3,4,5]]}}"#, Cause::Columns),
        (r#"{"dataframe_split":{"columns":[0,1,2,3],"data":[[1,2,3,4]]}}"#, Cause::Columns),
        (r#"{"dataframe_split":{"columns":["f0",1.5],"data":[[1,2]]}}"#, Cause::Form),
        (r#"{"instances":[[1,2,3,4,5,6]]}"#, Cause::Columns),
        (r#"{"instances":[[1,2,3,4,5],[1,2,3,4]]}"#, Cause::Ragged),
        (r#"{"instances":[[1,2,3,4,"5"]]}"#, Cause::Value),
        (r#"{"instances":[[1,2,3,4,[5]]]}"#, Cause::Value),
        (r#"{"instances":[[1,2,3,4,5],7]}"#, Cause::Form),
        (r#"{"inputs":{"f0":[1],"f1":1,"f2":1,"f3":1}}"#, Cause::Columns),
        (r#"{"inputs":{"f0":[],"f1":[],"f2":[],"f3":[],"f4":[]}}"#, Cause::NoRows),
    ] {
        assert_eq!(cause(read(&schema, body)), Some(expected), "{body}");
    }
    // Numbered keys are positions if they are in order.
    let numbered = r#"{"dataframe_records":[{"0":1,"1":2,"2":3,"3":4,"4":5}]}"#;
    assert_eq!(bits(&read(&schema, numbered).unwrap()), of_values(&[1.0, 2.0, 3.0, 4.0, 5.0]));
    assert_eq!(
        cause(read(&schema, r#"{"dataframe_records":[{"1":2,"0":1,"2":3,"3":4,"4":5}]}"#)),
        Some(Cause::Columns)
    );
}

#[test]
fn a_model_without_names_takes_lists_and_its_own_names() {
    let text =
        std::fs::read_to_string(super::fixtures().join("models/regression/booster/model.lgb")).unwrap();
    let text = text.replace(
        "feature_names=f0 f1 f2 f3 f4",
        "feature_names=Column_0 Column_1 Column_2 Column_3 Column_4",
    );
    let parsed =
        hydra_lightgbm::TextModel::parse(text.as_bytes(), &hydra_lightgbm::Limits::default()).unwrap();
    let schema = Schema::of(&hydra_lightgbm::Model::from_text_model(parsed).unwrap(), []);
    let expected = of_values(&[1.0, 2.0, 3.0, 4.0, 5.0]);
    for body in [
        r#"{"dataframe_split":{"columns":["e","d","c","b","a"],"data":[[1,2,3,4,5]]}}"#,
        r#"{"instances":[[1,2,3,4,5]]}"#,
        r#"{"dataframe_records":[{"Column_4":5,"Column_0":1,"Column_1":2,"Column_2":3,"Column_3":4}]}"#,
        r#"{"dataframe_records":[{"0":1,"1":2,"2":3,"3":4,"4":5}]}"#,
    ] {
        assert_eq!(bits(&read(&schema, body).unwrap()), expected, "{body}");
    }
    // Objects have no order.
    let body = r#"{"dataframe_records":[{"a":1,"b":2,"c":3,"d":4,"e":5}]}"#;
    let refusal = read(&schema, body).unwrap_err();
    assert!(refusal.cause() == Cause::Columns && refusal.says(true).contains("Column_0"), "{refusal:?}");
}

#[test]
fn integers_are_whole_or_missing() {
    let schema = schema("serving/visits");
    let body = |value: &str| format!("{{\"inputs\": {{\"age\": [0.5, 1], \"visits\": [3, {value}]}}}}");
    for value in ["3", "3.0", "-0", "null", "NaN", "1e20"] {
        assert_eq!(cause(read(&schema, &body(value))), None, "{value}");
    }
    for value in ["3.5", "1e-9", "Infinity"] {
        assert_eq!(cause(read(&schema, &body(value))), Some(Cause::Fraction), "{value}");
    }
}

#[test]
fn categories_are_those_of_the_model() {
    let schema = schema("models/binary_cat/booster");
    let row = |city: &str, tier: &str| {
        let body = format!(
            "{{\"dataframe_records\":[{{\"num\":0.5,\"city\":{city},\"tier\":{tier},\"zeros\":0}}]}}"
        );
        read(&schema, &body).map(|rows| rows.matrix().to_row_major())
    };
    let known = row("\"Bonn\"", "20").unwrap();
    assert!(known.iter().all(|value| value.is_finite()), "{known:?}");
    for (city, tier) in [("null", "null"), ("\"Atlantis\"", "99"), ("null", "\"NaN\"")] {
        let unknown = row(city, tier).unwrap();
        assert!(
            unknown[1].is_nan() && unknown[2].is_nan() && unknown[0] == 0.5,
            "{city} {tier}: {unknown:?}"
        );
    }
    for (city, tier) in [("1", "20"), ("\"Bonn\"", "\"x\""), ("[]", "20"), ("true", "20")] {
        assert_eq!(row(city, tier).unwrap_err().cause(), Cause::Value, "{city} {tier}");
    }
    let untold = Schema::of(
        &hydra_lightgbm::Model::open(super::fixtures().join("models/binary_cat/booster/model.lgb")).unwrap(),
        [],
    );
    let body = r#"{"dataframe_records":[{"num":0.5,"city":"Bonn","tier":20,"zeros":0}]}"#;
    assert_eq!(cause(read(&untold, body)), Some(Cause::Categories));
    // The numbers of an array are codes.
    let codes = read(&schema, r#"{"instances": [[0.5, 2, 1, 0]]}"#).unwrap();
    assert_eq!(codes.matrix().to_row_major(), [0.5, 2.0, 1.0, 0.0]);
    let csv = Bytes::from_static(b"zeros,tier,city,num\n0,20,Bonn,0.5\n");
    let rows = Rows::from_table(&schema, &LIMITS, TableFormat::Csv, &csv).unwrap();
    assert_eq!(rows.matrix().to_row_major(), known);
}

#[test]
fn params_have_the_names_of_lightgbm() {
    let schema = regression();
    let params = |text: &str| {
        let body = format!("{{\"params\": {text}, \"instances\": [[1,2,3,4,5]]}}");
        read(&schema, &body).map(|rows| rows.params().clone()).map_err(|refusal| refusal.cause())
    };
    let plain = Params::default();
    assert_eq!(params("null"), Ok(plain.clone()));
    assert_eq!(params("{}"), Ok(plain.clone()));
    assert_eq!(params(r#"{"raw_score": true}"#), Ok(Params { raw_score: true, ..plain.clone() }));
    assert_eq!(
        params(r#"{"pred_leaf": true, "raw_score": null}"#),
        Ok(Params { pred_leaf: true, ..plain.clone() })
    );
    assert_eq!(params(r#"{"num_iteration": 3}"#), Ok(Params { num_iteration: Some(3), ..plain.clone() }));
    assert_eq!(params(r#"{"num_iteration": -1}"#), Ok(Params { num_iteration: Some(-1), ..plain }));
    for wrong in [
        r#"{"raw_score": 1}"#,
        r#"{"num_iteration": 1.5}"#,
        r#"{"num_iteration": "3"}"#,
        r#"{"pred_contrib": true}"#,
        "[1]",
        "7",
    ] {
        assert_eq!(params(wrong), Err(Cause::Params), "{wrong}");
    }
}

#[test]
fn an_other_number_of_iterations_is_another_model() {
    let schema = regression();
    let trees = |count| schema.model_for(&Params { num_iteration: count, ..Params::default() }).num_trees();
    let all = schema.model().num_trees();
    for count in 1..8 {
        assert_eq!(trees(Some(count)), usize::try_from(count).unwrap().min(all));
        assert_eq!(trees(Some(3)), 3.min(all));
    }
    assert_eq!((trees(None), trees(Some(0)), trees(Some(-5)), trees(Some(i64::MAX))), (all, all, all, all));
}
