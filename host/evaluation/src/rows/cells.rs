//! The cells of kept columns as numbers and text.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, StringArray};
use arrow_schema::DataType;

use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::column_numbers;
use hydra_tables::number;

/// The cells of a column as numbers; missing ones are NaN, booleans are 0 and 1.
///
/// An error of `kind` if a cell is not a number, or the column's type has no numbers; `row` is the number of the first.
pub(super) fn numbers(array: &ArrayRef, kind: ErrorKind, row: usize) -> Result<Vec<f64>> {
    if !is_text(array.data_type()) {
        let numbers = column_numbers(array)
            .map_err(|error| Error::new(kind, "the column does not contain numbers").with_source(error))?;
        return Ok(numbers.into_owned());
    }
    let texts = texts(array)?;
    let parse = |(index, text): (usize, Option<&str>)| {
        let Some(text) = text else { return Ok(f64::NAN) };
        number(text.as_bytes()).ok_or_else(|| {
            Error::new(kind, format!("the cell is not a number: `{}`", excerpt(text, QUOTED_CHARS)))
                .with_context("row", row + index)
        })
    };
    texts.iter().enumerate().map(parse).collect()
}

/// The cells of a column as text.
///
/// [`ErrorKind::InvalidData`] for a type without a text, such as a list.
pub(super) fn texts(array: &ArrayRef) -> Result<StringArray> {
    let texts = arrow_cast::cast(array, &DataType::Utf8).map_err(|error| {
        Error::new(ErrorKind::InvalidData, "cannot read the column as text")
            .with_context("type", array.data_type())
            .with_source(error)
    })?;
    Ok(texts.as_string().clone())
}

/// The type of a column in MLflow's schemas.
pub(super) fn kind_of(data_type: &DataType) -> &'static str {
    match data_type {
        DataType::Dictionary(_, values) => kind_of(values),
        DataType::Boolean => "boolean",
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::UInt8 | DataType::UInt16 => "integer",
        DataType::Int64 | DataType::UInt32 | DataType::UInt64 => "long",
        DataType::Float16 | DataType::Float32 => "float",
        DataType::Float64 => "double",
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView | DataType::FixedSizeBinary(_) => {
            "binary"
        }
        DataType::Date32 | DataType::Date64 | DataType::Timestamp(..) => "datetime",
        data_type if data_type.is_numeric() => "double",
        _ => "string",
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        other => matches!(other, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View),
    }
}
