//! The memory use of a process.

use anyhow::{Context as _, Result};

/// The peak memory of this process so far, in bytes, from Linux's `/proc`.
pub fn peak() -> Result<f64> {
    let status = std::fs::read_to_string("/proc/self/status").context("memory is measured on Linux")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).context("no peak in /proc")?;
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().context("the peak is not a number")?;
    Ok(kib * 1024.0)
}
