//! `cargo xtask test --all`: what people install, where they install it.

use std::env;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};

use super::{ENVIRONMENT, pytest};
use crate::setup::{self, OTHER_MLFLOWS};
use crate::shell::{capture, path_with, python, run as sh, say};
use crate::wheel;

/// The environment with Spark, Ray and other engines.
pub const DISTRIBUTED: &str = "distributed";

/// The releases of Python that the published wheel is tested with, if this machine has them. Each has an environment of its own
/// with other releases of NumPy and pandas.
const RELEASES: [&str; 4] = ["3.10", "3.11", "3.12", "3.13"];

/// The fewest releases of Python that count as a test.
const FEWEST: usize = 3;

/// The tests that need neither MLflow nor a server.
const BARE: [&str; 4] = ["test_import.py", "test_parity.py", "test_inputs.py", "test_frames.py"];

/// Tests the published wheel in bare environments, the engines, and the source distribution. Returns the releases of Python.
pub fn test() -> Result<Vec<String>> {
    let published = wheel::wheel()?;
    let mut covered = Vec::new();
    for release in RELEASES {
        let Some(interpreter) = interpreter(release) else { continue };
        let environment = format!("python-{release}");
        setup::environment(&interpreter, &environment)?;
        super::install(&environment, &published)?;
        sh(pytest(&environment).args(BARE.map(|file| format!("python/tests/{file}"))))?;
        covered.push(release.to_owned());
    }
    if covered.len() < FEWEST {
        bail!("the wheel was tested with Python {covered:?} only: install {FEWEST} of {RELEASES:?}");
    }
    super::install(ENVIRONMENT, &published)?;
    for server in OTHER_MLFLOWS {
        say(format!("testing the Python package against a server of {server}"));
        let files = ["test_plugin.py", "test_origin.py"].map(|file| format!("python/tests/{file}"));
        // Prompts are younger than some of them.
        sh(pytest(ENVIRONMENT)
            .args(["-k", "rest and not prompts"])
            .args(files)
            .env("HYDRA_TEST_MLFLOW", server))?;
    }
    super::install(DISTRIBUTED, &published)?;
    sh(pytest(DISTRIBUTED).arg("python/tests/distributed"))?;
    source_distribution()?;
    Ok(covered)
}

/// An interpreter of this release that runs: on the `PATH`, or installed by pyenv, whose shims exist but may refuse.
fn interpreter(release: &str) -> Option<PathBuf> {
    let check = format!(
        "import sys, venv, ensurepip; print(sys.version_info[:2] == ({}))",
        release.replace('.', ", ")
    );
    let runs = |path: &PathBuf| capture(path, &["-c", &check]).as_deref() == Some("True");
    let on_path = PathBuf::from(format!("python{release}"));
    if runs(&on_path) {
        return Some(on_path);
    }
    let versions = PathBuf::from(env::var_os("HOME")?).join(".pyenv/versions");
    let installed =
        fs::read_dir(versions).ok()?.filter_map(|entry| Some(entry.ok()?.path().join("bin/python")));
    installed.into_iter().find(runs)
}

/// Builds the source distribution where only Rust and a C compiler are: without the target of policies, CMake and libclang.
fn source_distribution() -> Result<()> {
    let archive = wheel::sdist()?;
    let out = archive.with_file_name("built");
    let mut pip = python(wheel::TOOLS);
    pip.args(["-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir"])
        .arg(&out)
        .arg(&archive);
    // The development profile: the release profile takes many minutes more and proves nothing else.
    pip.env("MATURIN_PEP517_ARGS", "--profile dev").current_dir(env::temp_dir());
    for tool in ["CMAKE", "LIBCLANG_PATH", "CXX"] {
        pip.env(tool, "missing");
    }
    pip.env("PATH", path_with(wheel::TOOLS)?);
    say("building the source distribution (takes a while)");
    sh(&mut pip)
}
