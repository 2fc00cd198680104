//! Parses the objective in a model's header.

use super::Objective;
use super::atof::atof;
use hydra_base::{Error, ErrorKind, Result};

impl Objective {
    /// Parses the value of a model's `objective=` line, such as `binary sigmoid:1`.
    ///
    /// Aliases (`l2`, `softmax`, …) are accepted where LightGBM accepts them: on lines without parameters. Fails with
    /// [`ErrorKind::UnsupportedModel`] for an unknown name and with [`ErrorKind::InvalidModel`] for an invalid
    /// parameter.
    pub fn parse(text: &str) -> Result<Self> {
        let text = canonical_name(text);
        let mut words = text.split(' ').filter(|word| !word.is_empty());
        let name = words.next().unwrap_or_default();
        let parameters = Parameters::read(text, words)?;
        let sqrt = parameters.sqrt;
        Ok(match name {
            "regression" => Self::Regression { sqrt },
            "regression_l1" => Self::RegressionL1 { sqrt },
            "huber" => Self::Huber,
            "fair" => Self::Fair { sqrt },
            "quantile" => Self::Quantile { sqrt },
            "mape" => Self::Mape { sqrt },
            "poisson" => Self::Poisson,
            "gamma" => Self::Gamma,
            "tweedie" => Self::Tweedie,
            "binary" => Self::Binary { sigmoid: parameters.sigmoid(text)? },
            "multiclass" => Self::Multiclass { num_class: parameters.num_class(text)? },
            "multiclassova" => Self::MulticlassOva {
                num_class: parameters.num_class(text)?,
                sigmoid: parameters.sigmoid(text)?,
            },
            "cross_entropy" => Self::CrossEntropy,
            "cross_entropy_lambda" => Self::CrossEntropyLambda,
            "lambdarank" => Self::Lambdarank,
            "rank_xendcg" => Self::RankXendcg,
            "custom" => Self::Custom,
            _ => {
                return Err(Error::new(ErrorKind::UnsupportedModel, "unknown objective")
                    .with_context("objective", text)
                    .with_hint("check whether the model comes from a LightGBM version that this release does not support"));
            }
        })
    }
}

/// The parameters after an objective's name. Unknown ones do not change the output and are ignored, as in LightGBM.
#[derive(Default)]
struct Parameters {
    sqrt: bool,
    sigmoid: Option<f64>,
    num_class: Option<usize>,
}

impl Parameters {
    fn read<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Result<Self> {
        let mut parameters = Self::default();
        for word in words {
            match word.split_once(':') {
                Some(("sigmoid", value)) => {
                    parameters.sigmoid = Some(atof(value).ok_or_else(|| bad(text))?);
                }
                Some(("num_class", value)) => {
                    let digits = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
                    let count = value.parse().ok().filter(|_| digits).ok_or_else(|| bad(text))?;
                    parameters.num_class = Some(count);
                }
                None if word == "sqrt" => parameters.sqrt = true,
                _ => {}
            }
        }
        Ok(parameters)
    }

    fn sigmoid(&self, text: &str) -> Result<f64> {
        self.sigmoid.filter(|sigmoid| *sigmoid > 0.0 && sigmoid.is_finite()).ok_or_else(|| bad(text))
    }

    fn num_class(&self, text: &str) -> Result<usize> {
        self.num_class.filter(|count| *count > 0).ok_or_else(|| bad(text))
    }
}

fn bad(text: &str) -> Error {
    Error::new(ErrorKind::InvalidModel, "an objective's parameter is missing or malformed")
        .with_context("objective", text)
}

fn canonical_name(text: &str) -> &str {
    match text {
        "regression_l2"
        | "mean_squared_error"
        | "mse"
        | "l2"
        | "l2_root"
        | "root_mean_squared_error"
        | "rmse" => "regression",
        "mean_absolute_error" | "l1" | "mae" => "regression_l1",
        "softmax" => "multiclass",
        "multiclass_ova" | "ova" | "ovr" => "multiclassova",
        "xentropy" => "cross_entropy",
        "xentlambda" => "cross_entropy_lambda",
        "mean_absolute_percentage_error" => "mape",
        "xendcg" | "xe_ndcg" | "xe_ndcg_mart" | "xendcg_mart" => "rank_xendcg",
        "none" | "null" | "na" => "custom",
        other => other,
    }
}
