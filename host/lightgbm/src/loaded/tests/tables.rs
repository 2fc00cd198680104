//! Named columns: order, missing and extra ones, categories.

use std::path::Path;

use crate::loaded::{Column, ColumnKind, FeatureKind, Model, ModelLimits, StringColumn, Table, Values};
use crate::matrix::Matrix;
use hydra_base::ErrorKind;

fn model(case: &str) -> Model {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/models")
        .join(case)
        .join("booster/model.lgb");
    let bytes = std::fs::read(path).unwrap();
    Model::from_artifact("model.lgb", "lightgbm.basic.Booster", &bytes, &ModelLimits::default()).unwrap()
}

fn numeric<'a>(name: &'a str, values: &'a [f64]) -> Column<'a> {
    Column::new(name, Values::Numbers(values.into()))
}

fn texts<'a>(name: &'a str, values: &[Option<&str>]) -> Column<'a> {
    let values: Vec<Option<String>> = values.iter().map(|value| value.map(str::to_owned)).collect();
    Column::new(name, Values::Strings(Box::new(values) as Box<dyn StringColumn>))
}

fn row(model: &Model, table: &Table<'_>, row: usize) -> Vec<f64> {
    let encoded = model.encode(table).unwrap();
    let matrix = encoded.matrix();
    (0..matrix.columns()).map(|column| matrix.value(row, column)).collect()
}

#[test]
fn columns_are_found_by_name() {
    let model = model("binary_int");
    let one = [1.0, 10.0];
    let columns = ["f3", "f0", "f4", "f1", "f2"].map(|name| numeric(name, &one));
    assert_eq!(row(&model, &Table::new(columns.into()).unwrap(), 1), [10.0; 5]);
}

#[test]
fn missing_and_extra_columns_are_listed() {
    let model = model("binary_int");
    let one = [1.0];
    let columns = ["f0", "x\u{1b}y", "f2", "f4", "f5"].map(|name| numeric(name, &one));
    let error = model.encode(&Table::new(columns.into()).unwrap()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(
        error.to_string(),
        "features of the model are missing from the input (missing: f1, f3, extra: x\u{fffd}y, f5)"
    );
}

#[test]
fn uneven_and_repeated_columns_are_refused() {
    let uneven = Table::new(vec![numeric("a", &[1.0]), numeric("b", &[1.0, 2.0])]);
    assert_eq!(uneven.unwrap_err().kind(), ErrorKind::InvalidData);
    let repeated = Table::new(vec![numeric("a", &[1.0]), numeric("a", &[1.0])]);
    assert_eq!(repeated.unwrap_err().kind(), ErrorKind::InvalidData);
}

#[test]
fn pandas_categories_become_codes() {
    let model = model("binary_cat").with_categories(&["tier", "city"]).unwrap();
    assert_eq!(
        model.feature_kinds(&[ColumnKind::Unknown; 4]).unwrap(),
        [FeatureKind::Numeric, FeatureKind::TextCategory, FeatureKind::NumberCategory, FeatureKind::Numeric]
    );
    let table = Table::new(vec![
        texts("city", &[Some("Rome"), Some("Paris"), None, Some("Bonn")]),
        numeric("tier", &[50.0, 99.0, f64::NAN, 10.0]),
        numeric("zeros", &[0.0; 4]),
        numeric("num", &[1.0, 2.0, 3.0, 4.0]),
    ])
    .unwrap();
    assert_eq!(row(&model, &table, 0), [1.0, 3.0, 4.0, 0.0]);
    let unseen = row(&model, &table, 1);
    assert!(unseen[1].is_nan() && unseen[2].is_nan());
    let missing = row(&model, &table, 2);
    assert!(missing[1].is_nan() && missing[2].is_nan());
    assert_eq!(row(&model, &table, 3), [4.0, 0.0, 0.0, 0.0]);
}

/// `tier` and `zeros` look alike in the model: either may have the second of the two lists.
#[test]
fn categories_of_unknown_columns_are_refused() {
    let model = model("binary_cat");
    let column = |name: &'static str| numeric(name, &[0.0]);
    let table = |tier: ColumnKind, zeros: ColumnKind| {
        let (tier, zeros) =
            (Column { kind: tier, ..column("tier") }, Column { kind: zeros, ..column("zeros") });
        Table::new(vec![column("num"), texts("city", &[Some("Rome")]), tier, zeros]).unwrap()
    };
    let error = model.encode(&table(ColumnKind::Number, ColumnKind::Number)).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    assert!(error.to_string().contains("possible: city, tier, zeros"), "{error}");
    // As in Python, types decide, independent of the values.
    let encoded = row(&model, &table(ColumnKind::Category, ColumnKind::Number), 0);
    assert!(encoded[2].is_nan() && encoded[3] == 0.0, "{encoded:?}");
    let encoded = row(&model, &table(ColumnKind::Number, ColumnKind::Category), 0);
    assert!(encoded[2] == 0.0 && encoded[3].is_nan(), "{encoded:?}");
    assert_eq!(model.feature_kinds(&[ColumnKind::Number]).unwrap_err().kind(), ErrorKind::InvalidArgument);
}

/// A model with one category list, the JSON `list`.
fn with_list(list: &str) -> Model {
    let text = format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\nmax_feature_idx=0\nobjective=regression\n\
         feature_names=k\nfeature_infos=0:1:2:3\ntree_sizes=\n\nend of trees\n\npandas_categorical:[{list}]\n"
    );
    Model::from_artifact("model.lgb", "", text.as_bytes(), &ModelLimits::default()).unwrap()
}

#[test]
fn integers_that_are_equal_as_floats_are_refused() {
    let model = with_list("[1, 2, 3, 1152921504606846977]");
    let table = Table::new(vec![numeric("k", &[1.0])]).unwrap();
    let error = model.encode(&table).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    assert!(error.to_string().contains("category: 1152921504606846977"), "{error}");
    assert_eq!(row(&with_list("[1, 2, 3, 9007199254740991]"), &table, 0), [0.0]);
    assert!(with_list("[1, 2, 3, 9007199254740992]").encode(&table).is_err());
}

/// Python writes infinite numbers in a form that JSON does not have.
#[test]
fn infinite_categories_are_read() {
    for list in ["[0.5, Infinity, -Infinity]", "[0.5, Infinity, -Infinity, \"-Infinity\\\"Infinity\"]"] {
        let values = [f64::NEG_INFINITY, 0.5, f64::INFINITY];
        let table = Table::new(vec![Column { kind: ColumnKind::Unknown, ..numeric("k", &values) }]).unwrap();
        let text = with_list(list).with_categories(&["k"]).unwrap();
        let encoded = text.encode(&table).unwrap();
        let codes: Vec<f64> = (0..3).map(|row| encoded.matrix().value(row, 0)).collect();
        assert_eq!(codes, [2.0, 0.0, 1.0], "{list}");
    }
    let text = with_list("[\"Infinity\", Infinity]").with_categories(&["k"]).unwrap();
    let table = Table::new(vec![texts("k", &[Some("Infinity")])]).unwrap();
    assert_eq!(row(&text, &table, 0), [0.0]);
}

#[test]
fn numbers_among_text_are_separate_categories() {
    let model = with_list(r#"[3, 4, "3", "4"]"#);
    assert_eq!(model.feature_kinds(&[ColumnKind::Unknown]).unwrap(), [FeatureKind::MixedCategory]);
    let values = ["3", "\"3\"", "4.0", "\"4\"", "5", "null", "true"].map(|json| Some(json.to_owned()));
    let values = Values::Json(Box::new(values.to_vec()) as Box<dyn StringColumn>);
    let table = Table::new(vec![Column::new("k", values)]).unwrap();
    let encoded = model.encode(&table).unwrap();
    let codes: Vec<f64> = (0..7).map(|row| encoded.matrix().value(row, 0)).collect();
    assert_eq!(codes[..4], [0.0, 2.0, 1.0, 3.0]);
    assert!(codes[4..].iter().all(|code| code.is_nan()), "{codes:?}");
}

#[test]
fn text_for_a_numeric_feature_is_refused() {
    let model = model("binary_cat").with_categories(&["tier", "city"]).unwrap();
    let one = [1.0];
    let table = Table::new(vec![
        texts("num", &[Some("1")]),
        texts("city", &[Some("Rome")]),
        numeric("tier", &one),
        numeric("zeros", &one),
    ])
    .unwrap();
    let error = model.encode(&table).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "the column has text, but the model needs numbers (column: num)");
}

#[test]
fn a_matrix_of_another_width_is_refused() {
    let model = model("binary_int");
    let values = [0.0; 8];
    let narrow = Matrix::from_rows(&values, 4).unwrap();
    for error in [
        model.predict(&narrow).unwrap_err(),
        model.raw_scores(&narrow).unwrap_err(),
        model.leaf_indices(&narrow).unwrap_err(),
    ] {
        assert_eq!(error.kind(), ErrorKind::InvalidData);
    }
    let empty = Matrix::from_rows(&[], 5).unwrap();
    assert_eq!(model.raw_scores(&empty).unwrap(), Vec::<f64>::new());
}

#[test]
fn regression_has_no_probabilities() {
    let model = model("regression");
    let values = [0.0; 5];
    let data = Matrix::from_rows(&values, 5).unwrap();
    assert_eq!(model.probabilities(&data).unwrap_err().kind(), ErrorKind::UnsupportedModel);
    assert_eq!(model.labels(&data).unwrap_err().kind(), ErrorKind::UnsupportedModel);
}

#[test]
fn other_files_are_refused() {
    for (name, bytes) in [("model.bin", b"what".as_slice()), ("saved_model.pb", b"\x08\x01")] {
        let error = Model::from_artifact(name, "x", bytes, &ModelLimits::default()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    }
    let error = Model::from_artifact("model.lgb", "x", b"", &ModelLimits::default()).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidModel);
}
