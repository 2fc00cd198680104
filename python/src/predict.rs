//! Predictions and the arrays that they become, with the shapes of LightGBM's Python package.

use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::most_probable_class;
use hydra_lightgbm::{Matrix, Model, OutputKind};
use numpy::{PyArray1, PyArrayMethods};
use pyo3::prelude::*;

use crate::errors::raised;

/// What a call asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Labels of a classifier, else the objective's output.
    Predict,
    /// The sums of the trees.
    Raw,
    /// The index of the leaf in each tree.
    Leaves,
    /// The contributions of the features.
    Contributions,
    /// The probability of each class.
    Probabilities,
}

/// The predictions of some rows.
pub(crate) enum Answer {
    /// Numbers, `width` per row; without a second axis if `flat`.
    Numbers { values: Vec<f64>, width: usize, flat: bool },
    /// Leaves, `width` per row.
    Leaves { values: Vec<i32>, width: usize },
    /// The index of a class per row.
    Classes(Vec<i64>),
}

/// The largest number of outputs of a row that is scored without a `Vec`.
const FEW_OUTPUTS: usize = 64;

/// Below this number of rows times trees, giving up the GIL takes longer than scoring.
const LITTLE_WORK: usize = 8_192;

impl Output {
    /// The output of these arguments of `predict`, of which LightGBM lets the last win.
    pub(crate) fn of(raw_score: bool, pred_leaf: bool, pred_contrib: bool) -> Self {
        match (raw_score, pred_leaf, pred_contrib) {
            (_, _, true) => Self::Contributions,
            (_, true, _) => Self::Leaves,
            (true, _, _) => Self::Raw,
            _ => Self::Predict,
        }
    }
}

/// Whether the GIL is better kept while this many rows are scored.
pub(crate) fn is_quick(model: &Model, output: Output, rows: usize) -> bool {
    output != Output::Contributions && rows.saturating_mul(model.num_trees()) < LITTLE_WORK
}

/// Runs `work` without the GIL, unless it is quick.
pub(crate) fn without_gil<T: Send>(py: Python<'_>, quick: bool, work: impl FnOnce() -> T + Send) -> T {
    if quick { work() } else { py.detach(work) }
}

/// Predicts for all rows.
pub(crate) fn compute(model: &Model, output: Output, data: &Matrix<'_>) -> Result<Answer> {
    let width = model.num_outputs();
    Ok(match output {
        Output::Raw => Answer::Numbers { values: model.raw_scores(data)?, width, flat: width == 1 },
        Output::Predict if answers_labels(model) => {
            let outputs = model.outputs(data)?;
            let classes = outputs.chunks_exact(width).map(|row| most_probable_class(row) as i64);
            Answer::Classes(classes.collect())
        }
        Output::Predict => Answer::Numbers { values: model.outputs(data)?, width, flat: width == 1 },
        Output::Probabilities => {
            let width = model.num_classes()?;
            Answer::Numbers { values: model.probabilities(data)?, width, flat: false }
        }
        Output::Leaves if model.num_trees() == 0 => {
            return Err(Error::new(
                ErrorKind::UnsupportedModel,
                "the model has no trees, so it has no leaves",
            ));
        }
        Output::Leaves => {
            let leaves = model.leaf_indices(data)?;
            // A tree has fewer leaves than 2^31.
            let values = leaves.into_iter().map(|leaf| leaf as i32).collect();
            Answer::Leaves { values, width: model.num_trees() }
        }
        Output::Contributions => {
            let width = width * (model.feature_names().len() + 1);
            Answer::Numbers { values: model.contributions(data)?, width, flat: false }
        }
    })
}

/// Predicts for one row, without memory besides that of the answer; `classes` are the labels. `None` for what only [`compute`]
/// answers.
pub(crate) fn one_row<'py>(
    py: Python<'py>,
    model: &Model,
    output: Output,
    row: &[f64],
    classes: Option<&Bound<'py, PyAny>>,
) -> Option<PyResult<Bound<'py, PyAny>>> {
    let mut numbers = [0.0; FEW_OUTPUTS];
    let numbers = numbers.get_mut(..model.num_outputs())?;
    let scored = match output {
        Output::Raw => model.raw_row(row, numbers),
        Output::Predict => model.output_row(row, numbers),
        Output::Leaves | Output::Contributions | Output::Probabilities => return None,
    };
    if let Err(error) = scored {
        return Some(Err(raised(&error)));
    }
    if output == Output::Predict && answers_labels(model) {
        return Some(labels(py, vec![most_probable_class(numbers) as i64], classes));
    }
    let array = PyArray1::from_slice(py, numbers);
    Some(match numbers.len() {
        1 => Ok(array.into_any()),
        width => array.reshape([1, width]).map(Bound::into_any),
    })
}

impl Answer {
    /// The number of rows.
    pub(crate) fn rows(&self) -> usize {
        match self {
            Self::Numbers { values, width, .. } => values.len().checked_div(*width).unwrap_or(0),
            Self::Leaves { values, width } => values.len().checked_div(*width).unwrap_or(0),
            Self::Classes(classes) => classes.len(),
        }
    }

    /// Appends the answer for further rows of the same model.
    pub(crate) fn append(&mut self, more: Self) -> Result<()> {
        match (self, more) {
            (Self::Numbers { values, .. }, Self::Numbers { values: more, .. }) => values.extend(more),
            (Self::Leaves { values, .. }, Self::Leaves { values: more, .. }) => values.extend(more),
            (Self::Classes(classes), Self::Classes(more)) => classes.extend(more),
            _ => return Err(Error::new(ErrorKind::Internal, "two batches have different kinds of answers")),
        }
        Ok(())
    }

    /// The answer as an array; `classes` are the labels.
    pub(crate) fn into_array<'py>(
        self,
        py: Python<'py>,
        classes: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let rows = self.rows();
        match self {
            Self::Numbers { values, flat: true, .. } => Ok(PyArray1::from_vec(py, values).into_any()),
            Self::Numbers { values, width, .. } => {
                PyArray1::from_vec(py, values).reshape([rows, width]).map(Bound::into_any)
            }
            Self::Leaves { values, width } => {
                PyArray1::from_vec(py, values).reshape([rows, width]).map(Bound::into_any)
            }
            Self::Classes(indices) => labels(py, indices, classes),
        }
    }
}

/// Whether `predict` answers labels.
fn answers_labels(model: &Model) -> bool {
    model.output_kind() == OutputKind::Label
}

/// The labels of these classes, with the type of `classes`.
fn labels<'py>(
    py: Python<'py>,
    indices: Vec<i64>,
    classes: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let greatest = indices.iter().max().copied();
    let indices = PyArray1::from_vec(py, indices);
    let Some(classes) = classes else { return Ok(indices.into_any()) };
    if greatest.is_some_and(|greatest| greatest >= classes.len().unwrap_or(0) as i64) {
        let error = Error::new(ErrorKind::InvalidModel, "the model predicts a class that has no label");
        return Err(raised(&error));
    }
    classes.call_method1(pyo3::intern!(py, "take"), (indices,))
}
