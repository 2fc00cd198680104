//! What a pickle or a skops file holds that a prediction needs.

use std::borrow::Cow;

use crate::labels::ClassLabels;
use hydra_base::{Error, ErrorKind, Result};

/// The parts of a Python estimator that matter, taken out of its file without running any of it.
///
/// Nothing here has been validated beyond its type: the text still has to pass the text reader, and the number of
/// labels has to be compared with the number of classes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ExtractedModel<'a> {
    /// LightGBM's model text.
    pub booster_text: Cow<'a, str>,
    /// The labels of a classifier.
    pub classes: Option<ClassLabels>,
    /// The class of the object that was saved.
    pub estimator: Estimator,
    /// How many boosting rounds predictions use, where training stopped early.
    pub best_iteration: Option<u32>,
}

/// A parameter of scikit-learn style estimators that changes what they predict.
pub(super) const EARLY_STOP: &str = "pred_early_stop";

/// Refuses an estimator that leaves trees out of a row's prediction once they are sure enough: nobody else does so.
pub(super) fn refuse_early_stop(is_set: bool) -> Result<()> {
    if !is_set {
        return Ok(());
    }
    Err(Error::new(ErrorKind::UnsupportedModel, "the estimator's predictions stop before the last tree")
        .with_context("parameter", EARLY_STOP)
        .with_hint("set it to False and log the model again; its trees do not change"))
}

/// The Python classes that LightGBM models are saved as.
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
    /// The estimator of a Python class, by its qualified name.
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

/// What reading a pickle or a skops file may cost.
///
/// Files themselves are in memory already; these caps bound what is made of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct ExtractLimits {
    /// Most opcodes of a pickle; 1.5 million by default. A pickled model has a few thousand.
    pub operations: usize,
    /// Most values that a pickle builds, and most that lie on its stack or in its memo; 250,000 by default.
    pub values: usize,
    /// Most classes of a classifier; 100,000 by default.
    pub classes: usize,
    /// Most members of a skops file; 4,096 by default.
    pub members: usize,
    /// Most unpacked bytes of a member of a skops file; 1 GiB by default.
    pub member_bytes: u64,
    /// Most times that a member may be larger than its packed form; 50 by default. Model text packs about fourfold.
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
