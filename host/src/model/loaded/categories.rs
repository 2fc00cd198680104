//! pandas categories: which features have them, and the codes of their values.

use std::collections::HashMap;

use serde_json::Value;

use super::table::Values;
use crate::model::text::TextModel;
use crate::{Error, ErrorKind, Result};

/// What a named column holds for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeatureKind {
    /// Numbers.
    Numeric,
    /// Categories that are text.
    TextCategory,
    /// Categories that are numbers or booleans.
    NumberCategory,
}

/// The category lists of a model, by feature.
#[derive(Debug)]
pub(super) enum Categories {
    /// Codes by feature; features without an entry are numeric.
    Known(HashMap<usize, Codes>),
    /// The text has category lists but does not tell which features they belong to.
    Unknown,
}

/// The code of every category of a feature: its position in the list.
#[derive(Debug, Default)]
pub(super) struct Codes {
    texts: HashMap<String, f64>,
    /// By the bits of the number.
    numbers: HashMap<u64, f64>,
}

impl Categories {
    /// Reads the category lists, which are in the order of the categorical columns of the training data.
    ///
    /// The header tells categorical features by how it describes their values; features without any variety
    /// (`none`) may have been categorical, too.
    pub(super) fn of(model: &TextModel) -> Self {
        let lists = model.pandas_categorical().unwrap_or_default();
        if lists.is_empty() {
            return Self::Known(HashMap::new());
        }
        let infos = model.feature_infos();
        let select = |accepts: fn(&str) -> bool| -> Vec<usize> {
            infos.iter().enumerate().filter(|(_, info)| accepts(info)).map(|(feature, _)| feature).collect()
        };
        let categorical = select(|info| !info.starts_with('[') && info != "none");
        let possible = select(|info| !info.starts_with('['));
        let features = match lists.len() {
            count if count == categorical.len() => categorical,
            count if count == possible.len() => possible,
            _ => return Self::Unknown,
        };
        Self::Known(features.into_iter().zip(lists.iter().map(|list| Codes::of(list))).collect())
    }

    /// What a column holds for each feature.
    pub(super) fn kinds(&self, features: usize) -> Vec<FeatureKind> {
        let kind = |feature| match self {
            Self::Known(codes) => codes.get(&feature).map_or(FeatureKind::Numeric, Codes::kind),
            Self::Unknown => FeatureKind::Numeric,
        };
        (0..features).map(kind).collect()
    }

    /// Appends a column's values, as codes where the feature has categories.
    pub(super) fn encode(&self, feature: usize, column: &Values<'_>, out: &mut Vec<f64>) -> Result<()> {
        let Self::Known(codes) = self else {
            return Err(Error::new(
                ErrorKind::UnsupportedModel,
                "the model does not tell which of its features have pandas categories",
            )
            .with_hint("predict with a matrix in which categories are already codes"));
        };
        match (codes.get(&feature), column) {
            (None, Values::Numbers(numbers)) => out.extend_from_slice(numbers),
            (None, Values::Strings(_)) => {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    "the model wants numbers where the column has text",
                ));
            }
            (Some(codes), Values::Numbers(numbers)) => {
                out.extend(numbers.iter().map(|number| codes.of_number(*number)));
            }
            (Some(codes), Values::Strings(strings)) => {
                out.extend(
                    (0..strings.rows())
                        .map(|row| strings.get(row).map_or(f64::NAN, |text| codes.of_text(text))),
                );
            }
        }
        Ok(())
    }
}

impl Codes {
    fn of(list: &[Value]) -> Self {
        let mut codes = Self::default();
        for (code, category) in list.iter().enumerate() {
            let code = code as f64;
            match category {
                Value::String(text) => {
                    codes.texts.entry(text.clone()).or_insert(code);
                }
                Value::Number(number) => {
                    let number = number.as_f64().unwrap_or(f64::NAN);
                    codes.numbers.entry(key(number)).or_insert(code);
                }
                Value::Bool(flag) => {
                    codes.numbers.entry(key(f64::from(u8::from(*flag)))).or_insert(code);
                }
                // No value of a column is equal to these.
                Value::Null | Value::Array(_) | Value::Object(_) => {}
            }
        }
        codes
    }

    fn kind(&self) -> FeatureKind {
        if self.texts.is_empty() { FeatureKind::NumberCategory } else { FeatureKind::TextCategory }
    }

    fn of_number(&self, number: f64) -> f64 {
        if number.is_nan() { number } else { self.numbers.get(&key(number)).copied().unwrap_or(f64::NAN) }
    }

    fn of_text(&self, text: &str) -> f64 {
        self.texts.get(text).copied().unwrap_or(f64::NAN)
    }
}

/// Numbers that are equal have equal keys: the two zeros are the only pair of different bits.
fn key(number: f64) -> u64 {
    if number == 0.0 { 0 } else { number.to_bits() }
}
