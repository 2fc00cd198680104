//! The parameters of training, under the names that scikit-learn's `LGBMClassifier` gives them.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use hydra_base::{Error, ErrorKind, Result};

/// What to train; the default is what `LGBMClassifier()` does.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TrainingParameters {
    /// Boosting rounds, 1 or more.
    pub n_estimators: u32,
    /// Most leaves of a tree, 2 to 131,072.
    pub num_leaves: u32,
    /// Most levels of a tree; none is no limit.
    pub max_depth: Option<u32>,
    /// Shrinkage of each tree, above 0.
    pub learning_rate: f64,
    /// Least rows in a leaf, 20 or more: LightGBM drops columns that cannot be split that way when it bins the data, and
    /// lightgbm3 bins with the default of 20.
    pub min_child_samples: u32,
    /// Least sum of hessians in a leaf, 0 or more.
    pub min_child_weight: f64,
    /// Least gain of a split, 0 or more.
    pub min_split_gain: f64,
    /// Share of rows drawn for bagging, above 0, at most 1.
    pub subsample: f64,
    /// Rounds between two draws of rows; 0 turns bagging off.
    pub subsample_freq: u32,
    /// Share of columns drawn for each tree, above 0, at most 1.
    pub colsample_bytree: f64,
    /// L1 regularisation, 0 or more.
    pub reg_alpha: f64,
    /// L2 regularisation, 0 or more.
    pub reg_lambda: f64,
    /// Seed of all draws; none keeps LightGBM's own fixed seeds.
    pub random_state: Option<u32>,
}

impl Default for TrainingParameters {
    fn default() -> Self {
        Self {
            n_estimators: 100,
            num_leaves: 31,
            max_depth: None,
            learning_rate: 0.1,
            min_child_samples: 20,
            min_child_weight: 1e-3,
            min_split_gain: 0.0,
            subsample: 1.0,
            subsample_freq: 0,
            colsample_bytree: 1.0,
            reg_alpha: 0.0,
            reg_lambda: 0.0,
            random_state: None,
        }
    }
}

impl TrainingParameters {
    /// Refuses values that LightGBM would refuse, or worse, would silently replace.
    pub(super) fn check(&self) -> Result<()> {
        let most = i32::MAX as u32;
        integer("n_estimators", self.n_estimators, 1, most)?;
        integer("num_leaves", self.num_leaves, 2, 131_072)?;
        integer("max_depth", self.max_depth.unwrap_or(1), 1, most)?;
        integer("min_child_samples", self.min_child_samples, 20, most)?;
        integer("subsample_freq", self.subsample_freq, 0, most)?;
        integer("random_state", self.random_state.unwrap_or(0), 0, most)?;
        number("learning_rate", self.learning_rate, |v| v > 0.0, "above 0")?;
        number("subsample", self.subsample, |v| v > 0.0 && v <= 1.0, "above 0, at most 1")?;
        number("colsample_bytree", self.colsample_bytree, |v| v > 0.0 && v <= 1.0, "above 0, at most 1")?;
        number("min_child_weight", self.min_child_weight, |v| v >= 0.0, "0 or more")?;
        number("min_split_gain", self.min_split_gain, |v| v >= 0.0, "0 or more")?;
        number("reg_alpha", self.reg_alpha, |v| v >= 0.0, "0 or more")?;
        number("reg_lambda", self.reg_lambda, |v| v >= 0.0, "0 or more")
    }

    /// LightGBM's names, every one set, so that a default that changes in LightGBM changes nothing here.
    pub(super) fn for_lightgbm(&self) -> Value {
        let mut parameters = json!({
            "objective": "binary",
            "boosting": "gbdt",
            "num_iterations": self.n_estimators,
            "num_leaves": self.num_leaves,
            "max_depth": self.max_depth.map_or(-1, i64::from),
            "learning_rate": self.learning_rate,
            "min_data_in_leaf": self.min_child_samples,
            "min_sum_hessian_in_leaf": self.min_child_weight,
            "min_gain_to_split": self.min_split_gain,
            "bagging_fraction": self.subsample,
            "bagging_freq": self.subsample_freq,
            "feature_fraction": self.colsample_bytree,
            "lambda_l1": self.reg_alpha,
            "lambda_l2": self.reg_lambda,
            // Which of two equivalent ways to build histograms is otherwise decided by a stopwatch.
            "deterministic": true,
            "force_row_wise": true,
            "num_threads": 1,
            "verbosity": -1,
        });
        if let Some(seed) = self.random_state {
            parameters["seed"] = json!(seed);
        }
        parameters
    }
}

fn integer(name: &'static str, value: u32, least: u32, most: u32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(refused(name, value, &format!("{least} to {most}")))
}

fn number(name: &'static str, value: f64, accepts: fn(f64) -> bool, range: &str) -> Result<()> {
    if value.is_finite() && accepts(value) { Ok(()) } else { Err(refused(name, value, range)) }
}

fn refused(name: &'static str, value: impl std::fmt::Display, range: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, format!("the training parameter `{name}` is out of range"))
        .with_context("value", value)
        .with_context("range", range)
}
