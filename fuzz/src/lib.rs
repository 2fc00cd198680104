//! The host's readers of untrusted bytes, compiled for fuzzing without LightGBM, wasmtime and the rest of the host.
//!
//! The modules are the host's own files. They name each other from the crate root, so the same roots are laid out here.

#![allow(dead_code)]

pub mod base;

pub use base::error::{Error, ErrorKind, Result};

pub mod mlflow;
pub mod model;
