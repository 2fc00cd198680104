//! Kept JSON values as Arrow columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray};
use arrow_schema::{DataType, Field};
use serde_json::Value;

use crate::Result;
use crate::cli::predict::input::columns_of_fields;
use crate::model::arrow::json_field;

/// The values of a batch, each column of the narrowest type that holds all of them: whole numbers, numbers, booleans, text,
/// or else JSON text.
pub(super) fn batch<'a>(
    columns: impl Iterator<Item = (&'a String, Vec<Value>)>,
    rows: usize,
) -> Result<RecordBatch> {
    columns_of_fields(columns.map(|(name, values)| column(name, &values)), rows)
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

/// What `get` takes out of every value but nulls; `None` if it fails on one.
fn all<'a, T>(values: &'a [Value], get: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<Option<T>>> {
    values.iter().map(|value| if value.is_null() { Some(None) } else { get(value).map(Some) }).collect()
}
