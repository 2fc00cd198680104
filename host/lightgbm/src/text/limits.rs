//! Limits for the sizes that a model may declare.

use crate::error::raised_by;
use hydra_base::{Error, ErrorKind, Result};

/// Limits for a model, checked before memory is allocated for a declared size.
///
/// They bound work and memory for hostile input. The defaults are far above what LightGBM trains in practice.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Bytes of text. Default: 2 GiB.
    pub bytes: usize,
    /// Features, that is columns. Default: 16,777,216.
    pub features: usize,
    /// Classes, that is trees per iteration. Default: 65,536.
    pub classes: usize,
    /// Trees in all. Default: 10,000,000.
    pub trees: usize,
    /// Leaves of one tree. Default: 16,777,216.
    pub leaves: usize,
    /// Categorical splits of one tree. Default: 16,777,216.
    pub categorical_splits: usize,
    /// The depth of the deepest leaf. Default: 65,536.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bytes: 2 << 30,
            features: 1 << 24,
            classes: 65_536,
            trees: 10_000_000,
            leaves: 1 << 24,
            categorical_splits: 1 << 24,
            depth: 65_536,
        }
    }
}

impl Limits {
    pub(super) fn check_bytes(&self, bytes: usize) -> Result<()> {
        if bytes > self.bytes {
            return Err(Error::new(ErrorKind::InvalidModel, "the model text is larger than the limit")
                .with_context("bytes", bytes)
                .with_context("limit", self.bytes)
                .with_hint(raised_by("bytes")));
        }
        Ok(())
    }
}
