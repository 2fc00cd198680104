//! The lowest layer: errors, and the names and numbers that all other crates share.

pub mod actor;
pub mod aliases;
#[cfg(feature = "runtime")]
mod blocking;
pub mod error;
pub mod failpoint;
mod jitter;
pub mod json;
pub mod names;
pub mod pattern;
mod policy_identity;
pub mod private_dir;
pub mod regular_file;
pub mod sha256;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod text;
pub mod time;
#[cfg(feature = "tls")]
pub mod tls;

#[cfg(feature = "runtime")]
pub use blocking::{blocking, yielding};
pub use error::{Error, ErrorCategory, ErrorKind, Result};
pub use jitter::jitter;
pub use policy_identity::PolicyIdentity;
pub use sha256::Sha256;
pub use time::Timestamp;
