//! A real PostgreSQL for MLflow servers.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{python_of, root};

/// A running PostgreSQL. It stops when the process that started it ends, even after a kill.
#[derive(Debug)]
pub struct Postgres {
    home: PathBuf,
    /// Takes names of databases and returns their addresses.
    conversation: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _supervisor: Child,
}

impl Postgres {
    /// The PostgreSQL that all servers share; each server has a separate database.
    pub fn shared() -> &'static Postgres {
        static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);
        &POSTGRES
    }

    /// Creates a database and returns its address, in the form of `--backend-store-uri`.
    pub fn database(&self, name: &str) -> String {
        let mut conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let (ask, answers) = &mut *conversation;
        writeln!(ask, "{name}").expect("PostgreSQL's supervisor listens");
        let mut uri = String::new();
        answers.read_line(&mut uri).expect("an answer of PostgreSQL's supervisor");
        assert!(uri.starts_with("postgresql"), "PostgreSQL did not come up; see stderr");
        uri.trim_end().to_owned()
    }

    /// The directory with Python's PostgreSQL driver, for PYTHONPATH.
    pub fn driver(&self) -> PathBuf {
        self.home.join("driver")
    }

    fn start() -> Self {
        let home = tempfile::tempdir().expect("a directory for PostgreSQL").keep();
        let mut supervisor = Command::new(python_of("postgres"))
            .arg(root().join("tests/python/serve_postgres.py"))
            .arg(&home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("PostgreSQL's supervisor starts");
        let ask = supervisor.stdin.take().expect("stdin");
        let answers = BufReader::new(supervisor.stdout.take().expect("stdout"));
        Self { home, conversation: Mutex::new((ask, answers)), _supervisor: supervisor }
    }
}
