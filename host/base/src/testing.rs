//! Short names for values that tests are full of.

#![expect(clippy::missing_panics_doc, reason = "a test that panics has failed")]

use crate::aliases::AliasMove;
use crate::names::{Alias, Version};

/// The version of that number.
#[must_use]
pub fn version(number: u64) -> Version {
    Version::new(number).expect("a positive number")
}

/// The alias of that name.
#[must_use]
pub fn alias(name: &str) -> Alias {
    Alias::new(name).expect("a legal alias")
}

/// `alias` is to point at the version of that number.
#[must_use]
pub fn set(name: &str, number: u64) -> AliasMove {
    AliasMove::set(alias(name), version(number))
}

/// `alias` is to be removed.
#[must_use]
pub fn unset(name: &str) -> AliasMove {
    AliasMove::unset(alias(name))
}
