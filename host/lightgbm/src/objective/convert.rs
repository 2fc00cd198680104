//! Converts raw scores to outputs.

use super::Objective;

impl Objective {
    /// Replaces the raw scores of one row by its outputs.
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

fn each(row: &mut [f64], convert: impl Fn(f64) -> f64) {
    for score in row {
        *score = convert(*score);
    }
}

/// -1, 0 or 1; 0 for NaN, as in LightGBM's `Sign`.
fn sign(x: f64) -> f64 {
    f64::from(i8::from(x > 0.0) - i8::from(x < 0.0))
}

fn softmax(row: &mut [f64]) {
    let Some(first) = row.first() else { return };
    // `std::max(score, max)` returns `score` unless `score < max`, which differs from `f64::max` for NaN.
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
