//! What a model is made of, and copies of models in other processes.

use hydra_base::{Error, ErrorKind};
use hydra_lightgbm::text::Limits;
use hydra_lightgbm::{ClassLabels, Estimator, Model, TextModel};
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::champion::{Champion, Facts};
use crate::errors::raised;
use crate::model::PyModel;

/// Where a model comes from, so that a copy can be made in another process.
pub(crate) struct Source {
    /// The model file, or the booster's text if there are parts.
    pub(crate) bytes: Py<PyBytes>,
    /// The name of the file.
    pub(crate) name: String,
    pub(crate) parts: Option<Parts>,
}

/// What an estimator in memory has besides its booster.
#[derive(Clone, Copy)]
pub(crate) struct Parts {
    pub(crate) estimator: Estimator,
    pub(crate) best_iteration: Option<u32>,
}

/// What a copy in another process is made of: the bytes and the name of the file; or the bytes of the text, with the estimator's
/// class, labels and best iteration; then the features that were named as categories, and the number of threads.
pub(crate) type State =
    (Py<PyBytes>, String, Option<String>, Option<Py<PyAny>>, Option<u32>, Vec<String>, usize);

impl PyModel {
    /// What a copy is made of.
    pub(crate) fn state(&self, py: Python<'_>) -> State {
        let Source { bytes, name, parts } = &self.source;
        (
            bytes.clone_ref(py),
            name.clone(),
            parts.map(|parts| parts.estimator.class().to_owned()),
            // A file contains them.
            self.classes_(py).filter(|_| parts.is_some()),
            parts.and_then(|parts| parts.best_iteration),
            self.categories.clone(),
            self.threads,
        )
    }

    /// A copy.
    pub(crate) fn restored(py: Python<'_>, state: State) -> PyResult<Self> {
        let (bytes, name, estimator, classes, best_iteration, categories, threads) = state;
        let bytes = bytes.bind(py);
        let restored = match estimator {
            Some(estimator) => {
                let classes = classes.map(|classes| classes.into_bound(py));
                Self::from_parts(py, bytes, &estimator, classes, best_iteration)?
            }
            None => Self::from_bytes(py, bytes.as_bytes(), &name)?,
        };
        let mut model = restored.model.clone().with_threads(threads);
        if !categories.is_empty() {
            model = model.with_categories(&categories).map_err(|error| raised(&error))?;
        }
        Ok(restored.changed(py, model, categories, threads))
    }
}

/// Make a pickled model again.
#[pyfunction]
#[pyo3(name = "_restore_model", signature = (state))]
fn restore_model(py: Python<'_>, state: State) -> PyResult<PyModel> {
    PyModel::restored(py, state)
}

/// Make a pickled champion again.
#[pyfunction]
#[pyo3(name = "_restore_champion", signature = (state, facts))]
fn restore_champion(py: Python<'_>, state: State, facts: Facts) -> PyResult<Py<Champion>> {
    Champion::create(py, PyModel::restored(py, state)?, facts)
}

/// The model of a booster's text, with what its estimator has.
pub(crate) fn model_of(text: &[u8], parts: Parts, labels: Option<ClassLabels>) -> hydra_base::Result<Model> {
    let text = TextModel::parse(text, &Limits::default())?;
    Model::from_parts(text, parts.estimator, labels, parts.best_iteration)
}

/// The estimator of the qualified name of a class.
pub(crate) fn estimator_of(class: &str) -> PyResult<Estimator> {
    let estimator = class.rsplit_once('.').and_then(|(module, name)| Estimator::from_class(module, name));
    estimator.ok_or_else(|| {
        let error = Error::new(ErrorKind::UnsupportedModel, "the class is not that of a LightGBM model")
            .with_context("class", class);
        raised(&error)
    })
}

/// Adds the functions to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(restore_model, module)?)?;
    module.add_function(wrap_pyfunction!(restore_champion, module)?)
}
