//! The values of one metric with their intervals, for all versions and segments.

use crate::delong::Estimates;
use crate::resample::interval::{Interval, percentiles};

/// The values of one metric.
#[derive(Debug, Clone)]
pub(crate) struct Figures {
    /// By version and segment.
    pub(crate) values: Vec<Vec<f64>>,
    /// The intervals of the values, by version and segment.
    pub(crate) intervals: Vec<Vec<Option<Interval>>>,
    /// The intervals of the differences from the baseline, by version and segment.
    pub(crate) differences: Vec<Vec<Option<Interval>>>,
}

impl Figures {
    /// Values without intervals.
    pub(crate) fn without_intervals(values: Vec<Vec<f64>>) -> Self {
        let intervals: Vec<Vec<Option<Interval>>> =
            values.iter().map(|segments| vec![None; segments.len()]).collect();
        Self { values, differences: intervals.clone(), intervals }
    }

    /// Values with the percentiles of what `drawn` gives for a version, a segment and a resample.
    ///
    /// A segment for which `is_large` is false gets no intervals.
    pub(crate) fn with_percentiles(
        values: Vec<Vec<f64>>,
        baseline: usize,
        resamples: u32,
        is_large: impl Fn(usize) -> bool,
        drawn: impl Fn(usize, usize, usize) -> f64,
    ) -> Self {
        let mut figures = Self::without_intervals(values);
        let all = || 0..resamples as usize;
        for version in 0..figures.values.len() {
            for segment in 0..figures.values[version].len() {
                if figures.values[version][segment].is_nan() || !is_large(segment) {
                    continue;
                }
                let of = |version, resample| drawn(version, segment, resample);
                figures.intervals[version][segment] =
                    percentiles(all().map(|resample| of(version, resample)));
                let difference = |resample| of(version, resample) - of(baseline, resample);
                figures.differences[version][segment] = percentiles(all().map(difference));
            }
        }
        figures
    }

    /// The estimates of DeLong's method.
    pub(crate) fn of(estimates: &[Estimates]) -> Self {
        let of = |pick: fn(&Estimates) -> &Vec<crate::delong::Estimate>| {
            estimates.iter().map(move |version| pick(version).iter())
        };
        let intervals = |pick| of(pick).map(|segments| segments.map(|one| one.interval).collect()).collect();
        Self {
            values: of(|version| &version.values)
                .map(|segments| segments.map(|one| one.value).collect())
                .collect(),
            intervals: intervals(|version| &version.values),
            differences: intervals(|version| &version.differences),
        }
    }
}
