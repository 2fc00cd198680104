//! The metrics: their names, which way they are better, and whose definition they follow.

use std::fmt;
use std::str::FromStr;

use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};
use serde::{Deserialize, Serialize};

/// A metric, with its parameter.
///
/// In the formulas, `y` is a row's label, `p` its score and `w` its weight (1 without weights); sums are over rows.
/// Each definition is that of scikit-learn 1.9 or LightGBM 4.7, and the tests compare with these to 1e-12. The metrics
/// that follow LightGBM round weights to 32 bits, as LightGBM does.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Metric {
    /// `auc`: the area under the ROC curve. The share of the weight of pairs of a positive and a negative row in which
    /// the positive has the greater score; ties count half. NaN if only one class has weight.
    /// scikit-learn's `roc_auc_score`.
    Auc,
    /// `average_precision`: `Σ (R_t - R_(t-1)) P_t` over the distinct scores `t` from the greatest, with the precision `P_t`
    /// and the recall `R_t` of the rows with `p >= t`. 0 without positive rows. scikit-learn's
    /// `average_precision_score`.
    AveragePrecision,
    /// `log_loss`: `-Σ w ln(q) / Σ w`, where `q` is the probability of the label's class, kept between 2.2e-16 and
    /// 1 - 2.2e-16. scikit-learn's `log_loss`.
    LogLoss,
    /// `brier`: `Σ w (y - p)² / Σ w`. scikit-learn's `brier_score_loss`.
    Brier,
    /// `accuracy`: the weight of the rows with `(p > threshold) = y`, divided by `Σ w`. scikit-learn's
    /// `accuracy_score`.
    Accuracy,
    /// `f1`: `2 TP / (2 TP + FP + FN)` of the labels `p > threshold`, 0 where that is 0 / 0. scikit-learn's `f1_score`.
    F1,
    /// `balanced_accuracy`: the mean of `TP / (TP + FN)` and `TN / (TN + FP)`, without the class that no row has.
    /// scikit-learn's `balanced_accuracy_score`.
    BalancedAccuracy,
    /// `ece`: the expected calibration error, `Σ_b |Σ_b w y - Σ_b w p| / Σ w` over the ten bins `b` of equal width of
    /// scikit-learn's `calibration_curve`: each has its upper edge, the first both. Guo et al., 2017. It has no interval,
    /// because it is biased upwards in a resample.
    Ece,
    /// `rmse`: `√(Σ w (y - p)² / Σ w)`. scikit-learn's `root_mean_squared_error`.
    Rmse,
    /// `mae`: `Σ w |y - p| / Σ w`. scikit-learn's `mean_absolute_error`.
    Mae,
    /// `mape`: `Σ w |y - p| / max(|y|, 2.2e-16) / Σ w`. scikit-learn's `mean_absolute_percentage_error`; LightGBM's
    /// divides by at least 1.
    Mape,
    /// `r2`: `1 - Σ w (y - p)² / Σ w (y - ȳ)²`. If all labels are equal, 1 for exact scores and 0 otherwise; NaN for fewer than two
    /// rows. scikit-learn's `r2_score`.
    R2,
    /// `pinball@ALPHA`: `Σ w max(α (y - p), (α - 1) (y - p)) / Σ w`. scikit-learn's `mean_pinball_loss`.
    Pinball {
        /// The quantile, between 0 and 1.
        alpha: f64,
    },
    /// `poisson_deviance`: `2 Σ w (y ln(y / p) - y + p) / Σ w`, for `y >= 0` and `p > 0`. scikit-learn's
    /// `mean_poisson_deviance`.
    PoissonDeviance,
    /// `gamma_deviance`: `2 Σ w (ln(p / y) + y / p - 1) / Σ w`, for `y > 0` and `p > 0`. scikit-learn's
    /// `mean_gamma_deviance`; LightGBM's metric of this name is not divided by `Σ w`.
    GammaDeviance,
    /// `tweedie_deviance@POWER`: `2 Σ w (y^(2-ρ) / ((1-ρ)(2-ρ)) - y p^(1-ρ) / (1-ρ) + p^(2-ρ) / (2-ρ)) / Σ w`, for
    /// `y >= 0` and `p > 0`. scikit-learn's `mean_tweedie_deviance`.
    TweedieDeviance {
        /// The variance power `ρ`, between 1 and 2.
        power: f64,
    },
    /// `multi_logloss`: `-Σ w ln(max(q, 1e-15)) / Σ w`, where `q` is the probability of the label's class. LightGBM's
    /// `multi_logloss`.
    MultiLogLoss,
    /// `auc_ovr`: the mean over the classes of [`Metric::Auc`] of each class against all others. NaN if a class or all
    /// others have no weight. scikit-learn's `roc_auc_score` with `multi_class="ovr"` and `average="macro"`.
    AucOvr,
    /// `multi_error`: the weight of the rows in which another class has at least the probability of the label's class,
    /// divided by `Σ w`. LightGBM's `multi_error`.
    MultiError,
    /// `ndcg@K`: the weighted mean over the groups of `DCG@K / max DCG@K`, with gains `2^y - 1` and discounts
    /// `1 / log2(position + 1)`. Rows with equal scores keep their order. A group without gains counts as 1, without its
    /// weight. A group's weight is the mean of its rows' weights. LightGBM's `ndcg`; scikit-learn's has gains `y` and
    /// averages over ties.
    Ndcg {
        /// How many positions count, from 1.
        at: u32,
    },
    /// `map@K`: the weighted mean over the groups of `Σ (hits until i) / i` over the hits' positions `i <= K`, divided by the
    /// number of hits that fit into K positions. A row with `y >= 1` is a hit; a group without hits counts as 1, with its
    /// weight. LightGBM's `map`.
    Map {
        /// How many positions count, from 1.
        at: u32,
    },
}

/// What a metric is about, which decides what labels and scores it needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Task {
    /// Two classes; the score is the probability of the second.
    Binary,
    /// Several classes, with a probability each.
    Multiclass,
    /// Numbers.
    Regression,
    /// Grades of relevance in groups of rows.
    Ranking,
}

/// Which way a metric is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Direction {
    /// Greater is better.
    Higher,
    /// Less is better.
    Lower,
}

impl Direction {
    /// `higher` or `lower`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Higher => "higher",
            Self::Lower => "lower",
        }
    }
}

impl Task {
    /// The task's name in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Binary => "binary",
            Self::Multiclass => "multiclass",
            Self::Regression => "regression",
            Self::Ranking => "ranking",
        }
    }
}

impl fmt::Display for Task {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The metrics without a parameter.
const PLAIN: [Metric; 17] = [
    Metric::Auc,
    Metric::AveragePrecision,
    Metric::LogLoss,
    Metric::Brier,
    Metric::Accuracy,
    Metric::F1,
    Metric::BalancedAccuracy,
    Metric::Ece,
    Metric::Rmse,
    Metric::Mae,
    Metric::Mape,
    Metric::R2,
    Metric::PoissonDeviance,
    Metric::GammaDeviance,
    Metric::MultiLogLoss,
    Metric::AucOvr,
    Metric::MultiError,
];

impl Metric {
    /// What the metric is about.
    #[must_use]
    pub const fn task(self) -> Task {
        match self {
            Self::Auc
            | Self::AveragePrecision
            | Self::LogLoss
            | Self::Brier
            | Self::Accuracy
            | Self::F1
            | Self::BalancedAccuracy
            | Self::Ece => Task::Binary,
            Self::MultiLogLoss | Self::AucOvr | Self::MultiError => Task::Multiclass,
            Self::Ndcg { .. } | Self::Map { .. } => Task::Ranking,
            _ => Task::Regression,
        }
    }

    /// Which way the metric is better.
    #[must_use]
    pub const fn direction(self) -> Direction {
        match self {
            Self::Auc
            | Self::AveragePrecision
            | Self::Accuracy
            | Self::F1
            | Self::BalancedAccuracy
            | Self::R2
            | Self::AucOvr
            | Self::Ndcg { .. }
            | Self::Map { .. } => Direction::Higher,
            _ => Direction::Lower,
        }
    }

    /// Whose definition the metric follows: a function of scikit-learn or a metric of LightGBM.
    #[must_use]
    pub const fn follows(self) -> &'static str {
        match self {
            Self::Auc | Self::AucOvr => "sklearn.metrics.roc_auc_score",
            Self::AveragePrecision => "sklearn.metrics.average_precision_score",
            Self::LogLoss => "sklearn.metrics.log_loss",
            Self::Brier => "sklearn.metrics.brier_score_loss",
            Self::Accuracy => "sklearn.metrics.accuracy_score",
            Self::F1 => "sklearn.metrics.f1_score",
            Self::BalancedAccuracy => "sklearn.metrics.balanced_accuracy_score",
            Self::Ece => "sklearn.calibration.calibration_curve",
            Self::Rmse => "sklearn.metrics.root_mean_squared_error",
            Self::Mae => "sklearn.metrics.mean_absolute_error",
            Self::Mape => "sklearn.metrics.mean_absolute_percentage_error",
            Self::R2 => "sklearn.metrics.r2_score",
            Self::Pinball { .. } => "sklearn.metrics.mean_pinball_loss",
            Self::PoissonDeviance => "sklearn.metrics.mean_poisson_deviance",
            Self::GammaDeviance => "sklearn.metrics.mean_gamma_deviance",
            Self::TweedieDeviance { .. } => "sklearn.metrics.mean_tweedie_deviance",
            Self::MultiLogLoss => "lightgbm multi_logloss",
            Self::MultiError => "lightgbm multi_error",
            Self::Ndcg { .. } => "lightgbm ndcg",
            Self::Map { .. } => "lightgbm map",
        }
    }

    /// The name without the parameter.
    const fn name(self) -> &'static str {
        match self {
            Self::Auc => "auc",
            Self::AveragePrecision => "average_precision",
            Self::LogLoss => "log_loss",
            Self::Brier => "brier",
            Self::Accuracy => "accuracy",
            Self::F1 => "f1",
            Self::BalancedAccuracy => "balanced_accuracy",
            Self::Ece => "ece",
            Self::Rmse => "rmse",
            Self::Mae => "mae",
            Self::Mape => "mape",
            Self::R2 => "r2",
            Self::Pinball { .. } => "pinball",
            Self::PoissonDeviance => "poisson_deviance",
            Self::GammaDeviance => "gamma_deviance",
            Self::TweedieDeviance { .. } => "tweedie_deviance",
            Self::MultiLogLoss => "multi_logloss",
            Self::AucOvr => "auc_ovr",
            Self::MultiError => "multi_error",
            Self::Ndcg { .. } => "ndcg",
            Self::Map { .. } => "map",
        }
    }

    /// Whether the parameter is in its range.
    pub(crate) fn has_valid_parameter(self) -> bool {
        match self {
            Self::Pinball { alpha } => alpha > 0.0 && alpha < 1.0,
            Self::TweedieDeviance { power } => power > 1.0 && power < 2.0,
            Self::Ndcg { at } | Self::Map { at } => at > 0,
            _ => true,
        }
    }

    /// Whether the metric reads its scores as probabilities, and not only their order.
    #[must_use]
    pub const fn needs_probabilities(self) -> bool {
        matches!(self, Self::LogLoss | Self::Brier | Self::Ece | Self::MultiLogLoss)
    }

    /// Whether the metric depends on the order of the scores over all rows.
    pub(crate) const fn is_ranked(self) -> bool {
        matches!(self, Self::Auc | Self::AveragePrecision | Self::AucOvr)
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.name();
        match self {
            Self::Pinball { alpha: parameter } | Self::TweedieDeviance { power: parameter } => {
                write!(f, "{name}@{parameter}")
            }
            Self::Ndcg { at } | Self::Map { at } => write!(f, "{name}@{at}"),
            _ => f.write_str(name),
        }
    }
}

impl FromStr for Metric {
    type Err = Error;

    /// Reads a name such as `auc` or `ndcg@10`. [`ErrorKind::UnknownMetric`] if there is no such metric, or its parameter is out
    /// of range.
    fn from_str(text: &str) -> Result<Self> {
        let unknown = |message: &str| {
            let names: Vec<&str> = PLAIN.iter().map(|metric| metric.name()).collect();
            Error::new(ErrorKind::UnknownMetric, format!("{message}: `{}`", excerpt(text, QUOTED_CHARS)))
                .with_hint(format!(
                    "use one of {}, pinball@ALPHA, tweedie_deviance@POWER, ndcg@K, map@K",
                    names.join(", ")
                ))
        };
        let Some((name, parameter)) = text.split_once('@') else {
            let plain = PLAIN.into_iter().find(|metric| metric.name() == text);
            return plain.ok_or_else(|| unknown("the text is not a metric"));
        };
        let number = || parameter.parse().unwrap_or(f64::NAN);
        let at = parameter.parse().unwrap_or(0);
        let metric = match name {
            "pinball" => Self::Pinball { alpha: number() },
            "tweedie_deviance" => Self::TweedieDeviance { power: number() },
            "ndcg" => Self::Ndcg { at },
            "map" => Self::Map { at },
            _ => return Err(unknown("the text is not a metric")),
        };
        if metric.has_valid_parameter() {
            Ok(metric)
        } else {
            Err(unknown("the metric's parameter is out of range"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_base::testing::kind;

    #[test]
    fn every_metric_reads_its_own_name() {
        let parameterised = ["pinball@0.9", "tweedie_deviance@1.5", "ndcg@10", "map@3"];
        let names: Vec<String> = PLAIN.iter().map(ToString::to_string).collect();
        for name in names.iter().map(String::as_str).chain(parameterised) {
            let metric: Metric = name.parse().unwrap();
            assert_eq!(metric.to_string(), name);
            assert!(metric.follows().starts_with("sklearn.") || metric.follows().starts_with("lightgbm "));
        }
        assert_eq!("ndcg@10".parse::<Metric>().unwrap().direction(), Direction::Higher);
        assert_eq!(Metric::MultiError.task(), Task::Multiclass);
    }

    #[test]
    fn other_names_and_parameters_are_refused() {
        for text in
            ["", "AUC", "ndcg", "ndcg@0", "ndcg@-1", "ndcg@x", "auc@1", "pinball", "pinball@1", "pinball@nan"]
        {
            assert_eq!(kind(text.parse::<Metric>()), ErrorKind::UnknownMetric, "{text}");
        }
        let error = "tweedie_deviance@2".parse::<Metric>().unwrap_err();
        assert_eq!(error.to_string(), "the metric's parameter is out of range: `tweedie_deviance@2`");
    }
}
