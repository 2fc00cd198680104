//! Changes of what people decide: settings, and approvals of the target.

use super::change::{Change, ChangeKind, Choice, Range, Values, with_version};
use super::scale::Scale;
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_policy::{ApprovalRecord, Input, ModelVersion, Setting, SettingKind};

/// Hours from UTC that places have.
const HOURS_FROM_UTC: std::ops::RangeInclusive<i32> = -12..=14;

/// An approval by another person, and each present approval withdrawn.
pub(super) fn approvals(input: &Input) -> Vec<Change> {
    let Some(target) = input.target() else { return Vec::new() };
    let version = target.version;
    let by = another_person(input, target);
    let mut given = ApprovalRecord::new(by.clone(), input.context().now, approved_bytes(target));
    given.user = input.context().user.as_ref().map(|_| by.clone());
    let give = Choice {
        to: "given".to_owned(),
        apply: Box::new(move |input| {
            with_version(input, version, |version| version.approvals.push(given.clone()));
            Vec::new()
        }),
    };
    let mut changes = vec![Change {
        kind: ChangeKind::Approval,
        what: format!("an approval of version {version} by another person, named `{by}`"),
        from: None,
        values: Values::Choices(vec![give]),
    }];
    changes.extend(
        target.approvals.iter().enumerate().map(|(index, approval)| withdrawn(version, index, approval)),
    );
    changes
}

fn withdrawn(version: Version, index: usize, approval: &ApprovalRecord) -> Change {
    let withdraw = Choice {
        to: "withdrawn".to_owned(),
        apply: Box::new(move |input| {
            with_version(input, version, |version| {
                if index < version.approvals.len() {
                    version.approvals.remove(index);
                }
            });
            Vec::new()
        }),
    };
    Change {
        kind: ChangeKind::Approval,
        what: format!("the approval of version {version} by `{}`", approval.actor),
        from: Some("given".to_owned()),
        values: Values::Choices(vec![withdraw]),
    }
}

/// A name that no requester and no approver has.
fn another_person(input: &Input, target: &ModelVersion) -> String {
    let context = input.context();
    let taken: Vec<&String> = [Some(&context.actor), context.user.as_ref()]
        .into_iter()
        .chain(target.approvals.iter().flat_map(|approval| [Some(&approval.actor), approval.user.as_ref()]))
        .flatten()
        .collect();
    let mut name = "another-person".to_owned();
    while taken.contains(&&name) {
        name.push('-');
    }
    name
}

fn approved_bytes(target: &ModelVersion) -> Sha256 {
    let found = target.model.facts().map(|facts| facts.sha256);
    found.or_else(|| target.approvals.last().map(|approval| approval.sha256)).unwrap_or(Sha256::NONE)
}

/// Each setting that the policy declares and that has other values which can be tried.
pub(super) fn settings(input: &Input, declared: &[Setting]) -> Vec<Change> {
    declared.iter().map(|setting| changed(setting, input.context().settings.get(&setting.key))).collect()
}

fn changed(setting: &Setting, now: Option<&String>) -> Change {
    let what = format!("the setting `{}`", setting.key);
    let (scale, low) = match &setting.kind {
        SettingKind::Number => (Scale::Number, f64::NEG_INFINITY),
        SettingKind::Integer => (Scale::Count, f64::NEG_INFINITY),
        SettingKind::Duration => (Scale::Span, 0.0),
        kind => {
            let choices: Vec<Choice> =
                others(kind, now, setting.required).into_iter().map(|value| choice(setting, value)).collect();
            let from = now.map(|now| kind.as_written(now).unwrap_or_else(|| now.clone()));
            let values = Values::Choices(choices);
            return Change { kind: ChangeKind::Setting, what, from, values };
        }
    };
    let key = setting.key.clone();
    let range = Range {
        scale,
        base: now.and_then(|now| now.parse().ok()),
        low,
        high: f64::INFINITY,
        landmarks: vec![0.0],
        apply: Box::new(move |input, value| {
            let normal = if scale == Scale::Number { value.to_string() } else { format!("{value:.0}") };
            input.context_mut().settings.insert(key.clone(), normal);
            Vec::new()
        }),
    };
    Change::range(ChangeKind::Setting, what, range)
}

fn choice(setting: &Setting, normal: String) -> Choice {
    let to = setting.kind.as_written(&normal).unwrap_or_else(|| normal.clone());
    let key = setting.key.clone();
    Choice {
        to: if to.is_empty() { "empty".to_owned() } else { to },
        apply: Box::new(move |input| {
            input.context_mut().settings.insert(key.clone(), normal.clone());
            Vec::new()
        }),
    }
}

/// The other values of a setting that is not a number, in normal form: for a list, the list without one item each.
fn others(kind: &SettingKind, now: Option<&String>, required: bool) -> Vec<String> {
    let mut others = match kind {
        SettingKind::Boolean => ["true", "false"].map(str::to_owned).to_vec(),
        SettingKind::Choice(choices) => choices.clone(),
        SettingKind::UtcOffset => HOURS_FROM_UTC.map(|hours| (hours * 60).to_string()).collect(),
        SettingKind::Texts => {
            let items: Vec<&str> = now.map(|now| now.split(',').collect()).unwrap_or_default();
            let without = |left_out: usize| {
                let rest = items.iter().enumerate().filter(|(index, _)| *index != left_out);
                rest.map(|(_, item)| *item).collect::<Vec<_>>().join(",")
            };
            (0..items.len()).map(without).collect()
        }
        _ => Vec::new(),
    };
    others.retain(|other| Some(other) != now && !(required && other.is_empty()));
    if *kind == SettingKind::UtcOffset {
        let minutes = |text: &String| text.parse::<i32>().unwrap_or_default();
        let present = now.map(minutes).unwrap_or_default();
        others.sort_by_key(|other| minutes(other).abs_diff(present));
    }
    others
}
