//! Tables of named columns, and their conversion to matrices.

use std::borrow::Cow;
use std::collections::HashSet;

use super::Model;
use super::assignment::ColumnKind;
use super::survey::Survey;
use crate::error::invalid;
use crate::matrix::Matrix;
use hydra_base::Result;
use hydra_base::text::{QUOTED_CHARS, excerpt};

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

/// A table as a model's matrix: features in the model's order, categories as codes. Columns of numbers are those of the table.
#[derive(Debug, Clone)]
pub struct EncodedTable<'a> {
    columns: Vec<Cow<'a, [f64]>>,
    rows: usize,
}

impl EncodedTable<'_> {
    /// The values, for predictions.
    #[must_use]
    pub fn matrix(&self) -> Matrix<'_> {
        match Matrix::from_column_slices(&self.columns, self.rows) {
            Ok(matrix) => matrix,
            Err(_) => unreachable!("the columns of a table have equal lengths"),
        }
    }
}

impl Model {
    /// Finds the model's features among a table's columns, as [`Model::match_all_columns`] does, and replaces pandas
    /// categories by their codes. Missing categories, and those that training did not see, become NaN, as in Python.
    ///
    /// [`ErrorKind::InvalidData`](hydra_base::ErrorKind::InvalidData) if the columns are not the features (the message
    /// lists missing and extra ones), or if a numeric feature has a column of text;
    /// [`ErrorKind::UnsupportedModel`](hydra_base::ErrorKind::UnsupportedModel) if neither the model nor the columns'
    /// kinds determine the features of the category lists: then use [`Model::with_categories`].
    pub fn encode<'t>(&self, table: &'t Table<'_>) -> Result<EncodedTable<'t>> {
        self.encode_with(table, |_, _, _, _| ())
    }

    /// [`encode`](Self::encode), and counts the values in `survey`.
    pub fn encode_noting<'t>(&self, table: &'t Table<'_>, survey: &mut Survey) -> Result<EncodedTable<'t>> {
        self.encode_with(table, |feature, has_list, values, encoded| {
            survey.note(feature, has_list, values, encoded);
        })
    }

    fn encode_with<'t>(
        &self,
        table: &'t Table<'_>,
        mut note: impl FnMut(usize, bool, &Values<'_>, &[f64]),
    ) -> Result<EncodedTable<'t>> {
        let names: Vec<&str> = table.columns().iter().map(|column| column.name.as_ref()).collect();
        let order = self.match_all_columns(&names)?;
        let kinds: Vec<ColumnKind> = order.iter().map(|column| table.columns()[*column].kind).collect();
        let assignment = self.categories.assign(&kinds, self.feature_names())?;
        let encode = |(feature, column): (usize, usize)| -> Result<Cow<'t, [f64]>> {
            let column = &table.columns()[column];
            let list = assignment.list(feature);
            let encoded = self
                .categories
                .encode(list, &column.values)
                .map_err(|error| error.with_context("column", excerpt(&*column.name, QUOTED_CHARS)))?;
            note(feature, list.is_some(), &column.values, &encoded);
            Ok(encoded)
        };
        let columns = order.into_iter().enumerate().map(encode).collect::<Result<_>>()?;
        Ok(EncodedTable { columns, rows: table.rows() })
    }
}
