//! LightGBM models: read from untrusted bytes, validated, and scored to the bit of LightGBM, in safe Rust.
//!
//! [`Model`] is a model ready to predict; [`text`], [`pickle`] and [`skops`] read its files; [`scorer`] walks its trees.

#[cfg(feature = "arrow")]
pub mod arrow;
pub mod decimal;
mod error;
pub mod extracted;
pub mod labels;
pub mod loaded;
pub mod matrix;
mod numpy;
pub mod objective;
pub mod pickle;
pub mod scorer;
pub mod skops;
pub mod text;

pub use hydra_base::{Error, ErrorKind, Result};
pub use loaded::Model;
pub use text::Limits;
