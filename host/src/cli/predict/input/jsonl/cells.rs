//! The values of a feature, one from each object.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder as _, StringBuilder};
use arrow_array::{ArrayRef, Float64Array};
use serde::de::{DeserializeSeed, Deserializer, Error as _, Visitor};

use crate::cli::predict::input::cell;
use crate::model::loaded::FeatureKind;

/// The values of a feature.
pub(super) enum Cells {
    Numbers(Vec<f64>),
    Texts(StringBuilder),
}

impl Cells {
    pub(super) fn of(kind: FeatureKind) -> Self {
        match kind {
            FeatureKind::TextCategory => Self::Texts(StringBuilder::new()),
            FeatureKind::Numeric | FeatureKind::NumberCategory => Self::Numbers(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) => texts.len(),
        }
    }

    /// Adds a missing value if a row has brought none.
    pub(super) fn fill(&mut self, rows: usize) {
        if self.len() < rows {
            self.push_missing();
        }
    }

    fn push_missing(&mut self) {
        match self {
            Self::Numbers(numbers) => numbers.push(f64::NAN),
            Self::Texts(texts) => texts.append_null(),
        }
    }

    fn push_number(&mut self, number: f64, text: impl fmt::Display) {
        match self {
            Self::Numbers(numbers) => numbers.push(number),
            Self::Texts(texts) => texts.append_value(text.to_string()),
        }
    }

    pub(super) fn finish(self) -> ArrayRef {
        match self {
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
            Self::Texts(mut texts) => Arc::new(texts.finish()),
        }
    }
}

/// Reads the value of a feature.
pub(super) struct Cell<'r> {
    pub(super) cells: &'r mut Cells,
    /// The number of rows before this one.
    pub(super) row: usize,
}

impl<'de> DeserializeSeed<'de> for Cell<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        if self.cells.len() > self.row {
            return Err(D::Error::custom("the key appears twice"));
        }
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Cell<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.cells {
            Cells::Numbers(_) => "a number",
            Cells::Texts(_) => "text",
        })
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.cells.push_missing();
        Ok(())
    }

    fn visit_bool<E>(self, flag: bool) -> Result<(), E> {
        self.cells.push_number(f64::from(u8::from(flag)), flag);
        Ok(())
    }

    fn visit_i64<E>(self, number: i64) -> Result<(), E> {
        self.cells.push_number(number as f64, number);
        Ok(())
    }

    fn visit_u64<E>(self, number: u64) -> Result<(), E> {
        self.cells.push_number(number as f64, number);
        Ok(())
    }

    fn visit_f64<E>(self, number: f64) -> Result<(), E> {
        self.cells.push_number(number, number);
        Ok(())
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match &mut *self.cells {
            Cells::Texts(texts) => texts.append_value(text),
            // JSON has no other way to write them.
            Cells::Numbers(numbers) => numbers.push(match text {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => {
                    let cell = cell::shown(text.as_bytes());
                    return Err(E::custom(format_args!("a number was expected, not the text `{cell}`")));
                }
            }),
        }
        Ok(())
    }
}
