//! Columns with one value in the whole file: those that the names of its directories have, as in `region=north/part-0.parquet`.

use std::borrow::Cow;
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, Int64Array, StringArray};
use serde_json::Value;

/// A column with one value.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constant {
    pub name: String,
    pub value: ConstantValue,
}

/// The value, with the type that the values of all files have.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ConstantValue {
    Integer(Option<i64>),
    Number(Option<f64>),
    Text(Option<String>),
}

impl Constant {
    /// The column of some rows.
    pub fn array(&self, rows: usize) -> ArrayRef {
        match &self.value {
            ConstantValue::Integer(value) => Arc::new(Int64Array::from(vec![*value; rows])),
            ConstantValue::Number(value) => Arc::new(Float64Array::from(vec![*value; rows])),
            ConstantValue::Text(value) => Arc::new(StringArray::from(vec![value.as_deref(); rows])),
        }
    }

    /// A cell of CSV; empty for a missing value.
    pub fn cell(&self) -> Cow<'_, str> {
        match &self.value {
            ConstantValue::Integer(value) => value.map(|value| value.to_string()).unwrap_or_default().into(),
            ConstantValue::Number(value) => value.map(|value| value.to_string()).unwrap_or_default().into(),
            ConstantValue::Text(value) => value.as_deref().unwrap_or_default().into(),
        }
    }

    /// A value of JSON.
    pub fn json(&self) -> Value {
        match &self.value {
            ConstantValue::Integer(value) => (*value).into(),
            ConstantValue::Number(value) => (*value).into(),
            ConstantValue::Text(value) => value.as_deref().into(),
        }
    }
}

/// The names of a file's columns, with those of its constants behind them.
pub(crate) fn with_names<'n>(
    names: impl IntoIterator<Item = &'n str>,
    constants: &'n [Constant],
) -> Vec<&'n str> {
    names.into_iter().chain(constants.iter().map(|constant| constant.name.as_str())).collect()
}
