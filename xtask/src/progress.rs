//! Shows what a build is doing and how much of it is left.

use std::io::{BufReader, IsTerminal, Read};
use std::process::{Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::shell::{run, say, show};

/// The interval between two lines about the progress, if there is no terminal for a bar.
const INTERVAL: Duration = Duration::from_secs(10);

/// Runs a cargo command. On a terminal, cargo draws its own bar; elsewhere, the numbers of that bar become a line every
/// [`INTERVAL`], instead of one line per crate.
pub fn build(command: &mut Command) -> Result<()> {
    if std::io::stderr().is_terminal() {
        return run(command);
    }
    let shown = show(command);
    command.env("CARGO_TERM_PROGRESS_WHEN", "always").env("CARGO_TERM_PROGRESS_WIDTH", "160");
    let mut child =
        command.stderr(Stdio::piped()).spawn().with_context(|| format!("cannot start `{shown}`"))?;
    let stderr = child.stderr.take().context("cargo's output is not piped")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || read_lines(stderr, &sender));

    let start = Instant::now();
    let mut next = start;
    let mut latest = None;
    loop {
        match lines.recv_timeout(INTERVAL) {
            Ok(line) => match Bar::parse(&line) {
                Some(bar) => latest = Some(bar),
                None if is_routine(&line) => {}
                None => say(line),
            },
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if let Some(Bar { done, total, now }) = &latest
            && Instant::now() >= next
        {
            say(format!("   {:3} s: {done} of {total} built; building {now}", start.elapsed().as_secs()));
            next = Instant::now() + INTERVAL;
        }
    }
    let status = child.wait().with_context(|| format!("cannot wait for `{shown}`"))?;
    if status.success() { Ok(()) } else { bail!("`{shown}` failed: {status}") }
}

/// Passes on every line, and every state of the bar, which cargo draws repeatedly on one line.
fn read_lines(stderr: impl Read, lines: &Sender<String>) {
    let mut line = Vec::new();
    for byte in BufReader::new(stderr).bytes().map_while(Result::ok) {
        if byte != b'\n' && byte != b'\r' {
            line.push(byte);
            continue;
        }
        let text = String::from_utf8_lossy(&line).replace("\u{1b}[K", "");
        line.clear();
        if !text.trim().is_empty() && lines.send(text).is_err() {
            return;
        }
    }
}

/// One state of cargo's bar: `Building [==>   ] 12/431: syn, lightgbm3-sys(build)`.
#[derive(Debug, PartialEq, Eq)]
struct Bar {
    done: u32,
    total: u32,
    now: String,
}

impl Bar {
    fn parse(line: &str) -> Option<Self> {
        let (_, rest) = line.trim_start().strip_prefix("Building [")?.split_once("] ")?;
        let (count, now) = rest.split_once(": ")?;
        let (done, total) = count.split_once('/')?;
        Some(Self {
            done: done.trim().parse().ok()?,
            total: total.parse().ok()?,
            now: now.trim().to_string(),
        })
    }
}

/// Whether the progress line replaces this line.
fn is_routine(line: &str) -> bool {
    let word = line.split_whitespace().next().unwrap_or_default();
    ["Compiling", "Downloaded", "Downloading", "Building"].contains(&word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_gives_its_numbers_and_other_lines_give_none() {
        let bar = Bar::parse("    Building [=====>       ]  12/431: syn, lightgbm3-sys(build)");
        assert_eq!(bar, Some(Bar { done: 12, total: 431, now: "syn, lightgbm3-sys(build)".into() }));
        for other in ["   Compiling syn v2.0.119", "    Building [=====>       ]", "error: [1] 2/3: four"] {
            assert_eq!(Bar::parse(other), None, "{other}");
        }
    }
}
