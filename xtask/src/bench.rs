//! `cargo xtask bench`: measurements side by side with other tools.

use anyhow::Result;

use crate::setup;
use crate::shell::{cargo, run as sh};

/// Runs the criterion benches.
pub fn run(_flags: &[String]) -> Result<()> {
    setup::run(setup::Scope::Build)?;
    sh(cargo().args(["bench", "--package", "hydra-registry"]))
}
