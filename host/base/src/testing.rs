//! Short names for values that tests are full of.

use crate::aliases::AliasMove;
use crate::names::{Alias, Version};

/// The version of that number.
pub fn version(number: u64) -> Version {
    Version::new(number).expect("a positive number")
}

/// The alias of that name.
pub fn alias(name: &str) -> Alias {
    Alias::new(name).expect("a legal alias")
}

/// `alias` is to point at the version of that number.
pub fn set(name: &str, number: u64) -> AliasMove {
    AliasMove::set(alias(name), version(number))
}

/// `alias` is to be removed.
pub fn unset(name: &str) -> AliasMove {
    AliasMove::unset(alias(name))
}
