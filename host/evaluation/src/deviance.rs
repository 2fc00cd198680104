//! Deviances of a row: how far its label is from its score, in units of its distribution.
//!
//! The formulas subtract numbers that are nearly equal where score and label are, and what they are about is lost then: of counts
//! around 10⁸, no digit is left. So there are series for scores near labels.

/// The part of the label or score up to which the two are near.
const NEAR: f64 = 0.5;

/// `y ln(y / p) - y + p` for `y >= 0` and `p > 0`.
pub(crate) fn poisson(label: f64, score: f64) -> f64 {
    if label == 0.0 {
        return score;
    }
    let apart = (score - label) / label;
    if apart.abs() <= NEAR { label * excess(apart) } else { label * (label / score).ln() - label + score }
}

/// `ln(p / y) + y / p - 1` for `y > 0` and `p > 0`.
pub(crate) fn gamma(label: f64, score: f64) -> f64 {
    let apart = (label - score) / score;
    if apart.abs() <= NEAR { excess(apart) } else { (score / label).ln() + label / score - 1.0 }
}

/// `y^(2-ρ) / ((1-ρ)(2-ρ)) - y p^(1-ρ) / (1-ρ) + p^(2-ρ) / (2-ρ)` for `y >= 0`, `p > 0` and `1 < ρ < 2`.
pub(crate) fn tweedie(label: f64, score: f64, power: f64) -> f64 {
    let (below, exponent) = (1.0 - power, 2.0 - power);
    let scale = score.powf(exponent);
    let (ratio, apart) = (label / score, (label - score) / score);
    if ratio == 0.0 {
        return scale / exponent;
    }
    if apart.abs() <= NEAR {
        return scale * power_excess(exponent, apart);
    }
    if ratio.is_infinite() {
        return label.powf(exponent) / (below * exponent) - label * score.powf(below) / below
            + scale / exponent;
    }
    // Divisions by numbers near zero come after subtractions that keep the digits.
    let logarithm = ratio.ln();
    scale
        * if exponent < 0.5 {
            ((exponent * logarithm).exp_m1() / exponent - apart) / below
        } else {
            (ratio * (below * logarithm).exp_m1() / below - apart) / exponent
        }
}

/// `v - ln(1 + v)`: with `r = v / (2 + v)`, the logarithm is `2 (r + r³/3 + r⁵/5 + …)`.
fn excess(apart: f64) -> f64 {
    let ratio = apart / (2.0 + apart);
    let square = ratio * ratio;
    let mut term = square;
    let mut sum = 0.0;
    for odd in (3..).step_by(2) {
        let next = sum + term / f64::from(odd);
        if next == sum {
            break;
        }
        (sum, term) = (next, term * square);
    }
    ratio * (apart - 2.0 * sum)
}

/// `((1 + v)^a - 1 - a v) / (a (a - 1))`, by the binomial series.
fn power_excess(exponent: f64, apart: f64) -> f64 {
    let (mut term, mut sum) = (1.0, 1.0);
    for power in 2_u32.. {
        term *= (exponent - f64::from(power)) / f64::from(power + 1) * apart;
        let next = sum + term;
        if next == sum {
            break;
        }
        sum = next;
    }
    0.5 * apart * apart * sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deviances_are_defined_at_their_ends() {
        assert_eq!((poisson(3.0, 3.0), gamma(3.0, 3.0), tweedie(3.0, 3.0, 1.5)), (0.0, 0.0, 0.0));
        assert_eq!((poisson(0.0, 2.0), tweedie(0.0, 4.0, 1.5)), (2.0, 4.0));
        // Beyond the range of the ratio of the two.
        for (label, score) in [(1e200, 1e-200), (1e-200, 1e200)] {
            let found = tweedie(label, score, 1.1);
            assert!(found.is_finite() && found > 0.0, "{label:e} {score:e}: {found}");
        }
    }

    /// The series go on where the formulas end; `parity` compares the values.
    #[test]
    fn nothing_jumps_where_the_series_end() {
        for apart in [-NEAR, NEAR] {
            let deviances: [fn(f64, f64) -> f64; 3] =
                [|label, score| poisson(score, label), gamma, |label, score| tweedie(label, score, 1.5)];
            for deviance in deviances {
                let [below, above] = [1.0 - 1e-12, 1.0 + 1e-12].map(|near| deviance(1.0 + apart * near, 1.0));
                assert!((below / above - 1.0).abs() < 1e-10, "{apart}: {below} {above}");
            }
        }
    }
}
