//! Code that the example policies share: the exports, the usual moves, and reading settings. Copy what you need.

pub mod calendar;
pub mod evaluations;
#[path = "../../../../policy-guest/src/evidence.rs"]
pub mod evidence;
mod export;
pub mod words;

/// The default policy's heap: decisions of usual size need no system call of the host.
#[cfg(target_family = "wasm")]
use policy_guest_heap as _;

pub use policy_guest_panic::keep as keep_panics;

pub use bindings::exports::hydra::lifecycle::policy as contract;

/// The contract's types, and what exports a policy; see [`policy!`].
pub mod bindings {
    #![expect(missing_docs, reason = "generated from the WIT")]

    wit_bindgen::generate!({
        path: "../../../wit",
        world: "policy-component",
        pub_export_macro: true,
        additional_derives: [Clone, PartialEq],
    });
}

use std::str::FromStr;

use crate::words::Excerpt;
use contract::{AliasMove, Approval, Context, ModelVersion, PolicyError, Setting, SettingKind, Verdict};

/// The moves that make `target` champion: the former champion is archived, and the target stops being the candidate.
#[must_use]
pub fn take_over(target: &ModelVersion, context: &Context) -> Vec<AliasMove> {
    let mut moves = vec![set("champion", target.version)];
    match &context.champion {
        Some(former) => moves.push(set("archived", former.version)),
        None if context.archived.as_ref().is_some_and(|version| version.version == target.version) => {
            moves.push(unset("archived"));
        }
        None => {}
    }
    if has_alias(target, "candidate") {
        moves.push(unset("candidate"));
    }
    moves
}

/// Allows every rollback: to the version asked for, or to the archived one. A rollback repairs a mistake, so it must not
/// depend on evidence.
#[must_use]
pub fn roll_back(target: Option<&ModelVersion>, context: &Context) -> Verdict {
    match target.or(context.archived.as_ref()) {
        Some(target) => approve(
            take_over(target, context),
            format!("version {} becomes champion again: rollbacks are always allowed", target.version),
        ),
        None => Verdict::Reject("No archived model to rollback to".to_owned()),
    }
}

/// The beginning of a name that the policy did not choose, so that an explanation stays short.
#[must_use]
pub fn shortened(name: &str) -> String {
    const CHARS: usize = 40;
    let mut chars = name.chars();
    let start: String = chars.by_ref().take(CHARS).collect();
    if chars.next().is_some() { start + "…" } else { start }
}

/// An approval with its alias moves and the explanation for users.
#[must_use]
pub fn approve(moves: Vec<AliasMove>, explanation: String) -> Verdict {
    Verdict::Approve(Approval { moves, explanation })
}

/// The move of an alias to a version.
#[must_use]
pub fn set(alias: &str, version: u64) -> AliasMove {
    AliasMove { alias: alias.to_owned(), version: Some(version) }
}

/// The removal of an alias.
#[must_use]
pub fn unset(alias: &str) -> AliasMove {
    AliasMove { alias: alias.to_owned(), version: None }
}

/// Whether the alias points at the version.
#[must_use]
pub fn has_alias(version: &ModelVersion, alias: &str) -> bool {
    version.aliases.iter().any(|name| name == alias)
}

/// The value of a metric of the version's run. `None` when the run has no metric of that name, or is not available.
#[must_use]
pub fn metric(version: &ModelVersion, key: &str) -> Option<f64> {
    version.run.as_ref()?.metrics.iter().find(|metric| metric.key == key).map(|metric| metric.value)
}

/// Declares a setting. One without a default is required.
#[must_use]
pub fn declare(key: &str, kind: SettingKind, default: Option<&str>, doc: &str) -> Setting {
    Setting {
        key: key.to_owned(),
        kind,
        default: default.map(str::to_owned),
        required: default.is_none(),
        doc: doc.to_owned(),
    }
}

/// Declares a setting that may be left out.
#[must_use]
pub fn optional(key: &str, kind: SettingKind, doc: &str) -> Setting {
    Setting { required: false, ..declare(key, kind, None, doc) }
}

/// The value of a declared setting. The host has checked it and added the default.
pub fn setting<'a>(context: &'a Context, key: &str) -> Result<&'a str, PolicyError> {
    given(context, key).ok_or_else(|| PolicyError::InvalidSettings(format!("the setting `{key}` is missing")))
}

/// The value of a setting that may be left out.
#[must_use]
pub fn given<'a>(context: &'a Context, key: &str) -> Option<&'a str> {
    context.settings.iter().find(|entry| entry.key == key).map(|entry| entry.value.as_str())
}

/// The value of a setting of kind number, or of kind duration in milliseconds.
pub fn parsed<T: FromStr>(context: &Context, key: &str) -> Result<T, PolicyError> {
    let value = setting(context, key)?;
    value.parse().map_err(|_| unusable(key, value))
}

/// The same for a setting that may be left out.
pub fn parsed_if_given<T: FromStr>(context: &Context, key: &str) -> Result<Option<T>, PolicyError> {
    given(context, key).map(|value| value.parse().map_err(|_| unusable(key, value))).transpose()
}

/// The texts of a setting of kind texts; none if it is left out.
pub fn texts<'a>(context: &'a Context, key: &str) -> impl Iterator<Item = &'a str> {
    given(context, key).unwrap_or_default().split(',').filter(|text| !text.is_empty())
}

/// The error of a setting whose value the policy cannot use.
#[must_use]
pub fn unusable(key: &str, value: &str) -> PolicyError {
    let value = Excerpt(value, 100);
    PolicyError::InvalidSettings(format!("the setting `{key}` cannot be `{value}`"))
}

/// A long duration in days and hours, rounded up to hours: `30 d 1 h`; one below two days like [`hours_and_minutes`].
#[must_use]
pub fn days_and_hours(millis: u64) -> String {
    let hours = millis.div_ceil(3_600_000);
    match (hours / 24, hours % 24) {
        (0 | 1, _) => hours_and_minutes(millis),
        (days, 0) => format!("{days} d"),
        (days, hours) => format!("{days} d {hours} h"),
    }
}

/// A duration in hours and minutes, rounded up to minutes: `23 h 30 min`.
#[must_use]
pub fn hours_and_minutes(millis: u64) -> String {
    let minutes = millis.div_ceil(60_000);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}
