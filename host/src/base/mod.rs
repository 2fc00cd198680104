//! The ground floor: errors, and the names and numbers of the domain that every layer speaks of.

pub mod aliases;
pub mod error;
pub mod failpoint;
pub mod names;
pub mod private_dir;
#[cfg(test)]
pub(crate) mod testing;

pub use error::{Error, ErrorKind, Result};
