//! The champion lifecycle of LightGBM models on MLflow, with promotion rules in a sandboxed WebAssembly component.

pub mod error;
pub mod lifecycle;
pub mod mlflow;
pub mod model;
pub mod policy;

pub use error::{Error, ErrorKind, Result};
