//! The contents of a pickle or a skops file that predictions need.

use std::borrow::Cow;

use crate::labels::ClassLabels;
use hydra_base::{Error, ErrorKind, Result};

/// The relevant parts of a Python estimator, extracted from its file without running any of it.
///
/// Only types have been validated: the text must still pass the text reader, and the number of labels must still be
/// compared with the number of classes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExtractedModel<'a> {
    /// LightGBM's model text.
    pub booster_text: Cow<'a, str>,
    /// The labels of a classifier.
    pub classes: Option<ClassLabels>,
    /// The class of the saved object.
    pub estimator: Estimator,
    /// The number of boosting rounds for predictions, if training stopped early.
    pub best_iteration: Option<u32>,
}

/// A parameter of scikit-learn style estimators that changes predictions.
pub(super) const EARLY_STOP: &str = "pred_early_stop";

/// Rejects an estimator that stops a row's prediction before the last tree, because this crate evaluates all trees.
pub(super) fn refuse_early_stop(is_set: bool) -> Result<()> {
    if !is_set {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnsupportedModel, "the estimator's predictions stop before the last tree")
        .with_context("parameter", EARLY_STOP)
        .with_hint("set it to False and log the model again; its trees do not change"))
}

/// The Python classes of saved LightGBM models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Estimator {
    /// `lightgbm.basic.Booster`: predicts its objective's output.
    Booster,
    /// `lightgbm.sklearn.LGBMClassifier`: predicts labels.
    Classifier,
    /// `lightgbm.sklearn.LGBMRegressor`: predicts values.
    Regressor,
    /// `lightgbm.sklearn.LGBMRanker`: predicts scores.
    Ranker,
    /// `lightgbm.sklearn.LGBMModel`: predicts its objective's output.
    Model,
}

impl Estimator {
    /// Finds the estimator by the qualified name of its Python class.
    #[must_use]
    pub fn from_class(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("lightgbm.basic", "Booster") => Self::Booster,
            ("lightgbm.sklearn", "LGBMClassifier") => Self::Classifier,
            ("lightgbm.sklearn", "LGBMRegressor") => Self::Regressor,
            ("lightgbm.sklearn", "LGBMRanker") => Self::Ranker,
            ("lightgbm.sklearn", "LGBMModel") => Self::Model,
            _ => return None,
        })
    }

    /// The qualified name of the Python class.
    #[must_use]
    pub fn class(self) -> &'static str {
        match self {
            Self::Booster => "lightgbm.basic.Booster",
            Self::Classifier => "lightgbm.sklearn.LGBMClassifier",
            Self::Regressor => "lightgbm.sklearn.LGBMRegressor",
            Self::Ranker => "lightgbm.sklearn.LGBMRanker",
            Self::Model => "lightgbm.sklearn.LGBMModel",
        }
    }
}

/// Limits for reading a pickle or a skops file.
///
/// The file itself is in memory already; the limits apply to the values that are built from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractLimits {
    /// The largest number of opcodes in a pickle; 1.5 million by default. A pickled model has a few thousand.
    pub operations: usize,
    /// The largest number of values that a pickle builds, and of entries in its stack and memo; 250,000 by default.
    pub values: usize,
    /// The largest number of classes of a classifier; 100,000 by default.
    pub classes: usize,
    /// The largest number of members of a skops file; 4,096 by default.
    pub members: usize,
    /// The largest unpacked size of a member of a skops file in bytes; 1 GiB by default.
    pub member_bytes: u64,
    /// The largest ratio of a member's unpacked to its packed size; 50 by default. Model text has a ratio of about 4.
    pub ratio: u64,
}

impl Default for ExtractLimits {
    fn default() -> Self {
        Self {
            operations: 1_500_000,
            values: 250_000,
            classes: 100_000,
            members: 4_096,
            member_bytes: 1 << 30,
            ratio: 50,
        }
    }
}
