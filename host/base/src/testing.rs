//! Short constructors for tests.

#![expect(clippy::missing_panics_doc, reason = "a test that panics has failed")]

use std::collections::BTreeMap;
use std::fmt::Debug;

use crate::aliases::AliasMove;
use crate::error::{ErrorKind, Result};
use crate::names::{Alias, DatasetName, Key, ModelName, Version};

/// The version with this number.
#[must_use]
pub fn version(number: u64) -> Version {
    Version::new(number).expect("a positive number")
}

/// The alias with this name.
#[must_use]
pub fn alias(name: &str) -> Alias {
    Alias::new(name).expect("a legal alias")
}

/// A move of `alias` to the version with this number.
#[must_use]
pub fn set(name: &str, number: u64) -> AliasMove {
    AliasMove::set(alias(name), version(number))
}

/// The removal of `alias`.
#[must_use]
pub fn unset(name: &str) -> AliasMove {
    AliasMove::unset(alias(name))
}

/// The name of a registered model.
#[must_use]
pub fn model_name(text: &str) -> ModelName {
    ModelName::new(text).expect("a legal name")
}

/// The name of a dataset.
#[must_use]
pub fn dataset(text: &str) -> DatasetName {
    DatasetName::new(text).expect("a legal name")
}

/// The key of a tag, param or metric.
#[must_use]
pub fn key(text: &str) -> Key {
    Key::new(text).expect("a legal key")
}

/// Tags by key.
#[must_use]
pub fn tags<const N: usize>(pairs: [(&str, &str); N]) -> BTreeMap<String, String> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// The kind of the error in `result`; panics on a success.
pub fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("an error was expected").kind()
}
