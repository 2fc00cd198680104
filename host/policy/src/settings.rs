//! Settings of a policy: the policy declares them, the user sets them, the host checks them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::is_unprintable;

const MAX_KEY_BYTES: usize = 64;

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Descriptor {
    /// A short name.
    pub name: String,
    /// The policy's own version.
    pub version: String,
    /// What it decides.
    pub summary: String,
    /// The settings it understands, in the policy's order.
    pub settings: Vec<Setting>,
}

/// A setting that a policy understands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[non_exhaustive]
pub struct Setting {
    /// The name by which it is set.
    pub key: String,
    /// The type of the value.
    pub kind: SettingKind,
    /// The value when none is given.
    pub default: Option<String>,
    /// Whether a value must be given when there is no default.
    pub required: bool,
    /// What it does.
    pub doc: String,
}

/// The type of a setting's value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum SettingKind {
    /// Any text.
    Text,
    /// A 64-bit integer.
    Integer,
    /// A finite number.
    Number,
    /// `true` or `false`.
    Boolean,
    /// A length of time such as `12h`.
    Duration,
    /// One of these texts.
    Choice(Vec<String>),
    /// Any number of texts, with commas between them. Since version 0.2 of the contract.
    Texts,
    /// The difference of a local time from UTC, such as `+01:00`. Since version 0.2 of the contract.
    UtcOffset,
}

impl Descriptor {
    /// Settings of a decision as a user would write them, which [`Self::resolve`] reads back: the opposite of it. Values that
    /// are not in normal form, and settings that this policy does not declare, stay as they are.
    #[must_use]
    pub fn as_written(&self, resolved: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let written = |(key, value): (&String, &String)| {
            let kind = self.setting(key).map(|setting| &setting.kind);
            let written = kind.and_then(|kind| kind.as_written(value));
            (key.clone(), written.unwrap_or_else(|| value.clone()))
        };
        resolved.iter().map(written).collect()
    }

    /// The settings for a decision: checks the given ones, normalises them and adds defaults.
    ///
    /// An unknown key, a malformed value or a required one that is missing is an error of kind
    /// [`ErrorKind::PolicySettings`] whose hint lists the policy's settings.
    pub fn resolve(&self, given: &BTreeMap<String, String>) -> Result<BTreeMap<String, String>> {
        if let Some(unknown) = given.keys().find(|key| self.setting(key).is_none()) {
            return Err(self.refuse(format!("the policy `{}` has no setting `{unknown}`", self.name)));
        }
        let mut resolved = BTreeMap::new();
        for setting in &self.settings {
            let value = match given.get(&setting.key).or(setting.default.as_ref()) {
                Some(value) => value,
                None if setting.required => {
                    return Err(self.refuse(format!(
                        "the policy `{}` requires the setting `{}`",
                        self.name, setting.key
                    )));
                }
                None => continue,
            };
            let empty = || self.refuse(format!("the required setting `{}` is empty", setting.key));
            if setting.required && value.trim().is_empty() {
                return Err(empty());
            }
            let normal = setting.kind.normalise(value).ok_or_else(|| {
                self.refuse(format!(
                    "the setting `{}` is not {}: `{value}`",
                    setting.key,
                    setting.kind.in_words()
                ))
            })?;
            if setting.required && normal.is_empty() {
                return Err(empty());
            }
            resolved.insert(setting.key.clone(), normal);
        }
        Ok(resolved)
    }

    /// The setting of that key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// What is wrong with the declarations themselves, if anything is.
    pub(super) fn flaw(&self) -> Option<String> {
        let mut seen = BTreeSet::new();
        for name in [&self.name, &self.version] {
            if !is_label(name) {
                return Some(format!(
                    "the name or version {name:?} is not 1 to {MAX_KEY_BYTES} printable characters"
                ));
            }
        }
        self.settings.iter().find_map(|setting| {
            let key = &setting.key;
            if !is_key(key) {
                return Some(format!("the setting key {key:?} is malformed"));
            }
            if !seen.insert(key) {
                return Some(format!("the setting `{key}` is declared twice"));
            }
            if let Some(flaw) = setting.kind.flaw() {
                return Some(format!("the setting `{key}` {flaw}"));
            }
            let default = setting.default.as_ref()?;
            setting.kind.normalise(default).is_none().then(|| {
                format!("the default {default:?} of the setting `{key}` is not {}", setting.kind.in_words())
            })
        })
    }

    fn refuse(&self, message: String) -> Error {
        let known: Vec<_> = self.settings.iter().map(Setting::usage).collect();
        let hint = if known.is_empty() {
            "remove it; this policy has no settings".to_owned()
        } else {
            format!("use its settings: {}", known.join("; "))
        };
        Error::new(ErrorKind::PolicySettings, message).with_hint(hint)
    }
}

impl Setting {
    /// One line for users: key, type, default and what it does.
    #[must_use]
    pub fn usage(&self) -> String {
        let presence = match (&self.default, self.required) {
            (Some(default), _) => format!(", default {default}"),
            (None, true) => ", required".to_owned(),
            (None, false) => String::new(),
        };
        format!("{} ({}{presence}): {}", self.key, self.kind, self.doc)
    }
}

impl SettingKind {
    /// The value in the normal form that the contract promises to policies; `None` if it is malformed.
    #[must_use]
    pub fn normalise(&self, value: &str) -> Option<String> {
        match self {
            Self::Text => Some(value.to_owned()),
            Self::Integer => value.trim().parse::<i64>().ok().map(|number| number.to_string()),
            Self::Number => {
                let number: f64 = value.trim().parse().ok()?;
                number.is_finite().then(|| number.to_string())
            }
            Self::Boolean => matches!(value, "true" | "false").then(|| value.to_owned()),
            Self::Duration => text::parse_duration(value).map(|duration| duration.as_millis().to_string()),
            Self::Choice(choices) => choices.iter().find(|choice| *choice == value).cloned(),
            Self::Texts => {
                let mut seen = BTreeSet::new();
                let texts =
                    value.split(',').map(str::trim).filter(|text| !text.is_empty() && seen.insert(*text));
                Some(texts.collect::<Vec<_>>().join(","))
            }
            Self::UtcOffset => text::parse_utc_offset(value).map(|minutes| minutes.to_string()),
        }
    }

    /// The value in normal form as a user would write it; `None` if it is not in normal form.
    #[must_use]
    pub fn as_written(&self, normal: &str) -> Option<String> {
        let written = match self {
            Self::Duration => text::format_duration(Duration::from_millis(normal.parse().ok()?)),
            Self::UtcOffset => text::format_utc_offset(normal.parse().ok()?),
            Self::Text | Self::Integer | Self::Number | Self::Boolean | Self::Choice(_) | Self::Texts => {
                normal.to_owned()
            }
        };
        (self.normalise(&written).as_deref() == Some(normal)).then_some(written)
    }
}

impl fmt::Display for SettingKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => f.write_str("text"),
            Self::Integer => f.write_str("integer"),
            Self::Number => f.write_str("number"),
            Self::Boolean => f.write_str("boolean"),
            Self::Duration => f.write_str("duration"),
            Self::Choice(choices) => write!(f, "one of {}", choices.join(", ")),
            Self::Texts => f.write_str("texts"),
            Self::UtcOffset => f.write_str("UTC offset"),
        }
    }
}

impl SettingKind {
    /// What is wrong with the type itself, if anything is.
    fn flaw(&self) -> Option<&'static str> {
        matches!(self, Self::Choice(choices) if choices.is_empty()).then_some("is a choice without choices")
    }

    /// The kind in the sentence `it takes …`.
    fn in_words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Number => "a finite number".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Duration => "a duration such as `12h`".to_owned(),
            Self::Choice(_) => self.to_string(),
            Self::Texts => "texts with commas between them".to_owned(),
            Self::UtcOffset => "a difference from UTC such as `+01:00`".to_owned(),
        }
    }
}

/// Whether a name can be shown in a log line and kept in the ledger.
fn is_label(label: &str) -> bool {
    let odd = |c| is_unprintable(c) || c == char::REPLACEMENT_CHARACTER;
    (1..=MAX_KEY_BYTES).contains(&label.len()) && !label.trim().is_empty() && !label.chars().any(odd)
}

fn is_key(key: &str) -> bool {
    (1..=MAX_KEY_BYTES).contains(&key.len())
        && key.starts_with(|c: char| c.is_ascii_lowercase())
        && key.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.'))
}

#[cfg(test)]
mod tests;
