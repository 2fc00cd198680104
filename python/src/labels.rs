//! Class labels as NumPy arrays.

use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::ClassLabels;
use numpy::PyArray1;
use pyo3::prelude::*;
use pyo3::types::{PyBool, PyFloat, PyInt, PyList, PyString};

use crate::errors::raised;

/// The labels of a file as an array: `int64`, `bool`, `float64` or `<U`. A file does not keep a narrower type.
pub(crate) fn to_numpy<'py>(py: Python<'py>, labels: &ClassLabels) -> PyResult<Bound<'py, PyAny>> {
    Ok(match labels {
        ClassLabels::Ints(labels) => PyArray1::from_slice(py, labels).into_any(),
        ClassLabels::Bools(labels) => PyArray1::from_slice(py, labels).into_any(),
        ClassLabels::Floats(labels) => PyArray1::from_slice(py, labels).into_any(),
        // Text.
        labels => {
            let labels: Vec<String> = labels.iter().map(|label| label.to_string()).collect();
            numpy::get_array_module(py)?.call_method1("array", (PyList::new(py, labels)?,))?
        }
    })
}

/// The labels of an estimator, from its array of integers, booleans, floats or text.
pub(crate) fn from_numpy(labels: &Bound<'_, PyAny>) -> PyResult<ClassLabels> {
    let list = labels.call_method0("tolist")?;
    let list = list.cast::<PyList>()?;
    // A boolean is an integer in Python, so it comes first.
    if every::<PyBool>(list) {
        return Ok(ClassLabels::Bools(list.extract()?));
    }
    if every::<PyInt>(list) {
        return Ok(ClassLabels::Ints(list.extract()?));
    }
    if every::<PyFloat>(list) {
        return Ok(ClassLabels::Floats(list.extract()?));
    }
    if every::<PyString>(list) {
        return Ok(ClassLabels::Strings(list.extract()?));
    }
    let error =
        Error::new(ErrorKind::UnsupportedModel, "the class labels are not of one type that labels can have")
            .with_hint("use integers, booleans or strings as class labels");
    Err(raised(&error))
}

fn every<T: pyo3::PyTypeInfo>(list: &Bound<'_, PyList>) -> bool {
    list.iter().all(|label| label.is_exact_instance_of::<T>())
}
