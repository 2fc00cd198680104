//! The limits of a decision.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::json::decimal;
use super::text;
use hydra_base::error::{Error, ErrorKind, Result};

/// The limits under which a policy runs. Each call of `describe`, `decide-promotion` and `decide-rollback` gets the whole
/// budget. Each limit has its own error kind, and an error changes nothing in the registry.
///
/// Each limit is set by its key, as text with units (`Budget::set("memory", "64 MiB")`), in `hydra.toml` or by flag.
/// The JSON form has the same keys, in the units that they name; 64-bit numbers are decimal strings, and read as numbers
/// too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct Budget {
    /// Instructions, about one unit each: deterministic, unlike time. Over it: [`ErrorKind::PolicyFuel`].
    #[serde(with = "decimal")]
    pub fuel: u64,
    /// Time on the wall clock, checked every 5 ms. A second line of defence: `fuel` should run out first. Over it:
    /// [`ErrorKind::PolicyTimeout`].
    #[serde(rename = "wall-clock-ms", with = "millis")]
    pub wall_clock: Duration,
    /// Bytes of all linear memories and tables together. What instances take in addition, such as globals, is counted
    /// separately and has the same limit. Over it: [`ErrorKind::PolicyMemory`].
    #[serde(rename = "memory-bytes", with = "decimal")]
    pub memory: u64,
    /// The most core instances, the most linear memories and the most tables. Rust needs one; CPython is linked from dozens
    /// of modules. Over it: [`ErrorKind::PolicyInstances`].
    pub instances: u32,
    /// Bytes of evidence: all text, plus 16 for each list item; a figure of an evaluation counts 64. Evidence that the
    /// component's version of the contract does not have does not count. Over it: [`ErrorKind::PolicyInput`].
    #[serde(with = "decimal")]
    pub input_bytes: u64,
    /// Bytes of the answer in the host's memory, counted while it is read. Over it: [`ErrorKind::PolicyAnswer`].
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

/// What a call used of its [`Budget`]. In JSON all numbers are decimal strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
#[non_exhaustive]
pub struct Usage {
    /// Instructions, about one unit each. The same component uses the same fuel for the same input.
    #[serde(with = "decimal")]
    pub fuel: u64,
    /// Time on the wall clock, including that for creating the instance.
    #[serde(rename = "elapsed-us", with = "micros")]
    pub elapsed: Duration,
    /// Bytes of linear memories and tables when the call ended; they never shrink.
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

/// How users write the value of a limit.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Count,
    Bytes,
    /// In milliseconds.
    Time,
}

impl Default for Budget {
    /// Generous for a rule and tight for an attack: the default policy uses less than a thousandth of the fuel.
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

/// Generates [`Budget::LIMITS`] and the `with_` methods from a row for each field: its key, its method, its type, how it is
/// written, the smallest value that a policy can obey, and what it bounds.
macro_rules! limits {
    ($($key:literal $field:ident $with:ident: $type:ty as $unit:ident >= $min:literal, $doc:literal;)*) => {
        impl Budget {
            /// Every limit, in the order of the fields.
            pub const LIMITS: &'static [Limit] = &[$(Limit {
                key: $key,
                doc: $doc,
                unit: Unit::$unit,
                min: $min,
                read: |budget| budget.$field.amount(),
                write: |budget, amount| {
                    budget.$field = Amount::of(amount)?;
                    Some(())
                },
            }),*];

            $(
                #[doc = concat!("The same budget with another limit `", $key, "`: ", $doc, ".")]
                #[must_use]
                pub fn $with(mut self, $field: $type) -> Self {
                    self.$field = $field;
                    self
                }
            )*
        }
    };
}

limits! {
    "fuel" fuel with_fuel: u64 as Count >= 1, "instructions per call, about one unit each";
    "wall-clock" wall_clock with_wall_clock: Duration as Time >= 1, "time per call";
    "memory" memory with_memory: u64 as Bytes >= 1, "bytes of linear memories and tables together";
    "instances" instances with_instances: u32 as Count >= 1, "core instances, memories and tables, as many of each";
    "input-bytes" input_bytes with_input_bytes: u64 as Bytes >= 1, "bytes of evidence";
    "answer-bytes" answer_bytes with_answer_bytes: u64 as Bytes >= 1, "bytes of the answer";
    "text-bytes" text_bytes with_text_bytes: u32 as Count >= 1, "bytes of one text in the answer";
    // A rejection has no list items.
    "list-items" list_items with_list_items: u32 as Count >= 0, "items of one list in the answer";
    "component-bytes" component_bytes with_component_bytes: u64 as Bytes >= 1, "bytes of the component file";
}

impl Budget {
    /// Sets one limit by its key, from text such as `2s`, `64 MiB` or `10_000_000`. An unknown key or a malformed value
    /// is an error of kind [`ErrorKind::Config`] that lists the known keys.
    pub fn set(&mut self, key: &str, value: &str) -> Result<()> {
        let Some(limit) = Self::LIMITS.iter().find(|limit| limit.key == key) else {
            let known: Vec<_> = Self::LIMITS.iter().map(|limit| limit.key).collect();
            return Err(Error::new(ErrorKind::Config, format!("the policy limit is unknown: `{key}`"))
                .with_hint(format!("use one of {}", known.join(", "))));
        };
        let mut changed = self.clone();
        let written = limit.unit.parse(value).and_then(|amount| (limit.write)(&mut changed, amount));
        if written.is_none() || limit.forbids_all(&changed) {
            return Err(Error::new(
                ErrorKind::Config,
                format!("the policy limit `{key}` is not valid: `{value}`"),
            )
            .with_hint(format!(
                "write it like `{}`; `{key}` limits {}",
                limit.show(&Self::default()),
                limit.doc
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
                format!("the policy limit `{}` is zero, which no policy can meet", limit.key),
            )),
        }
    }
}

impl Usage {
    /// The fuel, the time and the bytes of memory that a call used.
    #[must_use]
    pub fn new(fuel: u64, elapsed: Duration, memory: u64) -> Self {
        Self { fuel, elapsed, memory }
    }
}

impl Limit {
    /// The value in `budget`, with its unit.
    #[must_use]
    pub fn show(&self, budget: &Budget) -> String {
        self.unit.format((self.read)(budget))
    }

    /// Whether no policy could obey the value in `budget`.
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

/// The value of a limit as a number; for a duration, in milliseconds.
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
mod tests;
