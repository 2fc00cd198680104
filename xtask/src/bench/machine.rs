//! The machine and the programs behind the numbers.

use std::fs;
use std::thread;

use anyhow::{Context, Result};

use crate::paths;
use crate::setup::MLFLOW;
use crate::shell::capture;

/// A description of the machine and the programs, for readers of the numbers.
pub fn facts() -> Result<Vec<(&'static str, String)>> {
    let cores = thread::available_parallelism()?;
    let unknown = || "unknown".to_owned();
    let line = |program: &str, args: &[&str]| capture(program, args).unwrap_or_else(unknown);
    let commit = capture("git", &["-C", &paths::root().to_string_lossy(), "rev-parse", "--short", "HEAD"]);
    let python = super::interpreter("peers");
    Ok(vec![
        ("date", line("date", &["-u", "+%F"])),
        ("commit", commit.unwrap_or_else(unknown)),
        ("processor", format!("{}, {cores} cores", processor())),
        ("memory", memory()),
        ("system", line("uname", &["-srm"])),
        (
            "load before the run",
            fs::read_to_string("/proc/loadavg")
                .map_or_else(|_| unknown(), |load| load.split(' ').take(3).collect::<Vec<_>>().join(" ")),
        ),
        ("Rust", format!("{}; release profile, no CPU-specific flags", line("rustc", &["--version"]))),
        ("Python", capture(python, &["--version"]).unwrap_or_else(unknown)),
        ("MLflow", version(MLFLOW, "mlflow")?),
    ])
}

/// The version of a package that an environment's requirements pin.
pub fn version(environment: &str, package: &str) -> Result<String> {
    let requirements = fs::read_to_string(paths::requirements(environment))?;
    let pinned = requirements.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix("=="));
    pinned.map(str::to_owned).with_context(|| format!("{environment} does not pin {package}"))
}

fn processor() -> String {
    let model = fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| {
        let line = text.lines().find(|line| line.starts_with("model name"))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    });
    model
        .or_else(|| capture("sysctl", &["-n", "machdep.cpu.brand_string"]))
        .unwrap_or_else(|| "unknown".to_owned())
}

fn memory() -> String {
    let kib = fs::read_to_string("/proc/meminfo").ok().and_then(|text| {
        text.lines()
            .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<u64>().ok())
    });
    kib.map_or_else(|| "unknown".to_owned(), |kib| format!("{} GiB", kib / (1 << 20)))
}
