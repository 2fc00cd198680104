//! The ground floor: errors, and the names and numbers of the domain that every layer speaks of.

pub mod error;
pub mod failpoint;
pub mod names;
pub mod private_dir;
pub mod text;

pub use error::{Error, ErrorKind, Result};
