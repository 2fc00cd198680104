//! The limits of the process that compiles.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::text;
use hydra_base::error::{Error, ErrorKind, Result};

/// What compiling one policy may cost. A limit ends the process that compiles, and is an error of its own kind.
///
/// Not every platform has all limits: macOS does not limit the address space, and Windows only the time on the wall clock. Without a
/// process of its own there are none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct CompileLimits {
    /// Bytes of address space. Over it: [`ErrorKind::PolicyCompileMemory`].
    pub memory: u64,
    /// Time of all processors together, in whole seconds. Over it: [`ErrorKind::PolicyCompileTime`].
    pub processor_time: Duration,
    /// Time on the wall clock. Over it: [`ErrorKind::PolicyCompileTime`].
    pub wall_clock: Duration,
}

impl Default for CompileLimits {
    /// Several times what CPython needs, the largest component that language toolchains make.
    fn default() -> Self {
        Self {
            memory: 4 << 30,
            processor_time: Duration::from_secs(300),
            wall_clock: Duration::from_secs(600),
        }
    }
}

impl CompileLimits {
    /// The default limits with those that `text` names: `memory=8GiB,processor-time=10m,wall-clock=20m`. Anything else is an error of
    /// kind [`ErrorKind::Config`].
    pub fn parse(text: &str) -> Result<Self> {
        let mut limits = Self::default();
        for part in text.split(',') {
            limits.set(part).ok_or_else(|| {
                Error::new(
                    ErrorKind::Config,
                    format!("the limit of compiling policies is not valid: `{part}`"),
                )
                .with_hint("write it like `memory=4GiB,processor-time=5m,wall-clock=10m`")
            })?;
        }
        Ok(limits)
    }

    fn set(&mut self, part: &str) -> Option<()> {
        let (key, value) = part.split_once('=')?;
        let time = || text::parse_duration(value).filter(|time| *time >= Duration::from_secs(1));
        match key.trim() {
            "memory" => self.memory = text::parse_bytes(value).filter(|bytes| *bytes > 0)?,
            "processor-time" => self.processor_time = time()?,
            "wall-clock" => self.wall_clock = time()?,
            _ => return None,
        }
        Some(())
    }

    /// Limits this process, which is about to compile.
    #[cfg(unix)]
    pub(super) fn enforce(&self) -> std::io::Result<()> {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

        // A lower limit that is in force stays.
        let set = |resource, soft: u64, hard: u64| {
            let maximum = getrlimit(resource).maximum;
            let under = |limit: u64| Some(maximum.map_or(limit, |maximum| maximum.min(limit)));
            setrlimit(resource, Rlimit { current: under(soft), maximum: under(hard) })
        };
        let seconds = self.processor_time.as_secs().max(1);
        set(Resource::Core, 0, 0)?;
        // The soft limit ends the process by a signal of its own, by which the parent knows it.
        set(Resource::Cpu, seconds, seconds.saturating_add(5))?;
        #[cfg(not(target_os = "openbsd"))]
        set(Resource::As, self.memory, self.memory)?;
        #[cfg(target_os = "linux")]
        {
            // The process ends with its parent, and is the one to end if the machine has no memory left. Where a container forbids
            // this, the limits above suffice.
            let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
            let _ = std::fs::write("/proc/self/oom_score_adj", "1000");
        }
        Ok(())
    }

    #[cfg(not(unix))]
    #[expect(clippy::unnecessary_wraps, reason = "the unix version can fail")]
    pub(super) fn enforce(&self) -> std::io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_from_text() {
        let limits = CompileLimits::parse("memory=512 MiB,wall-clock=90s").unwrap();
        assert_eq!((limits.memory, limits.wall_clock), (512 << 20, Duration::from_secs(90)));
        assert_eq!(limits.processor_time, CompileLimits::default().processor_time);
        for bad in ["", "memory", "memory=", "memory=0", "time=1s", "wall-clock=10ms", "memory=1GiB,"] {
            assert_eq!(CompileLimits::parse(bad).unwrap_err().kind(), ErrorKind::Config, "{bad}");
        }
    }
}
