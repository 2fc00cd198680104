//! The two reasons to refuse a file before it is compiled: it has more of something than a fixed cap allows, or it cannot be
//! read.
//!
//! A budget cannot change the caps. `component.rs` holds those on the structure of a component, `cost.rs` those on the cost
//! of compiling it. Each is two to eight times what CPython and SpiderMonkey need, the largest components
//! that language toolchains make.

use hydra_base::error::{Error, ErrorKind, Result};

/// Refuses a component that has more than `limit` of something.
pub(super) fn at_most(what: &str, found: usize, limit: usize) -> Result<()> {
    if found <= limit {
        return Ok(());
    }
    Err(incompatible(format!("the component has {found} {what}; the limit is {limit}")))
}

/// Refuses a file that wasmparser cannot read.
pub(super) fn damaged(error: wasmparser::BinaryReaderError) -> Error {
    incompatible("the file is not a WebAssembly component, or is damaged").with_source(error)
}

/// An error of kind [`ErrorKind::PolicyIncompatible`].
pub(super) fn incompatible(message: impl Into<String>) -> Error {
    Error::new(ErrorKind::PolicyIncompatible, message)
}
