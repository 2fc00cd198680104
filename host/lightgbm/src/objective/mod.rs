//! The objective of a model, and the conversion of its raw scores to outputs.
//!
//! LightGBM stores the objective in the model and applies its transform (`ConvertOutput`) in `predict`. The transforms
//! here do the same operations in the same order on doubles, with the `exp` and `log1p` of the C library that LightGBM
//! calls, too. On the same C library, outputs are equal to the bit.
//!
//! Another C library may round `exp` and `log1p` differently: they are specified to about one unit in the last place,
//! not to the bit, so even the same Python wheel may give other probabilities on another machine. Transforms with one
//! such call then differ by one or two units; a softmax adds and divides several results, so it may differ by a few.
//! Raw scores do not depend on it, and labels only if the probabilities of two classes are as close as that.

mod atof;
mod convert;
mod parse;
#[cfg(test)]
mod tests;

/// The objective of a model, with the parameters for its output.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Objective {
    /// Squared error (`regression`); `sqrt` when it was trained on square roots of the labels (`reg_sqrt`).
    Regression {
        /// Whether the output is the signed square of the raw score.
        sqrt: bool,
    },
    /// Absolute error (`regression_l1`).
    RegressionL1 {
        /// Whether the output is the signed square of the raw score.
        sqrt: bool,
    },
    /// Huber loss.
    Huber,
    /// Fair loss.
    Fair {
        /// Whether the output is the signed square of the raw score.
        sqrt: bool,
    },
    /// Quantile loss.
    Quantile {
        /// Whether the output is the signed square of the raw score.
        sqrt: bool,
    },
    /// Absolute percentage error.
    Mape {
        /// Whether the output is the signed square of the raw score.
        sqrt: bool,
    },
    /// Poisson regression: the output is the exponential of the raw score.
    Poisson,
    /// Gamma regression: the output is the exponential of the raw score.
    Gamma,
    /// Tweedie regression: the output is the exponential of the raw score.
    Tweedie,
    /// Two classes: the output is the probability of the second.
    Binary {
        /// The slope of the logistic function.
        sigmoid: f64,
    },
    /// Many classes: the outputs are the softmax of the raw scores.
    Multiclass {
        /// The number of classes.
        num_class: usize,
    },
    /// Many classes, each against all others: every output is a separate probability.
    MulticlassOva {
        /// The number of classes.
        num_class: usize,
        /// The slope of the logistic function.
        sigmoid: f64,
    },
    /// Cross-entropy with labels in [0, 1]: the output is a probability.
    CrossEntropy,
    /// Cross-entropy, parametrised by intensity: the output is `log(1 + exp(raw))`.
    CrossEntropyLambda,
    /// LambdaRank: the output is the raw score.
    Lambdarank,
    /// XE-NDCG ranking: the output is the raw score.
    RankXendcg,
    /// A custom objective, or none: the output is the raw score.
    Custom,
}

impl Objective {
    /// The name in models that LightGBM writes.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Regression { .. } => "regression",
            Self::RegressionL1 { .. } => "regression_l1",
            Self::Huber => "huber",
            Self::Fair { .. } => "fair",
            Self::Quantile { .. } => "quantile",
            Self::Mape { .. } => "mape",
            Self::Poisson => "poisson",
            Self::Gamma => "gamma",
            Self::Tweedie => "tweedie",
            Self::Binary { .. } => "binary",
            Self::Multiclass { .. } => "multiclass",
            Self::MulticlassOva { .. } => "multiclassova",
            Self::CrossEntropy => "cross_entropy",
            Self::CrossEntropyLambda => "cross_entropy_lambda",
            Self::Lambdarank => "lambdarank",
            Self::RankXendcg => "rank_xendcg",
            Self::Custom => "custom",
        }
    }

    /// The number of raw scores per row, if the objective determines it; custom objectives do not.
    #[must_use]
    pub fn num_outputs(&self) -> Option<usize> {
        match self {
            Self::Multiclass { num_class } | Self::MulticlassOva { num_class, .. } => Some(*num_class),
            Self::Custom => None,
            _ => Some(1),
        }
    }
}
