//! Changes of times: a later decision, and the ages of versions, evaluations and the champion's reign.

use super::change::{Change, ChangeKind, Moved, Range, subjects, with_version};
use super::scale::Scale;
use hydra_base::names::{Alias, Version};
use hydra_policy::{Activity, Context, Evaluation, Input, Operation, Transition};

const DAY: u64 = 24 * 3_600_000;

/// The counts of an activity, by their names.
const COUNTS: [&str; 4] = [
    "promotions in the last day",
    "promotions in the last week",
    "promotions in the last month",
    "rollbacks in the last month",
];

/// The greatest number of milliseconds that a double holds exactly.
const MOST_MILLIS: u64 = 1 << 53;

/// How far ahead a later decision is tried, in milliseconds.
const AHEAD: u64 = 366 * DAY;

/// Every time that can change.
pub(super) fn times(input: &Input) -> Vec<Change> {
    let context = input.context();
    let mut changes = vec![later(context)];
    changes.extend(
        subjects(input).iter().map(|version| version_age(input, version.version, version.created_at)),
    );
    changes.extend(reign(context));
    let evaluations = context.evaluations.iter().enumerate();
    changes.extend(evaluations.map(|(index, evaluation)| evaluation_age(context.now, index, evaluation)));
    changes
}

/// The same request at a later time: all ages grow, approvals expire, and the counts of promotions fall.
fn later(context: &Context) -> Change {
    let now = context.now;
    let range = Range {
        scale: Scale::Time,
        base: Some(number(now)),
        low: number(now),
        high: number(now.saturating_add(AHEAD)),
        landmarks: Vec::new(),
        apply: Box::new(|input, value| {
            let to = millis(value);
            let mut moves = recounting(input.context_mut(), |context| context.now = to);
            let target = input.target().map(|target| target.version);
            for version in input.versions_mut() {
                let before = version.approvals.len();
                version.approvals.retain(|approval| approval.expires.is_none_or(|expires| expires > to));
                if version.approvals.len() < before && Some(version.version) == target {
                    moves.push(Moved::new("approvals of the target", before, version.approvals.len()));
                }
            }
            moves.dedup();
            moves
        }),
    };
    Change::range(ChangeKind::Time, "the time of the decision", range)
}

/// A version cannot be younger than what was measured or said of it.
fn version_age(input: &Input, version: Version, created_at: u64) -> Change {
    let context = input.context();
    let measured = context.evaluations.iter().filter(|evaluation| measures(evaluation, version));
    let approvals = subjects(input).into_iter().filter(|found| found.version == version);
    let approved = approvals.flat_map(|found| found.approvals.iter().map(|approval| approval.at));
    let champion = context.champion.as_ref().is_some_and(|champion| champion.version == version);
    let earliest = measured
        .map(|evaluation| evaluation.began_at)
        .chain(approved)
        .chain(context.champion_since.filter(|_| champion))
        .min()
        .unwrap_or(context.now);
    let now = context.now;
    let range = Range {
        scale: Scale::Span,
        base: Some(number(now) - number(created_at)),
        low: number(now.saturating_sub(earliest)),
        high: number(now),
        landmarks: Vec::new(),
        apply: Box::new(move |input, age| {
            with_version(input, version, |version| version.created_at = before(now, age));
            Vec::new()
        }),
    };
    Change::range(ChangeKind::Age, format!("the age of version {version}"), range)
}

fn measures(evaluation: &Evaluation, version: Version) -> bool {
    let mut measurements = evaluation.metrics.iter().flat_map(|metric| &metric.measurements);
    measurements.any(|measurement| measurement.version == version)
}

/// Since when the champion has been champion: the transition that made it champion moves, with all before it. It stays after
/// the champion's registration and before the next transition.
fn reign(context: &Context) -> Option<Change> {
    let (champion, since) = (context.champion.as_ref()?, context.champion_since?);
    let now = context.now;
    let crowning = context.history.iter().position(|transition| {
        transition.at == since
            && transition
                .moves
                .iter()
                .any(|step| step.alias == Alias::CHAMPION && step.version == Some(champion.version))
    });
    let next = crowning.and_then(|index| index.checked_sub(1)).and_then(|index| context.history.get(index));
    let range = Range {
        scale: Scale::Span,
        base: Some(number(now) - number(since)),
        low: number(now.saturating_sub(next.map_or(now, |next| next.at))),
        high: number(now.saturating_sub(champion.created_at)),
        landmarks: Vec::new(),
        apply: Box::new(move |input, age| {
            let to = before(now, age);
            recounting(input.context_mut(), |context| {
                context.champion_since = Some(to);
                let older = crowning.and_then(|index| context.history.get_mut(index..)).unwrap_or_default();
                for transition in older {
                    transition.at = if to < since {
                        transition.at.saturating_sub(since - to)
                    } else {
                        transition.at.saturating_add(to - since)
                    };
                }
            })
        }),
    };
    Some(Change::range(
        ChangeKind::Age,
        format!("the time that version {} has been champion", champion.version),
        range,
    ))
}

fn evaluation_age(now: u64, index: usize, evaluation: &Evaluation) -> Change {
    let (began_at, measured_at) = (evaluation.began_at, evaluation.measured_at);
    let took = measured_at.saturating_sub(began_at);
    let range = Range {
        scale: Scale::Span,
        base: Some(number(now) - number(measured_at)),
        low: 0.0,
        high: number(now.saturating_sub(took)),
        landmarks: Vec::new(),
        apply: Box::new(move |input, age| {
            if let Some(evaluation) = input.context_mut().evaluations.get_mut(index) {
                evaluation.measured_at = before(now, age);
                evaluation.began_at = evaluation.measured_at.saturating_sub(took);
            }
            Vec::new()
        }),
    };
    Change::range(ChangeKind::Age, format!("the age of the evaluation on {}", evaluation.dataset), range)
}

/// Applies a change, and counts the changes of the champion again: those of the history that it moves into or out of the last
/// day, week and month.
fn recounting(context: &mut Context, change: impl FnOnce(&mut Context)) -> Vec<Moved> {
    let (old, seen) = (listed(&context.activity), counted(context));
    change(context);
    let seen_now = counted(context);
    let new: [u32; 4] =
        std::array::from_fn(|index| old[index].saturating_sub(seen[index]).saturating_add(seen_now[index]));
    let Activity {
        promotions_last_day,
        promotions_last_week,
        promotions_last_month,
        rollbacks_last_month,
        ..
    } = &mut context.activity;
    [*promotions_last_day, *promotions_last_week, *promotions_last_month, *rollbacks_last_month] = new;
    let changed = COUNTS.into_iter().zip(old).zip(new).filter(|((_, old), new)| old != new);
    changed.map(|((what, old), new)| Moved::new(what, old, new)).collect()
}

fn listed(activity: &Activity) -> [u32; 4] {
    let Activity {
        promotions_last_day,
        promotions_last_week,
        promotions_last_month,
        rollbacks_last_month,
        ..
    } = *activity;
    [promotions_last_day, promotions_last_week, promotions_last_month, rollbacks_last_month]
}

/// The same counts, of the transitions in the history alone.
fn counted(context: &Context) -> [u32; 4] {
    let count = |operation: Operation, days: u64| {
        let since = context.now.saturating_sub(days * DAY);
        let counts = |transition: &&Transition| {
            let moved = transition.moves.iter().any(|step| step.alias == Alias::CHAMPION);
            transition.operation == operation && moved && transition.at > since
        };
        u32::try_from(context.history.iter().filter(counts).count()).unwrap_or(u32::MAX)
    };
    [
        count(Operation::Promote, 1),
        count(Operation::Promote, 7),
        count(Operation::Promote, 30),
        count(Operation::Rollback, 30),
    ]
}

/// The time in milliseconds that is `age` before `now`.
fn before(now: u64, age: f64) -> u64 {
    if age < 0.0 { now.saturating_add(millis(-age)) } else { now.saturating_sub(millis(age)) }
}

#[expect(clippy::cast_precision_loss, reason = "times in milliseconds are below 2^53")]
fn number(millis: u64) -> f64 {
    millis.min(MOST_MILLIS) as f64
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a time before 1970 counts as 1970"
)]
fn millis(number: f64) -> u64 {
    // A cast saturates, and NaN becomes 0.
    (number as u64).min(MOST_MILLIS)
}
