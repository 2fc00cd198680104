//! Real MLflow servers on ephemeral ports.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{LazyLock, Mutex};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::databases::{MARIADB, POSTGRES};
use super::{python_of, root};

/// The release that most tests run against.
pub const NEWEST: &str = "mlflow-3.17.2";

/// The other releases that `cargo xtask test --all` covers.
pub const OTHER_RELEASES: [&str; 4] = ["mlflow-2.9.2", "mlflow-2.22.5", "mlflow-3.1.4", "mlflow-3.18.0"];

/// The newest release in a deployment for several machines: on PostgreSQL, with several worker processes.
pub const ON_POSTGRES: Deployment = Deployment { release: NEWEST, database: Database::Postgres };

/// The same on MariaDB.
pub const ON_MARIADB: Deployment = Deployment { release: NEWEST, database: Database::MariaDb };

/// The configuration of a server. A plain release name converts to that release on SQLite.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Deployment {
    /// The test environment with the release, such as [`NEWEST`].
    pub release: &'static str,
    /// The storage of everything except artifacts.
    pub database: Database,
}

/// The storage of everything except artifacts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Database {
    /// An SQLite file in the server's directory.
    Sqlite,
    /// A separate database in the shared PostgreSQL.
    Postgres,
    /// A separate database in the shared MariaDB.
    MariaDb,
}

impl From<&'static str> for Deployment {
    fn from(release: &'static str) -> Self {
        Self { release, database: Database::Sqlite }
    }
}

/// A running server. It stops when the process that started it ends, even after a kill.
#[derive(Debug)]
pub struct Server {
    /// `http://127.0.0.1:port`.
    pub url: String,
    /// The directory with its database, artifacts and log.
    pub home: PathBuf,
    /// The server's supervisor stops it when this pipe closes.
    supervisor: Mutex<Child>,
}

impl Server {
    /// The server that all tests share; unique names keep them apart.
    pub fn shared(deployment: impl Into<Deployment>) -> &'static Server {
        static SERVERS: LazyLock<Mutex<HashMap<Deployment, &'static Server>>> = LazyLock::new(Mutex::default);
        let deployment = deployment.into();
        let mut servers = SERVERS.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        servers.entry(deployment).or_insert_with(|| Box::leak(Box::new(Server::start(deployment, &[]))))
    }

    /// Starts a server with additional options of `mlflow server`.
    pub fn start(deployment: impl Into<Deployment>, options: &[&str]) -> Server {
        Self::start_in(deployment, options, &[])
    }

    /// The same with environment variables.
    pub fn start_in(
        deployment: impl Into<Deployment>,
        options: &[&str],
        variables: &[(String, String)],
    ) -> Server {
        let Deployment { release, database } = deployment.into();
        let home = tempfile::tempdir().expect("a directory for the server").keep();
        let port = TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a free port").port();
        let mut supervisor = Command::new(python_of(release));
        supervisor.arg(root().join("tests/python/serve.py")).arg(port.to_string()).arg(&home).args(options);
        let database = match database {
            Database::Sqlite => None,
            Database::Postgres => Some(&POSTGRES),
            Database::MariaDb => Some(&MARIADB),
        };
        if let Some(database) = database {
            let uri = database.create(&format!("mlflow_{port}"));
            supervisor.args(["--backend-store-uri", &uri, "--workers", "2"]);
            supervisor.env("PYTHONPATH", database.driver());
        }
        let supervisor = supervisor
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .env("MLFLOW_DISABLE_TELEMETRY", "true")
            .env("MLFLOW_ALLOW_FILE_STORE", "true")
            .env_remove("MLFLOW_TRACKING_URI")
            .stdin(Stdio::piped())
            .spawn()
            .expect("the server's supervisor starts");
        let server =
            Server { url: format!("http://127.0.0.1:{port}"), home, supervisor: Mutex::new(supervisor) };
        server.wait_until_it_answers(port);
        server
    }

    fn wait_until_it_answers(&self, port: u16) {
        let deadline = Instant::now() + Duration::from_mins(3);
        while !answers(port) {
            let ended =
                self.supervisor.lock().expect("no panic").try_wait().is_ok_and(|status| status.is_some());
            if ended || Instant::now() > deadline {
                let log = std::fs::read_to_string(self.home.join("server.log")).unwrap_or_default();
                panic!("the server did not come up at {}; its log:\n{log}", self.url);
            }
            sleep(Duration::from_millis(100));
        }
    }
}

/// Any answer counts, because `/health` does not exist below a path prefix.
fn answers(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) else { return false };
    let timeout = Some(Duration::from_secs(5));
    let asked = stream
        .set_read_timeout(timeout)
        .and_then(|()| stream.write_all(b"GET /health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n"));
    let mut answer = String::new();
    asked.is_ok() && stream.read_to_string(&mut answer).is_ok() && answer.starts_with("HTTP/1.")
}
