//! pandas categories: the codes of their values.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use serde_json::Value;

use super::assignment::{Accepts, Assignment, ColumnKind, Needs, assign, named};
use super::table::Values;
use crate::text::{Category, TextModel};
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};

/// From here on, neighbouring integers have the same `f64`.
const INEXACT: u128 = 1 << 53;

/// The values that a named column has for a feature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FeatureKind {
    /// Numbers.
    Numeric,
    /// Categories that are text.
    TextCategory,
    /// Categories that are numbers or booleans.
    NumberCategory,
    /// Categories of which some are text and others numbers or booleans.
    MixedCategory,
}

/// The category lists of a model, in the order of their columns, and the facts in the model's text about the features
/// that may be those columns.
#[derive(Debug, Clone)]
pub(super) struct Categories {
    lists: Arc<[Codes]>,
    needs: Arc<[Needs]>,
    /// The assignment that the caller has given.
    told: Option<Assignment>,
}

/// The code of each category of a list, which is its position.
#[derive(Debug, Default)]
struct Codes {
    length: usize,
    texts: HashMap<String, f64>,
    /// Codes by the bits of the number.
    numbers: HashMap<u64, f64>,
    /// A category that has the same `f64` as another integer.
    inexact: Option<String>,
}

impl Categories {
    /// Parses the category lists.
    pub(super) fn of(model: &TextModel) -> Self {
        let lists = model.pandas_categorical().unwrap_or_default();
        let infos = model.feature_infos().take(if lists.is_empty() { 0 } else { usize::MAX });
        Self {
            lists: lists.iter().map(|list| Codes::of(list)).collect(),
            needs: infos.map(Needs::of).collect(),
            told: None,
        }
    }

    /// Fixes the features of the lists by name.
    ///
    /// [`ErrorKind::InvalidArgument`] if a name is not a feature, or if the number of names is not that of the lists.
    pub(super) fn tell<S: AsRef<str>>(&mut self, columns: &[S], features: &[String]) -> Result<()> {
        let assignment = named(columns, features, self.lists.len())?;
        self.told = Some(assignment);
        Ok(())
    }

    /// Fixes the features of the lists, as found by [`Categories::assign`].
    pub(super) fn settle(&mut self, columns: &[ColumnKind], features: &[String]) -> Result<()> {
        self.told = Some(self.assign(columns, features)?);
        Ok(())
    }

    /// Finds the features of the lists from the knowledge about each feature's column.
    ///
    /// [`ErrorKind::UnsupportedModel`] if no assignment or several are possible.
    pub(super) fn assign(&self, columns: &[ColumnKind], features: &[String]) -> Result<Assignment> {
        if let Some(told) = &self.told {
            return Ok(told.clone());
        }
        let lists: Vec<Accepts> = self.lists.iter().map(Codes::accepts).collect();
        assign(&lists, &self.needs, columns).map_err(|error| {
            let possible: Vec<&str> = features
                .iter()
                .zip(self.needs.iter())
                .filter(|(_, needs)| needs.possible())
                .map(|(name, _)| name.as_str())
                .collect();
            error.with_context("lists", self.lists.len()).with_context("possible", listed(&possible))
        })
    }

    /// The values of the column for each of `features` features.
    pub(super) fn kinds(&self, assignment: &Assignment, features: usize) -> Vec<FeatureKind> {
        let kind =
            |feature| assignment.list(feature).map_or(FeatureKind::Numeric, |list| self.lists[list].kind());
        (0..features).map(kind).collect()
    }

    /// The values of a column: as codes, if the feature has a list, and otherwise borrowed.
    pub(super) fn encode<'c>(&self, list: Option<usize>, column: &'c Values<'_>) -> Result<Cow<'c, [f64]>> {
        let codes = list.map(|list| &self.lists[list]);
        if let Some(category) = codes.and_then(|codes| codes.inexact.as_ref()) {
            return Err(Error::new(
                ErrorKind::UnsupportedModel,
                "the column's categories are integers that are too large to distinguish",
            )
            .with_context("category", category)
            .with_hint("train with text categories, or with numbers below 2^53"));
        }
        Ok(match (codes, column) {
            (None, Values::Numbers(numbers)) => Cow::Borrowed(numbers),
            (None, Values::Strings(_) | Values::Json(_)) => {
                return Err(Error::new(
                    ErrorKind::InvalidData,
                    "the column has text, but the model needs numbers",
                ));
            }
            (Some(codes), Values::Numbers(numbers)) => {
                numbers.iter().map(|number| codes.of_number(*number)).collect()
            }
            (Some(codes), Values::Strings(strings)) => {
                let code = |row| strings.get(row).map_or(f64::NAN, |text| codes.of_text(text));
                (0..strings.rows()).map(code).collect()
            }
            (Some(codes), Values::Json(values)) => {
                let code = |row| values.get(row).map_or(Ok(f64::NAN), |json| codes.of_json(json));
                (0..values.rows()).map(code).collect::<Result<_>>()?
            }
        })
    }
}

impl Codes {
    fn of(list: &[Category]) -> Self {
        let mut codes = Self { length: list.len(), ..Self::default() };
        for (code, category) in list.iter().enumerate() {
            let code = code as f64;
            match category {
                Category::Text(text) => {
                    codes.texts.entry(text.clone()).or_insert(code);
                }
                Category::Integer(number) => {
                    if number.unsigned_abs() >= INEXACT {
                        codes.inexact = Some(number.to_string());
                    }
                    codes.numbers.entry(key(*number as f64)).or_insert(code);
                }
                Category::Float(number) => {
                    codes.numbers.entry(key(*number)).or_insert(code);
                }
                Category::Bool(flag) => {
                    codes.numbers.entry(key(f64::from(u8::from(*flag)))).or_insert(code);
                }
                Category::Missing => {}
            }
        }
        codes
    }

    fn kind(&self) -> FeatureKind {
        match (self.texts.is_empty(), self.numbers.is_empty()) {
            (false, false) => FeatureKind::MixedCategory,
            (true, false) => FeatureKind::NumberCategory,
            (_, true) => FeatureKind::TextCategory,
        }
    }

    fn accepts(&self) -> Accepts {
        // A list without categories does not restrict the values.
        let empty = self.texts.is_empty() && self.numbers.is_empty();
        Accepts {
            length: self.length,
            text: empty || !self.texts.is_empty(),
            numbers: empty || !self.numbers.is_empty(),
        }
    }

    fn of_number(&self, number: f64) -> f64 {
        if number.is_nan() { number } else { self.numbers.get(&key(number)).copied().unwrap_or(f64::NAN) }
    }

    fn of_text(&self, text: &str) -> f64 {
        self.texts.get(text).copied().unwrap_or(f64::NAN)
    }

    fn of_json(&self, json: &str) -> Result<f64> {
        let value: Value = serde_json::from_str(json).map_err(|error| {
            Error::new(ErrorKind::InvalidData, "a value of a column of JSON is damaged").with_source(error)
        })?;
        Ok(match value {
            Value::String(text) => self.of_text(&text),
            Value::Bool(flag) => self.of_number(f64::from(u8::from(flag))),
            Value::Number(number) => self.of_number(number.as_f64().unwrap_or(f64::NAN)),
            Value::Null => f64::NAN,
            Value::Array(_) | Value::Object(_) => {
                return Err(Error::new(ErrorKind::InvalidData, "a category is a list or an object"));
            }
        })
    }
}

/// Equal numbers have equal keys: only the two zeros are equal with different bits.
fn key(number: f64) -> u64 {
    if number == 0.0 { 0 } else { number.to_bits() }
}
