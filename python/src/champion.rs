//! The class `Champion`: the model of a registered version.

use std::collections::BTreeMap;

use hydra_lightgbm::Model;
use hydra_models::model_cache::CachedModel;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::calls::Loaded;
use crate::errors::Failure;
use crate::model::PyModel;
use crate::saved::State;

/// The model of a registered version, such as the champion: a `Model` that knows where it comes from.
#[pyclass(name = "Champion", module = "hydra_registry", extends = PyModel, frozen, skip_from_py_object)]
pub struct Champion {
    loaded: Loaded,
}

impl Champion {
    /// The model of a version, with its file.
    pub fn create(py: Python<'_>, model: Model, file: &CachedModel, loaded: Loaded) -> PyResult<Py<Self>> {
        let base = PyModel::of_file(py, model, file.data_file().to_owned(), file.bytes())?;
        Self::of(py, base, loaded)
    }

    /// The same model with what is known of its version now, such as a quarantine.
    pub fn again(py: Python<'_>, same: &Py<Self>, loaded: Loaded) -> PyResult<Py<Self>> {
        let base = same.bind(py).as_super().get();
        Self::of(py, base.changed(py, base.model.clone(), Vec::new(), 0), loaded)
    }

    fn of(py: Python<'_>, base: PyModel, loaded: Loaded) -> PyResult<Py<Self>> {
        Py::new(py, PyClassInitializer::from(base).add_subclass(Self { loaded }))
    }
}

#[pymethods]
impl Champion {
    /// The name of the registered model.
    #[getter]
    fn model_name(&self) -> &str {
        &self.loaded.model_name
    }

    /// The number of the version.
    #[getter]
    fn version(&self) -> u64 {
        self.loaded.version
    }

    /// The id of the run that logged it, if it names one.
    #[getter]
    fn run_id(&self) -> Option<&str> {
        self.loaded.run_id.as_deref()
    }

    /// When the version was created, in milliseconds since 1970.
    #[getter]
    fn created_at(&self) -> i64 {
        self.loaded.created_at
    }

    /// The tags of the version.
    #[getter]
    fn tags(&self) -> BTreeMap<String, String> {
        self.loaded.tags.clone()
    }

    /// When the version went into quarantine, by whom and why; `None` if it is not in quarantine.
    #[getter]
    fn quarantine(&self) -> Option<&str> {
        self.loaded.quarantine.as_deref()
    }

    fn __repr__(&self) -> String {
        format!("<version {} of {}>", self.loaded.version, self.loaded.model_name)
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (Bound<'py, PyBytes>, State))> {
        let py = slf.py();
        let restore = py.import("hydra_registry._native")?.getattr("_restore_champion")?;
        let loaded = serde_json::to_vec(&slf.get().loaded).map_err(Failure::json)?;
        Ok((restore, (PyBytes::new(py, &loaded), slf.as_super().get().state(py))))
    }
}

/// Make a pickled champion again.
#[pyfunction]
#[pyo3(signature = (loaded, state))]
fn _restore_champion(py: Python<'_>, loaded: &[u8], state: StateOf<'_>) -> PyResult<Py<Champion>> {
    let (bytes, name, estimator, classes, best_iteration, categories, threads) = state;
    let base = PyModel::restored(
        py,
        &bytes,
        &name,
        estimator.as_deref(),
        classes,
        best_iteration,
        categories,
        threads,
    )?;
    Champion::of(py, base, serde_json::from_slice(loaded).map_err(Failure::json)?)
}

/// A `State` on its way back.
type StateOf<'py> = (
    Bound<'py, PyBytes>,
    String,
    Option<String>,
    Option<Bound<'py, PyAny>>,
    Option<u32>,
    Vec<String>,
    usize,
);

/// Adds what this module defines.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<Champion>()?;
    module.add_function(wrap_pyfunction!(_restore_champion, module)?)
}
