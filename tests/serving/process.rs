//! The running server.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::client::{Answer, Connection};
use crate::support::binary::Project;

/// A server, which is killed when this is dropped.
#[derive(Debug)]
pub struct Serving {
    child: Child,
    /// The address of HTTP.
    pub http: SocketAddr,
    /// The address of gRPC, if it has one.
    pub grpc: Option<SocketAddr>,
    log: Arc<Mutex<Vec<String>>>,
}

/// How a server ended.
#[derive(Debug)]
pub struct Ended {
    /// The exit code, or -1 after a signal.
    pub code: i32,
    /// The log.
    pub log: String,
}

impl Serving {
    /// Starts a server in a project and waits until it is ready.
    pub fn start(project: &Project, args: &[&str]) -> Self {
        Self::start_with(project, args, &[])
    }

    /// [`start`](Self::start), with environment variables.
    pub fn start_with(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Self {
        let serving = Self::begin(project, args, variables);
        let start = Instant::now();
        while serving.get("/v2/health/ready").status != 200 {
            assert!(start.elapsed() < Duration::from_mins(2), "not ready: {}", serving.log());
            sleep(Duration::from_millis(20));
        }
        serving
    }

    /// Starts a server and waits until it listens.
    pub fn begin(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Self {
        Self::run(command(project, args, variables))
    }

    /// Runs a command that starts a server, and waits until it listens.
    pub fn run(mut command: Command) -> Self {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the server starts");
        let log: Arc<Mutex<Vec<String>>> = Arc::default();
        let mut lines = BufReader::new(child.stderr.take().expect("its stderr")).lines();
        let mut listening = None;
        while listening.is_none() {
            let line = match lines.next() {
                Some(line) => line.expect("text"),
                None => panic!("the server ended: {:?} {:?}", child.wait(), log.lock()),
            };
            listening =
                serde_json::from_str::<Value>(&line).ok().filter(|event| event["message"] == "listening");
            log.lock().expect("no panic").push(line);
        }
        let event = listening.expect("its addresses");
        let address = |name: &str| event[name].as_str().map(|text| text.parse().expect("an address"));
        let kept = log.clone();
        thread::spawn(move || {
            for line in lines.map_while(Result::ok) {
                kept.lock().unwrap_or_else(PoisonError::into_inner).push(line);
            }
        });
        Self { child, http: address("http").expect("HTTP"), grpc: address("grpc"), log }
    }

    /// A connection.
    pub fn connect(&self) -> Connection {
        Connection::open(self.http)
    }

    /// The answer to `GET path` on a connection of its own.
    pub fn get(&self, path: &str) -> Answer {
        self.connect().ask("GET", path, &[], b"")
    }

    /// The answer of `/invocations` to a body of JSON.
    pub fn invoke(&self, body: &Value) -> Answer {
        self.connect().ask("POST", "/invocations", &[JSON], body.to_string().as_bytes())
    }

    /// The state of the first model, as `GET /` says it.
    pub fn model(&self) -> Value {
        self.get("/").json()["models"][0].clone()
    }

    /// Waits until `holds` of the state of the first model.
    pub fn wait_until(&self, what: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let start = Instant::now();
        loop {
            let model = self.model();
            if holds(&model) {
                return model;
            }
            assert!(start.elapsed() < Duration::from_mins(1), "{what}: {model:#}\n{}", self.log());
            sleep(Duration::from_millis(20));
        }
    }

    /// Waits until this version answers.
    pub fn wait_for_version(&self, version: u64) {
        self.wait_until("the version", |model| {
            model["version"].as_str().is_some_and(|text| text.parse() == Ok(version))
        });
    }

    /// The value of a metric, the sum over all labels that have all of `labels` in their text.
    pub fn metric(&self, name: &str, labels: &[&str]) -> f64 {
        let text = self.get("/metrics").text();
        let lines = text.lines().filter_map(|line| line.strip_prefix(name));
        let lines = lines.filter(|line| line.starts_with(['{', ' ']));
        let of_labels = lines.filter(|line| labels.iter().all(|label| line.contains(label)));
        of_labels.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// The log so far.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    /// Waits for the end.
    pub fn wait(mut self) -> Ended {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("its state") {
                break status;
            }
            assert!(start.elapsed() < Duration::from_mins(2), "the server does not end: {}", self.log());
            sleep(Duration::from_millis(20));
        };
        // The last lines are on their way.
        sleep(Duration::from_millis(50));
        Ended { code: status.code().unwrap_or(-1), log: self.log() }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The header of a body of JSON.
pub const JSON: (&str, &str) = ("content-type", "application/json");

/// The command of a server on free ports.
pub fn command(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Command {
    let own = ["serve", "--listen", "127.0.0.1:0"];
    let poll: &[&str] = if args.contains(&"--poll") { &[] } else { &["--poll", "100ms"] };
    let mut command = project.command(own.iter().chain(poll).chain(args));
    command.envs(variables.iter().copied()).stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// A request of rows of the features `f0` to `f4`.
pub fn split(rows: &[[f64; 5]]) -> Value {
    json!({"dataframe_split": {"columns": ["f0", "f1", "f2", "f3", "f4"], "data": rows}})
}
