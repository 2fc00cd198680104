//! What a decision may cost.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::decimal;
use super::text;
use hydra_base::error::{Error, ErrorKind, Result};

/// The limits under which a policy runs: each call of `describe`, `decide-promotion` and `decide-rollback` gets all of
/// it anew. Going over any limit is an error of its own kind, and an error changes nothing in the registry.
///
/// Each limit is set by its key, as text with units (`Budget::set("memory", "64 MiB")`), in `hydra.toml` or by flag.
/// The JSON form has the same keys, in the units that they name; 64-bit numbers are decimal strings, and read as numbers
/// too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Budget {
    /// Instructions, roughly one unit each: deterministic, unlike time. Over it: [`ErrorKind::PolicyFuel`].
    #[serde(with = "decimal")]
    pub fuel: u64,
    /// Time on the wall clock, checked every few milliseconds. A safety net: `fuel` should strike first. Over it:
    /// [`ErrorKind::PolicyTimeout`].
    #[serde(rename = "wall-clock-ms", with = "millis")]
    pub wall_clock: Duration,
    /// Bytes of all linear memories and tables together; and, counted apart, of all that instances take besides, such as
    /// globals. Over it: [`ErrorKind::PolicyMemory`].
    #[serde(rename = "memory-bytes", with = "decimal")]
    pub memory: u64,
    /// Core instances, linear memories and tables: as many of each. One does for Rust; CPython is linked of dozens. Over
    /// it: [`ErrorKind::PolicyInstances`].
    pub instances: u32,
    /// Bytes of evidence: all text, plus 16 for each list item. Over it: [`ErrorKind::PolicyInput`].
    #[serde(with = "decimal")]
    pub input_bytes: u64,
    /// Bytes of the answer as the host would hold it, counted while it is read. Over it: [`ErrorKind::PolicyAnswer`].
    #[serde(with = "decimal")]
    pub answer_bytes: u64,
    /// Bytes of a single text in an answer, such as the explanation. Over it: [`ErrorKind::PolicyText`].
    pub text_bytes: u32,
    /// Items of a single list in an answer, such as the alias moves. Over it: [`ErrorKind::PolicyList`].
    pub list_items: u32,
    /// Bytes of the component. Over it: [`ErrorKind::PolicySize`], before it is compiled.
    #[serde(with = "decimal")]
    pub component_bytes: u64,
}

/// What a call took of its [`Budget`]. In JSON all numbers are decimal strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub struct Usage {
    /// Instructions. Equal input and equal component take equal fuel.
    #[serde(with = "decimal")]
    pub fuel: u64,
    /// Time on the wall clock, setting up the instance included.
    #[serde(rename = "elapsed-us", with = "micros")]
    pub elapsed: Duration,
    /// The most that was held, in bytes: linear memories and tables.
    #[serde(rename = "memory-bytes", with = "decimal")]
    pub memory: u64,
}

/// One limit of a [`Budget`], for help texts and tables.
#[derive(Debug, Clone, Copy)]
pub struct Limit {
    /// The key by which it is set.
    pub key: &'static str,
    /// What it bounds.
    pub doc: &'static str,
    read: fn(&Budget) -> String,
    write: fn(&mut Budget, &str) -> Option<()>,
}

impl Default for Budget {
    /// Generous for a rule, tight for an attack: the default policy uses less than a thousandth of it.
    fn default() -> Self {
        Self {
            fuel: 1_000_000_000,
            wall_clock: Duration::from_secs(5),
            memory: 128 << 20,
            instances: 128,
            input_bytes: 4 << 20,
            answer_bytes: 64 << 10,
            text_bytes: 1_000,
            list_items: 64,
            component_bytes: 32 << 20,
        }
    }
}

impl Budget {
    /// Every limit, in the order of the fields.
    pub const LIMITS: [Limit; 9] = [
        Limit {
            key: "fuel",
            doc: "instructions per call, about one unit each",
            read: |budget| budget.fuel.to_string(),
            write: |budget, value| store(&mut budget.fuel, text::parse_count(value)),
        },
        Limit {
            key: "wall-clock",
            doc: "time per call",
            read: |budget| text::format_duration(budget.wall_clock),
            write: |budget, value| store(&mut budget.wall_clock, text::parse_duration(value)),
        },
        Limit {
            key: "memory",
            doc: "bytes of linear memories and tables together",
            read: |budget| text::format_bytes(budget.memory),
            write: |budget, value| store(&mut budget.memory, text::parse_bytes(value)),
        },
        Limit {
            key: "instances",
            doc: "core instances, memories and tables, as many of each",
            read: |budget| budget.instances.to_string(),
            write: |budget, value| store(&mut budget.instances, parse_u32(value)),
        },
        Limit {
            key: "input-bytes",
            doc: "bytes of evidence",
            read: |budget| text::format_bytes(budget.input_bytes),
            write: |budget, value| store(&mut budget.input_bytes, text::parse_bytes(value)),
        },
        Limit {
            key: "answer-bytes",
            doc: "bytes of the answer",
            read: |budget| text::format_bytes(budget.answer_bytes),
            write: |budget, value| store(&mut budget.answer_bytes, text::parse_bytes(value)),
        },
        Limit {
            key: "text-bytes",
            doc: "bytes of one text in the answer",
            read: |budget| budget.text_bytes.to_string(),
            write: |budget, value| store(&mut budget.text_bytes, parse_u32(value)),
        },
        Limit {
            key: "list-items",
            doc: "items of one list in the answer",
            read: |budget| budget.list_items.to_string(),
            write: |budget, value| store(&mut budget.list_items, parse_u32(value)),
        },
        Limit {
            key: "component-bytes",
            doc: "bytes of the component file",
            read: |budget| text::format_bytes(budget.component_bytes),
            write: |budget, value| store(&mut budget.component_bytes, text::parse_bytes(value)),
        },
    ];

    /// Sets one limit by its key, from text such as `2s`, `64 MiB` or `10_000_000`. An unknown key or a malformed value
    /// is an error of kind [`ErrorKind::Config`] that lists the keys there are.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let Some(limit) = Self::LIMITS.iter().find(|limit| limit.key == key) else {
            let known: Vec<_> = Self::LIMITS.iter().map(|limit| limit.key).collect();
            return Err(Error::new(ErrorKind::Config, format!("the policy limit is unknown: `{key}`"))
                .with_hint(format!("use one of {}", known.join(", "))));
        };
        let mut changed = self.clone();
        let written = (limit.write)(&mut changed, value).filter(|()| !limit.forbids_all(&changed));
        if written.is_some() {
            *self = changed;
        }
        written.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the policy limit `{key}` is not valid: `{value}`"))
                .with_hint(format!(
                    "write it like `{}`; `{key}` limits {}",
                    (limit.read)(&Self::default()),
                    limit.doc
                ))
        })
    }
}

impl Budget {
    /// Refuses limits of zero that no policy could obey, with [`ErrorKind::Config`].
    pub(super) fn check(&self) -> Result<()> {
        match Self::LIMITS.iter().find(|limit| limit.forbids_all(self)) {
            None => Ok(()),
            Some(limit) => Err(Error::new(
                ErrorKind::Config,
                format!("the policy limit `{}` is zero, which no policy can meet", limit.key),
            )),
        }
    }
}

impl Limit {
    /// Whether no policy at all could obey it. An answer without a single list item is possible.
    fn forbids_all(&self, budget: &Budget) -> bool {
        let value = (self.read)(budget);
        self.key != "list-items" && matches!(value.as_str(), "0" | "0s" | "0 B")
    }

    /// The value in `budget`, with its unit.
    #[must_use]
    pub fn show(&self, budget: &Budget) -> String {
        (self.read)(budget)
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, limit) in Self::LIMITS.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{} {}", limit.key, limit.show(self))?;
        }
        Ok(())
    }
}

fn store<T>(field: &mut T, value: Option<T>) -> Option<()> {
    *field = value?;
    Some(())
}

fn parse_u32(value: &str) -> Option<u32> {
    text::parse_count(value)?.try_into().ok()
}

/// `#[serde(with)]` for a duration in whole milliseconds.
mod millis {
    use super::{Deserializer, Duration, Serializer, decimal};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(&u64::try_from(value.as_millis()).unwrap_or(u64::MAX), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        decimal::deserialize(deserializer).map(Duration::from_millis)
    }
}

/// `#[serde(with)]` for a duration in whole microseconds.
mod micros {
    use super::{Deserializer, Duration, Serializer, decimal};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(&u64::try_from(value.as_micros()).unwrap_or(u64::MAX), serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        decimal::deserialize(deserializer).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_reads_what_it_shows() {
        let mut budget = Budget { fuel: 0, memory: 0, ..Budget::default() };
        for limit in &Budget::LIMITS {
            budget.set(limit.key, &limit.show(&Budget::default())).unwrap();
        }
        assert_eq!(budget, Budget::default());
    }

    #[test]
    fn limits_are_set_with_units() {
        let mut budget = Budget::default();
        budget.set("wall-clock", "250ms").unwrap();
        budget.set("memory", "16 MiB").unwrap();
        budget.set("fuel", "1_000").unwrap();
        assert_eq!(budget.wall_clock, Duration::from_millis(250));
        assert_eq!(budget.memory, 16 << 20);
        assert_eq!(budget.fuel, 1_000);
    }

    #[test]
    fn limits_that_nothing_can_obey_are_refused() {
        for limit in Budget::LIMITS.iter().filter(|limit| limit.key != "list-items") {
            let mut budget = Budget::default();
            let error =
                budget.set(limit.key, if limit.key == "wall-clock" { "0s" } else { "0" }).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{}", limit.key);
            assert_eq!(budget, Budget::default());
        }
        Budget::default().set("list-items", "0").unwrap();
        let error = Budget { fuel: 0, ..Budget::default() }.check().unwrap_err();
        assert_eq!(error.to_string(), "the policy limit `fuel` is zero, which no policy can meet");
    }

    #[test]
    fn unknown_and_malformed_limits_say_what_there_is() {
        let unknown = Budget::default().set("speed", "1").unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Config);
        assert!(unknown.hint().unwrap().contains("wall-clock"), "{unknown:?}");
        let malformed = Budget::default().set("memory", "much").unwrap_err();
        assert_eq!(malformed.to_string(), "the policy limit `memory` is not valid: `much`");
        assert!(malformed.hint().unwrap().contains("128 MiB"), "{malformed:?}");
    }

    #[test]
    fn canonical_json_keeps_every_limit_and_every_use() {
        let budget = Budget { fuel: u64::MAX, ..Budget::default() };
        let json = serde_json_canonicalizer::to_string(&budget).unwrap();
        assert!(json.contains(r#""fuel":"18446744073709551615""#), "{json}");
        assert!(json.contains(r#""wall-clock-ms":"5000""#), "{json}");
        assert_eq!(serde_json::from_str::<Budget>(&json).unwrap(), budget);
        assert_eq!(serde_json::from_str::<Budget>(r#"{"fuel": 7}"#).unwrap().fuel, 7);

        let usage = Usage { fuel: u64::MAX, elapsed: Duration::from_micros(42), memory: 1 << 60 };
        let json = serde_json_canonicalizer::to_string(&usage).unwrap();
        assert_eq!(
            json,
            r#"{"elapsed-us":"42","fuel":"18446744073709551615","memory-bytes":"1152921504606846976"}"#
        );
        assert_eq!(serde_json::from_str::<Usage>(&json).unwrap(), usage);
    }
}
