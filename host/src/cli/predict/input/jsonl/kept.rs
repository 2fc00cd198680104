//! Kept JSON values as Arrow columns.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
};
use arrow_schema::{DataType, Field, Schema};
use serde_json::Value;

use crate::{Error, ErrorKind, Result};

/// Arrow's name of a column of JSON text, in a field's metadata.
const EXTENSION: (&str, &str) = ("ARROW:extension:name", "arrow.json");

/// Whether a column is text that is JSON, rather than text.
pub(in crate::cli::predict) fn is_json_text(field: &Field) -> bool {
    field.metadata().get(EXTENSION.0).is_some_and(|name| name == EXTENSION.1)
}

/// The values of a batch, each column of the narrowest type that holds all of them: whole numbers, numbers, booleans, text,
/// or else JSON text.
pub(super) fn batch<'a>(
    columns: impl Iterator<Item = (&'a String, Vec<Value>)>,
    rows: usize,
) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) =
        columns.map(|(name, values)| column(name, &values)).unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|error| {
        Error::new(ErrorKind::Internal, "the columns do not make a batch").with_source(error)
    })
}

fn column(name: &str, values: &[Value]) -> (Field, ArrayRef) {
    let field = |data_type| Field::new(name, data_type, true);
    if values.iter().all(Value::is_null) {
        return (json_field(name), Arc::new(StringArray::new_null(values.len())));
    }
    if let Some(numbers) = all(values, Value::as_i64) {
        return (field(DataType::Int64), Arc::new(Int64Array::from(numbers)));
    }
    if let Some(numbers) = all(values, Value::as_f64) {
        return (field(DataType::Float64), Arc::new(Float64Array::from(numbers)));
    }
    if let Some(flags) = all(values, Value::as_bool) {
        return (field(DataType::Boolean), Arc::new(BooleanArray::from(flags)));
    }
    if let Some(texts) = all(values, Value::as_str) {
        return (field(DataType::Utf8), Arc::new(StringArray::from(texts)));
    }
    let texts = values.iter().map(|value| (!value.is_null()).then(|| value.to_string()));
    (json_field(name), Arc::new(texts.collect::<StringArray>()))
}

fn json_field(name: &str) -> Field {
    let metadata = HashMap::from([(EXTENSION.0.to_owned(), EXTENSION.1.to_owned())]);
    Field::new(name, DataType::Utf8, true).with_metadata(metadata)
}

/// What `get` takes out of every value but nulls; `None` if it fails on one.
fn all<'a, T>(values: &'a [Value], get: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<Option<T>>> {
    values.iter().map(|value| if value.is_null() { Some(None) } else { get(value).map(Some) }).collect()
}
