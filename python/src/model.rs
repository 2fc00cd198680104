//! The class `Model`.

use std::path::PathBuf;
use std::sync::OnceLock;

use hydra_base::{Error, ErrorKind, Sha256};
use hydra_lightgbm::arrow::OutputType;
use hydra_lightgbm::{Model, ModelLimits};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::derive::{Derived, Iterations};
use crate::errors::raised;
use crate::input::{self, Input};
use crate::labels;
use crate::predict::{Output, one_row};
use crate::saved::{self, Parts, Source, State};

/// A LightGBM model, ready to predict: a booster, or an estimator with its class labels.
///
/// Predictions are those of LightGBM's Python package, to the bit. A model does not change, threads can share it, and it can be
/// pickled.
///
/// Rows are a NumPy array (order C or F), a pandas or polars data frame, a pyarrow table, a list of lists, or any object with
/// `__arrow_c_stream__` or `__arrow_c_array__`. Columns of arrays and lists are taken by position, other columns by name, in any
/// order; missing values are NaN or null.
#[pyclass(name = "Model", module = "hydra_registry", subclass, frozen)]
pub(crate) struct PyModel {
    pub(crate) model: Model,
    pub(crate) source: Source,
    /// The labels of a classifier: an array that cannot be written to.
    classes: Option<Py<PyAny>>,
    /// The features that were named as categories.
    pub(crate) categories: Vec<String>,
    pub(crate) threads: usize,
    derived: Derived,
    sha256: OnceLock<String>,
}

impl PyModel {
    /// A model of the bytes of a file named `name`.
    pub(crate) fn of_file(py: Python<'_>, model: Model, name: String, bytes: &[u8]) -> PyResult<Self> {
        let classes = model.classes().map(|classes| labels::to_numpy(py, classes)).transpose()?;
        let bytes = PyBytes::new(py, bytes).unbind();
        Self::new(model, Source { bytes, name, parts: None }, classes)
    }

    fn new(model: Model, source: Source, classes: Option<Bound<'_, PyAny>>) -> PyResult<Self> {
        if let Some(classes) = &classes {
            classes.getattr("flags")?.setattr("writeable", false)?;
        }
        Ok(Self {
            model,
            source,
            classes: classes.map(Bound::unbind),
            categories: Vec::new(),
            threads: 0,
            derived: Derived::default(),
            sha256: OnceLock::new(),
        })
    }

    /// A copy with other settings, which shares the trees.
    pub(crate) fn changed(
        &self,
        py: Python<'_>,
        model: Model,
        categories: Vec<String>,
        threads: usize,
    ) -> Self {
        let Source { bytes, name, parts } = &self.source;
        Self {
            model,
            source: Source { bytes: bytes.clone_ref(py), name: name.clone(), parts: *parts },
            classes: self.classes.as_ref().map(|classes| classes.clone_ref(py)),
            categories,
            threads,
            derived: Derived::default(),
            sha256: self.sha256.clone(),
        }
    }

    fn score<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        output: Output,
        iterations: Option<Iterations>,
        threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let other = self.other(py, iterations, threads)?;
        let model = other.as_ref().unwrap_or(&self.model);
        let classes = self.classes.as_ref().map(|classes| classes.bind(py));
        let input = Input::of(data)?;
        if let Input::Array(array) = &input
            && let Some(row) = array.row()?
            && let Some(answer) = one_row(py, model, output, row, classes)
        {
            return answer;
        }
        input.score(py, model, output, self.unknown_categories())?.into_array(py, classes)
    }

    /// The number of category lists whose columns the caller has not named.
    fn unknown_categories(&self) -> usize {
        if self.categories.is_empty() {
            self.model.text_model().pandas_categorical().map_or(0, <[_]>::len)
        } else {
            0
        }
    }

    /// The model for these arguments, if it is not the one of this object.
    fn other(
        &self,
        py: Python<'_>,
        iterations: Option<Iterations>,
        threads: Option<i64>,
    ) -> PyResult<Option<Model>> {
        if iterations.is_none() && threads.is_none() {
            return Ok(None);
        }
        let model = match iterations {
            Some(iterations) => py.detach(|| self.derived.model(&self.model, iterations)),
            None => self.model.clone(),
        };
        Ok(Some(match threads {
            Some(threads) => model.with_threads(number_of_threads(threads)?),
            None => model,
        }))
    }
}

#[pymethods]
#[expect(clippy::needless_pass_by_value, clippy::too_many_arguments, reason = "Python's signatures decide")]
impl PyModel {
    /// Read a model file: LightGBM's text, a pickle or a skops file, as `mlflow.lightgbm` writes them. No code in it runs.
    #[staticmethod]
    #[pyo3(signature = (path))]
    fn load(py: Python<'_>, path: PathBuf) -> PyResult<Self> {
        let read = py.detach(|| Model::open_with_bytes(&path));
        let (model, bytes) = read.map_err(|error| raised(&error))?;
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        Self::of_file(py, model, name.to_owned(), &bytes)
    }

    /// Read the bytes of a model file. The ending of `name`, such as `.pkl`, gives the format; without one, the first bytes do.
    #[staticmethod]
    #[pyo3(signature = (data, *, name=""))]
    pub(crate) fn from_bytes(py: Python<'_>, data: &[u8], name: &str) -> PyResult<Self> {
        let limits = ModelLimits::default();
        let model = py.detach(|| match name {
            "" => Model::from_bytes(data, &limits),
            name => Model::from_artifact(name, "", data, &limits),
        });
        Self::of_file(py, model.map_err(|error| raised(&error))?, name.to_owned(), data)
    }

    /// Take a `lightgbm.Booster` or a fitted estimator of `lightgbm.sklearn` as it is in memory.
    #[staticmethod]
    #[pyo3(signature = (booster_or_estimator))]
    fn from_lightgbm<'py>(booster_or_estimator: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        let module = booster_or_estimator.py().import("hydra_registry._estimators")?;
        module.call_method1("from_lightgbm", (booster_or_estimator,))
    }

    /// A model of a booster's text and what its estimator has.
    #[staticmethod]
    #[pyo3(name = "_from_parts", signature = (text, estimator, classes, best_iteration))]
    pub(crate) fn from_parts(
        py: Python<'_>,
        text: &Bound<'_, PyBytes>,
        estimator: &str,
        classes: Option<Bound<'_, PyAny>>,
        best_iteration: Option<u32>,
    ) -> PyResult<Self> {
        let estimator = saved::estimator_of(estimator)?;
        let labels = classes.as_ref().map(labels::from_numpy).transpose()?;
        let (bytes, parts) = (text.as_bytes(), Parts { estimator, best_iteration });
        let model = py.detach(|| saved::model_of(bytes, parts, labels)).map_err(|error| raised(&error))?;
        // A copy, because the caller's array stays writable.
        let classes = classes.map(|classes| classes.call_method0("copy")).transpose()?;
        let source = Source { bytes: text.clone().unbind(), name: String::new(), parts: Some(parts) };
        Self::new(model, source, classes)
    }

    /// Predict: class labels for a classifier, else the objective's output, with the shapes of LightGBM.
    ///
    /// Parameters
    /// ----------
    /// data
    ///     The rows; see the class.
    /// raw_score
    ///     Answer the sums of the trees, before the objective's transformation.
    /// pred_leaf
    ///     Answer the index of the leaf in each tree, shape `(rows, trees)`.
    /// pred_contrib
    ///     Answer what each feature contributes to the raw score (SHAP values), then the expected value, shape
    ///     `(rows, outputs * (features + 1))`.
    /// start_iteration, num_iteration
    ///     The boosting iterations that take part, as in LightGBM: by default up to the best iteration, if training stopped early.
    /// n_threads
    ///     The most threads; 0 means all processors. By default those of `with_threads`.
    ///
    /// Raises `InvalidInput` for data that the model cannot take.
    #[pyo3(signature = (data, *, raw_score=false, pred_leaf=false, pred_contrib=false, start_iteration=0, num_iteration=None, n_threads=None))]
    fn predict<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        raw_score: bool,
        pred_leaf: bool,
        pred_contrib: bool,
        start_iteration: i64,
        num_iteration: Option<i64>,
        n_threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let output = Output::of(raw_score, pred_leaf, pred_contrib);
        self.score(py, data, output, Iterations::new(start_iteration, num_iteration), n_threads)
    }

    /// Predict the probability of each class, shape `(rows, classes)`, in the order of `classes_`.
    ///
    /// The arguments are those of `predict`. Raises `DataError` if the objective does not produce probabilities of classes.
    #[pyo3(signature = (data, *, start_iteration=0, num_iteration=None, n_threads=None))]
    fn predict_proba<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        start_iteration: i64,
        num_iteration: Option<i64>,
        n_threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let iterations = Iterations::new(start_iteration, num_iteration);
        self.score(py, data, Output::Probabilities, iterations, n_threads)
    }

    /// Predict for a `pyarrow.RecordBatch`: a batch with the columns `keep`, then the predictions.
    ///
    /// `output` is `predict`, or one of the command line's: `raw`, `output`, `proba`, `label`, `leaf`, `contrib`.
    #[pyo3(name = "_predict_arrow", signature = (data, output, keep, n_threads))]
    fn predict_arrow<'py>(
        &self,
        py: Python<'py>,
        data: &Bound<'py, PyAny>,
        output: &str,
        keep: Vec<String>,
        n_threads: Option<i64>,
    ) -> PyResult<Bound<'py, PyAny>> {
        let other = self.other(py, None, n_threads)?;
        let model = other.as_ref().unwrap_or(&self.model);
        input::predict_batch(data, model, output_type(output)?, &keep)
    }

    /// The same model, where the features `names` are those that had pandas' category type in training. LightGBM's file does not
    /// contain which they are; data frames with category columns do not need it.
    #[pyo3(signature = (names))]
    fn with_categories(&self, py: Python<'_>, names: Vec<String>) -> PyResult<Self> {
        let model = self.model.clone().with_categories(&names).map_err(|error| raised(&error))?;
        Ok(self.changed(py, model, names, self.threads))
    }

    /// The same model with predictions on at most `n` threads; 0 means all processors.
    #[pyo3(signature = (n))]
    fn with_threads(&self, py: Python<'_>, n: i64) -> PyResult<Self> {
        let threads = number_of_threads(n)?;
        Ok(self.changed(py, self.model.clone().with_threads(threads), self.categories.clone(), threads))
    }

    /// The names of the features, in the order of an array's columns.
    #[getter]
    fn feature_name_<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.model.feature_names())
    }

    /// The number of features.
    #[getter]
    fn n_features_(&self) -> usize {
        self.model.feature_names().len()
    }

    /// The labels of a classifier, in the order of its classes; `None` for other models. An array that cannot be written to.
    ///
    /// A file's labels are `int64`, `bool`, `float64` or text; `from_lightgbm` keeps the estimator's type.
    #[getter]
    pub(crate) fn classes_(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.classes.as_ref().map(|classes| classes.clone_ref(py))
    }

    /// The number of trees that take part in predictions.
    #[getter]
    fn num_trees(&self) -> usize {
        self.model.num_trees()
    }

    /// The name of the objective, such as `binary`; `None` if the model does not contain one.
    #[getter]
    fn objective_(&self) -> Option<&str> {
        self.model.text_model().objective_text().and_then(|text| text.split_whitespace().next())
    }

    /// The Python class of the saved model: `Booster`, `LGBMClassifier`, `LGBMRegressor`, `LGBMRanker` or `LGBMModel`.
    #[getter]
    fn estimator(&self) -> &'static str {
        let class = self.model.estimator().class();
        class.rsplit_once('.').map_or(class, |(_, name)| name)
    }

    /// The SHA-256 digest of the model file in hexadecimal; of the booster's text for a model of `from_lightgbm`.
    #[getter]
    fn sha256(&self, py: Python<'_>) -> String {
        let digest = || Sha256::of(self.source.bytes.as_bytes(py)).to_string();
        self.sha256.get_or_init(digest).clone()
    }

    /// The names of the features that are categories, as far as the model contains it.
    #[getter]
    fn category_features<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        PyList::new(py, self.model.category_features())
    }

    fn __repr__(&self) -> String {
        format!(
            "<{} of hydra_registry: {} features, {} trees>",
            self.estimator(),
            self.n_features_(),
            self.num_trees()
        )
    }

    fn __reduce__<'py>(&self, py: Python<'py>) -> PyResult<(Bound<'py, PyAny>, (State,))> {
        let restore = py.import("hydra_registry._native")?.getattr("_restore_model")?;
        Ok((restore, (self.state(py),)))
    }
}

/// Adds the class to the module.
pub(crate) fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_class::<PyModel>()
}

fn number_of_threads(threads: i64) -> PyResult<usize> {
    usize::try_from(threads).map_err(|_| {
        let error = Error::new(ErrorKind::InvalidArgument, "the number of threads is negative")
            .with_context("threads", threads)
            .with_hint("use 0 for all processors");
        raised(&error)
    })
}

fn output_type(name: &str) -> PyResult<OutputType> {
    Ok(match name {
        "predict" => OutputType::Predict,
        "raw" => OutputType::Raw,
        "output" => OutputType::Output,
        "proba" => OutputType::Probabilities,
        "label" => OutputType::Labels,
        "leaf" => OutputType::Leaves,
        "contrib" => OutputType::Contributions,
        _ => {
            let error = Error::new(ErrorKind::InvalidArgument, "there is no such output")
                .with_context("output", name)
                .with_hint("use `predict`, `raw`, `output`, `proba`, `label`, `leaf` or `contrib`");
            return Err(raised(&error));
        }
    })
}
