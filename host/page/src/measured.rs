//! What was measured on the same rows, as a table of target and champion.

use hydra_base::names::Version;
use hydra_policy::{Agreement, Direction, Evaluation, EvaluationKind, Interval, MeasuredMetric};

use crate::evidence::Room;
use crate::text::{Digits, Shown, figure, grouped, time};

/// A figure of target and champion with its intervals.
#[derive(Debug, Clone)]
pub(crate) struct MeasuredRow {
    /// The metric, and the segment if it is not about all rows.
    pub name: Shown,
    /// An arrow to the side on which the metric is better.
    pub better: &'static str,
    /// The target's figure.
    pub target: String,
    /// Its interval.
    pub target_interval: String,
    /// The champion's figure.
    pub champion: String,
    /// Its interval.
    pub champion_interval: String,
    /// The difference.
    pub difference: String,
    /// Its paired interval.
    pub difference_interval: String,
    /// The class of its colour: which of the two is better, if the interval leaves no doubt.
    pub class: &'static str,
}

/// What was measured on one dataset.
#[derive(Debug, Clone)]
pub(crate) struct Measured {
    /// The dataset.
    pub dataset: Shown,
    /// How many rows of which kind, when, and by whom.
    pub about: String,
    /// The figures.
    pub rows: Vec<MeasuredRow>,
    /// How far the versions agree.
    pub agreements: Vec<(Shown, String)>,
}

/// The figures of an evaluation about `versions`: the target first, then the champion.
pub(crate) fn measured(evaluation: &Evaluation, versions: &[Version], room: &mut Room) -> Measured {
    let segments = 0..=evaluation.segments.len();
    let mut rows = Vec::new();
    // All rows first, so that these find room.
    for segment in segments.map(|index| index.checked_sub(1)) {
        for metric in &evaluation.metrics {
            let Some(row) = row(evaluation, metric, versions, segment) else { continue };
            let bytes = row.name.bytes() + 120;
            rows.extend(room.take(row, bytes));
        }
    }
    let kind = match evaluation.kind {
        EvaluationKind::Holdout => "rows that were set aside",
        EvaluationKind::Shadow => "rows of live traffic",
    };
    let hand = if evaluation.first_hand { ", by the command that decided" } else { "" };
    let level = figure(evaluation.confidence.get() * 100.0);
    let at = time(i64::try_from(evaluation.measured_at).unwrap_or(i64::MAX));
    let about = format!("{} {kind}, measured {at}{hand}; intervals of {level} %", grouped(evaluation.rows));
    let agreements = versions.first().zip(versions.get(1)).map_or_else(Vec::new, |(target, champion)| {
        let found = evaluation
            .agreements
            .iter()
            .find(|one| one.segment.is_none() && one.challenger == *target && one.baseline == *champion);
        let lines = found.map(agreement).unwrap_or_default();
        lines.into_iter().filter_map(|line| room.take(line, 40)).collect()
    });
    Measured { dataset: Shown::short(&evaluation.dataset), about, rows, agreements }
}

fn row(
    evaluation: &Evaluation,
    metric: &MeasuredMetric,
    versions: &[Version],
    segment: Option<usize>,
) -> Option<MeasuredRow> {
    let here = |index: Option<u32>| index.map(|index| index as usize) == segment;
    let figure_of = |version: Option<&Version>| {
        metric.measurements.iter().find(|one| Some(&one.version) == version && here(one.segment))
    };
    let (target, champion) = (figure_of(versions.first()), figure_of(versions.get(1)));
    if target.is_none() && champion.is_none() {
        return None;
    }
    let comparison = metric.comparisons.iter().find(|one| {
        Some(&one.challenger) == versions.first()
            && Some(&one.baseline) == versions.get(1)
            && here(one.segment)
    });
    let values = [target, champion].into_iter().flatten().map(|one| one.value.get());
    let digits = Digits::for_all(values);
    let write = |one: Option<&hydra_policy::Measurement>| {
        one.map_or_else(
            || ("–".to_owned(), String::new()),
            |one| (digits.write(one.value.get()), interval(one.interval.as_ref(), digits)),
        )
    };
    let ((target, target_interval), (champion, champion_interval)) = (write(target), write(champion));
    let name = match segment.and_then(|index| evaluation.segments.get(index)) {
        None => Shown::short(&metric.name),
        Some(segment) => {
            let value = segment.value.as_deref().unwrap_or("rare values");
            Shown::short(format!("{} · {} = {value}", metric.name, segment.column))
        }
    };
    Some(MeasuredRow {
        name,
        better: match metric.direction {
            Direction::Higher => "↑",
            Direction::Lower => "↓",
        },
        target,
        target_interval,
        champion,
        champion_interval,
        difference: comparison.map(|one| digits.write_signed(one.difference.get())).unwrap_or_default(),
        difference_interval: comparison
            .map(|one| interval(one.interval.as_ref(), digits))
            .unwrap_or_default(),
        class: comparison.and_then(|one| one.interval).map_or("", |one| side(one, metric.direction)),
    })
}

/// `0.89100 to 0.92000`.
fn interval(interval: Option<&Interval>, digits: Digits) -> String {
    interval.map_or_else(String::new, |one| {
        format!("{} to {}", digits.write(one.low.get()), digits.write(one.high.get()))
    })
}

/// Which side an interval of a difference is on.
fn side(interval: Interval, direction: Direction) -> &'static str {
    let (above, below) = (interval.low.get() > 0.0, interval.high.get() < 0.0);
    match (above, below, direction) {
        (true, _, Direction::Higher) | (_, true, Direction::Lower) => "better",
        (true, _, Direction::Lower) | (_, true, Direction::Higher) => "worse",
        _ => "",
    }
}

fn agreement(agreement: &Agreement) -> Vec<(Shown, String)> {
    let share = |share: f64| format!("{} %", Digits::Fixed(2).write(share * 100.0));
    let mut lines = vec![("rows with equal scores", share(agreement.equal.get()))];
    lines.extend(agreement.label_changes.map(|one| ("rows whose label changes", share(one.get()))));
    lines.push(("mean difference of the scores", figure(agreement.mean_difference.get())));
    lines.extend(agreement.psi.map(|one| ("population stability index", figure(one.get()))));
    lines.extend(agreement.ks.map(|one| ("Kolmogorov-Smirnov distance", figure(one.get()))));
    lines.extend(agreement.latency_ratio.map(|one| ("time to score, as a multiple", figure(one.get()))));
    lines.into_iter().map(|(name, value)| (Shown::short(name), value)).collect()
}
