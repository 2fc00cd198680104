//! Settings of a policy: declared by the policy, given by the user, checked by the host.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::is_unprintable;

const MAX_KEY_BYTES: usize = 64;

/// What a policy says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
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
#[serde(rename_all = "lowercase")]
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
}

impl Descriptor {
    /// The settings for a decision: the given ones checked and brought to their normal form, defaults added.
    ///
    /// An unknown key, a malformed value or a required one that is missing is an error of kind
    /// [`ErrorKind::PolicySettings`] whose hint lists what the policy understands.
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
            if setting.required && value.trim().is_empty() {
                return Err(self.refuse(format!("the required setting `{}` is empty", setting.key)));
            }
            let normal = setting.kind.normalise(value).ok_or_else(|| {
                self.refuse(format!(
                    "the setting `{}` is not {}: `{value}`",
                    setting.key,
                    setting.kind.in_words()
                ))
            })?;
            resolved.insert(setting.key.clone(), normal);
        }
        Ok(resolved)
    }

    /// The setting of that key.
    #[must_use]
    pub fn setting(&self, key: &str) -> Option<&Setting> {
        self.settings.iter().find(|setting| setting.key == key)
    }

    /// Says what is wrong with the declarations themselves, if anything is.
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
    /// The value in the normal form that the contract promises to policies; none when it is malformed.
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
        }
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
        }
    }
}

impl SettingKind {
    /// The kind in a sentence: `the setting is not …`.
    fn in_words(&self) -> String {
        match self {
            Self::Text => "text".to_owned(),
            Self::Integer => "a whole number".to_owned(),
            Self::Number => "a finite number".to_owned(),
            Self::Boolean => "`true` or `false`".to_owned(),
            Self::Duration => "a duration such as `12h`".to_owned(),
            Self::Choice(_) => self.to_string(),
        }
    }
}

/// A name that can stand in a log line and in the ledger.
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
mod tests {
    use super::*;

    fn descriptor() -> Descriptor {
        let setting = |key: &str, kind, default: Option<&str>, required| Setting {
            key: key.to_owned(),
            kind,
            default: default.map(str::to_owned),
            required,
            doc: format!("what {key} does"),
        };
        Descriptor {
            name: "gate".to_owned(),
            version: "1.2.3".to_owned(),
            summary: String::new(),
            settings: vec![
                setting("metric", SettingKind::Text, None, true),
                setting("margin", SettingKind::Number, Some("0.0"), false),
                setting("min-age", SettingKind::Duration, Some("1d"), false),
                setting("runs", SettingKind::Integer, None, false),
                setting("strict", SettingKind::Boolean, None, false),
                setting(
                    "mode",
                    SettingKind::Choice(vec!["max".to_owned(), "min".to_owned()]),
                    Some("max"),
                    false,
                ),
            ],
        }
    }

    fn given(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn values_are_normalised_and_defaults_added() {
        let resolved = descriptor()
            .resolve(&given(&[("metric", "auc"), ("margin", "1e-3"), ("runs", "+07"), ("strict", "true")]))
            .unwrap();
        let expected = given(&[
            ("margin", "0.001"),
            ("metric", "auc"),
            ("min-age", "86400000"),
            ("mode", "max"),
            ("runs", "7"),
            ("strict", "true"),
        ]);
        assert_eq!(resolved, expected);
    }

    #[test]
    fn unknown_missing_and_malformed_settings_list_the_known_ones() {
        for (settings, message) in [
            (given(&[("metric", "auc"), ("margn", "1")]), "the policy `gate` has no setting `margn`"),
            (given(&[("metric", "")]), "the required setting `metric` is empty"),
            (given(&[]), "the policy `gate` requires the setting `metric`"),
            (
                given(&[("metric", "auc"), ("margin", "NaN")]),
                "the setting `margin` is not a finite number: `NaN`",
            ),
            (
                given(&[("metric", "auc"), ("mode", "MAX")]),
                "the setting `mode` is not one of max, min: `MAX`",
            ),
        ] {
            let error = descriptor().resolve(&settings).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::PolicySettings);
            assert_eq!(error.to_string(), message);
            let hint = error.hint().unwrap();
            assert!(hint.contains("metric (text, required): what metric does"), "{hint}");
            assert!(hint.contains("min-age (duration, default 1d): what min-age does"), "{hint}");
        }
    }

    #[test]
    fn flawed_declarations_are_named() {
        let flaw = |change: fn(&mut Descriptor)| {
            let mut descriptor = descriptor();
            change(&mut descriptor);
            descriptor.flaw()
        };
        assert_eq!(flaw(|_| {}), None);
        assert!(flaw(|d| d.name.clear()).unwrap().contains("name"));
        assert!(flaw(|d| d.version = "1\n".to_owned()).unwrap().contains("printable"));
        assert!(flaw(|d| d.settings[0].key = "Metric".to_owned()).unwrap().contains("malformed"));
        assert!(flaw(|d| d.settings[1].key = "metric".to_owned()).unwrap().contains("twice"));
        assert!(flaw(|d| d.settings[1].default = Some("much".to_owned())).unwrap().contains("default"));
    }
}
