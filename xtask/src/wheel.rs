//! `cargo xtask wheel`: builds the Python package.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{capture, cargo, python, say, step};
use crate::{demo, paths, progress};

/// The environment with maturin.
pub const TOOLS: &str = "wheel";

/// The extension module in a wheel. The name promises Python's stable ABI.
const MODULE: &str = "hydra_registry/_native.abi3.so";

/// What to build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A wheel for this machine, from a development build.
    Dev,
}

/// Builds what the flags name, and prints its path.
pub fn run(flags: &[String]) -> Result<()> {
    let kind = match flags.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["--dev"] => Kind::Dev,
        other => bail!("unknown flags: {other:?}; `wheel` takes --dev"),
    };
    setup::run(Scope::Wheel)?;
    let built = match kind {
        Kind::Dev => dev()?,
    };
    say(format!("built {}", built.display()));
    Ok(())
}

/// Builds a wheel for this machine from the libraries of a development build of the whole workspace: the tests use them,
/// too. `maturin build` would select one package, for which cargo unifies other features and compiles the WebAssembly
/// engine again.
pub fn dev() -> Result<PathBuf> {
    say("building the extension module of the Python package");
    progress::build(cargo().args(["build", "--workspace", "--lib", "--bin", "hydra-registry", "--locked"]))?;
    let library = demo::target_directory().join("debug").join(library_name());
    check_library(&library)?;
    let home = paths::root().join("target/wheel");
    let stage = home.join("stage");
    setup::reset_directory(&home)?;
    write_metadata(&stage)?;
    copy_sources(&paths::root().join("python/hydra_registry"), &stage.join("hydra_registry"))?;
    fs::copy(&library, stage.join(MODULE)).context("cannot copy the extension module")?;
    step("packing the wheel", python(TOOLS).args(["-m", "wheel", "pack"]).arg(&stage).arg("-d").arg(&home))?;
    only_wheel(&home)
}

/// Checks what the extension module must not contain: a second Python, or LightGBM's C++.
fn check_library(library: &Path) -> Result<()> {
    let name = library.display();
    if let Some(needed) = capture("readelf", &["-d", &name.to_string()])
        && needed.contains("libpython")
    {
        bail!("{name} is linked to libpython: set PYO3_BUILD_EXTENSION_MODULE, as .cargo/config.toml does");
    }
    if let Some(symbols) = capture("nm", &["--defined-only", &name.to_string()])
        && symbols.contains("LGBM_")
    {
        bail!("{name} contains LightGBM's C++: only the binary may use hydra-training");
    }
    Ok(())
}

fn library_name() -> &'static str {
    if cfg!(target_os = "macos") { "libhydra_registry_native.dylib" } else { "libhydra_registry_native.so" }
}

/// Writes the metadata from `python/pyproject.toml`. maturin compiles nothing for it.
fn write_metadata(stage: &Path) -> Result<()> {
    fs::create_dir_all(stage).with_context(|| format!("cannot create {}", stage.display()))?;
    let python = python(TOOLS);
    let mut command = Command::new(Path::new(python.get_program()).with_file_name("maturin"));
    command.args(["pep517", "write-dist-info", "--interpreter"]).arg(python.get_program());
    command.arg("--metadata-directory").arg(stage);
    command.arg("--manifest-path").arg(paths::root().join("python/Cargo.toml"));
    step("writing the metadata of the wheel", &mut command)
}

/// Copies the Python sources, without what interpreters and other builds left there.
fn copy_sources(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("cannot create {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("cannot list {}", from.display()))? {
        let path = entry?.path();
        let Some(name) = path.file_name() else { continue };
        if path.is_dir() && name != "__pycache__" {
            copy_sources(&path, &to.join(name))?;
        } else if path
            .extension()
            .is_some_and(|extension| ["py", "pyi", "typed"].iter().any(|e| extension == *e))
        {
            fs::copy(&path, to.join(name)).with_context(|| format!("cannot copy {}", path.display()))?;
        }
    }
    Ok(())
}

fn only_wheel(home: &Path) -> Result<PathBuf> {
    let files = fs::read_dir(home)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut wheels = files.into_iter().filter(|path| path.extension() == Some(OsStr::new("whl")));
    match (wheels.next(), wheels.next()) {
        (Some(wheel), None) => Ok(wheel),
        _ => bail!("{} does not contain exactly one wheel", home.display()),
    }
}
