//! Processes that measure: a request a line in, an answer a line out.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::home;

/// How long a worker may take for anything but a compilation.
pub const PATIENCE: Duration = Duration::from_mins(5);

/// A process that measures. It ends when this value goes.
pub struct Worker {
    name: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// What became of a request.
pub enum Answer {
    /// It was measured.
    Numbers(Vec<f64>),
    /// It cannot be done, and why.
    Refused(String),
    /// It took longer than it may.
    TimedOut,
}

impl Worker {
    /// Starts a worker; what it says on standard error goes to a file named after it.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let logs = home().join("logs");
        fs::create_dir_all(&logs)?;
        let log = File::create(logs.join(format!("{}.log", name.replace([' ', '/'], "-"))))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // Its compilers end with it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start the worker `{name}`"))?;
        let requests = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().context("the worker has no standard output")?).lines();
        let (sender, answers) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Self { name: name.to_owned(), child, requests, answers })
    }

    /// Sends a request and waits for its answer, at most for `limit`; a worker that takes longer is ended.
    pub fn ask(&mut self, request: &str, limit: Duration) -> Result<Answer> {
        let requests = self.requests.as_mut().context("the worker has ended")?;
        writeln!(requests, "{request}").with_context(|| self.died(request))?;
        let line = match self.answers.recv_timeout(limit) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => {
                self.end();
                return Ok(Answer::TimedOut);
            }
            Err(RecvTimeoutError::Disconnected) => bail!(self.died(request)),
        };
        let (kind, rest) = line.split_once(' ').unwrap_or((&line, ""));
        match kind {
            "ok" => Ok(Answer::Numbers(rest.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)),
            "no" => Ok(Answer::Refused(rest.to_owned())),
            _ => bail!("`{}` answered `{line}`", self.name),
        }
    }

    /// Asks for what must work.
    pub fn measure(&mut self, request: &str) -> Result<Vec<f64>> {
        match self.ask(request, PATIENCE)? {
            Answer::Numbers(numbers) => Ok(numbers),
            Answer::Refused(reason) => bail!("`{}` cannot do `{request}`: {reason}", self.name),
            Answer::TimedOut => bail!("`{}` took too long for `{request}`", self.name),
        }
    }

    /// Asks for one number.
    pub fn number(&mut self, request: &str) -> Result<f64> {
        let numbers = self.measure(request)?;
        numbers
            .first()
            .copied()
            .with_context(|| format!("`{}` returned no number for `{request}`", self.name))
    }

    fn died(&self, request: &str) -> String {
        format!(
            "the worker `{}` ended during `{request}`; its log is in {}",
            self.name,
            home().join("logs").display()
        )
    }

    /// Ends the worker and what it has started.
    fn end(&mut self) {
        self.requests = None;
        let group = format!("-{}", self.child.id());
        // It may have ended by itself: then there is nothing to do.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
