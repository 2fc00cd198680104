//! `cargo xtask wheel`: builds the Python package.

mod release;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::setup::{self, Scope};
use crate::shell::{cargo, python, say, step};
use crate::{demo, paths, progress};

/// The environment with maturin.
pub const TOOLS: &str = "wheel";

/// The extension module in a wheel. The name promises Python's stable ABI.
const MODULE: &str = "hydra_registry/_native.abi3.so";

pub use release::{ZIG, sdist, wheel};

/// Builds what the flags name, and prints its path.
pub fn run(flags: &[String]) -> Result<()> {
    let (scope, build): (Scope, fn() -> Result<PathBuf>) =
        match flags.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => (Scope::Release, wheel),
            ["--dev"] => (Scope::Wheel, dev),
            ["--sdist"] => (Scope::Wheel, sdist),
            other => bail!("unknown flags: {other:?}; `wheel` takes --dev or --sdist"),
        };
    setup::run(scope)?;
    say(format!("built {}", build()?.display()));
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
    let home = home("dev");
    let stage = home.join("stage");
    setup::reset_directory(&home)?;
    write_metadata(&stage)?;
    copy_sources(&paths::root().join("python/hydra_registry"), &stage.join("hydra_registry"))?;
    fs::copy(&library, stage.join(MODULE)).context("cannot copy the extension module")?;
    step("packing the wheel", python(TOOLS).args(["-m", "wheel", "pack"]).arg(&stage).arg("-d").arg(&home))?;
    one_file(&home, "whl")
}

/// Checks what the extension module must not contain: a second Python, or LightGBM's C++.
fn check_library(library: &Path) -> Result<()> {
    let bytes = fs::read(library).with_context(|| format!("cannot read {}", library.display()))?;
    let contains = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    if contains("libpython3") {
        bail!(
            "the extension module is linked to libpython: set PYO3_BUILD_EXTENSION_MODULE, as .cargo/config.toml does"
        );
    }
    // The start of LightGBM's messages.
    if contains("[LightGBM] [") {
        bail!("the extension module contains LightGBM's C++: only the binary may use hydra-training");
    }
    Ok(())
}

fn library_name() -> &'static str {
    if cfg!(target_os = "macos") { "libhydra_registry_native.dylib" } else { "libhydra_registry_native.so" }
}

/// Writes the metadata from `python/pyproject.toml`. maturin compiles nothing for it.
fn write_metadata(stage: &Path) -> Result<()> {
    fs::create_dir_all(stage).with_context(|| format!("cannot create {}", stage.display()))?;
    let mut command = maturin(&["pep517", "write-dist-info"]);
    command.arg("--interpreter").arg(python(TOOLS).get_program());
    step("writing the metadata of the wheel", command.arg("--metadata-directory").arg(stage))
}

/// A command of maturin for the Python package.
fn maturin(words: &[&str]) -> Command {
    let mut command = Command::new(paths::tools().join(TOOLS).join("bin/maturin"));
    command.args(words).arg("--manifest-path").arg(paths::root().join("python/Cargo.toml"));
    command.current_dir(paths::root());
    command
}

/// The directory of one kind of result.
fn home(kind: &str) -> PathBuf {
    demo::target_directory().join("wheel").join(kind)
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

/// The one file with this extension in a directory.
fn one_file(home: &Path, extension: &str) -> Result<PathBuf> {
    let files = fs::read_dir(home)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    let mut found = files.into_iter().filter(|path| path.extension().is_some_and(|found| found == extension));
    match (found.next(), found.next()) {
        (Some(file), None) => Ok(file),
        _ => bail!("{} does not contain exactly one .{extension} file", home.display()),
    }
}
