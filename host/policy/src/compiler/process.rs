//! Compiles in another process.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use super::command::CompilerCommand;
use super::job::{Outcome, STACK_BYTES};
use super::limits::CompileLimits;
use super::unavailable;
use super::worker::{Reply, Request};
use crate::engine::CodeForm;
use crate::text;
use hydra_base::error::{Error, ErrorKind, Result};

/// The most bytes of a reply, and of the messages that are quoted.
const REPLY_BYTES: u64 = 64 << 10;
const MESSAGE_BYTES: u64 = 2_000;
/// Threads that compile: each takes memory of its own.
const MOST_THREADS: usize = 4;
/// How often the parent looks whether a process that has replied has ended.
const PAUSE: Duration = Duration::from_millis(1);
/// What to do about a program that is not the right one.
pub(super) const OTHER_PROGRAM: &str =
    "set HYDRA_POLICY_COMPILER to the path of the command hydra-registry of this release";
/// Variables that a program needs to start. The process gets no others: credentials are none of its business.
const KEPT: [&str; 6] =
    ["PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "DYLD_FALLBACK_LIBRARY_PATH", "SYSTEMROOT", "TMPDIR"];

/// Compiles a component in another process, which leaves the code in `directory`.
pub(super) fn compile(
    command: &CompilerCommand,
    limits: &CompileLimits,
    form: CodeForm,
    bytes: &[u8],
    directory: &Path,
) -> Result<Outcome> {
    let failed = |error: io::Error| {
        unavailable("cannot start the process that compiles policies")
            .with_context("program", command.program.display())
            .with_source(error)
            .with_hint(OTHER_PROGRAM)
    };
    let (mut child, messages) = start(command, limits, form, bytes, directory).map_err(failed)?;
    let Ended { reply, status, late } = wait(&mut child, limits.wall_clock);
    match serde_json::from_slice(&reply) {
        Ok(Reply::Outcome(outcome)) => Ok(outcome),
        Ok(Reply::Unavailable(reason)) => Err(unavailable("the process that compiles policies cannot do it")
            .with_hint(OTHER_PROGRAM)
            .with_source(text::one_line(&reason))),
        Err(_) if late => Err(too_slow("wall-clock", limits.wall_clock)),
        Err(_) => {
            let mut text = Vec::new();
            // Without the messages the error is only less precise.
            let _ = File::open(messages).and_then(|file| file.take(MESSAGE_BYTES).read_to_end(&mut text));
            Err(died(status, &String::from_utf8_lossy(&text), limits))
        }
    }
}

/// The compiler needs more memory than its limit.
pub(super) fn out_of_memory(limits: &CompileLimits) -> Error {
    Error::new(ErrorKind::PolicyCompileMemory, "compiling the policy takes more memory than its limit")
        .with_context("limit", text::format_bytes(limits.memory))
        .with_hint("raise the limit with HYDRA_COMPILE_LIMITS=memory=8GiB if you trust the component")
}

fn too_slow(limit: &'static str, time: Duration) -> Error {
    Error::new(ErrorKind::PolicyCompileTime, "compiling the policy takes longer than its limit")
        .with_context(limit, text::format_duration(time))
        .with_hint(
            "raise the limits with HYDRA_COMPILE_LIMITS=processor-time=20m,wall-clock=20m if you trust the component",
        )
}

/// How the process ended.
struct Ended {
    reply: Vec<u8>,
    /// None if another part of this program has asked for it before.
    status: Option<ExitStatus>,
    /// Whether it was ended because its time was over.
    late: bool,
}

fn start(
    command: &CompilerCommand,
    limits: &CompileLimits,
    form: CodeForm,
    bytes: &[u8],
    directory: &Path,
) -> io::Result<(Child, std::path::PathBuf)> {
    // Files in place of pipes: neither process waits for the other one.
    let (component, messages) = (directory.join("component"), directory.join("messages"));
    fs::write(&component, bytes)?;
    let request = Request { release: env!("CARGO_PKG_VERSION").to_owned(), form, limits: *limits };
    let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let child = Command::new(&command.program)
        .args(&command.arguments)
        .arg(serde_json::to_string(&request)?)
        .current_dir(directory)
        .env_clear()
        .envs(KEPT.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env("RUST_MIN_STACK", STACK_BYTES.to_string())
        .stdin(File::open(component)?)
        .stdout(Stdio::piped())
        .stderr(File::create(&messages)?)
        .spawn()?;
    Ok((child, messages))
}

/// Waits for the end of the process, and ends it when its time is over.
fn wait(child: &mut Child, time: Duration) -> Ended {
    let started = Instant::now();
    let (sender, receiver) = mpsc::channel();
    let stdout = child.stdout.take();
    let reading = thread::Builder::new().name("policy-compiler".to_owned()).spawn(move || {
        // The receiver has gone away if the time is over.
        let _ = sender.send(read(stdout));
    });
    let reply = reading.ok().and_then(|_| receiver.recv_timeout(time).ok());
    let mut late = reply.is_none();
    if !late {
        late = loop {
            match child.try_wait() {
                Ok(None) if started.elapsed() < time => thread::sleep(PAUSE),
                Ok(None) => break true,
                _ => break false,
            }
        };
    }
    if late {
        // It may have ended by itself meanwhile.
        let _ = child.kill();
    }
    Ended { reply: reply.unwrap_or_default(), status: child.wait().ok(), late }
}

fn read(stdout: Option<ChildStdout>) -> Vec<u8> {
    let mut reply = Vec::new();
    // What cannot be read is not a reply.
    let _ = stdout.map(|stdout| stdout.take(REPLY_BYTES).read_to_end(&mut reply));
    reply
}

/// The error of a process that ended without a reply.
fn died(status: Option<ExitStatus>, messages: &str, limits: &CompileLimits) -> Error {
    let Some(signal) = status.and_then(signal_of) else {
        let ended = status.map_or_else(|| "in an unknown way".to_owned(), |status| status.to_string());
        return unavailable("the program does not compile policies, or is of another release")
            .with_context("ended", ended)
            .with_hint(OTHER_PROGRAM)
            .with_source(text::one_line(messages.trim()));
    };
    if is_over_time(signal) {
        return too_slow("processor-time", limits.processor_time);
    }
    if messages.contains("memory allocation of") {
        return out_of_memory(limits);
    }
    let error = Error::new(ErrorKind::PolicyCompileCrash, "the process that compiles the policy was ended by a signal")
        .with_context("signal", signal)
        .with_hint(
            "give the machine more memory if you trust the component; otherwise do not use it, because it makes the compiler crash",
        );
    match messages.trim() {
        "" => error,
        text => error.with_source(text::one_line(text)),
    }
}

#[cfg(unix)]
fn signal_of(status: ExitStatus) -> Option<i32> {
    std::os::unix::process::ExitStatusExt::signal(&status)
}

#[cfg(unix)]
fn is_over_time(signal: i32) -> bool {
    signal == rustix::process::Signal::XCPU.as_raw()
}

#[cfg(not(unix))]
fn signal_of(_: ExitStatus) -> Option<i32> {
    None
}

#[cfg(not(unix))]
fn is_over_time(_: i32) -> bool {
    false
}
