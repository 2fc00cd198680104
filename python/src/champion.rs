//! The class `Champion`.

use std::collections::BTreeMap;

use pyo3::prelude::*;

use crate::model::PyModel;
use crate::saved::State;

/// A version of a registered model, ready to predict: a `Model` with what MLflow has about it.
#[pyclass(name = "Champion", module = "hydra_registry", extends = PyModel, frozen)]
pub(crate) struct Champion {
    facts: Facts,
}

/// What MLflow has about a version.
#[derive(Debug, Clone, FromPyObject, IntoPyObject)]
pub(crate) struct Facts {
    /// The number of the version.
    #[pyo3(item)]
    pub(crate) version: u64,
    /// The name of the registered model.
    #[pyo3(item)]
    pub(crate) model_name: String,
    /// The run that logged it, if there is one.
    #[pyo3(item)]
    pub(crate) run_id: Option<String>,
    /// When it was registered, in milliseconds since 1970.
    #[pyo3(item)]
    pub(crate) created_at: i64,
    /// The tags of the version.
    #[pyo3(item)]
    pub(crate) tags: BTreeMap<String, String>,
    /// When it went into quarantine, by whom and why, if it did.
    #[pyo3(item)]
    pub(crate) quarantine: Option<String>,
}

impl Champion {
    /// A version with its model.
    pub(crate) fn create(py: Python<'_>, model: PyModel, facts: Facts) -> PyResult<Py<Self>> {
        Py::new(py, PyClassInitializer::from(model).add_subclass(Self { facts }))
    }
}

#[pymethods]
impl Champion {
    /// The number of the version.
    #[getter]
    fn version(&self) -> u64 {
        self.facts.version
    }

    /// The name of the registered model.
    #[getter]
    fn model_name(&self) -> &str {
        &self.facts.model_name
    }

    /// The run that logged the version, if MLflow knows it.
    #[getter]
    fn run_id(&self) -> Option<&str> {
        self.facts.run_id.as_deref()
    }

    /// When the version was registered, in milliseconds since 1970, as MLflow's `creation_timestamp`.
    #[getter]
    fn created_at(&self) -> i64 {
        self.facts.created_at
    }

    /// The tags of the version, in a new dict.
    #[getter]
    fn tags(&self) -> BTreeMap<String, String> {
        self.facts.tags.clone()
    }

    /// When the version went into quarantine, by whom and why; `None` if it is not there.
    #[getter]
    fn quarantine(&self) -> Option<&str> {
        self.facts.quarantine.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("<version {} of {}>", self.facts.version, self.facts.model_name)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (State, Facts))> {
        let py = slf.py();
        let restore = py.import("hydra_registry._native")?.getattr("_restore_champion")?;
        let champion = slf.borrow();
        Ok((restore, (champion.as_super().state(py), champion.facts.clone())))
    }
}

/// Adds the class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Champion>()
}
