//! A real PostgreSQL for the servers that run on one.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{LazyLock, Mutex, PoisonError};

use super::{python_of, root};

/// A running PostgreSQL. It ends with the process that started it, however that ends.
#[derive(Debug)]
pub struct Postgres {
    home: PathBuf,
    /// Names of databases go in, their addresses come out.
    conversation: Mutex<(ChildStdin, BufReader<ChildStdout>)>,
    _supervisor: Child,
}

impl Postgres {
    /// The one that every server shares; each has a database of its own.
    pub fn shared() -> &'static Postgres {
        static POSTGRES: LazyLock<Postgres> = LazyLock::new(Postgres::start);
        &POSTGRES
    }

    /// Makes a database and returns its address, as `--backend-store-uri` takes it.
    pub fn database(&self, name: &str) -> String {
        let mut conversation = self.conversation.lock().unwrap_or_else(PoisonError::into_inner);
        let (ask, answers) = &mut *conversation;
        writeln!(ask, "{name}").expect("PostgreSQL's supervisor listens");
        let mut uri = String::new();
        answers.read_line(&mut uri).expect("an answer of PostgreSQL's supervisor");
        assert!(uri.starts_with("postgresql"), "PostgreSQL did not come up; see stderr");
        uri.trim_end().to_owned()
    }

    /// The directory that gives a Python the driver for it, by PYTHONPATH.
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
