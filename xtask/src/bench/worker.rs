//! Worker processes that measure: one request per line in, one answer per line out.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::home;

/// The time limit of a worker for everything except a compilation.
pub const ANSWER_LIMIT: Duration = Duration::from_mins(5);

/// A worker process. It ends when this value is dropped.
pub struct Worker {
    name: String,
    child: Child,
    requests: Option<ChildStdin>,
    answers: Receiver<String>,
}

/// The result of a request.
pub enum Answer {
    /// The measurements.
    Numbers(Vec<f64>),
    /// The request cannot be carried out, for this reason.
    Refused(String),
    /// The request exceeded its time limit.
    TimedOut,
}

impl Worker {
    /// Starts a worker; its standard error goes to a file named after it.
    pub fn start(name: &str, command: &mut Command) -> Result<Self> {
        let logs = home().join("logs");
        fs::create_dir_all(&logs)?;
        let log = File::create(logs.join(format!("{}.log", name.replace([' ', '/'], "-"))))?;
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(log)
            // A process group, so that the worker's compilers end with it.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start the worker `{name}`"))?;
        let requests = child.stdin.take();
        let lines = BufReader::new(child.stdout.take().context("the worker has no standard output")?).lines();
        let (sender, answers) = channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Ok(Self { name: name.to_owned(), child, requests, answers })
    }

    /// Sends a request and waits at most `limit` for the answer; a worker that takes longer is killed.
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

    /// Sends a request that must succeed.
    pub fn measure(&mut self, request: &str) -> Result<Vec<f64>> {
        self.measure_within(request, ANSWER_LIMIT)
    }

    /// Sends a request that must succeed, and waits at most `limit` for the answer.
    pub fn measure_within(&mut self, request: &str, limit: Duration) -> Result<Vec<f64>> {
        match self.ask(request, limit)? {
            Answer::Numbers(numbers) => Ok(numbers),
            Answer::Refused(reason) => bail!("`{}` cannot do `{request}`: {reason}", self.name),
            Answer::TimedOut => bail!("`{}` took too long for `{request}`", self.name),
        }
    }

    /// Sends a request that must return one number.
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

    /// Kills the worker and the processes that it started.
    fn end(&mut self) {
        self.requests = None;
        let group = format!("-{}", self.child.id());
        // An error means that the worker has already ended.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.end();
    }
}
