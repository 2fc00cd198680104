//! Real PostgreSQL and MariaDB for MLflow servers.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{python_of, root};

/// A running database server. It stops when the process that started it ends, even after a kill.
#[derive(Debug)]
pub struct DatabaseServer {
    home: PathBuf,
    /// Takes names of databases and returns their addresses.
    conversation: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _supervisor: Child,
}

/// The PostgreSQL that all servers share; each server has a separate database.
pub static POSTGRES: LazyLock<DatabaseServer> =
    LazyLock::new(|| DatabaseServer::start("postgres", "serve_postgres.py", &[]));

/// The MariaDB that all servers share; each server has a separate database.
pub static MARIADB: LazyLock<DatabaseServer> = LazyLock::new(|| {
    let programs = root().join(".tools/mariadb-server-core");
    assert!(programs.join("usr").exists(), "MariaDB is missing; `cargo xtask setup --all` unpacks it");
    DatabaseServer::start("mariadb", "serve_mariadb.py", &[programs.into_os_string()])
});

impl DatabaseServer {
    /// Creates a database and returns its address, in the form of `--backend-store-uri`.
    pub fn create(&self, name: &str) -> String {
        let mut conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let (ask, answers) = &mut *conversation;
        writeln!(ask, "{name}").expect("the database's supervisor listens");
        let mut uri = String::new();
        answers.read_line(&mut uri).expect("an answer of the database's supervisor");
        assert!(uri.contains("+py") || uri.starts_with("postgresql"), "it did not come up; see stderr");
        uri.trim_end().to_owned()
    }

    /// The directory with Python's driver, for PYTHONPATH.
    pub fn driver(&self) -> PathBuf {
        self.home.join("driver")
    }

    /// Starts a server with a script of tests/python.
    fn start(environment: &str, script: &str, args: &[OsString]) -> Self {
        let home = tempfile::tempdir().expect("a directory for the database").keep();
        let mut supervisor = Command::new(python_of(environment))
            .arg(root().join("tests/python").join(script))
            .args(args)
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the database's supervisor starts");
        let ask = supervisor.stdin.take().expect("stdin");
        let answers = BufReader::new(supervisor.stdout.take().expect("stdout"));
        Self { home, conversation: Mutex::new((ask, answers)), _supervisor: supervisor }
    }
}
