//! The columns of a data frame.

use std::borrow::Cow;

use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::loaded::{self, ColumnKind, StringColumn, Values};
use numpy::PyReadonlyArray1;
use pyo3::prelude::*;

use crate::errors::raised;

/// A column, as `hydra_registry._frames` describes it.
pub(crate) struct Column<'py> {
    name: String,
    values: Form<'py>,
}

/// The values of a column.
enum Form<'py> {
    /// Numbers, with NaN for missing ones.
    Numbers(PyReadonlyArray1<'py, f64>),
    /// Text for categories.
    Text(Vec<Option<String>>),
    /// The index of each row's category, negative for a missing one, in a list of text, or of JSON if some are numbers.
    Categories { codes: PyReadonlyArray1<'py, i32>, texts: Vec<String>, json: bool },
    /// The same with a list of numbers.
    NumberCategories { codes: PyReadonlyArray1<'py, i32>, numbers: Vec<f64> },
}

impl<'py> Column<'py> {
    /// A column of the tuple `(name, form, values, categories)`.
    pub(super) fn of(tuple: &Bound<'py, PyAny>) -> PyResult<Self> {
        let (name, form, values, categories): (String, String, Bound<'py, PyAny>, Bound<'py, PyAny>) =
            tuple.extract()?;
        let values = match form.as_str() {
            "numbers" => Form::Numbers(values.extract()?),
            "text" => Form::Text(values.extract()?),
            "number categories" => {
                Form::NumberCategories { codes: values.extract()?, numbers: categories.extract()? }
            }
            "text categories" | "json categories" => Form::Categories {
                codes: values.extract()?,
                texts: categories.extract()?,
                json: form == "json categories",
            },
            _ => {
                let error = Error::new(ErrorKind::Internal, "the form of a prepared column is unknown")
                    .with_context("form", form);
                return Err(raised(&error));
            }
        };
        Ok(Self { name, values })
    }

    /// Whether the column has a type that only categories have.
    pub(super) fn is_category(&self) -> bool {
        !matches!(self.values, Form::Numbers(_))
    }

    /// The column for a model, with its values in place.
    pub(super) fn column(&self) -> PyResult<loaded::Column<'_>> {
        let values = match &self.values {
            Form::Numbers(numbers) => Values::Numbers(Cow::Borrowed(numbers.as_slice()?)),
            Form::Text(texts) => Values::Strings(Box::new(Texts(texts))),
            Form::Categories { codes, texts, json } => {
                let coded = Box::new(Coded { codes: codes.as_slice()?, texts });
                if *json { Values::Json(coded) } else { Values::Strings(coded) }
            }
            Form::NumberCategories { codes, numbers } => {
                let number = |code: &i32| of_code(numbers, *code).copied().unwrap_or(f64::NAN);
                Values::Numbers(codes.as_slice()?.iter().map(number).collect())
            }
        };
        let column = loaded::Column::new(self.name.as_str(), values);
        Ok(match &self.values {
            // Categories of only missing rows are neither text nor numbers.
            Form::Categories { texts, .. } if texts.is_empty() => column.with_kind(ColumnKind::Category),
            Form::NumberCategories { .. } => column.with_kind(ColumnKind::Category),
            Form::Categories { .. } | Form::Numbers(_) | Form::Text(_) => column,
        })
    }
}

#[derive(Debug)]
struct Texts<'a>(&'a [Option<String>]);

impl StringColumn for Texts<'_> {
    fn rows(&self) -> usize {
        self.0.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self.0[row].as_deref()
    }
}

#[derive(Debug)]
struct Coded<'a> {
    codes: &'a [i32],
    texts: &'a [String],
}

impl StringColumn for Coded<'_> {
    fn rows(&self) -> usize {
        self.codes.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        of_code(self.texts, self.codes[row]).map(String::as_str)
    }
}

fn of_code<T>(list: &[T], code: i32) -> Option<&T> {
    list.get(usize::try_from(code).ok()?)
}
