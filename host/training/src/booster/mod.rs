//! LightGBM itself, with the checks that its bindings lack: trains models, and scores as a reference.
//!
//! [`Booster`] is the only code that passes model text to C++. It accepts a [`TextModel`], never bytes, and passes the
//! text of [`TextModel::emit`], so LightGBM's own parser only receives text that was validated and written again.

mod messages;

use std::sync::{Mutex, MutexGuard, PoisonError};

use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{Engine, Model};
use hydra_lightgbm::matrix::Matrix;
use hydra_lightgbm::text::TextModel;

pub(crate) use messages::redirect as redirect_messages;

/// The number of rows per call: lightgbm3 narrows row counts to 32 bits, and a block keeps the lock short.
const ROWS_PER_CALL: usize = 1 << 20;

/// The deepest tree for contributions: LightGBM recurses once per level and allocates memory for the square of the
/// depth, in 32-bit arithmetic.
const MAX_CONTRIBUTION_DEPTH: usize = 1_000;

/// A model in LightGBM.
///
/// Values are row-major `f64`, with NaN for missing ones; the width is [`Booster::features`]. Results are row-major,
/// too. Calls from several threads wait for each other.
pub struct Booster {
    handle: Mutex<Handle>,
    features: usize,
    outputs: usize,
    /// Why contributions cannot be had, where they cannot.
    contributions_refused: Option<(ErrorKind, &'static str)>,
}

impl Booster {
    /// Loads a validated model into LightGBM.
    ///
    /// [`ErrorKind::LightGbm`] if LightGBM rejects it. [`ErrorKind::UnsupportedModel`] if lightgbm3 cannot score it
    /// safely: lightgbm3 sizes its output by the number of classes, while LightGBM writes one value per tree of an
    /// iteration, and it rejects models without trees or features.
    pub fn load(model: &TextModel) -> Result<Self> {
        Self::load_with(model, None)
    }

    /// LightGBM's copy of a loaded model, with the model's number of iterations. Fails like [`Booster::load`].
    pub fn of(model: &Model) -> Result<Self> {
        Self::load_with(model.text_model(), model.iterations())
    }

    /// Loads like [`Booster::load`], and predicts with the first `num_iterations` iterations, or all if there are
    /// fewer.
    pub fn load_with(model: &TextModel, num_iterations: Option<usize>) -> Result<Self> {
        let outputs = model.num_class();
        if outputs != model.trees_per_iteration() {
            return Err(unsupported("the number of classes is not the number of trees per iteration")
                .with_context("num_class", outputs)
                .with_context("num_tree_per_iteration", model.trees_per_iteration()));
        }
        if model.num_trees() == 0 || model.num_features() == 0 {
            return Err(unsupported("LightGBM's bindings cannot score a model without trees or features"));
        }
        // LightGBM rejects such a line, and its message, cut inside a character, would make lightgbm3 panic.
        if model.feature_infos().any(|info| info.contains('=') || !info.is_ascii()) {
            return Err(unsupported("LightGBM cannot read the model's `feature_infos`"));
        }
        messages::redirect();
        let mut booster = lightgbm3::Booster::from_string(&model.emit()).map_err(|error| lightgbm(&error))?;
        let (features, classes) = (booster.num_features(), booster.num_classes());
        if usize::try_from(classes) != Ok(outputs) || usize::try_from(features) != Ok(model.num_features()) {
            return Err(Error::new(
                ErrorKind::Internal,
                "LightGBM read another shape of the model than the validator",
            )
            .with_context("classes", classes)
            .with_context("features", features));
        }
        if let Some(count) = num_iterations.and_then(|count| i32::try_from(count).ok()) {
            let count = count.clamp(1, booster.num_iterations());
            booster.set_max_iterations(count).map_err(|error| lightgbm(&error))?;
        }
        Ok(Self {
            handle: Mutex::new(Handle(booster)),
            features: model.num_features(),
            outputs,
            contributions_refused: refuse_contributions(model),
        })
    }

    /// The number of values per row.
    #[must_use]
    pub fn features(&self) -> usize {
        self.features
    }

    /// The number of values of a prediction per row: 1, or the number of classes.
    #[must_use]
    pub fn outputs(&self) -> usize {
        self.outputs
    }

    /// The sum of the trees, before the objective's transformation.
    pub fn raw_scores(&self, values: &[f64]) -> Result<Vec<f64>> {
        self.predict(values, self.outputs, |booster, block, features| {
            booster.raw_scores_with_params(block, features, true, PREDICT_PARAMETERS)
        })
    }

    /// The objective's output: probabilities, counts, values.
    pub fn output(&self, values: &[f64]) -> Result<Vec<f64>> {
        self.predict(values, self.outputs, |booster, block, features| {
            booster.predict_with_params(block, features, true, PREDICT_PARAMETERS)
        })
    }

    /// SHAP values: the effect of each feature on each row's raw score, and the expected score, `features + 1` per row.
    ///
    /// [`ErrorKind::UnsupportedModel`] for several outputs (lightgbm3's buffer holds only one) and very deep trees,
    /// [`ErrorKind::LinearContributions`] for linear trees (LightGBM has no algorithm for them), and [`ErrorKind::ModelCounts`]
    /// without row counts.
    pub fn contributions(&self, values: &[f64]) -> Result<Vec<f64>> {
        if let Some((kind, reason)) = self.contributions_refused {
            return Err(Error::new(kind, reason));
        }
        self.predict(values, self.features + 1, |booster, block, features| {
            booster.predict_contrib(block, features, true)
        })
    }

    fn predict(
        &self,
        values: &[f64],
        width: usize,
        call: impl Fn(&lightgbm3::Booster, &[f64], i32) -> lightgbm3::Result<Vec<f64>>,
    ) -> Result<Vec<f64>> {
        if !values.len().is_multiple_of(self.features) {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the number of values is not a multiple of the row length",
            )
            .with_context("values", values.len())
            .with_context("features", self.features));
        }
        let features = i32::try_from(self.features)
            .map_err(|_| unsupported("the model has more features than LightGBM supports"))?;
        let mut predictions = Vec::with_capacity(values.len() / self.features * width);
        for block in values.chunks(self.features * ROWS_PER_CALL) {
            let handle = self.lock();
            messages::redirect();
            let scored = call(&handle.0, block, features).map_err(|error| lightgbm(&error))?;
            predictions.extend_from_slice(&scored);
        }
        Ok(predictions)
    }

    /// The values in the form for LightGBM's bindings.
    fn row_major(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        if data.columns() != self.features {
            return Err(Error::new(
                ErrorKind::InvalidData,
                "the number of columns is not the model's number of features",
            )
            .with_context("columns", data.columns())
            .with_context("features", self.features));
        }
        Ok(data.to_row_major())
    }

    fn lock(&self) -> MutexGuard<'_, Handle> {
        // A panic cannot leave LightGBM's object in an inconsistent state, because predicting does not change it.
        self.handle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// LightGBM's numbers, for predictions of the [`Model`] from which the booster was [created](Booster::of).
impl Engine for Booster {
    fn raw_scores(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Booster::raw_scores(self, &self.row_major(data)?)
    }

    fn outputs(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        self.output(&self.row_major(data)?)
    }

    fn contributions(&self, data: &Matrix<'_>) -> Result<Vec<f64>> {
        Booster::contributions(self, &self.row_major(data)?)
    }
}

impl std::fmt::Debug for Booster {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Booster")
            .field("features", &self.features)
            .field("outputs", &self.outputs)
            .finish_non_exhaustive()
    }
}

/// Converts an error of LightGBM.
pub(super) fn lightgbm(error: &lightgbm3::Error) -> Error {
    Error::new(ErrorKind::LightGbm, error.to_string().trim_start_matches("LightGBM error: ").to_owned())
}

/// One thread per call: the bindings are built without OpenMP, and results must not depend on the machine.
const PREDICT_PARAMETERS: &str = "num_threads=1 verbosity=-1";

struct Handle(lightgbm3::Booster);

#[expect(unsafe_code, reason = "lightgbm3 does not declare Send; the argument is below")]
// SAFETY: the handle is a plain heap object. LightGBM ties none of it to the thread that created it: its only
// thread-local state is the last error's text, the log level and callback, and the state of distributed training, which
// is not used. `Handle` is not Sync, and the Mutex around it gives it to one thread at a time.
unsafe impl Send for Handle {}

fn refuse_contributions(model: &TextModel) -> Option<(ErrorKind, &'static str)> {
    if model.has_linear_trees() {
        Some((ErrorKind::LinearContributions, "feature contributions are not defined for linear trees"))
    } else if !model.trees().all(|tree| tree.has_counts()) {
        Some((
            ErrorKind::ModelCounts,
            "the row counts of the model's trees are missing or contradict each other",
        ))
    } else if model.num_class() != 1 {
        let reason = "LightGBM's bindings have feature contributions of single-output models only";
        Some((ErrorKind::UnsupportedModel, reason))
    } else if model.max_depth() > MAX_CONTRIBUTION_DEPTH {
        Some((ErrorKind::UnsupportedModel, "a tree is too deep for LightGBM's feature contributions"))
    } else {
        None
    }
}

fn unsupported(message: &str) -> Error {
    Error::new(ErrorKind::UnsupportedModel, message)
}

#[cfg(test)]
mod tests;
