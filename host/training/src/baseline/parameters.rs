//! The parameters of training, with the names of scikit-learn's `LGBMClassifier`.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use hydra_base::{Error, ErrorKind, Result};

/// Declares the parameters: their documentation, types and defaults, and a setter for each.
macro_rules! parameters {
    ($($(#[$doc:meta])+ $name:ident: $type:ty = $default:expr;)+) => {
        /// The parameters of a training. The defaults are those of `LGBMClassifier()`.
        ///
        /// ```
        /// use hydra_training::TrainingParameters;
        ///
        /// let parameters = TrainingParameters::new().n_estimators(200).learning_rate(0.05);
        /// assert_eq!((parameters.n_estimators, parameters.num_leaves), (200, 31));
        /// ```
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        #[non_exhaustive]
        pub struct TrainingParameters {
            $($(#[$doc])+ pub $name: $type,)+
        }

        impl Default for TrainingParameters {
            fn default() -> Self {
                Self { $($name: $default,)+ }
            }
        }

        impl TrainingParameters {
            /// The defaults.
            #[must_use]
            pub fn new() -> Self {
                Self::default()
            }

            $(
                #[doc = concat!("Sets [`", stringify!($name), "`](#structfield.", stringify!($name), ").")]
                #[must_use]
                pub fn $name(self, $name: $type) -> Self {
                    Self { $name, ..self }
                }
            )+
        }
    };
}

parameters! {
    /// Boosting rounds, 1 or more.
    n_estimators: u32 = 100;
    /// The largest number of leaves of a tree, 2 to 131,072.
    num_leaves: u32 = 31;
    /// The largest number of levels of a tree; `None` means no limit.
    max_depth: Option<u32> = None;
    /// The shrinkage of each tree, above 0.
    learning_rate: f64 = 0.1;
    /// The smallest number of rows in a leaf, 20 or more: LightGBM drops columns that cannot be split that way when it
    /// bins the data, and lightgbm3 bins with the default of 20.
    min_child_samples: u32 = 20;
    /// The smallest sum of hessians in a leaf, 0 or more.
    min_child_weight: f64 = 1e-3;
    /// The smallest gain of a split, 0 or more.
    min_split_gain: f64 = 0.0;
    /// The share of rows drawn for bagging, above 0, at most 1.
    subsample: f64 = 1.0;
    /// The number of rounds between two draws of rows; 0 turns bagging off.
    subsample_freq: u32 = 0;
    /// The share of columns drawn for each tree, above 0, at most 1.
    colsample_bytree: f64 = 1.0;
    /// L1 regularisation, 0 or more.
    reg_alpha: f64 = 0.0;
    /// L2 regularisation, 0 or more.
    reg_lambda: f64 = 0.0;
    /// The seed of all draws; `None` keeps LightGBM's fixed seeds.
    random_state: Option<u32> = None;
}

impl TrainingParameters {
    /// Rejects values that LightGBM would reject or silently replace.
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

    /// LightGBM's names. Every parameter is set, so that changed defaults in LightGBM have no effect.
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
            // LightGBM otherwise measures time to choose between two equivalent ways to build histograms.
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
