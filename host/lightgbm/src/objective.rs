//! What a model was trained for, and how its raw scores become outputs.
//!
//! LightGBM stores the objective in the model and applies its transform (`ConvertOutput`) in `predict`. The
//! transforms here do the same operations in the same order on doubles, with the C library's `exp` and `log1p` that
//! LightGBM calls too, so that outputs are equal bit for bit where both run on the same C library.
//!
//! Where they do not, `exp` and `log1p` may round otherwise: C libraries promise them to about one unit in the last place, not
//! to the bit, so the same Python wheel may give other probabilities on another machine. Transforms with one
//! such call then differ by a unit or two; a softmax adds and divides the results of many, so a few units are possible there.
//! Raw scores and labels do not depend on it, except for labels of classes whose probabilities differ by as little.

use hydra_base::{Error, ErrorKind, Result};

/// The objective of a model, with the parameters that its output needs.
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
    /// Many classes, each against all others: every output is a probability of its own.
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
    /// An objective of the user's own, or none: the output is the raw score.
    Custom,
}

impl Objective {
    /// Reads the value of a model's `objective=` line, such as `binary sigmoid:1`.
    ///
    /// Aliases (`l2`, `softmax`, …) are known where LightGBM knows them: when the line has no parameters.
    /// Fails with [`ErrorKind::UnsupportedModel`] for an unknown name, [`ErrorKind::InvalidModel`] for a bad parameter.
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

    /// The name that LightGBM writes into models.
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

    /// How many raw scores one row has, where the objective fixes it; custom objectives do not.
    #[must_use]
    pub fn num_outputs(&self) -> Option<usize> {
        match self {
            Self::Multiclass { num_class } | Self::MulticlassOva { num_class, .. } => Some(*num_class),
            Self::Custom => None,
            _ => Some(1),
        }
    }

    /// Turns the raw scores of one row into its outputs, in place.
    pub fn convert(&self, row: &mut [f64]) {
        match *self {
            Self::Regression { sqrt: true }
            | Self::RegressionL1 { sqrt: true }
            | Self::Fair { sqrt: true }
            | Self::Quantile { sqrt: true }
            | Self::Mape { sqrt: true } => each(row, |x| sign(x) * x * x),
            Self::Poisson | Self::Gamma | Self::Tweedie => each(row, f64::exp),
            Self::Binary { sigmoid } | Self::MulticlassOva { sigmoid, .. } => {
                each(row, |x| 1.0 / (1.0 + (-sigmoid * x).exp()));
            }
            Self::CrossEntropy => each(row, |x| 1.0 / (1.0 + (-x).exp())),
            Self::CrossEntropyLambda => each(row, |x| x.exp().ln_1p()),
            Self::Multiclass { .. } => softmax(row),
            Self::Regression { sqrt: false }
            | Self::RegressionL1 { sqrt: false }
            | Self::Fair { sqrt: false }
            | Self::Quantile { sqrt: false }
            | Self::Mape { sqrt: false }
            | Self::Huber
            | Self::Lambdarank
            | Self::RankXendcg
            | Self::Custom => {}
        }
    }
}

/// The parameters that may follow an objective's name; unknown ones do not change the output and are left out,
/// as LightGBM does.
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
                    parameters.sigmoid = Some(decimal(value).ok_or_else(|| bad(text))?);
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

/// Reads a number the way LightGBM's `Atof` does, which is not correctly rounded: whole part, plus fraction divided
/// by a power of ten, times or divided by a power of ten.
fn decimal(text: &str) -> Option<f64> {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (text, None),
    };
    let mantissa = mantissa.strip_prefix('+').unwrap_or(mantissa);
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let mut value = digits(whole)?;
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    if !fraction.is_empty() {
        value += digits(fraction)? / power_of_ten(u32::try_from(fraction.len()).ok()?);
    }
    let Some(exponent) = exponent else { return Some(value) };
    let (negative, exponent) = match exponent.strip_prefix('-') {
        Some(exponent) => (true, exponent),
        None => (false, exponent.strip_prefix('+').unwrap_or(exponent)),
    };
    if exponent.is_empty() || !exponent.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let scale = exponent_scale(exponent.parse::<u32>().ok()?);
    Some(if negative { value / scale } else { value * scale })
}

fn digits(text: &str) -> Option<f64> {
    text.bytes()
        .try_fold(0.0, |value, byte| byte.is_ascii_digit().then(|| value * 10.0 + f64::from(byte - b'0')))
}

/// `Pow(10, n)` of LightGBM: by squaring and cubing, in its order.
fn power_of_ten(exponent: u32) -> f64 {
    fn power(base: f64, exponent: u32) -> f64 {
        match exponent {
            0 => 1.0,
            _ if exponent.is_multiple_of(2) => power(base * base, exponent / 2),
            _ if exponent.is_multiple_of(3) => power(base * base * base, exponent / 3),
            _ => base * power(base, exponent - 1),
        }
    }
    power(10.0, exponent)
}

fn exponent_scale(exponent: u32) -> f64 {
    let mut left = exponent.min(308);
    let mut scale = 1.0;
    for (step, factor) in [(50, 1e50), (8, 1e8), (1, 10.0)] {
        while left >= step {
            scale *= factor;
            left -= step;
        }
    }
    scale
}

fn each(row: &mut [f64], convert: impl Fn(f64) -> f64) {
    for score in row {
        *score = convert(*score);
    }
}

/// -1, 0 or 1; NaN counts as 0, as it does in LightGBM's `Sign`.
fn sign(x: f64) -> f64 {
    f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}

fn softmax(row: &mut [f64]) {
    let Some(first) = row.first() else { return };
    // `std::max(score, max)` keeps `score` unless `score < max`: not the same as `f64::max` when one is NaN.
    let max = row[1..].iter().fold(*first, |max, &score| if score < max { max } else { score });
    let mut sum = 0.0;
    for score in row.iter_mut() {
        *score = (*score - max).exp();
        sum += *score;
    }
    for score in row.iter_mut() {
        *score /= sum;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_that_lightgbm_writes_is_read() {
        for (text, objective) in [
            ("regression", Objective::Regression { sqrt: false }),
            ("regression sqrt", Objective::Regression { sqrt: true }),
            ("l1", Objective::RegressionL1 { sqrt: false }),
            ("huber", Objective::Huber),
            ("fair", Objective::Fair { sqrt: false }),
            ("quantile sqrt", Objective::Quantile { sqrt: true }),
            ("mape", Objective::Mape { sqrt: false }),
            ("poisson", Objective::Poisson),
            ("gamma", Objective::Gamma),
            ("tweedie", Objective::Tweedie),
            ("binary sigmoid:1", Objective::Binary { sigmoid: 1.0 }),
            ("binary sigmoid:0.7", Objective::Binary { sigmoid: 0.7 }),
            ("multiclass num_class:3", Objective::Multiclass { num_class: 3 }),
            ("multiclassova num_class:4 sigmoid:2", Objective::MulticlassOva { num_class: 4, sigmoid: 2.0 }),
            ("cross_entropy", Objective::CrossEntropy),
            ("cross_entropy_lambda", Objective::CrossEntropyLambda),
            ("lambdarank", Objective::Lambdarank),
            ("rank_xendcg", Objective::RankXendcg),
            ("none", Objective::Custom),
            ("custom", Objective::Custom),
        ] {
            let read = Objective::parse(text).unwrap();
            assert_eq!(read, objective);
            assert_eq!(Objective::parse(read.name()).is_ok(), !text.contains(':'), "{text}");
        }
    }

    #[test]
    fn unknown_names_and_bad_parameters_are_errors() {
        for text in ["", "entropy", "binary2 sigmoid:1"] {
            assert_eq!(Objective::parse(text).unwrap_err().kind(), ErrorKind::UnsupportedModel, "{text}");
        }
        for text in [
            "binary",
            "binary sigmoid:0",
            "binary sigmoid:-1",
            "binary sigmoid:x",
            "binary sigmoid:",
            "binary sigmoid:1e",
            "binary sigmoid:nan",
            "multiclass",
            "multiclass num_class:0",
            "multiclass num_class:+3",
            "multiclass num_class:99999999999999999999999",
        ] {
            assert_eq!(Objective::parse(text).unwrap_err().kind(), ErrorKind::InvalidModel, "{text}");
        }
    }

    #[test]
    fn numbers_have_the_value_that_lightgbm_reads_not_the_nearest_one() {
        assert_eq!(decimal("1"), Some(1.0));
        assert_eq!(decimal("0.25"), Some(0.25));
        assert_eq!(decimal("1e-3"), Some(1.0 / 1000.0));
        assert_eq!(decimal("2.5e+2"), Some(250.0));
        // 8 + 409/1000 is one unit in the last place away from 8.409 rounded correctly.
        let read = decimal("8.409").unwrap();
        assert_eq!(read, 8.0 + 409.0 / 1000.0);
    }

    #[test]
    fn outputs_follow_the_objective() {
        let convert = |objective: Objective, mut row: Vec<f64>| {
            objective.convert(&mut row);
            row
        };
        assert_eq!(convert(Objective::Binary { sigmoid: 1.0 }, vec![0.0]), [0.5]);
        assert_eq!(convert(Objective::Regression { sqrt: true }, vec![-3.0]), [-9.0]);
        assert_eq!(convert(Objective::Regression { sqrt: false }, vec![-3.0]), [-3.0]);
        assert_eq!(convert(Objective::Poisson, vec![0.0]), [1.0]);
        assert_eq!(convert(Objective::Multiclass { num_class: 2 }, vec![7.0, 7.0]), [0.5, 0.5]);
        assert_eq!(convert(Objective::CrossEntropyLambda, vec![0.0]), [2.0_f64.ln()]);
        assert_eq!(convert(Objective::Custom, vec![4.0, 5.0]), [4.0, 5.0]);
    }
}
