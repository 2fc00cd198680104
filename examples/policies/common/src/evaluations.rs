//! The differences of two versions that evaluations measured, what they must reach, and the words for that.

use std::fmt::{self, Display};

use crate::contract::{Direction, Evaluation, MeasuredMetric, Segment};
use crate::words::{Excerpt, Figure};

/// The longest name of a metric, of a dataset, and of a column or a value that an explanation shows, in bytes.
const METRIC: usize = 64;
const DATASET: usize = 100;
const GROUP: usize = 48;

/// A figure of one version minus that of another, on the same rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// The difference. NaN if the rows do not define it.
    pub value: f64,
    /// The lower and the upper bound, where an interval was measured.
    pub interval: Option<(f64, f64)>,
}

/// What a gain must reach. A gain is a difference in the better direction of the metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bar {
    /// More than this: superior.
    Above(f64),
    /// This or more: non-inferior if it is 0 or negative.
    From(f64),
}

/// The position of an interval against a bar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Position {
    /// All of it reaches the bar.
    Over,
    /// None of it reaches the bar.
    Under,
    /// A part of it reaches the bar.
    Across,
}

/// The rows of a figure: all rows of a dataset, or a segment.
#[derive(Clone, Copy)]
pub struct Rows<'a> {
    /// The evaluation of the dataset.
    pub evaluation: &'a Evaluation,
    /// The segment; none for all rows.
    pub segment: Option<&'a Segment>,
}

/// A difference beside what was wanted: `auc +0.004 [0.001, 0.007] on holdout-2026, wanted > 0`.
pub struct Finding<'a> {
    /// The metric.
    pub metric: &'a MeasuredMetric,
    /// The difference.
    pub difference: Difference,
    /// What was wanted.
    pub bar: Bar,
    /// Where it was measured.
    pub rows: Rows<'a>,
}

/// The figures of a metric.
#[must_use]
pub fn metric<'a>(evaluation: &'a Evaluation, name: &str) -> Option<&'a MeasuredMetric> {
    evaluation.metrics.iter().find(|metric| metric.name == name)
}

/// The difference of two versions on all rows: the one that was compared, or else that of their measurements.
#[must_use]
pub fn overall(metric: &MeasuredMetric, challenger: u64, baseline: u64) -> Option<Difference> {
    let compared = comparisons(metric, challenger, baseline).find(|(segment, _)| segment.is_none());
    compared.map(|(_, difference)| difference).or_else(|| {
        let value = value(metric, challenger)? - value(metric, baseline)?;
        Some(Difference { value, interval: None })
    })
}

/// The differences of two versions that were compared in the segments of an evaluation, in their order.
#[must_use]
pub fn by_segment(
    metric: &MeasuredMetric,
    challenger: u64,
    baseline: u64,
    segments: usize,
) -> Vec<Option<Difference>> {
    let mut found = vec![None; segments];
    for (segment, difference) in comparisons(metric, challenger, baseline) {
        let place = segment.and_then(|position| found.get_mut(position as usize));
        if let Some(place) = place {
            *place = place.or(Some(difference));
        }
    }
    found
}

/// The figure of a version on all rows.
#[must_use]
pub fn value(metric: &MeasuredMetric, version: u64) -> Option<f64> {
    metric
        .measurements
        .iter()
        .find(|one| one.version == version && one.segment.is_none())
        .map(|one| one.value)
}

/// The comparisons of two versions with their segments. One of the baseline with the challenger counts, turned around.
fn comparisons(
    metric: &MeasuredMetric,
    challenger: u64,
    baseline: u64,
) -> impl Iterator<Item = (Option<u32>, Difference)> {
    metric.comparisons.iter().filter_map(move |one| {
        let interval = one.interval.map(|interval| (interval.low, interval.high));
        let difference = Difference { value: one.difference, interval };
        let versions = (one.challenger, one.baseline);
        if versions == (challenger, baseline) {
            Some((one.segment, difference))
        } else if versions == (baseline, challenger) {
            Some((one.segment, difference.turned()))
        } else {
            None
        }
    })
}

impl Difference {
    /// The same difference in the better direction of a metric.
    #[must_use]
    pub fn gain(self, direction: Direction) -> Self {
        match direction {
            Direction::HigherIsBetter => self,
            Direction::LowerIsBetter => self.turned(),
        }
    }

    fn turned(self) -> Self {
        Self { value: -self.value, interval: self.interval.map(|(low, high)| (-high, -low)) }
    }
}

impl Bar {
    /// Whether a gain reaches it. NaN does not.
    #[must_use]
    pub fn is_reached_by(self, gain: f64) -> bool {
        match self {
            Self::Above(bar) => gain > bar,
            Self::From(bar) => gain >= bar,
        }
    }

    /// The position of the interval of a gain; none without two bounds in order.
    #[must_use]
    pub fn position(self, gain: Difference) -> Option<Position> {
        let (low, high) = gain.interval.filter(|(low, high)| low <= high)?;
        Some(match (self.is_reached_by(low), self.is_reached_by(high)) {
            (true, _) => Position::Over,
            (false, true) => Position::Across,
            (false, false) => Position::Under,
        })
    }
}

impl Display for Rows<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(segment) = self.segment {
            let column = Excerpt(&segment.column, GROUP);
            match segment.value.as_deref() {
                None => write!(f, "in the rest of {column} ")?,
                Some("") => write!(f, "in the rows without {column} ")?,
                Some(value) => write!(f, "in {column} `{}` ", Excerpt(value, GROUP))?,
            }
        }
        write!(f, "on {}", Excerpt(&self.evaluation.dataset, DATASET))
    }
}

impl Display for Finding<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The bar is for gains; shown is the difference as it was measured.
        let higher = self.metric.direction == Direction::HigherIsBetter;
        let (sign, bar) = match (self.bar, higher) {
            (Bar::Above(bar), true) => (">", bar),
            (Bar::Above(bar), false) => ("<", -bar),
            (Bar::From(bar), true) => (">=", bar),
            (Bar::From(bar), false) => ("<=", -bar),
        };
        let shown = |value| Figure::beside(value, bar);
        write!(f, "{} {:+}", Excerpt(&self.metric.name, METRIC), shown(self.difference.value))?;
        if let Some((low, high)) = self.difference.interval {
            write!(f, " [{}, {}]", shown(low), shown(high))?;
        }
        write!(f, " {}, wanted {sign} {}", self.rows, Figure(bar))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Comparison, Interval, IntervalMethod};
    use crate::evidence::evaluation;

    fn compared(challenger: u64, baseline: u64, segment: Option<u32>, figures: [f64; 3]) -> Comparison {
        let [difference, low, high] = figures;
        let interval = Some(Interval { low, high, method: IntervalMethod::Bootstrap });
        Comparison { challenger, baseline, segment, difference, interval }
    }

    #[test]
    fn differences_are_found_in_both_orders_of_the_versions() {
        let mut evaluation = evaluation("holdout", "auc", Direction::HigherIsBetter, &[(1, 0.5), (2, 0.75)]);
        let auc = &mut evaluation.metrics[0];
        assert_eq!(overall(auc, 2, 1), Some(Difference { value: 0.25, interval: None }));
        assert_eq!(overall(auc, 3, 1), None);
        auc.comparisons =
            vec![compared(1, 2, None, [-0.25, -0.5, 0.25]), compared(1, 2, Some(1), [0.5, 0.25, 0.75])];
        let turned = Difference { value: 0.25, interval: Some((-0.25, 0.5)) };
        assert_eq!(overall(auc, 2, 1), Some(turned));
        assert_eq!(overall(auc, 2, 1).unwrap().gain(Direction::LowerIsBetter), turned.turned());
        let second = Difference { value: -0.5, interval: Some((-0.75, -0.25)) };
        assert_eq!(by_segment(auc, 2, 1, 3), [None, Some(second), None]);
        assert_eq!(by_segment(auc, 2, 1, 1), [None]);
    }

    #[test]
    fn an_interval_is_over_under_or_across_a_bar() {
        let position =
            |bar: Bar, low, high| bar.position(Difference { value: 0.0, interval: Some((low, high)) });
        assert_eq!(position(Bar::Above(0.0), 0.0, 1.0), Some(Position::Across));
        assert_eq!(position(Bar::Above(0.0), f64::MIN_POSITIVE, 1.0), Some(Position::Over));
        assert_eq!(position(Bar::Above(0.0), -1.0, 0.0), Some(Position::Under));
        assert_eq!(position(Bar::From(-0.5), -0.5, 1.0), Some(Position::Over));
        assert_eq!(position(Bar::From(-0.5), -1.0, -0.5), Some(Position::Across));
        assert_eq!(position(Bar::From(-0.5), f64::NEG_INFINITY, -0.75), Some(Position::Under));
        assert_eq!(position(Bar::From(0.0), f64::NAN, 1.0), None);
        assert_eq!(position(Bar::From(0.0), 1.0, f64::NAN), None);
        assert_eq!(position(Bar::From(0.0), 2.0, 1.0), None);
        assert_eq!(Bar::From(0.0).position(Difference { value: 1.0, interval: None }), None);
        assert!(!Bar::From(0.0).is_reached_by(f64::NAN));
    }

    #[test]
    fn findings_show_what_was_measured_and_what_was_wanted() {
        let mut evaluation = evaluation("holdout", "log_loss", Direction::LowerIsBetter, &[]);
        let segment = |value: Option<&str>| Segment {
            column: "region".to_owned(),
            value: value.map(str::to_owned),
            rows: 10,
        };
        evaluation.segments = vec![segment(Some("no\nrth")), segment(Some("")), segment(None)];
        let shown = |bar, segment| {
            let rows = Rows { evaluation: &evaluation, segment };
            let difference = Difference { value: -0.004_004, interval: Some((-0.007, 0.001_999)) };
            Finding { metric: &evaluation.metrics[0], difference, bar, rows }.to_string()
        };
        let segments = &evaluation.segments;
        assert_eq!(shown(Bar::Above(0.0), None), "log_loss -0.004 [-0.007, 0.002] on holdout, wanted < 0");
        assert_eq!(
            shown(Bar::From(-0.002), Some(&segments[0])),
            "log_loss -0.004 [-0.007, 0.001999] in region `no rth` on holdout, wanted <= 0.002"
        );
        assert!(shown(Bar::Above(0.0), Some(&segments[1])).contains(" in the rows without region on "));
        assert!(shown(Bar::Above(0.0), Some(&segments[2])).contains(" in the rest of region on "));
    }
}
