use std::num::NonZero;
use std::sync::Arc;

use arrow_array::cast::AsArray as _;
use arrow_array::types::{Float64Type, Int8Type};
use arrow_array::{
    ArrayRef, BinaryArray, BooleanArray, Decimal128Array, DictionaryArray, Float16Array, Float32Array,
    Float64Array, Int32Array, LargeStringArray, NullArray, RecordBatch, StringArray, StringViewArray,
    UInt8Array,
};

use super::OutputType;
use super::columns::table;
use crate::loaded::{Model, ModelLimits, Values};
use hydra_base::ErrorKind;

fn model(case: &str, file: &str) -> Model {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/fixtures/models")
        .join(case)
        .join(file);
    let bytes = std::fs::read(path).unwrap();
    Model::from_artifact(file.rsplit('/').next().unwrap(), "", &bytes, &ModelLimits::default()).unwrap()
}

fn one_column(array: ArrayRef) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable([("x", array, true)]).unwrap()
}

#[test]
fn all_numbers_become_floats_and_nulls_become_nan() {
    let decimals = Decimal128Array::from(vec![Some(125), None]).with_precision_and_scale(5, 2).unwrap();
    let dictionary: DictionaryArray<Int8Type> =
        DictionaryArray::new(vec![Some(0), None].into(), Arc::new(Float32Array::from(vec![1.25])));
    let quarter = f16(1.25);
    for (array, expected) in [
        (Arc::new(Float64Array::from(vec![Some(1.25), None])) as ArrayRef, 1.25),
        (Arc::new(Float32Array::from(vec![Some(1.25), None])), 1.25),
        (Arc::new(quarter), 1.25),
        (Arc::new(decimals), 1.25),
        (Arc::new(dictionary), 1.25),
        (Arc::new(Int32Array::from(vec![Some(-3), None])), -3.0),
        (Arc::new(UInt8Array::from(vec![Some(200), None])), 200.0),
        (Arc::new(BooleanArray::from(vec![Some(true), None])), 1.0),
        (Arc::new(NullArray::new(2)), f64::NAN),
    ] {
        let name = array.data_type().to_string();
        let batch = one_column(array);
        let table = table(&batch).unwrap();
        let Values::Numbers(numbers) = &table.columns()[0].values else { panic!("{name} is not numeric") };
        assert_eq!(numbers[0].to_bits(), expected.to_bits(), "{name}");
        assert!(numbers[1].is_nan(), "{name}");
    }
}

fn f16(value: f32) -> Float16Array {
    let array =
        arrow_cast::cast(&Float32Array::from(vec![Some(value), None]), &arrow_schema::DataType::Float16);
    arrow_array::cast::AsArray::as_primitive(&array.unwrap()).clone()
}

#[test]
fn floats_without_nulls_are_borrowed() {
    let batch = one_column(Arc::new(Float64Array::from(vec![1.0, f64::NAN])));
    let table = table(&batch).unwrap();
    let Values::Numbers(numbers) = &table.columns()[0].values else { panic!("no numbers") };
    assert!(matches!(numbers, std::borrow::Cow::Borrowed(_)));
}

#[test]
fn every_kind_of_text_is_read() {
    let values = [Some("a"), None, Some("b"), Some("a")];
    let keys = vec![Some(0), None, Some(1), Some(0)];
    let dictionary: DictionaryArray<Int8Type> =
        DictionaryArray::new(keys.into(), Arc::new(StringArray::from(vec!["a", "b"])));
    let with_null: DictionaryArray<Int8Type> = DictionaryArray::new(
        vec![0, 2, 1, 0].into(),
        Arc::new(StringArray::from(vec![Some("a"), Some("b"), None])),
    );
    for array in [
        Arc::new(StringArray::from(values.to_vec())) as ArrayRef,
        Arc::new(LargeStringArray::from(values.to_vec())),
        Arc::new(StringViewArray::from(values.to_vec())),
        Arc::new(dictionary),
        Arc::new(with_null),
    ] {
        let name = array.data_type().to_string();
        let batch = one_column(array);
        let table = table(&batch).unwrap();
        let Values::Strings(strings) = &table.columns()[0].values else { panic!("{name} is not text") };
        let read: Vec<Option<&str>> = (0..strings.rows()).map(|row| strings.get(row)).collect();
        assert_eq!(read, values, "{name}");
    }
}

#[test]
fn a_dictionary_without_values_is_all_missing() {
    let values = || Arc::new(StringArray::from(Vec::<&str>::new()));
    for rows in [0, 3] {
        let dictionary = DictionaryArray::<Int8Type>::new(vec![None; rows].into(), values());
        let batch = one_column(Arc::new(dictionary));
        let table = table(&batch).unwrap();
        let Values::Strings(strings) = &table.columns()[0].values else { panic!("no text") };
        assert_eq!(strings.rows(), rows);
        assert!((0..rows).all(|row| strings.get(row).is_none()));
    }
}

#[test]
fn other_types_are_refused_by_name() {
    let batch = one_column(Arc::new(BinaryArray::from(vec![b"x".as_slice()])));
    let error = table(&batch).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert_eq!(error.to_string(), "a column has a type that a model cannot use (type: Binary, column: x)");
}

#[test]
fn columns_must_be_the_features_and_no_more() {
    let model = model("regression", "booster/model.lgb");
    let column = || Arc::new(Float64Array::from(vec![1.0, 2.0])) as ArrayRef;
    let batch = |names: &[&'static str]| {
        RecordBatch::try_from_iter(names.iter().map(|name| (*name, column()))).unwrap()
    };
    let error =
        model.predict_batch(&batch(&["f0", "f2", "f3", "f4", "id"]), OutputType::Predict).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidData);
    assert!(error.to_string().contains("missing: f1, extra: id"), "{error}");

    let all = batch(&["f4", "f3", "f2", "f1", "f0"]);
    let scores = model.predict_batch(&all, OutputType::Raw).unwrap();
    assert_eq!((scores.num_rows(), scores.num_columns()), (2, 1));
    let leaves = model.predict_batch(&all, OutputType::Leaves).unwrap();
    assert_eq!((leaves.num_rows(), leaves.num_columns()), (2, model.num_trees()));
    assert_eq!(leaves.schema().field(9).name(), "leaf_9");
    let error = model.predict_batch(&all, OutputType::Probabilities).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnsupportedModel);
    assert_eq!(model.predict_batch(&all.slice(0, 0), OutputType::Leaves).unwrap().num_rows(), 0);
}

#[test]
fn several_outputs_have_numbers_and_probabilities_have_labels() {
    let model = model("multi_str", "skops/model.skops");
    let columns = (0..5).map(|index| (format!("f{index}"), Arc::new(NullArray::new(3)) as ArrayRef));
    let batch =
        RecordBatch::try_from_iter_with_nullable(columns.map(|(name, array)| (name, array, true))).unwrap();
    let names = |output| -> Vec<String> {
        let predictions = model.predict_batch(&batch, output).unwrap();
        predictions.schema().fields().iter().map(|field| field.name().clone()).collect()
    };
    assert_eq!(names(OutputType::Raw), ["prediction_0", "prediction_1", "prediction_2"]);
    assert_eq!(names(OutputType::Probabilities), ["probability_ant", "probability_bee", "probability_cat"]);
    assert_eq!(names(OutputType::Predict), ["prediction"]);
}

#[test]
fn contributions_have_a_column_each_and_the_strongest_come_first() {
    let top = |count| OutputType::TopContributions(NonZero::new(count).unwrap());
    for (case, suffixes) in [("regression", &[""][..]), ("multi_int", &["_0", "_1", "_2"])] {
        let model = model(case, "booster/model.lgb");
        let columns = (0..5).map(|index| {
            let values = Float64Array::from(vec![0.25, f64::NAN, -3.0 + f64::from(index)]);
            (format!("f{index}"), Arc::new(values) as ArrayRef)
        });
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        let all = model.predict_batch(&batch, OutputType::Contributions).unwrap();
        let names: Vec<_> = all.schema().fields().iter().map(|field| field.name().clone()).collect();
        let features =
            ["contribution_f0", "contribution_f1", "contribution_f2", "contribution_f3", "contribution_f4"];
        let expected = suffixes.iter().flat_map(|suffix| {
            features.iter().chain(&["expected_value"]).map(move |name| format!("{name}{suffix}"))
        });
        assert_eq!(names, expected.collect::<Vec<_>>());

        let column = |batch: &RecordBatch, name: String| batch.column_by_name(&name).unwrap().clone();
        let strongest = model.predict_batch(&batch, top(2)).unwrap();
        assert_eq!(strongest.num_columns(), 4 * suffixes.len());
        for suffix in suffixes {
            for row in 0..3 {
                let value = |index| {
                    let column = column(&all, format!("contribution_f{index}{suffix}"));
                    (column.as_primitive::<Float64Type>().value(row), index)
                };
                let mut ranked: Vec<(f64, usize)> = (0..5).map(value).collect();
                ranked.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()).then(a.1.cmp(&b.1)));
                for (rank, (contribution, feature)) in (1..).zip(&ranked[..2]) {
                    let names = column(&strongest, format!("top_{rank}_feature{suffix}"));
                    assert_eq!(names.as_string::<i32>().value(row), format!("f{feature}"), "{case}{suffix}");
                    let values = column(&strongest, format!("top_{rank}_contribution{suffix}"));
                    let value = values.as_primitive::<Float64Type>().value(row);
                    assert_eq!(value.to_bits(), contribution.to_bits(), "{case}{suffix}");
                }
            }
        }
        // Not more ranks than features.
        assert_eq!(model.predict_batch(&batch, top(usize::MAX)).unwrap().num_columns(), 10 * suffixes.len());
        assert_eq!(model.predict_batch(&batch.slice(0, 0), top(1)).unwrap().num_rows(), 0);
    }
}
