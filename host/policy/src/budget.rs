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
    unit: Unit,
    /// The smallest value that a policy can obey.
    min: u64,
    read: fn(&Budget) -> u64,
    write: fn(&mut Budget, u64) -> Option<()>,
}

/// How a limit is written.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Bytes,
    /// In milliseconds.
    Time,
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

/// Makes [`Budget::LIMITS`] of a row for each field: its key, how it is written, the smallest value that a policy can obey,
/// and what it bounds.
macro_rules! limits {
    ($($key:literal $field:ident: $unit:ident >= $min:literal, $doc:literal;)*) => {
        [$(Limit {
            key: $key,
            doc: $doc,
            unit: Unit::$unit,
            min: $min,
            read: |budget| budget.$field.amount(),
            write: |budget, amount| {
                budget.$field = Amount::of(amount)?;
                Some(())
            },
        }),*]
    };
}

impl Budget {
    /// Every limit, in the order of the fields.
    pub const LIMITS: [Limit; 9] = limits! {
        "fuel" fuel: Count >= 1, "instructions per call, about one unit each";
        "wall-clock" wall_clock: Time >= 1, "time per call";
        "memory" memory: Bytes >= 1, "bytes of linear memories and tables together";
        "instances" instances: Count >= 1, "core instances, memories and tables, as many of each";
        "input-bytes" input_bytes: Bytes >= 1, "bytes of evidence";
        "answer-bytes" answer_bytes: Bytes >= 1, "bytes of the answer";
        "text-bytes" text_bytes: Count >= 1, "bytes of one text in the answer";
        // A rejection has no list items.
        "list-items" list_items: Count >= 0, "items of one list in the answer";
        "component-bytes" component_bytes: Bytes >= 1, "bytes of the component file";
    };

    /// Sets one limit by its key, from text such as `2s`, `64 MiB` or `10_000_000`. An unknown key or a malformed value
    /// is an error of kind [`ErrorKind::Config`] that lists the keys there are.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let Some(limit) = Self::LIMITS.iter().find(|limit| limit.key == key) else {
            let known: Vec<_> = Self::LIMITS.iter().map(|limit| limit.key).collect();
            return Err(Error::new(ErrorKind::Config, format!("there is no policy limit `{key}`"))
                .with_hint(format!("the limits are {}", known.join(", "))));
        };
        let mut changed = self.clone();
        let written = limit.unit.parse(value).and_then(|amount| (limit.write)(&mut changed, amount));
        if written.is_none() || limit.forbids_all(&changed) {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the policy limit `{key}` cannot be `{value}`"),
            )
            .with_hint(format!(
                "{key}: {}; write it like `{}`",
                limit.doc,
                limit.show(&Self::default())
            )));
        }
        *self = changed;
        Ok(())
    }

    /// Refuses limits of zero that no policy could obey, with [`ErrorKind::Config`].
    pub(super) fn check(&self) -> Result<()> {
        match Self::LIMITS.iter().find(|limit| limit.forbids_all(self)) {
            None => Ok(()),
            Some(limit) => Err(Error::new(
                ErrorKind::Config,
                format!("the policy limit `{}` is zero, which no policy can obey", limit.key),
            )),
        }
    }
}

impl Limit {
    /// The value in `budget`, with its unit.
    #[must_use]
    pub fn show(&self, budget: &Budget) -> String {
        self.unit.format((self.read)(budget))
    }

    /// Whether no policy at all could obey it.
    fn forbids_all(&self, budget: &Budget) -> bool {
        (self.read)(budget) < self.min
    }
}

impl Unit {
    fn parse(self, text: &str) -> Option<u64> {
        match self {
            Self::Count => text::parse_count(text),
            Self::Bytes => text::parse_bytes(text),
            Self::Time => text::parse_duration(text).map(Amount::amount),
        }
    }

    fn format(self, amount: u64) -> String {
        match self {
            Self::Count => amount.to_string(),
            Self::Bytes => text::format_bytes(amount),
            Self::Time => text::format_duration(Duration::from_millis(amount)),
        }
    }
}

/// The value of a limit as a number: of milliseconds for a duration.
trait Amount: Sized {
    fn amount(self) -> u64;
    fn of(amount: u64) -> Option<Self>;
}

impl Amount for u64 {
    fn amount(self) -> u64 {
        self
    }

    fn of(amount: u64) -> Option<Self> {
        Some(amount)
    }
}

impl Amount for u32 {
    fn amount(self) -> u64 {
        self.into()
    }

    fn of(amount: u64) -> Option<Self> {
        amount.try_into().ok()
    }
}

impl Amount for Duration {
    fn amount(self) -> u64 {
        u64::try_from(self.as_millis()).unwrap_or(u64::MAX)
    }

    fn of(amount: u64) -> Option<Self> {
        Some(Self::from_millis(amount))
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

/// `#[serde(with)]` for a duration in whole milliseconds.
mod millis {
    use super::{Amount, Deserializer, Duration, Serializer, decimal};

    pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        decimal::serialize(&value.amount(), serializer)
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
        assert_eq!(error.to_string(), "the policy limit `fuel` is zero, which no policy can obey");
    }

    #[test]
    fn unknown_and_malformed_limits_say_what_there_is() {
        let unknown = Budget::default().set("speed", "1").unwrap_err();
        assert_eq!(unknown.kind(), ErrorKind::Config);
        assert!(unknown.hint().unwrap().contains("wall-clock"), "{unknown:?}");
        let malformed = Budget::default().set("memory", "much").unwrap_err();
        assert_eq!(malformed.to_string(), "the policy limit `memory` cannot be `much`");
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
