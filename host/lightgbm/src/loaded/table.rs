//! Tables of named columns, and how they become matrices.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Model;
use super::assignment::ColumnKind;
use super::columns::Selection;
use crate::error::invalid;
use crate::matrix::{Layout, Matrix};
use hydra_base::Result;
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};

/// Named columns of equal length, borrowed where they already are what a model wants.
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
    /// What else is known about it, which tells columns with categories from others.
    pub kind: ColumnKind,
}

impl<'a> Column<'a> {
    /// A column of numbers or of text, as its values say.
    #[must_use]
    pub fn new(name: impl Into<Cow<'a, str>>, values: Values<'a>) -> Self {
        let kind = match values {
            Values::Numbers(_) => ColumnKind::Number,
            Values::Strings(_) => ColumnKind::Text,
            Values::Json(_) => ColumnKind::Category,
        };
        Self { name: name.into(), values, kind }
    }

    /// The column with what else is known about it.
    #[must_use]
    pub fn with_kind(self, kind: ColumnKind) -> Self {
        Self { kind, ..self }
    }
}

/// The values of a column.
#[derive(Debug)]
#[non_exhaustive]
pub enum Values<'a> {
    /// Numbers, missing ones as NaN; booleans are 0 and 1. A column of Arrow's `Float64` without nulls is borrowed as it is.
    Numbers(Cow<'a, [f64]>),
    /// Text, for categories.
    Strings(Box<dyn StringColumn + 'a>),
    /// JSON text, for categories of which some are numbers and some are text.
    Json(Box<dyn StringColumn + 'a>),
}

/// Access to a column of text where it lies, such as in an Arrow array or in the cells of a CSV file.
pub trait StringColumn: std::fmt::Debug + Send + Sync {
    /// How many rows there are.
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
    /// A table of these columns; [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) when their lengths differ or a name appears twice.
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

    /// How many rows there are.
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
    /// The values, to predict with.
    #[must_use]
    pub fn matrix(&self) -> Matrix<'_> {
        match Matrix::new(&self.values, self.rows, self.columns, Layout::ColumnMajor) {
            Ok(matrix) => matrix,
            Err(_) => unreachable!("the values were filled column by column"),
        }
    }
}

impl Model {
    /// Finds the model's features among a table's columns, as [`Model::match_columns`] does, and maps pandas categories to their
    /// codes. Categories that training did not see, and missing ones, become NaN, as in Python.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) when features are missing or columns are left over (the message lists them), or a column
    /// of text is given for a feature of numbers; [`ErrorKind::UnsupportedModel`](hydra_base::ErrorKind::UnsupportedModel) when neither the model nor the columns'
    /// kinds tell which features its category lists belong to: then [`Model::with_categories`] does.
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
