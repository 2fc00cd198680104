//! The processes of scoring servers.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context as _, Result};

use crate::setup::MLFLOW;

use super::super::machine::version;
use super::super::worker::Worker;
use super::super::{built, interpreter};
use super::{SERVING, free_port, log_of};

/// A product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Ours,
    Mlflow,
    MlServer,
}

impl Kind {
    pub fn name(self) -> &'static str {
        match self {
            Self::Ours => "hydra-registry",
            Self::Mlflow => "MLflow",
            Self::MlServer => "MLServer",
        }
    }
}

/// A server that answers. Its process group ends when this value is dropped.
pub struct Scoring {
    pub kind: Kind,
    /// The seconds from the start to the first answer.
    pub ready: f64,
    address: String,
    grpc: u16,
    workers: usize,
    child: Child,
}

impl Scoring {
    /// Starts a server of the model in `home`.
    pub fn start(kind: Kind, workers: usize, home: &Path, load: &mut Worker) -> Result<Self> {
        let (port, grpc) = (free_port()?, free_port()?);
        let mut command = match kind {
            Kind::Ours => {
                let mut command = Command::new(built("hydra-registry"));
                command.args(["serve", "--model-file", "bench.txt"]);
                command.args(["--listen", &format!("127.0.0.1:{port}")]).current_dir(home);
                command.args(["--grpc", &format!("127.0.0.1:{grpc}")]);
                command
            }
            Kind::Mlflow => {
                let mut command = Command::new(interpreter(MLFLOW));
                command.args([
                    "-m",
                    "mlflow",
                    "models",
                    "serve",
                    "--model-uri",
                    "mlflow",
                    "--env-manager",
                    "local",
                ]);
                command.args(["--host", "127.0.0.1", "--port", &port.to_string()]);
                command.args(["--workers", &workers.to_string()]).current_dir(home);
                // MLflow starts `uvicorn` by its name.
                let programs = interpreter(MLFLOW);
                let programs = programs.parent().context("the interpreter has no directory")?;
                let path = std::env::var("PATH").unwrap_or_default();
                command.env("PATH", format!("{}:{path}", programs.display()));
                command
            }
            Kind::MlServer => {
                let mut command = Command::new(interpreter(SERVING).with_file_name("mlserver"));
                command.args(["start", "mlserver"]).current_dir(home);
                command.env("MLSERVER_HTTP_PORT", port.to_string());
                command.env("MLSERVER_GRPC_PORT", grpc.to_string());
                command.env("MLSERVER_METRICS_PORT", free_port()?.to_string());
                command.env("MLSERVER_HOST", "127.0.0.1").env("MLSERVER_DEBUG", "false");
                command.env("MLSERVER_PARALLEL_WORKERS", workers.to_string());
                command
            }
        };
        let mut server = Self::spawn(kind, workers, &mut command, port, home, load)?;
        server.grpc = grpc;
        Ok(server)
    }

    /// Starts a command that listens on a port.
    pub fn spawn(
        kind: Kind,
        workers: usize,
        command: &mut Command,
        port: u16,
        home: &Path,
        load: &mut Worker,
    ) -> Result<Self> {
        let log = log_of(home, &format!("{}-{port}", kind.name()))?;
        command.env("MLFLOW_DISABLE_TELEMETRY", "true").env("OMP_NUM_THREADS", "1");
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).process_group(0);
        let start = Instant::now();
        let child = command.spawn().with_context(|| format!("cannot start {}", kind.name()))?;
        let mut server =
            Self { kind, ready: 0.0, address: format!("127.0.0.1:{port}"), grpc: 0, workers, child };
        let request = if kind == Kind::MlServer { "live.http" } else { "ping.http" };
        load.measure(&format!("ready {} {request}", server.address))?;
        server.ready = start.elapsed().as_secs_f64();
        Ok(server)
    }

    /// The request for a measurement over gRPC, with one connection.
    pub fn grpc(&self, rows: usize, time: f64) -> String {
        format!("grpc 127.0.0.1:{} grpc-{rows}.message {time}", self.grpc)
    }

    /// The request for a measurement.
    pub fn closed(&self, form: &str, rows: usize, connections: usize, time: f64) -> String {
        format!("closed {} {form}-{rows}.http {connections} {time}", self.address)
    }

    /// The request for a measurement at a fixed rate.
    pub fn paced(&self, form: &str, rate: f64, connections: usize, time: f64) -> String {
        format!("paced {} {form}-1.http {rate} {connections} {time}", self.address)
    }

    /// The number of the process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The product, its release and its workers.
    pub fn description(&self) -> String {
        let workers =
            |count: usize| if count == 1 { "1 worker".to_owned() } else { format!("{count} workers") };
        let release = |environment: &str, package: &str| version(environment, package).unwrap_or_default();
        match self.kind {
            Kind::Ours => "hydra-registry, its defaults".to_owned(),
            Kind::Mlflow => format!("MLflow {}, {}", release(MLFLOW, "mlflow"), workers(self.workers)),
            Kind::MlServer => format!("MLServer {}, {}", release(SERVING, "mlserver"), workers(self.workers)),
        }
    }
}

impl Drop for Scoring {
    fn drop(&mut self) {
        let group = format!("-{}", self.child.id());
        // An error means that the server has already ended.
        let _ = Command::new("kill").args(["-KILL", "--", &group]).stderr(Stdio::null()).status();
        let _ = self.child.wait();
    }
}
