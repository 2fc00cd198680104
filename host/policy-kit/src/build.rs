//! Building a policy project into a component.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use wit_component::ComponentEncoder;

use super::{BuildInfo, Language};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;
use hydra_guest_cargo as guest_cargo;
use hydra_policy::{Budget, ComponentSummary};

/// How to install the tools that build JavaScript.
const NODE: &str = "a JavaScript policy is built with Node.js 20 or newer and its npm: get both from https://nodejs.org or your \
                    system's packages (Debian and Ubuntu: `apt install nodejs npm`)";
/// How to install the tools that build Python.
const PYTHON: &str = "a Python policy is built with Python 3.10 or newer and its venv module: get both from https://python.org or \
                      your system's packages (Debian and Ubuntu: `apt install python3 python3-venv`)";

/// Builds the project in `dir` and returns the path of the component: `output`, or `<name>.wasm` in the project's
/// `target` directory. Intermediate files go to `target_dir`, by default that same directory; projects that share one
/// share the work. The component says in a section of its own [what it was built from](BuildInfo).
///
/// A compiler or tool that is missing or fails is an error of kind [`ErrorKind::PolicyBuild`] that quotes its output. A
/// component that imports something or does not export the contract is one of kind [`ErrorKind::PolicyIncompatible`]. The
/// answer of `describe` is not checked here; loading the policy checks it.
pub fn build(dir: &Path, output: Option<&Path>, target_dir: Option<&Path>) -> Result<PathBuf> {
    let dir = fs::canonicalize(dir).map_err(|error| storage("cannot find the project", dir, error))?;
    let project_target = dir.join("target");
    let target_dir = match target_dir {
        Some(path) => {
            std::path::absolute(path).map_err(|error| storage("cannot use the directory", path, error))?
        }
        None => project_target.clone(),
    };
    let language = Language::of_project(&dir)?;
    let name = match language {
        Language::Rust => package_name(&dir)?,
        Language::JavaScript | Language::Python => {
            dir.file_name().map_or_else(|| "policy".to_owned(), |name| name.to_string_lossy().into_owned())
        }
    };
    let output = match output {
        Some(path) => {
            std::path::absolute(path).map_err(|error| storage("cannot use the path", path, error))?
        }
        None => project_target.join(name.clone() + ".wasm"),
    };
    if let Some(parent) = output.parent() {
        fs::create_dir_all(parent).map_err(|error| storage("cannot create the directory", parent, error))?;
    }
    match language {
        Language::Rust => build_rust(&dir, &name, &target_dir, &output)?,
        Language::JavaScript => build_javascript(&dir, &output)?,
        Language::Python => build_python(&dir, &output)?,
    }
    let info = BuildInfo::of_project(&dir, language)?;
    let component =
        regular_file::read(&output, MAX_BYTES, |error| storage("cannot read the component", &output, error))?;
    let component = info.added_to(component)?;
    check(&component).map_err(|error| error.with_context("project", dir.display()))?;
    fs::write(&output, component).map_err(|error| storage("cannot write the component", &output, error))?;
    Ok(output)
}

/// The most bytes of a module, of a component, and of a manifest.
const MAX_BYTES: u64 = 512 << 20;

/// Checks the interface: a project can compile without exporting it.
fn check(component: &[u8]) -> Result<()> {
    let budget = Budget::default().with_component_bytes(u64::MAX);
    ComponentSummary::read(component, &budget)?.check().map(drop)
}

fn build_rust(dir: &Path, package: &str, target_dir: &Path, output: &Path) -> Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let module = guest_cargo::build_module(&cargo, dir, package, target_dir, &[])
        .map_err(|error| failed("cannot build the policy", dir).with_source(error))?;
    let module =
        regular_file::read(&module, MAX_BYTES, |error| storage("cannot read the module", &module, error))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .and_then(|mut encoder| encoder.encode())
        .map_err(|error| {
            failed("cannot wrap the module as a component", dir)
                .with_hint("export the world `policy-component` of wit/lifecycle.wit from the crate")
                .with_source(format!("{error:#}"))
        })?;
    fs::write(output, component).map_err(|error| storage("cannot write the component", output, error))
}

/// Runs the project's build script, which calls componentize-js. Installs the packages if they are missing.
fn build_javascript(dir: &Path, output: &Path) -> Result<()> {
    if !dir.join("node_modules").is_dir() {
        run(
            dir,
            Command::new("npm").args(["install", "--no-audit", "--no-fund"]),
            NODE,
            "check package.json",
        )?;
    }
    run(dir, Command::new("node").arg("build.mjs").arg(output), NODE, "check policy.js")
}

/// Runs componentize-py from the project's virtual environment, which is created if it is missing.
fn build_python(dir: &Path, output: &Path) -> Result<()> {
    let bin = environment(dir);
    if !bin.join("componentize-py").exists() {
        run(dir, Command::new("python3").args(["-m", "venv", ".venv"]), PYTHON, PYTHON)?;
        let pip = ["-m", "pip", "install", "--quiet", "--requirement", "requirements.txt"];
        run(dir, Command::new(bin.join("python")).args(pip), PYTHON, "check requirements.txt")?;
    }
    // `--stub-wasi` gives the interpreter stand-ins for what WASI would provide: the component imports nothing.
    let world = ["--wit-path", "wit", "--world", "policy-component"];
    let mut command = Command::new(bin.join("componentize-py"));
    command.args(world).args(["componentize", "--stub-wasi", "app", "--output"]).arg(output);
    run(dir, &mut command, PYTHON, "check app.py")
}

/// The programs of a project's virtual environment.
pub(crate) fn environment(dir: &Path) -> PathBuf {
    dir.join(".venv").join(if cfg!(windows) { "Scripts" } else { "bin" })
}

/// Runs a tool in the project. `missing` is the hint if it cannot be run, `failing` the hint if it fails.
fn run(dir: &Path, command: &mut Command, missing: &str, failing: &str) -> Result<()> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.current_dir(dir).output().map_err(|error| {
        failed("cannot run a tool that builds the policy", dir)
            .with_context("tool", &program)
            .with_hint(missing)
            .with_source(error)
    })?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).trim().to_owned());
    Err(failed("cannot build the policy", dir)
        .with_context("tool", &program)
        .with_hint(failing)
        .with_source(format!("{}: {}", output.status, words.join("\n"))))
}

fn package_name(dir: &Path) -> Result<String> {
    let path = dir.join("Cargo.toml");
    let text =
        regular_file::read_text(&path, MAX_BYTES, |error| storage("cannot read the manifest", &path, error))?;
    let manifest: toml::Table = text
        .parse()
        .map_err(|error: toml::de::Error| failed("the manifest is malformed", dir).with_source(error))?;
    let name = manifest.get("package").and_then(|package| package.get("name")).and_then(toml::Value::as_str);
    name.map(str::to_owned).ok_or_else(|| failed("the manifest has no package name", dir))
}

fn failed(message: &str, dir: &Path) -> Error {
    Error::new(ErrorKind::PolicyBuild, message).with_context("project", dir.display())
}

fn storage(message: &str, path: &Path, error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, message).with_context("path", path.display()).with_source(error)
}
