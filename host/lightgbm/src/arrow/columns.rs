//! Converts Arrow arrays to columns of a model, borrowed where possible.

use std::borrow::Cow;

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, ArrayRef, Float64Array, RecordBatch};
use arrow_schema::DataType;

use super::{is_json, strings};
use crate::loaded::{Column, ColumnKind, Table, Values};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The columns of a batch as a table. A `Float64` column without nulls and all text are borrowed.
///
/// [`ErrorKind::InvalidData`] if a column has a type that a model cannot use, or if a name appears twice.
pub fn table(batch: &RecordBatch) -> Result<Table<'_>> {
    let schema = batch.schema_ref();
    let columns = schema.fields().iter().zip(batch.columns()).map(|(field, array)| {
        let values = values(array)
            .map_err(|error| error.with_context("column", excerpt(field.name(), QUOTED_CHARS)))?;
        let column = Column::new(field.name(), values);
        Ok(match (column.values, array.data_type()) {
            (Values::Strings(texts), _) if is_json(field) => Column::new(field.name(), Values::Json(texts)),
            (values @ Values::Numbers(_), DataType::Null) => {
                Column { values, kind: ColumnKind::Unknown, ..column }
            }
            (values @ Values::Numbers(_), DataType::Dictionary(_, _)) => {
                Column { values, kind: ColumnKind::Category, ..column }
            }
            (values, _) => Column { values, ..column },
        })
    });
    Table::new(columns.collect::<Result<_>>()?)
}

/// The numbers of a column in the form for predictions: missing values are NaN, booleans are 0 and 1. A `Float64`
/// column without nulls is borrowed.
///
/// [`ErrorKind::InvalidData`] if the column is text or has another type that is not numeric.
pub fn column_numbers(array: &ArrayRef) -> Result<Cow<'_, [f64]>> {
    match values(array)? {
        Values::Numbers(numbers) => Ok(numbers),
        Values::Strings(_) | Values::Json(_) => {
            Err(Error::new(ErrorKind::InvalidData, "the column is text where numbers are expected"))
        }
    }
}

fn values(array: &ArrayRef) -> Result<Values<'_>> {
    if let Some(strings) = strings::column(array) {
        return Ok(Values::Strings(strings));
    }
    if let Some(numbers) = array.as_primitive_opt::<Float64Type>().filter(|numbers| numbers.null_count() == 0)
    {
        return Ok(Values::Numbers(Cow::Borrowed(numbers.values())));
    }
    if !is_number(array.data_type()) {
        return Err(Error::new(ErrorKind::InvalidData, "a column has a type that a model cannot use")
            .with_context("type", array.data_type())
            .with_hint("use numbers or booleans, or text for categories"));
    }
    // A column of type Null casts to nulls.
    let numbers = arrow_cast::cast(array, &DataType::Float64).map_err(|error| {
        Error::new(ErrorKind::InvalidData, "cannot read the column as numbers").with_source(error)
    })?;
    Ok(Values::Numbers(Cow::Owned(with_nan(numbers.as_primitive()))))
}

fn is_number(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_number(values),
        other => other.is_numeric() || matches!(other, DataType::Boolean | DataType::Null),
    }
}

/// The values, with NaN for nulls.
fn with_nan(numbers: &Float64Array) -> Vec<f64> {
    match numbers.nulls() {
        Some(nulls) => {
            let valued = numbers.values().iter().zip(nulls.iter());
            valued.map(|(number, valid)| if valid { *number } else { f64::NAN }).collect()
        }
        None => numbers.values().to_vec(),
    }
}
