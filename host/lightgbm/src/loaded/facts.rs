//! What a model is and what it answers, besides its numbers.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ColumnKind, FeatureKind, Model};
use crate::extracted::Estimator;
use crate::objective::Objective;

/// The format of a model file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ModelFormat {
    /// LightGBM's own text.
    Text,
    /// A pickle, by pickle or cloudpickle.
    Pickle,
    /// A skops file.
    Skops,
}

/// The meaning of the values that a prediction answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutputKind {
    /// A probability: of the second of two classes, or one for each class.
    Probability,
    /// The label of a class.
    Label,
    /// A value in the unit of the target, such as that of a regression.
    Value,
    /// Scores without a unit, such as those of a ranking or of a custom objective.
    Scores,
}

impl ModelFormat {
    /// The format's name: `text`, `pickle` or `skops`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Pickle => "pickle",
            Self::Skops => "skops",
        }
    }
}

impl OutputKind {
    /// The kind's name: `probability`, `label`, `value` or `scores`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Probability => "probability",
            Self::Label => "label",
            Self::Value => "value",
            Self::Scores => "scores",
        }
    }
}

impl fmt::Display for ModelFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Display for OutputKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl Model {
    /// The format of the file that the model was read from.
    #[must_use]
    pub fn format(&self) -> ModelFormat {
        self.format
    }

    /// The meaning of what [`Model::predict`] answers.
    ///
    /// It depends on the file as well as on the trees: a classifier answers labels, and the booster inside it probabilities.
    #[must_use]
    pub fn output_kind(&self) -> OutputKind {
        if self.predicts_labels() { OutputKind::Label } else { self.kind_of_outputs() }
    }

    /// The meaning of what [`Model::outputs`] answers.
    #[must_use]
    pub fn kind_of_outputs(&self) -> OutputKind {
        match self.text.objective() {
            Some(
                Objective::Binary { .. }
                | Objective::Multiclass { .. }
                | Objective::MulticlassOva { .. }
                | Objective::CrossEntropy,
            ) => OutputKind::Probability,
            Some(
                Objective::Regression { .. }
                | Objective::RegressionL1 { .. }
                | Objective::Huber
                | Objective::Fair { .. }
                | Objective::Quantile { .. }
                | Objective::Mape { .. }
                | Objective::Poisson
                | Objective::Gamma
                | Objective::Tweedie
                | Objective::CrossEntropyLambda,
            ) => OutputKind::Value,
            Some(Objective::Lambdarank | Objective::RankXendcg | Objective::Custom) | None => {
                OutputKind::Scores
            }
        }
    }

    /// The names of the features that are categories, in the order of [`Model::feature_names`]: those that LightGBM treated as
    /// categories in training, and those that had pandas' category type where the model's text tells which ones they are.
    #[must_use]
    pub fn category_features(&self) -> Vec<&str> {
        let names = self.text.feature_names();
        let unknown = vec![ColumnKind::Unknown; names.len()];
        let assigned = self.feature_kinds(&unknown).unwrap_or_default();
        let has_list =
            |feature: usize| assigned.get(feature).is_some_and(|kind| *kind != FeatureKind::Numeric);
        // Values of numeric features are `[min:max]`, and `none` says nothing about a feature.
        let in_training = |info: &str| !info.starts_with('[') && info != "none";
        let described = names.iter().zip(self.text.feature_infos()).enumerate();
        let categories = described.filter(|(feature, (_, info))| in_training(info) || has_list(*feature));
        categories.map(|(_, (name, _))| name.as_str()).collect()
    }

    /// How many boosting iterations take part in predictions.
    #[must_use]
    pub fn used_iterations(&self) -> usize {
        self.num_trees() / self.text.trees_per_iteration()
    }

    /// Whether [`Model::predict`] answers labels.
    pub(super) fn predicts_labels(&self) -> bool {
        self.estimator == Estimator::Classifier && !self.is_custom()
    }
}
