//! The figures of versions in the evidence of decisions: logged metrics, and what was measured on datasets.

use std::collections::BTreeMap;

use hydra_ledger_rules::Number;
use hydra_policy::{Direction, Input, ModelVersion};

use crate::text::Shown;

/// The most series that are kept.
const SERIES: usize = 400;

/// The most versions of a series that are kept: the newest ones.
const VERSIONS: usize = 500;

/// What a series is about. The order is that of the page: what was measured on the same rows comes first.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Source {
    /// Measured on the dataset of this name.
    Measured(Shown),
    /// Logged by the run.
    Logged,
}

/// A figure of a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Point {
    pub value: f64,
    /// The interval, where one was measured.
    pub interval: Option<(f64, f64)>,
    /// The newest decision that saw it.
    pub number: Number,
}

/// A metric of a source, by version.
#[derive(Debug, Default)]
pub(crate) struct Series {
    /// Which way it is better, where that is known.
    pub direction: Option<Direction>,
    /// The figures.
    pub points: BTreeMap<u64, Point>,
}

/// The figures of versions.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    series: BTreeMap<(Source, Shown), Series>,
}

impl Figures {
    /// Adds the figures in the input of a decision. What a newer decision saw stays.
    pub(crate) fn add(&mut self, number: Number, input: &Input) {
        let context = input.context();
        for version in input.target().into_iter().chain(&context.champion).chain(&context.archived) {
            self.add_logged(number, version);
        }
        for evaluation in &context.evaluations {
            let source = Source::Measured(Shown::short(&evaluation.dataset));
            for metric in &evaluation.metrics {
                let all_rows = metric.measurements.iter().filter(|one| one.segment.is_none());
                for one in all_rows {
                    let interval = one.interval.map(|one| (one.low.get(), one.high.get()));
                    let interval = interval.filter(|(low, high)| is_drawable(*low) && is_drawable(*high));
                    let point = Point { value: one.value.get(), interval, number };
                    let key = (source.clone(), Shown::short(&metric.name));
                    self.add_point(key, Some(metric.direction), one.version.get(), point);
                }
            }
        }
    }

    fn add_logged(&mut self, number: Number, version: &ModelVersion) {
        for (name, value) in version.run.iter().flat_map(|run| &run.metrics) {
            let point = Point { value: *value, interval: None, number };
            self.add_point((Source::Logged, Shown::short(name)), None, version.version.get(), point);
        }
    }

    fn add_point(&mut self, key: (Source, Shown), direction: Option<Direction>, version: u64, point: Point) {
        if !is_drawable(point.value) || (self.series.len() >= SERIES && !self.series.contains_key(&key)) {
            return;
        }
        let series = self.series.entry(key).or_default();
        series.direction = series.direction.or(direction);
        series.points.entry(version).or_insert(point);
        if series.points.len() > VERSIONS {
            series.points.pop_first();
        }
    }

    /// The series with the most to show first: at least two versions, measured before logged, more versions before fewer.
    pub(crate) fn best(&self) -> Vec<(&Source, &Shown, &Series)> {
        let shown = self.series.iter().filter(|(_, series)| series.points.len() > 1);
        let mut best: Vec<_> = shown.map(|((source, name), series)| (source, name, series)).collect();
        best.sort_by(|(source, name, series), (source2, name2, series2)| {
            let measured = |source: &Source| matches!(source, Source::Logged);
            let first = (measured(source), std::cmp::Reverse(series.points.len()));
            first
                .cmp(&(measured(source2), std::cmp::Reverse(series2.points.len())))
                .then_with(|| (source, name).cmp(&(source2, name2)))
        });
        best
    }

    /// The newest figures of a version: measured ones with their dataset, then logged ones.
    pub(crate) fn of_version(&self, version: u64) -> impl Iterator<Item = (&Source, &Shown, &Point)> {
        self.series
            .iter()
            .filter_map(move |((source, name), series)| Some((source, name, series.points.get(&version)?)))
    }
}

/// Whether a chart has a place for it: the difference of two such figures is finite.
fn is_drawable(figure: f64) -> bool {
    figure.abs() < 1e150
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(version: u64, auc: f64) -> Input {
        let text = serde_json::json!({"operation": "promote",
            "target": {"version": version.to_string(), "created_at": "1", "run": {"metrics": {"auc": auc, "nan": "NaN"}}},
            "context": {"model_name": "m", "now": "5", "actor": "ann"}});
        Input::from_json(text.to_string().as_bytes()).expect("an input")
    }

    #[test]
    fn the_figure_of_the_newest_decision_stays_and_series_with_one_version_are_left_out() {
        let mut figures = Figures::default();
        figures.add(9, &input(2, 0.9));
        assert_eq!(figures.best().len(), 0);
        figures.add(8, &input(2, 0.5));
        figures.add(7, &input(1, 0.8));
        let best = figures.best();
        let points: Vec<_> = best[0].2.points.iter().map(|(version, one)| (*version, one.value)).collect();
        assert_eq!((best.len(), points), (1, vec![(1, 0.8), (2, 0.9)]));
        assert_eq!(figures.of_version(2).count(), 1);
    }
}
