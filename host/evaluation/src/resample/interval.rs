//! Confidence intervals.

use serde::{Deserialize, Serialize};

/// The confidence level of all intervals.
pub const LEVEL: f64 = 0.95;

/// The normal distribution's quantile at (1 + [`LEVEL`]) / 2.
pub(crate) const NORMAL_QUANTILE: f64 = 1.959963984540054;

/// The fewest resamples whose percentiles are an interval.
pub const FEWEST_RESAMPLES: u32 = 100;

/// The least share of resamples that have to define a metric.
const LEAST_DEFINED: f64 = 0.95;

/// A confidence interval of [`LEVEL`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// The lower bound.
    pub low: f64,
    /// The upper bound.
    pub high: f64,
    /// How it was computed.
    pub method: Method,
}

/// How an interval was computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// The normal approximation with the variance of DeLong et al., 1988.
    DeLong,
    /// The percentiles of a paired bootstrap.
    Bootstrap,
}

/// The percentiles of what the resamples gave, between the nearest two where a percentile falls between them.
///
/// `None` if the resamples that define the value are fewer than 95 %.
pub(crate) fn percentiles(drawn: impl Iterator<Item = f64>) -> Option<Interval> {
    let all: Vec<f64> = drawn.collect();
    let mut defined: Vec<f64> = all.iter().copied().filter(|value| !value.is_nan()).collect();
    if defined.is_empty() || (defined.len() as f64) < LEAST_DEFINED * all.len() as f64 {
        return None;
    }
    defined.sort_unstable_by(f64::total_cmp);
    let tail = (1.0 - LEVEL) / 2.0;
    let at = |index: usize| defined[index];
    Some(Interval {
        low: quantile(defined.len(), tail, at),
        high: quantile(defined.len(), 1.0 - tail, at),
        method: Method::Bootstrap,
    })
}

/// NumPy's quantile of `count` ascending numbers: between the nearest two in proportion.
pub(crate) fn quantile(count: usize, share: f64, at: impl Fn(usize) -> f64) -> f64 {
    let (below, part) = position(count, share);
    let low = at(below);
    if part == 0.0 { low } else { low + (at(below + 1) - low) * part }
}

/// Between which two of `count` ascending numbers a quantile is: the index of the first, and the part of the way to the
/// second.
pub(crate) fn position(count: usize, share: f64) -> (usize, f64) {
    let exact = (count - 1) as f64 * share;
    (exact.floor() as usize, exact.fract())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_numpy() {
        let ninety_nine = (0..99).map(f64::from);
        let interval = percentiles(ninety_nine.rev()).unwrap();
        // `np.quantile(np.arange(99), [0.025, 0.975])`.
        assert!((interval.low - 2.45).abs() < 1e-12 && (interval.high - 95.55).abs() < 1e-12, "{interval:?}");
        assert_eq!(percentiles(std::iter::once(3.0)).unwrap().high, 3.0);
    }

    #[test]
    fn an_interval_needs_nearly_all_resamples() {
        let with_nan = |nan: usize| percentiles((0..100).map(|i| if i < nan { f64::NAN } else { 1.0 }));
        assert!(with_nan(5).is_some());
        assert!(with_nan(6).is_none());
        assert!(percentiles(std::iter::empty()).is_none());
    }
}
