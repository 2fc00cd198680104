//! Checks the Python package: lints, types, stubs and its tests, on an installed wheel.

mod everywhere;

use std::path::Path;
use std::process::Command;

use anyhow::Result;

use crate::shell::{python, run as sh, say, step};

pub use everywhere::{DISTRIBUTED, test as test_everywhere};

/// The environment in which the package is tested.
pub const ENVIRONMENT: &str = "python";

const CONFIGURATION: &str = "python/pyproject.toml";

/// Installs the wheel and runs every check on it.
pub fn test(wheel: &Path) -> Result<()> {
    install(ENVIRONMENT, wheel)?;
    say("checking the Python package");
    let check = |name, args: &[&str]| sh(module(ENVIRONMENT, name).args(args));
    check("ruff", &["check", "--quiet", "--config", CONFIGURATION, "python", "examples/python"])?;
    check("mypy", &["--config-file", CONFIGURATION, "-p", "hydra_registry"])?;
    check("mypy", &["--config-file", CONFIGURATION, "examples/python"])?;
    check("mypy.stubtest", &["--mypy-config-file", CONFIGURATION, "hydra_registry._native"])?;
    sh(pytest(ENVIRONMENT).args(["-m", "not all", "python/tests"]))
}

/// Installs the wheel into an environment, instead of an earlier one.
pub fn install(environment: &str, wheel: &Path) -> Result<()> {
    let mut pip = module(environment, "pip");
    pip.args(["install", "--quiet", "--force-reinstall", "--no-deps", "--no-index"]).arg(wheel);
    step("installing the wheel", pip.env("PIP_ROOT_USER_ACTION", "ignore"))
}

/// pytest with the configuration of the package.
fn pytest(environment: &str) -> Command {
    let mut command = module(environment, "pytest");
    command.args(["-c", CONFIGURATION]);
    command
}

/// A module of an environment, run in the root of the repository. The sources in `python/` do not shadow the installed
/// package there.
fn module(environment: &str, name: &str) -> Command {
    let mut command = python(environment);
    command.args(["-m", name]);
    command
}
