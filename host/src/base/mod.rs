//! The ground floor: errors, and the names and numbers of the domain that every layer speaks of.

mod blocking;
pub mod aliases;
pub mod error;
pub mod failpoint;
mod jitter;
pub mod names;
mod policy_identity;
pub mod private_dir;
pub mod sha256;
pub mod time;
#[cfg(test)]
pub(crate) mod testing;
pub mod text;

pub use blocking::blocking;
pub use error::{Error, ErrorKind, Result};
pub use jitter::jitter;
pub use policy_identity::PolicyIdentity;
pub use sha256::Sha256;
pub use time::Timestamp;
