//! NumPy arrays in place.

use std::borrow::Cow;

use hydra_lightgbm::loaded::{Column, Values};
use hydra_lightgbm::{Layout, Matrix};
use numpy::{PyArray2, PyArrayMethods, PyReadonlyArray2, PyUntypedArray, PyUntypedArrayMethods};
use pyo3::prelude::*;

use crate::errors::raised;

/// An array of two axes whose `float64` values can be read where they are.
pub(crate) struct Array<'py> {
    values: PyReadonlyArray2<'py, f64>,
    layout: Layout,
}

impl<'py> Array<'py> {
    /// `data`, if it is such an array.
    pub(crate) fn in_place(data: &Bound<'py, PyAny>) -> PyResult<Option<Self>> {
        // A subclass can give its values another meaning, such as a mask.
        if !data.is_exact_instance_of::<PyUntypedArray>() {
            return Ok(None);
        }
        let Ok(array) = data.cast::<PyArray2<f64>>() else { return Ok(None) };
        // The flags decide. A slice of the values does not say in which order it has them.
        let layout = if array.is_c_contiguous() {
            Layout::RowMajor
        } else if array.is_fortran_contiguous() {
            Layout::ColumnMajor
        } else {
            return Ok(None);
        };
        if !array.is_aligned() {
            return Ok(None);
        }
        Ok(Some(Self { values: array.try_readonly()?, layout }))
    }

    /// The values.
    pub(crate) fn matrix(&self) -> PyResult<Matrix<'_>> {
        let [rows, columns] = self.shape();
        Matrix::new(self.values.as_slice()?, rows, columns, self.layout).map_err(|error| raised(&error))
    }

    /// The values of the only row.
    pub(crate) fn row(&self) -> PyResult<Option<&[f64]>> {
        // The values of one row are in its order in both layouts.
        if self.shape()[0] == 1 { Ok(Some(self.values.as_slice()?)) } else { Ok(None) }
    }

    /// The values as columns with these names, copied where they are not one after the other.
    pub(super) fn columns(&self, names: Vec<String>) -> PyResult<Vec<Column<'_>>> {
        let ([rows, width], values) = (self.shape(), self.values.as_slice()?);
        let column = |index: usize| match self.layout {
            Layout::ColumnMajor => Cow::Borrowed(&values[index * rows..(index + 1) * rows]),
            Layout::RowMajor => values.iter().skip(index).step_by(width).copied().collect(),
        };
        let columns = names.into_iter().zip(0..width);
        Ok(columns.map(|(name, index)| Column::new(name, Values::Numbers(column(index)))).collect())
    }

    fn shape(&self) -> [usize; 2] {
        let shape = self.values.shape();
        [shape[0], shape[1]]
    }
}
