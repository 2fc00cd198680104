//! Changes of what an evaluation says of its rows: how far two versions agree on them, how many there are, who measured them.

use super::evaluation::named;
use crate::what_if::change::{Change, ChangeKind, Choice, Range, Values};
use crate::what_if::scale::Scale;
use hydra_policy::{Agreement, Evaluation, Float, Input};

/// A figure of an agreement that can change: its name, the greatest value, how to read and how to write it.
type AgreementFigure = (&'static str, f64, fn(&Agreement) -> Option<Float>, fn(&mut Agreement, Float));

const AGREEMENT: [AgreementFigure; 6] = [
    ("the share of equal scores", 1.0, |found| Some(found.equal), |found, value| found.equal = value),
    (
        "the share of changed labels",
        1.0,
        |found| found.label_changes,
        |found, value| found.label_changes = Some(value),
    ),
    (
        "the mean difference of the scores",
        f64::INFINITY,
        |found| Some(found.mean_difference),
        |found, value| found.mean_difference = value,
    ),
    ("the PSI", f64::INFINITY, |found| found.psi, |found, value| found.psi = Some(value)),
    ("the KS distance", 1.0, |found| found.ks, |found, value| found.ks = Some(value)),
    (
        "the latency ratio",
        f64::INFINITY,
        |found| found.latency_ratio,
        |found, value| found.latency_ratio = Some(value),
    ),
];

pub(super) fn agreements(
    place: usize,
    index: usize,
    evaluation: &Evaluation,
    agreement: &Agreement,
) -> Vec<Change> {
    let Agreement { challenger, baseline, segment, .. } = *agreement;
    let rows = named(evaluation, segment);
    let figures = AGREEMENT.iter().filter_map(|(name, high, read, write)| {
        let range = Range {
            scale: Scale::Number,
            base: Some(read(agreement)?.get()),
            low: 0.0,
            high: *high,
            landmarks: Vec::new(),
            apply: Box::new(move |input, value| {
                let evaluation = input.context_mut().evaluations.get_mut(place);
                let found = evaluation.and_then(|evaluation| evaluation.agreements.get_mut(index));
                if let Some(found) = found {
                    write(found, value.into());
                }
                Vec::new()
            }),
        };
        let what = format!("{name} of version {challenger} and version {baseline} on {rows}");
        Some(Change::range(ChangeKind::Agreement, what, range))
    });
    figures.collect()
}

pub(super) fn rows(place: usize, evaluation: &Evaluation) -> Change {
    let apply = move |input: &mut Input, rows: u64| {
        if let Some(evaluation) = input.context_mut().evaluations.get_mut(place) {
            evaluation.rows = rows;
        }
    };
    counted(&named(evaluation, None), evaluation.rows, apply)
}

pub(super) fn segment_rows(place: usize, evaluation: &Evaluation, index: usize) -> Change {
    let apply = move |input: &mut Input, rows: u64| {
        let evaluation = input.context_mut().evaluations.get_mut(place);
        let segment = evaluation.and_then(|evaluation| evaluation.segments.get_mut(index));
        if let Some(segment) = segment {
            segment.rows = rows;
        }
    };
    let now = evaluation.segments.get(index).map_or(0, |segment| segment.rows);
    counted(&named(evaluation, u32::try_from(index).ok()), now, apply)
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of rows is not negative, and three digits of it are searched for"
)]
fn counted(rows: &str, now: u64, apply: impl Fn(&mut Input, u64) + Send + Sync + 'static) -> Change {
    let range = Range {
        scale: Scale::Count,
        base: Some(now as f64),
        low: 0.0,
        high: f64::INFINITY,
        landmarks: Vec::new(),
        apply: Box::new(move |input, value| {
            apply(input, value as u64);
            Vec::new()
        }),
    };
    Change::range(ChangeKind::Rows, format!("the number of rows of {rows}"), range)
}

pub(super) fn origin(place: usize, evaluation: &Evaluation) -> Change {
    let first_hand = evaluation.first_hand;
    let name = |first_hand: bool| if first_hand { "measured in this command" } else { "recorded before" };
    let other = Choice {
        to: name(!first_hand).to_owned(),
        apply: Box::new(move |input| {
            if let Some(evaluation) = input.context_mut().evaluations.get_mut(place) {
                evaluation.first_hand = !first_hand;
            }
            Vec::new()
        }),
    };
    Change {
        kind: ChangeKind::Origin,
        what: format!("the evaluation on {}", evaluation.dataset),
        from: Some(name(first_hand).to_owned()),
        values: Values::Choices(vec![other]),
    }
}
