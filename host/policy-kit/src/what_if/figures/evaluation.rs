//! Changes of what an evaluation measured.

use super::extent;
use super::rows::{agreements, origin, rows, segment_rows};
use crate::what_if::change::{Apply, Change, ChangeKind, Moved, Range, subjects};
use crate::what_if::scale::Scale;
use hydra_base::names::Version;
use hydra_policy::{Comparison, Evaluation, Float, Input, Interval, MeasuredMetric, Measurement};

/// The significant digits of figures that move with a change.
const DIGITS: usize = 6;

/// The figures of all rows of each evaluation, their number, and where they come from.
pub(in crate::what_if) fn about_all_rows(input: &Input) -> Vec<Change> {
    let evaluations = input.context().evaluations.iter().enumerate();
    let changes = evaluations.flat_map(|(place, evaluation)| {
        let mut changes = figures(input, place, evaluation, |segment| segment.is_none());
        changes.push(rows(place, evaluation));
        changes.push(origin(place, evaluation));
        changes
    });
    changes.collect()
}

/// The figures of the segments of each evaluation, and their numbers of rows.
pub(in crate::what_if) fn about_segments(input: &Input) -> Vec<Change> {
    let evaluations = input.context().evaluations.iter().enumerate();
    let changes = evaluations.flat_map(|(place, evaluation)| {
        let mut changes = figures(input, place, evaluation, |segment| segment.is_some());
        changes
            .extend((0..evaluation.segments.len()).map(|segment| segment_rows(place, evaluation, segment)));
        changes
    });
    changes.collect()
}

fn figures(
    input: &Input,
    place: usize,
    evaluation: &Evaluation,
    wanted: impl Fn(Option<u32>) -> bool,
) -> Vec<Change> {
    let subjects: Vec<Version> = subjects(input).iter().map(|version| version.version).collect();
    let about = |one: Version, other: Version| subjects.contains(&one) || subjects.contains(&other);
    let mut changes = Vec::new();
    for (index, metric) in evaluation.metrics.iter().enumerate() {
        let at = Place { evaluation: place, metric: index };
        for (index, measured) in metric.measurements.iter().enumerate() {
            if wanted(measured.segment) && subjects.contains(&measured.version) {
                changes.extend(measurement(at, index, evaluation, metric, measured));
            }
        }
        for (index, compared) in metric.comparisons.iter().enumerate() {
            if wanted(compared.segment) && about(compared.challenger, compared.baseline) {
                changes.extend(comparison(at, index, evaluation, metric, compared));
            }
        }
    }
    for (index, agreement) in evaluation.agreements.iter().enumerate() {
        if wanted(agreement.segment) && about(agreement.challenger, agreement.baseline) {
            changes.extend(agreements(place, index, evaluation, agreement));
        }
    }
    changes
}

/// The place of a metric in the evidence.
#[derive(Clone, Copy)]
struct Place {
    evaluation: usize,
    metric: usize,
}

impl Place {
    /// A change of the metric at this place.
    fn apply(self, change: impl Fn(&mut MeasuredMetric, f64) -> Vec<Moved> + Send + Sync + 'static) -> Apply {
        Box::new(move |input, value| {
            let evaluation = input.context_mut().evaluations.get_mut(self.evaluation);
            let metric = evaluation.and_then(|evaluation| evaluation.metrics.get_mut(self.metric));
            metric.map(|metric| change(metric, value)).unwrap_or_default()
        })
    }
}

/// The figure of a version, with which its interval and its differences to other versions move; and each bound alone.
fn measurement(
    place: Place,
    index: usize,
    evaluation: &Evaluation,
    metric: &MeasuredMetric,
    measured: &Measurement,
) -> Vec<Change> {
    let value = measured.value.get();
    let extent = extent(&metric.name, Some(value));
    let what =
        format!("{} of version {} on {}", metric.name, measured.version, named(evaluation, measured.segment));
    let others = metric.measurements.iter().filter(|other| other.segment == measured.segment);
    let range = Range {
        scale: Scale::Number,
        base: Some(value),
        low: extent.0,
        high: extent.1,
        landmarks: others.map(|other| other.value.get()).collect(),
        apply: place.apply(move |metric, value| move_value(metric, index, value, extent)),
    };
    let mut changes = vec![Change::range(ChangeKind::Measurement, what.clone(), range)];
    let interval = measured.interval.filter(|_| !value.is_nan());
    changes.extend(interval.into_iter().flat_map(|interval| {
        bounds(&what, interval, (extent.0, value, extent.1), |set| {
            place.apply(move |metric, value| {
                let interval = metric.measurements.get_mut(index).and_then(|found| found.interval.as_mut());
                if let Some(interval) = interval {
                    *set(interval) = value.into();
                }
                Vec::new()
            })
        })
    }));
    changes
}

/// The bounds of a difference; and the difference itself with its interval, unless it moves with a measurement.
fn comparison(
    place: Place,
    index: usize,
    evaluation: &Evaluation,
    metric: &MeasuredMetric,
    compared: &Comparison,
) -> Vec<Change> {
    let value = compared.difference.get();
    let Comparison { challenger, baseline, segment, .. } = *compared;
    let rows = named(evaluation, segment);
    let what =
        format!("the difference in {} of version {challenger} to version {baseline} on {rows}", metric.name);
    let measured = |found: &Measurement| found.segment == segment && found.version == challenger;
    let mut changes = Vec::new();
    if !metric.measurements.iter().any(measured) {
        let range = Range {
            scale: Scale::Number,
            base: Some(value),
            low: f64::NEG_INFINITY,
            high: f64::INFINITY,
            landmarks: vec![0.0],
            apply: place.apply(move |metric, value| {
                let compared = metric.comparisons.get_mut(index);
                compared.map(|compared| move_difference(compared, value)).unwrap_or_default()
            }),
        };
        changes.push(Change::range(ChangeKind::Difference, what.clone(), range));
    }
    let interval = compared.interval.filter(|_| !value.is_nan());
    changes.extend(interval.into_iter().flat_map(|interval| {
        bounds(&what, interval, (f64::NEG_INFINITY, value, f64::INFINITY), |set| {
            place.apply(move |metric, value| {
                let interval = metric.comparisons.get_mut(index).and_then(|found| found.interval.as_mut());
                if let Some(interval) = interval {
                    *set(interval) = value.into();
                }
                Vec::new()
            })
        })
    }));
    changes
}

/// Each bound of an interval, from the figure to the end of its values.
fn bounds(
    what: &str,
    interval: Interval,
    (low, value, high): (f64, f64, f64),
    apply: impl Fn(fn(&mut Interval) -> &mut Float) -> Apply,
) -> [Change; 2] {
    let lower: fn(&mut Interval) -> &mut Float = |interval| &mut interval.low;
    let upper: fn(&mut Interval) -> &mut Float = |interval| &mut interval.high;
    let bound = |name: &str, base: Float, low: f64, high: f64, set| {
        let range = Range {
            scale: Scale::Number,
            base: Some(base.get()),
            low,
            high,
            landmarks: vec![0.0],
            apply: apply(set),
        };
        Change::range(ChangeKind::Bound, format!("the {name} bound of {what}"), range)
    };
    [bound("lower", interval.low, low, value, lower), bound("upper", interval.high, value, high, upper)]
}

fn move_value(metric: &mut MeasuredMetric, index: usize, to: f64, extent: (f64, f64)) -> Vec<Moved> {
    let MeasuredMetric { measurements, comparisons, .. } = metric;
    let Some(measured) = measurements.get_mut(index) else { return Vec::new() };
    let (version, segment) = (measured.version, measured.segment);
    let by = to - measured.value.get();
    measured.value = to.into();
    let mut moves = Vec::new();
    if let Some(interval) = measured.interval.as_mut().filter(|_| by.is_finite()) {
        moves.push(shift(interval, by, extent));
    }
    for compared in comparisons.iter_mut().filter(|compared| compared.segment == segment) {
        let (sign, other) = if compared.challenger == version {
            (1.0, compared.baseline)
        } else if compared.baseline == version {
            (-1.0, compared.challenger)
        } else {
            continue;
        };
        let other = measurements.iter().find(|found| found.version == other && found.segment == segment);
        let difference = match other {
            _ if by.is_finite() => moved(compared.difference.get(), sign * by),
            Some(other) => sign * (to - other.value.get()),
            None => continue,
        };
        let from = compared.difference.get();
        let what =
            format!("the difference of version {} to version {}", compared.challenger, compared.baseline);
        moves.push(Moved::new(what, brief(from), brief(difference)));
        moves.extend(move_difference(compared, difference));
    }
    moves
}

/// Moves a difference with its interval.
fn move_difference(compared: &mut Comparison, to: f64) -> Vec<Moved> {
    let by = to - compared.difference.get();
    compared.difference = to.into();
    let interval = compared.interval.as_mut().filter(|_| by.is_finite());
    interval.map(|interval| shift(interval, by, (f64::NEG_INFINITY, f64::INFINITY))).into_iter().collect()
}

fn shift(interval: &mut Interval, by: f64, (low, high): (f64, f64)) -> Moved {
    let shown =
        |interval: &Interval| format!("{} to {}", brief(interval.low.get()), brief(interval.high.get()));
    let from = shown(interval);
    interval.low = moved(interval.low.get(), by).max(low).into();
    interval.high = moved(interval.high.get(), by).min(high).into();
    Moved::new("its interval", from, shown(interval))
}

/// The rows of a figure: `holdout`, or `holdout where region = north`.
pub(super) fn named(evaluation: &Evaluation, segment: Option<u32>) -> String {
    let dataset = &evaluation.dataset;
    let Some(index) = segment else { return dataset.clone() };
    let found = usize::try_from(index).ok().and_then(|index| evaluation.segments.get(index));
    match found.map(|segment| (&segment.column, segment.value.as_deref())) {
        Some((column, Some(""))) => format!("{dataset} where {column} is missing"),
        Some((column, Some(value))) => format!("{dataset} where {column} = {value}"),
        Some((column, None)) => format!("{dataset} where {column} is rare"),
        None => format!("{dataset}, segment {index}"),
    }
}

/// The sum of a figure and a change; zero if only an error of rounding is left.
fn moved(figure: f64, by: f64) -> f64 {
    let sum = figure + by;
    if sum.abs() < by.abs() * 1e-12 { 0.0 } else { sum }
}

/// A figure with few digits.
fn brief(value: f64) -> String {
    let rounded = format!("{value:.*e}", DIGITS - 1).parse().unwrap_or(value);
    Scale::Number.show(rounded)
}
