//! The limits for reading models, by name, and those of this process.

use std::sync::OnceLock;

use crate::extracted::ExtractLimits;
use crate::text::Limits;
use hydra_base::{Error, ErrorKind, Result};

/// Limits for loading a model: by default [those of this process](ModelLimits::set_for_process), or else ones that are far above the needs
/// of real models.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ModelLimits {
    /// Limits for LightGBM's text.
    pub text: Limits,
    /// Limits for the pickle or skops file that contains it.
    pub extract: ExtractLimits,
}

/// A limit by its name.
#[derive(Debug, Clone, Copy)]
pub struct NamedLimit {
    /// The name, in kebab case.
    pub name: &'static str,
    /// What it limits.
    pub of: &'static str,
    /// Whether it counts bytes.
    pub in_bytes: bool,
    get: fn(&ModelLimits) -> u64,
    set: fn(&mut ModelLimits, u64),
}

/// Declares limits by their fields.
macro_rules! limits {
    ($($name:literal = $($part:ident . $field:ident),+ ; $in_bytes:literal, $of:literal;)+) => {
        [$(NamedLimit {
            name: $name,
            of: $of,
            in_bytes: $in_bytes,
            get: |limits| [$(u64::try_from(limits.$part.$field).unwrap_or(u64::MAX)),+][0],
            set: |limits, value| { $(limits.$part.$field = value.try_into().unwrap_or(!0);)+ },
        }),+]
    };
}

static NAMED: [NamedLimit; 12] = limits! {
    "bytes" = text.bytes; true, "the text of a model";
    "features" = text.features; false, "features";
    "classes" = text.classes, extract.classes; false, "classes, which are trees per iteration; and labels of a classifier";
    "trees" = text.trees; false, "trees in all";
    "leaves" = text.leaves; false, "leaves of one tree";
    "categorical-splits" = text.categorical_splits; false, "categorical splits of one tree";
    "depth" = text.depth; false, "the depth of the deepest leaf";
    "pickle-operations" = extract.operations; false, "instructions of a pickle";
    "pickle-values" = extract.values; false, "values that a pickle builds";
    "skops-members" = extract.members; false, "members of a skops file";
    "skops-member-bytes" = extract.member_bytes; true, "an unpacked member of a skops file";
    "skops-ratio" = extract.ratio; false, "the ratio of the unpacked to the packed size of a member of a skops file";
};

static OF_PROCESS: OnceLock<ModelLimits> = OnceLock::new();

impl Default for ModelLimits {
    fn default() -> Self {
        OF_PROCESS.get().cloned().unwrap_or_else(Self::built_in)
    }
}

impl ModelLimits {
    /// Limits for the text, and for the file that contains it.
    #[must_use]
    pub fn new(text: Limits, extract: ExtractLimits) -> Self {
        Self { text, extract }
    }

    /// The limits of this crate.
    #[must_use]
    pub fn built_in() -> Self {
        Self::new(Limits::default(), ExtractLimits::default())
    }

    /// Every limit that has a name.
    #[must_use]
    pub fn named() -> &'static [NamedLimit] {
        &NAMED
    }

    /// These limits with another value: a number, with `_` between digits if you like, or for bytes with `KiB`, `MiB` or `GiB`.
    ///
    /// [`ErrorKind::Config`] for an unknown name and for what is not a number above 0.
    pub fn with(mut self, name: &str, value: &str) -> Result<Self> {
        let refuse = |why: String, hint: String| Error::new(ErrorKind::Config, why).with_hint(hint);
        let Some(limit) = NAMED.iter().find(|limit| limit.name == name) else {
            let names: Vec<&str> = NAMED.iter().map(|limit| limit.name).collect();
            return Err(refuse(
                format!("no limit of models has the name `{name}`"),
                format!("use one of: {}", names.join(", ")),
            ));
        };
        let number = parsed(value, limit.in_bytes).filter(|number| *number > 0).ok_or_else(|| {
            let example = if limit.in_bytes { "4 GiB" } else { "10_000_000" };
            refuse(
                format!("the limit `{name}` is not a number above 0: `{value}`"),
                format!("write it like `{name}={example}`"),
            )
        })?;
        (limit.set)(&mut self, number);
        Ok(self)
    }

    /// Makes these the limits of this process: for programs, before they read a model. [`ErrorKind::Config`] if it has others already.
    pub fn set_for_process(self) -> Result<()> {
        if *OF_PROCESS.get_or_init(|| self.clone()) == self {
            return Ok(());
        }
        Err(Error::new(ErrorKind::Config, "the limits of models in this process are set already")
            .with_hint("use one configuration, or one process for each"))
    }

    /// The most bytes that a model file of that name may have. A pickle or a skops file has the text and little else.
    #[must_use]
    pub fn file_bytes(&self, name: &str) -> u64 {
        let beside = if super::load::is_text_by_name(name) { 0 } else { BESIDE_TEXT_BYTES };
        (self.text.bytes as u64).saturating_add(beside)
    }

    /// The limits that are not those of this crate, as text; empty if all are. What was read with other limits may be read otherwise.
    #[must_use]
    pub fn changed(&self) -> String {
        let built_in = Self::built_in();
        let changed = NAMED.iter().filter(|limit| (limit.get)(self) != (limit.get)(&built_in));
        changed.map(|limit| format!("{}={}", limit.name, (limit.get)(self))).collect::<Vec<_>>().join(",")
    }
}

impl NamedLimit {
    /// The value without a setting.
    #[must_use]
    pub fn built_in(&self) -> u64 {
        (self.get)(&ModelLimits::built_in())
    }
}

/// The most bytes of a pickle or a skops file besides the text of its model.
const BESIDE_TEXT_BYTES: u64 = 64 << 20;

fn parsed(text: &str, in_bytes: bool) -> Option<u64> {
    let units: &[(&str, u64)] =
        if in_bytes { &[("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30)] } else { &[] };
    let text = text.trim();
    let (digits, unit) = units
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?.trim_end(), *bytes)))
        .unwrap_or((text, 1));
    let digits = digits.replace('_', "");
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| digits.parse::<u64>().ok()?.checked_mul(unit)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_limit_has_a_name_that_sets_it() {
        for limit in ModelLimits::named() {
            let raised = ModelLimits::built_in().with(limit.name, "12_345_678_9").expect("a number");
            assert_eq!((limit.get)(&raised), 123_456_789, "{}", limit.name);
            assert_eq!(raised.changed(), format!("{}=123456789", limit.name));
            assert!(limit.built_in() > 0);
        }
        assert_eq!(ModelLimits::built_in().changed(), "");
        let both = ModelLimits::built_in().with("classes", "70000").expect("a number");
        assert_eq!((both.text.classes, both.extract.classes), (70_000, 70_000));
        let bytes = |value| ModelLimits::built_in().with("bytes", value).expect("bytes").text.bytes;
        assert_eq!([bytes("4 GiB"), bytes("1MiB"), bytes("7")], [4 << 30, 1 << 20, 7]);
    }

    #[test]
    fn what_is_not_a_limit_is_refused() {
        for (name, value) in
            [("feature", "1"), ("features", "0"), ("features", "-1"), ("features", "1 MiB"), ("bytes", "x")]
        {
            let error = ModelLimits::built_in().with(name, value).expect_err(name);
            assert_eq!(error.kind(), ErrorKind::Config, "{name}={value}");
        }
    }
}
