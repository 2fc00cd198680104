//! Columns of values as the numbers of a model, by the model's category lists.

use std::borrow::Cow;

use super::cell::Value;
use super::forms::Block;
use super::refusal::{Cause, Refusal};
use super::scan::Read;
use super::schema::Schema;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_lightgbm::loaded::{self, ColumnKind, FeatureKind, Table, Values};

/// The values of a feature.
#[derive(Debug)]
pub(super) enum Column<'b> {
    Numbers(Vec<f64>),
    Texts(Vec<Option<Cow<'b, str>>>),
    /// Numbers and texts, as JSON.
    Json(Vec<Option<String>>),
}

/// The numbers of a model whose values may be categories, column by column. There is a column of `rows` values for each feature.
pub(super) fn encode(schema: &Schema, columns: Vec<Column<'_>>, rows: usize) -> Read<Vec<f64>> {
    let names = schema.model().feature_names();
    for (feature, column) in columns.iter().enumerate() {
        check(schema.kind(feature), column).map_err(|expected| {
            let name = names.get(feature).map_or("", String::as_str);
            Refusal::because(
                Cause::Value,
                format_args!("column `{}`: expected {expected}", excerpt(name.as_bytes(), QUOTED_CHARS)),
            )
        })?;
    }
    if !schema.has_categories() {
        let mut values = Vec::with_capacity(rows.saturating_mul(columns.len()));
        for column in columns {
            if let Column::Numbers(numbers) = column {
                values.extend(numbers);
            }
        }
        return Ok(values);
    }
    let texts: Vec<Vec<Option<&str>>> = columns
        .iter()
        .map(|column| match column {
            Column::Numbers(_) => Vec::new(),
            Column::Texts(texts) => texts.iter().map(Option::as_deref).collect(),
            Column::Json(values) => values.iter().map(Option::as_deref).collect(),
        })
        .collect();
    let table = columns.iter().zip(&texts).zip(names).map(|((column, texts), name)| {
        let name = Cow::Borrowed(name.as_str());
        match column {
            Column::Numbers(numbers) => {
                let kind = if numbers.iter().all(|number| number.is_nan()) {
                    ColumnKind::Unknown
                } else {
                    ColumnKind::Number
                };
                loaded::Column::new(name, Values::Numbers(Cow::Borrowed(numbers))).with_kind(kind)
            }
            Column::Texts(_) => loaded::Column::new(name, Values::Strings(Box::new(texts.as_slice()))),
            Column::Json(_) => loaded::Column::new(name, Values::Json(Box::new(texts.as_slice()))),
        }
    });
    let refused = |error: hydra_base::Error| Refusal::of(Cause::Value, &error);
    let table = Table::new(table.collect()).map_err(refused)?;
    let encoded = schema.model().encode(&table).map_err(refused)?;
    let matrix = encoded.matrix();
    Ok((0..matrix.columns()).flat_map(|column| (0..rows).map(move |row| matrix.value(row, column))).collect())
}

/// The numbers of rows of values, row by row for an array and column by column for a table, and which of both it is.
pub(super) fn of_values(schema: &Schema, block: Block<Value<'_>>) -> Read<(Vec<f64>, bool)> {
    if block.is_array {
        // As in LightGBM's arrays, numbers are codes.
        let code = |value| match value {
            Value::Missing => Ok(f64::NAN),
            Value::Number(number) => Ok(number),
            Value::Text(text) => super::cell::number_in(&text),
        };
        return block.values.into_iter().map(code).collect::<Read<_>>().map(|values| (values, false));
    }
    let (width, mut values) = (schema.width(), block.values);
    let columns = (0..width).map(|feature| {
        let own = values.iter_mut().skip(feature).step_by(width);
        let own = own.map(|value| std::mem::replace(value, Value::Missing)).collect();
        column(schema.kind(feature), own)
    });
    encode(schema, columns.collect(), block.rows).map(|values| (values, true))
}

/// A column of values: of numbers, of texts, or of both.
fn column(kind: Option<FeatureKind>, mut values: Vec<Value<'_>>) -> Column<'_> {
    let takes_text = !matches!(kind, Some(FeatureKind::Numeric | FeatureKind::NumberCategory));
    if !takes_text {
        // Text stands for what JSON cannot write as a number.
        for value in &mut values {
            if let Value::Text(text) = value
                && let Ok(number) = super::cell::number_in(text)
            {
                *value = Value::Number(number);
            }
        }
    }
    let has_text = values.iter().any(|value| matches!(value, Value::Text(_)));
    let has_number = values.iter().any(|value| matches!(value, Value::Number(_)));
    match (has_text, has_number) {
        (false, _) => Column::Numbers(
            values
                .into_iter()
                .map(|value| if let Value::Number(number) = value { number } else { f64::NAN })
                .collect(),
        ),
        (true, false) => Column::Texts(
            values
                .into_iter()
                .map(|value| if let Value::Text(text) = value { Some(text) } else { None })
                .collect(),
        ),
        (true, true) => Column::Json(
            values
                .into_iter()
                .map(|value| match value {
                    Value::Number(number) if number.is_finite() => Some(number.to_string()),
                    Value::Missing | Value::Number(_) => None,
                    Value::Text(text) => Some(serde_json::Value::from(text.into_owned()).to_string()),
                })
                .collect(),
        ),
    }
}

/// Refuses a column of values that cannot be those of its feature; the error is what would be.
fn check(kind: Option<FeatureKind>, column: &Column<'_>) -> Result<(), &'static str> {
    let has_numbers = |numbers: &[f64]| numbers.iter().any(|number| !number.is_nan());
    match (kind, column) {
        (Some(FeatureKind::Numeric | FeatureKind::NumberCategory), Column::Texts(_) | Column::Json(_)) => {
            Err("numbers")
        }
        (Some(FeatureKind::TextCategory), Column::Json(_)) => Err("text"),
        (Some(FeatureKind::TextCategory), Column::Numbers(numbers)) if has_numbers(numbers) => Err("text"),
        _ => Ok(()),
    }
}
