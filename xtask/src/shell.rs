//! Runs programs and prints messages to the terminal.

use std::ffi::{OsStr, OsString};
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Prints a line to stderr.
#[expect(clippy::print_stderr, reason = "this function is the one place where tasks print")]
pub fn say(text: impl AsRef<str>) {
    eprintln!("{}", text.as_ref());
}

/// Runs a command, showing its output; an error if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if status.success() { Ok(()) } else { bail!("`{shown}` failed: {status}") }
}

/// Runs a command quietly under a heading; its output appears only if it fails.
pub fn step(heading: &str, command: &mut Command) -> Result<()> {
    let start = Instant::now();
    say(format!("  {heading} ..."));
    let shown = show(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{shown}`"))?;
    if output.status.success() {
        say(format!("  {heading}: done in {:.0?}", start.elapsed()));
        return Ok(());
    }
    bail!(
        "`{shown}` failed: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// The trimmed output of a command, or `None` if it cannot start or fails.
pub fn capture(program: impl AsRef<OsStr>, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_string())
}

/// The cargo that runs this task.
///
/// Cargo describes the package of this task in variables. Build scripts of C libraries depend on them, so that a build with them
/// compiles again what a developer's own build has compiled.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let of_package = |name: &str| name.starts_with("CARGO_PKG_") || name.starts_with("CARGO_MANIFEST_");
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(of_package) {
            command.env_remove(name);
        }
    }
    command.current_dir(crate::paths::root());
    command
}

/// The Python of an environment in `.tools/`, in the repository's root.
pub fn python(environment: &str) -> Command {
    let mut command = Command::new(crate::paths::tools().join(environment).join("bin/python"));
    command.current_dir(crate::paths::root());
    command
}

/// The `PATH` with the programs of an environment first.
pub fn path_with(environment: &str) -> Result<OsString> {
    let programs = crate::paths::tools().join(environment).join("bin");
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths([programs].into_iter().chain(std::env::split_paths(&path)))
        .context("cannot extend PATH")
}

/// A command as a person would type it.
pub fn show(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|word| word.to_string_lossy().into_owned()));
    words.join(" ")
}
