//! `cargo xtask bench`: what whole commands cost, and the criterion benches of the parts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::demo;
use crate::setup;
use crate::shell::{cargo, run as sh, say};

/// How often each command is timed.
const RUNS: usize = 31;

/// Times whole processes on the demo's store, then runs the criterion benches. `--quick` times the development build
/// and leaves the benches out.
pub fn run(flags: &[String]) -> Result<()> {
    let quick = match flags.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => false,
        ["--quick"] => true,
        other => bail!("unknown flags: {other:?}; `bench` takes --quick"),
    };
    setup::run(setup::Scope::Build)?;
    let profile = if quick { "dev" } else { "release" };
    sh(cargo().args(["build", "--workspace", "--bin", "hydra-registry", "--locked", "--profile", profile]))?;
    let binary =
        demo::target_directory().join(if quick { "debug" } else { "release" }).join("hydra-registry");
    whole_processes(&binary)?;
    if quick { Ok(()) } else { sh(cargo().args(["bench", "--package", "hydra-registry"])) }
}

fn whole_processes(binary: &Path) -> Result<()> {
    let home: PathBuf = std::env::temp_dir().join(format!("hydra-bench-{}", std::process::id()));
    demo::prepare(&home)?;
    let train =
        ["log-candidate", "--train", demo::TRAIN, "--label", "malignant", "--param", "n_estimators=5"];
    for _ in 0..2 {
        once(binary, &home, &train)?;
        once(binary, &home, &["promote"])?;
    }
    say(format!("whole processes on the embedded store, warm cache, {RUNS} runs each (ms):"));
    say(format!("{:28} {:>8} {:>8} {:>8}", "command", "best", "median", "worst"));
    for command in [&["--version"][..], &["champion"], &["list"], &["promote", "1", "--dry-run"]] {
        report(&command.join(" "), (0..RUNS).map(|_| once(binary, &home, command)).collect::<Result<_>>()?);
    }
    // Every promotion changes something: the two versions take turns.
    let promote =
        |run: usize| once(binary, &home, &["promote", if run.is_multiple_of(2) { "1" } else { "2" }]);
    report("promote", (0..RUNS).map(promote).collect::<Result<_>>()?);
    std::fs::remove_dir_all(&home).with_context(|| format!("cannot remove {}", home.display()))
}

/// Runs a command that must succeed and returns how long its process took.
fn once(binary: &Path, home: &Path, args: &[&str]) -> Result<Duration> {
    let mut command: Command = demo::registry_command(binary, home, args);
    let start = Instant::now();
    let output = command.output().context("cannot start hydra-registry")?;
    let took = start.elapsed();
    if !output.status.success() {
        bail!("{args:?} failed: {}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(took)
}

fn report(name: &str, mut times: Vec<Duration>) {
    times.sort();
    let ms = |index: usize| times[index].as_secs_f64() * 1e3;
    say(format!("{name:28} {:8.1} {:8.1} {:8.1}", ms(0), ms(times.len() / 2), ms(times.len() - 1)));
}
