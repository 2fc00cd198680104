//! Tables of named columns, and their conversion to matrices.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Model;
use super::assignment::ColumnKind;
use super::columns::Selection;
use crate::error::invalid;
use crate::matrix::{Layout, Matrix};
use hydra_base::Result;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};

/// Named columns of equal length, borrowed if they have the form that a model needs.
#[derive(Debug, Default)]
pub struct Table<'a> {
    columns: Vec<Column<'a>>,
    rows: usize,
}

/// A named column.
#[derive(Debug)]
#[non_exhaustive]
pub struct Column<'a> {
    /// Its name.
    pub name: Cow<'a, str>,
    /// Its values.
    pub values: Values<'a>,
    /// Other knowledge about the column, which distinguishes columns with categories.
    pub kind: ColumnKind,
}

impl<'a> Column<'a> {
    /// A column of numbers or text, depending on `values`.
    #[must_use]
    pub fn new(name: impl Into<Cow<'a, str>>, values: Values<'a>) -> Self {
        let kind = match values {
            Values::Numbers(_) => ColumnKind::Number,
            Values::Strings(_) => ColumnKind::Text,
            Values::Json(_) => ColumnKind::Category,
        };
        Self { name: name.into(), values, kind }
    }

    /// The same column with other knowledge about it.
    #[must_use]
    pub fn with_kind(self, kind: ColumnKind) -> Self {
        Self { kind, ..self }
    }
}

/// The values of a column.
#[derive(Debug)]
#[non_exhaustive]
pub enum Values<'a> {
    /// Numbers, with NaN for missing ones; booleans are 0 and 1. A column of Arrow's `Float64` without nulls is
    /// borrowed.
    Numbers(Cow<'a, [f64]>),
    /// Text, for categories.
    Strings(Box<dyn StringColumn + 'a>),
    /// JSON text, for categories of which some are numbers and others text.
    Json(Box<dyn StringColumn + 'a>),
}

/// A column of text in place, such as an Arrow array or the cells of a CSV file.
pub trait StringColumn: std::fmt::Debug + Send + Sync {
    /// The number of rows.
    fn rows(&self) -> usize;

    /// The text in a row below [`StringColumn::rows`]; `None` if it is missing.
    fn get(&self, row: usize) -> Option<&str>;
}

impl StringColumn for Vec<Option<String>> {
    fn rows(&self) -> usize {
        self.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self[row].as_deref()
    }
}

impl StringColumn for &[Option<&str>] {
    fn rows(&self) -> usize {
        self.len()
    }

    fn get(&self, row: usize) -> Option<&str> {
        self[row]
    }
}

impl<'a> Table<'a> {
    /// A table of these columns; [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) if their lengths differ
    /// or a name appears twice.
    pub fn new(columns: Vec<Column<'a>>) -> Result<Self> {
        let rows = columns.first().map_or(0, |column| column.values.rows());
        let mut seen = HashSet::with_capacity(columns.len());
        for column in &columns {
            if column.values.rows() != rows {
                return Err(invalid("the columns have different lengths")
                    .with_context("column", excerpt(&*column.name, QUOTED_CHARS))
                    .with_context("rows", column.values.rows())
                    .with_context("expected", rows));
            }
            if !seen.insert(column.name.as_ref()) {
                return Err(invalid("a column name appears twice")
                    .with_context("column", excerpt(&*column.name, QUOTED_CHARS)));
            }
        }
        Ok(Self { columns, rows })
    }

    /// The number of rows.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The columns, in order.
    #[must_use]
    pub fn columns(&self) -> &[Column<'a>] {
        &self.columns
    }
}

impl Values<'_> {
    fn rows(&self) -> usize {
        match self {
            Self::Numbers(numbers) => numbers.len(),
            Self::Strings(strings) | Self::Json(strings) => strings.rows(),
        }
    }
}

/// A table as a model's matrix: features in the model's order, categories as codes.
#[derive(Debug, Clone)]
pub struct EncodedTable {
    /// Column-major.
    values: Vec<f64>,
    rows: usize,
    columns: usize,
}

impl EncodedTable {
    /// The values, for predictions.
    #[must_use]
    pub fn matrix(&self) -> Matrix<'_> {
        match Matrix::new(&self.values, self.rows, self.columns, Layout::ColumnMajor) {
            Ok(matrix) => matrix,
            Err(_) => unreachable!("the values were filled column by column"),
        }
    }
}

impl Model {
    /// Finds the model's features among a table's columns, as [`Model::match_columns`] does, and replaces pandas
    /// categories by their codes. Missing categories, and those that training did not see, become NaN, as in Python.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) if the columns are not the features (the message
    /// lists missing and extra ones), or if a numeric feature has a column of text;
    /// [`ErrorKind::UnsupportedModel`](hydra_base::ErrorKind::UnsupportedModel) if neither the model nor the columns'
    /// kinds determine the features of the category lists: then use [`Model::with_categories`].
    pub fn encode(&self, table: &Table<'_>) -> Result<EncodedTable> {
        let features = self.feature_names();
        let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_ref()).collect();
        let Selection { features: order, others } = self.match_columns(&names, &[])?;
        if !others.is_empty() {
            let extra: Vec<&str> = others.into_iter().map(|column| names[column]).collect();
            return Err(
                invalid("the columns are not the model's features").with_context("extra", listed(&extra))
            );
        }
        let kinds: Vec<ColumnKind> = order.iter().map(|column| table.columns()[*column].kind).collect();
        let assignment = self.categories.assign(&kinds, features)?;
        let mut values = Vec::with_capacity(table.rows() * features.len());
        for (feature, column) in order.into_iter().enumerate() {
            let column = &table.columns()[column];
            self.categories
                .encode(assignment.list(feature), &column.values, &mut values)
                .map_err(|error| error.with_context("column", excerpt(&*column.name, QUOTED_CHARS)))?;
        }
        Ok(EncodedTable { values, rows: table.rows(), columns: features.len() })
    }
}
