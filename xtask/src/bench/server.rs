//! A real MLflow server for the benchmark.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::paths;
use crate::setup::MLFLOW;

/// A running server. It stops when this value is dropped or this process ends.
pub struct Server {
    /// The URL at which the server listens.
    pub url: String,
    supervisor: Child,
    /// The supervisor stops the server when this pipe closes.
    lifeline: Option<ChildStdin>,
}

impl Server {
    /// Starts a server with `workers` worker processes, and with its database and artifacts in `home`.
    pub fn start(home: &Path, workers: usize) -> Result<Self> {
        fs::create_dir_all(home)?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut supervisor = Command::new(super::interpreter(MLFLOW))
            .arg(paths::root().join("tests/python/serve.py"))
            .arg(port.to_string())
            .arg(home)
            .args(["--workers", &workers.to_string()])
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .stdin(Stdio::piped())
            .spawn()
            .context("cannot start the MLflow server")?;
        let lifeline = supervisor.stdin.take();
        let mut server = Self { url: format!("http://127.0.0.1:{port}"), supervisor, lifeline };
        let deadline = Instant::now() + Duration::from_mins(3);
        // The port is open before the first worker is ready.
        let log = home.join("server.log");
        let up =
            || fs::read_to_string(&log).map_or(0, |log| log.matches("Application startup complete").count());
        while up() < workers {
            if server.supervisor.try_wait()?.is_some() || Instant::now() > deadline {
                bail!("the MLflow server did not start; its log is {}", log.display());
            }
            sleep(Duration::from_millis(200));
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.lifeline = None;
        let _ = self.supervisor.wait();
    }
}
