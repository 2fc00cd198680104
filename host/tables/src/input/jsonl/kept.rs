//! Kept JSON values as Arrow columns.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, UInt64Array};
use arrow_schema::{DataType, Field};
use serde_json::Value;

use crate::input::columns_of_fields;
use hydra_base::Result;
use hydra_lightgbm::arrow::json_field;

/// Converts the values of a batch. Each column gets the narrowest type that represents all values exactly: integers,
/// numbers, booleans, text, or else JSON text.
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
    if let Some(numbers) = all(values, Value::as_u64) {
        return (field(DataType::UInt64), Arc::new(UInt64Array::from(numbers)));
    }
    if let Some(numbers) = all(values, exact) {
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

/// A number as a float; `None` for an integer that a float would change, such as an identifier.
fn exact(value: &Value) -> Option<f64> {
    const WHOLE: u64 = 1 << 53;
    let whole = value.as_u64().or_else(|| value.as_i64().map(i64::unsigned_abs));
    value.as_f64().filter(|_| whole.is_none_or(|whole| whole <= WHOLE))
}

/// Whether a value contains a number that was parsed as a float because it does not fit into 64 bits.
pub(super) fn exceeds_integers(value: &Value) -> bool {
    match value {
        Value::Number(number) => {
            number.is_f64() && number.as_f64().is_some_and(|number| number.abs() >= 2_f64.powi(63))
        }
        Value::Array(items) => items.iter().any(exceeds_integers),
        Value::Object(object) => object.values().any(exceeds_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => false,
    }
}

/// Applies `get` to all values except nulls; `None` if it fails for one.
fn all<'a, T>(values: &'a [Value], get: impl Fn(&'a Value) -> Option<T>) -> Option<Vec<Option<T>>> {
    values.iter().map(|value| if value.is_null() { Some(None) } else { get(value).map(Some) }).collect()
}
