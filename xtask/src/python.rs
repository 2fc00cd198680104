//! Checks the Python package: lints, types, stubs and its tests, on an installed wheel.

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::paths;
use crate::shell::{python, run as sh, say, step};

/// The environment in which the package is tested.
pub const ENVIRONMENT: &str = "python";

const CONFIGURATION: &str = "python/pyproject.toml";

/// Installs the wheel and runs every check on it.
pub fn test(wheel: &Path) -> Result<()> {
    let mut pip = module("pip", &["install", "--quiet", "--force-reinstall", "--no-deps", "--no-index"]);
    step("installing the wheel", pip.arg(wheel).env("PIP_ROOT_USER_ACTION", "ignore"))?;
    say("checking the Python package");
    sh(&mut module("ruff", &["check", "--quiet", "--config", CONFIGURATION, "python", "examples/python"]))?;
    sh(&mut module("mypy", &["--config-file", CONFIGURATION, "-p", "hydra_registry"]))?;
    sh(&mut module("mypy", &["--config-file", CONFIGURATION, "examples/python"]))?;
    sh(&mut module("mypy.stubtest", &["--mypy-config-file", CONFIGURATION, "hydra_registry._native"]))?;
    sh(&mut module("pytest", &["-c", CONFIGURATION, "python/tests"]))
}

/// A module of the environment, run in the root of the repository. The sources in `python/` do not shadow the installed
/// package there.
fn module(name: &str, args: &[&str]) -> Command {
    let mut command = python(ENVIRONMENT);
    command.args(["-P", "-m", name]).args(args);
    command
}
