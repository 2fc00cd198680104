//! The values of a feature, one per object.

use std::fmt;
use std::sync::Arc;

use arrow_array::builder::{ArrayBuilder as _, StringBuilder};
use arrow_array::{ArrayRef, Float64Array};
use serde::de::{DeserializeSeed, Deserializer, Error as _, Visitor};

use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_lightgbm::loaded::FeatureKind;

/// The values of a feature.
pub(super) enum Cells {
    Numbers(Vec<f64>),
    Texts(StringBuilder),
    /// Numbers and text, as JSON.
    Mixed(StringBuilder),
}

/// A column of a feature.
pub(super) enum Column {
    /// Numbers, or text.
    Plain(ArrayRef),
    /// JSON text.
    Json(ArrayRef),
}

impl Cells {
    pub(super) fn of(kind: FeatureKind) -> Self {
        match kind {
            FeatureKind::TextCategory => Self::Texts(StringBuilder::new()),
            FeatureKind::MixedCategory => Self::Mixed(StringBuilder::new()),
            _ => Self::Numbers(Vec::new()),
        }
    }

    fn len(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Texts(texts) | Self::Mixed(texts) => texts.len(),
        }
    }

    /// Appends a missing value if the current row has none.
    pub(super) fn fill(&mut self, rows: usize) {
        if self.len() < rows {
            self.push_missing();
        }
    }

    fn push_missing(&mut self) {
        match self {
            Self::Numbers(numbers) => numbers.push(f64::NAN),
            Self::Texts(texts) | Self::Mixed(texts) => texts.append_null(),
        }
    }

    /// Appends a number; `json` is its spelling.
    fn push_number<E: serde::de::Error>(&mut self, number: f64, json: impl fmt::Display) -> Result<(), E> {
        match self {
            Self::Numbers(numbers) => numbers.push(number),
            // In Python, the number 3 is not the category `3`.
            Self::Texts(_) => return Err(E::custom(format_args!("expected text, not {json}"))),
            Self::Mixed(texts) => texts.append_value(json.to_string()),
        }
        Ok(())
    }

    pub(super) fn finish(self) -> Column {
        match self {
            Self::Numbers(numbers) => Column::Plain(Arc::new(Float64Array::from(numbers))),
            Self::Texts(mut texts) => Column::Plain(Arc::new(texts.finish())),
            Self::Mixed(mut texts) => Column::Json(Arc::new(texts.finish())),
        }
    }
}

/// Whether the text is a number that JSON cannot represent.
pub(super) fn is_number_text(text: &str) -> bool {
    matches!(text, "NaN" | "Infinity" | "-Infinity")
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
            Cells::Mixed(_) => "a number or text",
        })
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.cells.push_missing();
        Ok(())
    }

    fn visit_bool<E: serde::de::Error>(self, flag: bool) -> Result<(), E> {
        self.cells.push_number(f64::from(u8::from(flag)), flag)
    }

    fn visit_i64<E: serde::de::Error>(self, number: i64) -> Result<(), E> {
        self.cells.push_number(number as f64, number)
    }

    fn visit_u64<E: serde::de::Error>(self, number: u64) -> Result<(), E> {
        self.cells.push_number(number as f64, number)
    }

    fn visit_f64<E: serde::de::Error>(self, number: f64) -> Result<(), E> {
        self.cells.push_number(number, number)
    }

    fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<(), E> {
        match &mut *self.cells {
            Cells::Texts(texts) => texts.append_value(text),
            Cells::Mixed(texts) => texts.append_value(serde_json::Value::from(text).to_string()),
            // JSON cannot represent these numbers otherwise.
            Cells::Numbers(numbers) => numbers.push(match text {
                "NaN" => f64::NAN,
                "Infinity" => f64::INFINITY,
                "-Infinity" => f64::NEG_INFINITY,
                _ => {
                    let cell = excerpt(text, QUOTED_CHARS);
                    return Err(E::custom(format_args!("expected a number, not the text `{cell}`")));
                }
            }),
        }
        Ok(())
    }
}
