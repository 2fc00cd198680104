//! Failures: from the library's error to an exception of `hydra_registry.exceptions`, also through a pipe.

use std::error::Error as _;

use hydra_base::error::{Error, ErrorKind};
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::PyBytes;
use serde::{Deserialize, Serialize};

/// An error without its type, as it crosses the border to Python or to another process.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Failure(Box<Details>);

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Details {
    kind: String,
    category: String,
    message: String,
    context: Vec<(String, String)>,
    hint: Option<String>,
    retryable: bool,
    causes: Vec<String>,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::from(&error)
    }
}

impl From<&Error> for Failure {
    fn from(error: &Error) -> Self {
        let mut causes = Vec::new();
        let mut source = error.source();
        while let Some(cause) = source {
            causes.push(cause.to_string());
            source = cause.source();
        }
        let context = error.context().iter().map(|(key, value)| ((*key).to_owned(), value.clone()));
        Self(Box::new(Details {
            kind: error.kind().to_string(),
            category: error.kind().category().to_string(),
            message: error.message().to_owned(),
            context: context.collect(),
            hint: error.hint().map(str::to_owned),
            retryable: error.retryable(),
            causes,
        }))
    }
}

impl Failure {
    /// A defect: JSON that this package wrote itself cannot be read, or cannot be written.
    pub fn json(error: serde_json::Error) -> Self {
        Error::new(ErrorKind::Internal, "cannot exchange a message between Python and Rust")
            .with_source(error)
            .into()
    }
}

/// The exception of a failure.
impl From<Failure> for PyErr {
    fn from(failure: Failure) -> Self {
        Python::attach(|py| made(py, &failure).unwrap_or_else(|error| error))
    }
}

fn made(py: Python<'_>, failure: &Failure) -> PyResult<PyErr> {
    static FACTORY: PyOnceLock<Py<PyAny>> = PyOnceLock::new();
    let factory = FACTORY.get_or_try_init(py, || {
        let exceptions = py.import("hydra_registry.exceptions")?;
        exceptions.getattr("from_failure").map(Bound::unbind)
    })?;
    let failure = serde_json::to_vec(failure)
        .map_err(|error| pyo3::exceptions::PyRuntimeError::new_err(error.to_string()))?;
    Ok(PyErr::from_value(factory.bind(py).call1((PyBytes::new(py, &failure),))?))
}

/// The exception of an error of the library.
pub fn raised(error: &Error) -> PyErr {
    Failure::from(error).into()
}
