//! The memory that a decision needs: a container has so much, whatever address space a process reserves.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use super::command::{DECIDE, command, project, within};
use crate::support::backends::fresh_name;
use crate::support::binary::Outcome;

/// What a small container has.
const CONTAINER_BYTES: u64 = 512 << 20;

/// A control group with little memory, as that of a container. It is removed with the value.
struct MemoryGroup {
    directory: PathBuf,
    peak: &'static str,
}

impl MemoryGroup {
    /// `None` where this process may not make one, or the system has no controller of memory.
    fn of(bytes: u64) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
        let own = groups.lines().find_map(|line| line.split_once(":memory:")).map_or("/", |(_, path)| path);
        let first = PathBuf::from(format!("/sys/fs/cgroup/memory{own}"));
        let make = |parent: &Path, limits: &[&str], peak: &'static str| {
            let directory = parent.join(fresh_name("hydra"));
            fs::create_dir(&directory).ok()?;
            let group = Self { directory, peak };
            let (limit, swap) = limits.split_first()?;
            // Elsewhere, writing would make a file.
            group.directory.join(peak).exists().then_some(())?;
            fs::write(group.directory.join(limit), bytes.to_string()).ok()?;
            // The second version counts swap apart from memory, the first one together with it, and either only where there is swap.
            let most = if peak == "memory.peak" { 0 } else { bytes };
            for swap in swap {
                drop(fs::write(group.directory.join(swap), most.to_string()));
            }
            Some(group)
        };
        make(&first, &["memory.limit_in_bytes", "memory.memsw.limit_in_bytes"], "memory.max_usage_in_bytes")
            .or_else(|| make(Path::new("/sys/fs/cgroup"), &["memory.max", "memory.swap.max"], "memory.peak"))
    }

    /// Runs a command in the group, and returns also the most bytes that the group had in use.
    fn run(&self, command: &Command) -> (Outcome, u64) {
        let enter = format!("echo $$ > {}", self.directory.join("cgroup.procs").display());
        let outcome = Outcome::from(within(&enter, command).output().expect("the binary runs"));
        let peak = fs::read_to_string(self.directory.join(self.peak)).expect("the group counts");
        (outcome, peak.trim().parse().expect("a number"))
    }
}

impl Drop for MemoryGroup {
    fn drop(&mut self) {
        // The last process of the group may still be ending.
        for _ in 0..100 {
            if fs::remove_dir(&self.directory).is_ok() {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}

/// The most bytes that a command and the process that compiles for it had in use together, read every two milliseconds.
fn watched(mut command: Command) -> (Outcome, u64) {
    let (out, err) =
        (tempfile::NamedTempFile::new().expect("a file"), tempfile::NamedTempFile::new().expect("a file"));
    command.stdout(out.reopen().expect("a stream")).stderr(err.reopen().expect("a stream"));
    let mut child: Child = command.spawn().expect("the binary runs");
    let in_use = |pid: &str| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
    };
    let mut peak = 0;
    let status = loop {
        let pid = child.id().to_string();
        let threads = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().filter_map(Result::ok);
        let children = threads.filter_map(|thread| fs::read_to_string(thread.path().join("children")).ok());
        let others: u64 = children.map(|pids| pids.split_whitespace().map(in_use).sum::<u64>()).sum();
        peak = peak.max(in_use(&pid) + others);
        if let Some(status) = child.try_wait().expect("a state") {
            break status;
        }
        thread::sleep(Duration::from_millis(2));
    };
    let text = |file: &tempfile::NamedTempFile| fs::read_to_string(file.path()).expect("a stream");
    (Outcome { code: status.code().unwrap_or(-1), out: text(&out), err: text(&err) }, peak)
}

/// The default policy, and a Rust policy that another process compiles: decided, recorded and carried out. In a control group of
/// that size where this process may make one, and else by the memory in use.
#[test]
fn a_decision_fits_in_a_small_container() {
    let project = project();
    let group = MemoryGroup::of(CONTAINER_BYTES);
    for args in [&["promote", "1"][..], &[&DECIDE[..], &["promote", "2"]].concat(), &["rollback"]] {
        let decide = command(&project, args);
        let (outcome, peak) = match &group {
            Some(group) => group.run(&decide),
            None => watched(decide),
        };
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
        assert!(peak <= CONTAINER_BYTES, "{args:?}: {peak} bytes");
        // `cargo test -- --nocapture` shows it.
        eprintln!("{args:?}: at most {} MiB, in a group: {}", peak >> 20, group.is_some());
    }
}
