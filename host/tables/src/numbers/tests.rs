//! Training and prediction read the same numbers.

use std::path::Path;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Int64Array, NullArray, RecordBatch,
};

use super::NumberTable;
use crate::features::Features;
use crate::input::Input;
use crate::wanted::Wanted;
use crate::{FileFormat, Output, Source};
use hydra_base::{ErrorKind, Result};
use hydra_lightgbm::arrow::column_numbers;
use hydra_lightgbm::loaded::Model;
use hydra_lightgbm::text::{Limits, TextModel};

const HEADER: &str = "f0,f1,f2,f3,f4";

/// The regression fixture: features `f0` to `f4`.
fn model() -> Model {
    let text = include_bytes!("../../../../tests/fixtures/models/regression/booster/model.lgb");
    Model::from_text_model(TextModel::parse(text, &Limits::default()).unwrap()).unwrap()
}

/// The features that a prediction reads in batches of two rows, as bits.
fn predicted(source: Source, format: FileFormat) -> Result<Vec<Vec<u64>>> {
    let model = model();
    let features = Features::of([&model]);
    let mut input = Input::open(source, format, Wanted::new(features.names(), &[], 2), Some(&features))?;
    let mut columns = vec![Vec::new(); 5];
    while let Some(batch) = input.reader.next()? {
        for (column, array) in columns.iter_mut().zip(batch.features.columns()) {
            column.extend(column_numbers(array)?.iter().map(|number| bits(*number)));
        }
    }
    Ok(columns)
}

/// The features that training reads, as bits; the label is the last column.
fn trained(source: Source, format: FileFormat) -> Result<Vec<Vec<u64>>> {
    let mut table = NumberTable::read(source, format)?;
    table.take("label").expect("labels");
    assert_eq!(table.names, ["f0", "f1", "f2", "f3", "f4"]);
    let column = |column: &Vec<f64>| column.iter().map(|number| bits(*number)).collect();
    Ok(table.columns.iter().map(column).collect())
}

/// Every NaN is a missing value.
fn bits(number: f64) -> u64 {
    if number.is_nan() { f64::NAN.to_bits() } else { number.to_bits() }
}

fn csv(text: &str) -> Source {
    Source::from_reader("rows", std::io::Cursor::new(text.as_bytes().to_vec()))
}

#[test]
fn a_csv_file_trains_and_scores_with_the_same_numbers() {
    let cells = [
        "",
        " ",
        "\"\"",
        "na",
        "NA",
        "Na",
        "NaN",
        "nan",
        "-nan",
        "null",
        "NULL",
        "None",
        "N/A",
        "n/a",
        "<NA>",
        "#N/A",
        "#N/A N/A",
        "1.#IND",
        "-1.#QNAN",
        "true",
        "True",
        "TRUE",
        "false",
        "False",
        "FALSE",
        "inf",
        "-Infinity",
        "1",
        "-0",
        "+2",
        " 3.5 ",
        "\"4\"",
        "1e3",
        ".5",
        "0.1",
        "5e-324",
        "1e999",
        "9007199254740993",
        "123456789012345678901234567890",
    ];
    let mut text = format!("\u{feff}{HEADER},label\r\n");
    for (index, cell) in cells.iter().enumerate() {
        text += &format!("{cell},{index},1.5,{cell},0,{}\r\n", index % 2);
    }
    let (trained, predicted) =
        (trained(csv(&text), FileFormat::Csv).unwrap(), predicted(csv(&text), FileFormat::Csv).unwrap());
    assert_eq!(trained, predicted);
    assert_eq!(trained[0].len(), cells.len());
    let missing = trained[0].iter().filter(|number| **number == f64::NAN.to_bits()).count();
    assert_eq!(missing, 19);
    assert_eq!(trained[0][19..25], [1.0_f64, 1.0, 1.0, 0.0, 0.0, 0.0].map(f64::to_bits));
}

#[test]
fn a_damaged_csv_file_neither_trains_nor_scores() {
    for (row, message) in [
        ("1,2,x,4,5,1", "the cell is not a number"),
        ("1,2,yes,4,5,1", "the cell is not a number"),
        ("1,2,1_000,4,5,1", "the cell is not a number"),
        ("1,2,3", "different numbers of cells"),
    ] {
        let text = format!("{HEADER},label\n1,2,3,4,5,0\n{row}\n");
        for error in [
            trained(csv(&text), FileFormat::Csv).unwrap_err(),
            predicted(csv(&text), FileFormat::Csv).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ErrorKind::InvalidData);
            assert!(error.message().contains(message), "{error:?}");
            assert!(error.context().contains(&("line", "3".to_owned())), "{error:?}");
            assert!(error.context().contains(&("file", "rows".to_owned())), "{error:?}");
        }
    }
}

#[test]
fn parquet_and_arrow_train_and_score_with_the_same_numbers() {
    let decimals =
        Decimal128Array::from(vec![Some(125), None, Some(-1)]).with_precision_and_scale(9, 2).unwrap();
    let batch = RecordBatch::try_from_iter_with_nullable([
        ("f0", Arc::new(Int64Array::from(vec![Some(1), None, Some((1 << 53) + 1)])) as ArrayRef, true),
        ("f1", Arc::new(BooleanArray::from(vec![Some(true), Some(false), None])), true),
        ("f2", Arc::new(Float32Array::from(vec![Some(0.1), Some(f32::NAN), None])), true),
        ("f3", Arc::new(decimals), true),
        ("f4", Arc::new(NullArray::new(3)), true),
        ("label", Arc::new(BooleanArray::from(vec![true, false, true])), true),
    ])
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (file, format) in [
        ("rows.parquet", FileFormat::Parquet),
        ("rows.arrow", FileFormat::Arrow),
        ("rows.arrows", FileFormat::Arrow),
    ] {
        let path = folder.path().join(file);
        let mut output = Output::to_file(&path, format).unwrap();
        output.write(&batch).unwrap();
        output.finish().unwrap();
        let open = |path: &Path| Source::open(path).unwrap();
        assert_eq!(trained(open(&path), format).unwrap(), predicted(open(&path), format).unwrap(), "{file}");
        let labels = NumberTable::read(open(&path), format).unwrap().take("label");
        assert_eq!(labels, Some(vec![1.0, 0.0, 1.0]), "{file}");
    }
}

#[test]
fn text_repeated_names_and_json_lines_do_not_train() {
    let text = RecordBatch::try_from_iter([(
        "f0",
        Arc::new(arrow_array::StringArray::from(vec!["red"])) as ArrayRef,
    )])
    .unwrap();
    let mut bytes = Vec::new();
    let mut output = Output::to_writer(&mut bytes, FileFormat::Arrow);
    output.write(&text).unwrap();
    output.finish().unwrap();
    let error =
        NumberTable::read(Source::from_reader("rows", std::io::Cursor::new(bytes)), FileFormat::Arrow);
    let error = error.unwrap_err();
    assert!(error.context().contains(&("column", "f0".to_owned())), "{error:?}");

    let error = NumberTable::read(csv("a,a\n1,2\n"), FileFormat::Csv).unwrap_err();
    assert_eq!((error.kind(), error.message()), (ErrorKind::InvalidData, "a column name appears twice"));
    let error = NumberTable::read(csv("{\"a\": 1}\n"), FileFormat::Jsonl).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidArgument);
}
