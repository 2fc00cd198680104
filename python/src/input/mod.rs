//! The rows that a caller passes, as what a model scores.

mod array;
mod arrow;
mod columns;

use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::loaded::Table;
use hydra_lightgbm::{Matrix, Model};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyList;

use crate::errors::raised;
use crate::predict::{Answer, Output, compute, is_quick, without_gil};

use arrow::Batches;
use columns::Column;

pub(crate) use array::Array;
pub(crate) use arrow::{next_batch, predict_batch};

/// Rows in one of the forms that `hydra_registry._frames.prepare` makes of other objects.
pub(crate) enum Input<'py> {
    /// An array: columns by position.
    Array(Array<'py>),
    /// An array whose columns have names.
    Named(Vec<String>, Array<'py>),
    /// Columns in their own memory.
    Columns(Vec<Column<'py>>),
    /// Arrow's record batches.
    Batches(Batches),
}

impl<'py> Input<'py> {
    /// The rows of any object that can have some.
    pub(crate) fn of(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        match Array::in_place(data)? {
            Some(array) => Ok(Self::Array(array)),
            None => Self::prepared(data),
        }
    }

    /// The rows of an object that is not an array that can be read in place.
    #[cold]
    fn prepared(data: &Bound<'py, PyAny>) -> PyResult<Self> {
        static PREPARE: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
        let prepare = PREPARE.import(data.py(), "hydra_registry._frames", "prepare")?;
        let (form, names, values): (String, Bound<'py, PyAny>, Bound<'py, PyAny>) =
            prepare.call1((data,))?.extract()?;
        match form.as_str() {
            "array" => array(&values).map(Self::Array),
            "named" => Ok(Self::Named(names.extract()?, array(&values)?)),
            "columns" => {
                let list = values.cast::<PyList>()?;
                list.iter().map(|column| Column::of(&column)).collect::<PyResult<_>>().map(Self::Columns)
            }
            _ => Batches::of(&values).map(Self::Batches),
        }
    }

    /// The model's predictions for these rows. `lists` is the number of the model's category lists whose columns are not known.
    pub(crate) fn score(
        self,
        py: Python<'py>,
        model: &Model,
        output: Output,
        lists: usize,
    ) -> PyResult<Answer> {
        match self {
            Self::Array(array) => score_matrix(py, model, output, &array.matrix()?),
            Self::Named(names, array) if lists > 0 => {
                check_categories(lists, 0)?;
                score_table(py, model, output, Table::new(array.columns(names)?))
            }
            Self::Named(names, array) => {
                let order = model.match_all_columns(&names).map_err(|error| raised(&error))?;
                let matrix = array.matrix()?.with_order(&order).map_err(|error| raised(&error))?;
                score_matrix(py, model, output, &matrix)
            }
            Self::Columns(columns) => {
                check_categories(lists, columns.iter().filter(|column| column.is_category()).count())?;
                let columns = columns.iter().map(Column::column).collect::<PyResult<_>>()?;
                score_table(py, model, output, Table::new(columns))
            }
            Self::Batches(batches) => {
                py.detach(|| batches.score(model, output)).map_err(|error| raised(&error))
            }
        }
    }
}

/// The exception for data that a model cannot take.
#[pyfunction]
#[pyo3(name = "_invalid_input", signature = (message, hint))]
fn invalid_input(message: &str, hint: &str) -> Py<PyAny> {
    let error = Error::new(ErrorKind::InvalidData, message).with_hint(hint);
    Python::attach(|py| raised(&error).into_value(py).into_any())
}

/// Adds the function to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(invalid_input, module)?)
}

/// The input has no rows.
fn no_rows() -> Error {
    Error::new(ErrorKind::InvalidData, "the input has no rows").with_hint("pass at least one row")
}

fn array<'py>(values: &Bound<'py, PyAny>) -> PyResult<Array<'py>> {
    Array::in_place(values)?.ok_or_else(|| {
        let error = Error::new(ErrorKind::Internal, "the prepared array cannot be read in place");
        raised(&error)
    })
}

/// Data frames have types, so a frame in which other columns are categories than in training is refused, as in LightGBM.
fn check_categories(lists: usize, columns: usize) -> PyResult<()> {
    if lists == columns || lists == 0 {
        return Ok(());
    }
    let error = Error::new(
        ErrorKind::InvalidData,
        "the frame has another number of columns with categories than the model",
    )
    .with_context("columns", columns)
    .with_context("model", lists)
    .with_hint(
        "use `astype(\"category\")` for exactly the columns that had this type in training, or name them with \
         `with_categories`",
    );
    Err(raised(&error))
}

fn score_matrix(py: Python<'_>, model: &Model, output: Output, matrix: &Matrix<'_>) -> PyResult<Answer> {
    if matrix.rows() == 0 {
        return Err(raised(&no_rows()));
    }
    let quick = is_quick(model, output, matrix.rows());
    without_gil(py, quick, || compute(model, output, matrix)).map_err(|error| raised(&error))
}

fn score_table(
    py: Python<'_>,
    model: &Model,
    output: Output,
    table: hydra_base::Result<Table<'_>>,
) -> PyResult<Answer> {
    let table = table.map_err(|error| raised(&error))?;
    let score = || -> hydra_base::Result<Answer> {
        let encoded = model.encode(&table)?;
        if table.rows() == 0 {
            return Err(no_rows());
        }
        compute(model, output, &encoded.matrix())
    };
    without_gil(py, is_quick(model, output, table.rows()), score).map_err(|error| raised(&error))
}
