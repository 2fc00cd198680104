//! Which process writes a run, so that others find out that it does not any more.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::{Sha256, Timestamp};

/// The tag of a run that an evaluation is recorded in.
pub const WRITER_TAG: &str = "hydra.writer";

/// How long a writer may take, in milliseconds: a run is RUNNING for the time of one request with its repetitions.
const LONGEST_MS: Timestamp = 3_600_000;

/// The process that creates a run: JSON such as `{"at":"1795392000000","process":{"space":"1a2b…","pid":4711,"started":"8812"}}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Writer {
    /// When, by the clock of the store, in milliseconds.
    #[serde(with = "decimal")]
    at: Timestamp,
    /// None where the system does not show processes in `/proc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    process: Option<Process>,
}

/// A process that can be told from all others, also from later ones with its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Process {
    /// Which processes its number is one of: a digest of the machine's last start, the namespace and the user.
    space: String,
    /// Its number.
    pid: u32,
    /// When it started, in the system's own unit.
    started: String,
}

impl Writer {
    /// This process, which creates a run now.
    pub(crate) fn this(now: Timestamp) -> Self {
        let pid = std::process::id();
        let process = || Some(Process { space: space()?, pid, started: started(pid)? });
        Self { at: now, process: process() }
    }

    /// Whether it does not write any more: it ran here and does not exist, or it began more than an hour ago.
    pub(crate) fn is_gone(&self, now: Timestamp) -> bool {
        now.saturating_sub(self.at) > LONGEST_MS || self.process.as_ref().is_some_and(Process::is_gone)
    }
}

impl Process {
    fn is_gone(&self) -> bool {
        space().is_some_and(|here| here == self.space)
            && started(self.pid).is_none_or(|started| started != self.started)
    }
}

impl fmt::Display for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

impl FromStr for Writer {
    type Err = Error;

    /// Reads the value of a tag; [`ErrorKind::Protocol`] for another text.
    fn from_str(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| {
            Error::new(ErrorKind::Protocol, "the tag does not name a writer").with_source(error)
        })
    }
}

/// The processes that this one sees under their numbers, if the system shows them.
#[cfg(unix)]
fn space() -> Option<String> {
    use std::os::unix::fs::MetadataExt as _;

    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let namespace = std::fs::read_link("/proc/self/ns/pid").ok()?;
    // A system may hide the processes of other users.
    let user = std::fs::metadata("/proc/self").ok()?.uid();
    let all = format!("{}\n{}\n{user}", boot.trim(), namespace.display());
    Some(Sha256::of(all.as_bytes()).to_string()[..16].to_owned())
}

#[cfg(not(unix))]
fn space() -> Option<String> {
    None
}

/// When a process started; none if it does not exist or has ended.
fn started(pid: u32) -> Option<String> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name may contain anything, and is in brackets.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let started = fields.nth(18)?;
    (!["Z", "X", "x"].contains(&state)).then(|| started.to_owned())
}

/// A time as decimal text, because JSON numbers have 53 bits.
mod decimal {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    use hydra_base::Timestamp;

    pub(super) fn serialize<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(time)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_writer_is_gone_with_its_process_or_after_an_hour() {
        let this = Writer::this(1_000);
        assert_eq!(this.to_string().parse::<Writer>().expect("a writer"), this);
        assert!(!this.is_gone(1_000 + LONGEST_MS) && this.is_gone(1_001 + LONGEST_MS));
        let process = this.process.expect("a process: the system has /proc");
        let with = |process| Writer { at: 1_000, process: Some(process) };
        // A later process has its number, or none has.
        assert!(with(Process { started: "1".to_owned(), ..process.clone() }).is_gone(1_000));
        assert!(with(Process { pid: u32::MAX, ..process.clone() }).is_gone(1_000));
        // Its number is that of a process on another machine, or on one that does not show any.
        assert!(!with(Process { space: "elsewhere".to_owned(), pid: u32::MAX, ..process }).is_gone(1_000));
        assert!(!Writer { at: 1_000, process: None }.is_gone(1_000));
    }

    #[test]
    fn a_process_that_ended_is_gone_although_its_parent_did_not_ask() {
        let mut child = std::process::Command::new("true").spawn().expect("a process");
        while std::fs::read_to_string(format!("/proc/{}/stat", child.id())).expect("a state").contains(") R")
        {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        assert_eq!(started(child.id()), None);
        child.wait().expect("an end");
    }

    #[test]
    fn what_is_not_a_writer_is_an_error() {
        for text in ["", "{}", r#"{"at":1}"#, r#"{"at":"x"}"#, r#"{"at":"1","process":{"pid":1}}"#] {
            assert_eq!(text.parse::<Writer>().expect_err(text).kind(), ErrorKind::Protocol);
        }
    }
}
