//! Readers that must not write: another user, a read-only directory, a crash in the past.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::cli::{LOG, training_csv};
use crate::support::backends::fresh_name;
use crate::support::binary::{Outcome, Project};

/// A user without rights on anything here, for a test that root runs.
const NOBODY: u32 = 65_534;

/// A project in a directory that everyone may enter, with a copy of the binary.
struct Shared {
    home: tempfile::TempDir,
    binary: PathBuf,
    uri: String,
    model: String,
}

impl Shared {
    /// Two versions were promoted in the store at `uri`, a path below the directory.
    fn new(scheme: &str, store: &str) -> Self {
        let home = tempfile::tempdir().expect("a directory");
        mode(home.path(), 0o755);
        let binary = home.path().join("hydra-registry");
        let built = Path::new(env!("CARGO_BIN_EXE_hydra-registry"));
        fs::hard_link(built, &binary).or_else(|_| fs::copy(built, &binary).map(drop)).expect("the binary");
        let uri = format!("{scheme}{}", home.path().join(store).display());
        let model = fresh_name("readers");
        let writer = Project::new(Some(&uri), &model);
        writer.file("train.csv", training_csv());
        for _ in 0..2 {
            writer.json(LOG);
            writer.json(["promote"]);
        }
        Self { home, binary, uri, model }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.home.path().join(name)
    }

    /// Takes the right to write from everyone, and from other users the right to open `hidden`.
    fn protect(&self, hidden: Option<&str>) {
        for path in below(self.home.path()) {
            let is_open = path.is_dir() || path == self.binary;
            mode(&path, if is_open { 0o555 } else { 0o444 });
        }
        if let Some(hidden) = hidden {
            mode(&self.path(hidden), 0o000);
        }
    }

    /// Runs a command as a user who cannot write. Root may write everywhere, so that it becomes another user.
    fn run(&self, args: &[&str]) -> Outcome {
        let mut command = Command::new(&self.binary);
        command.args(["--tracking-uri", &self.uri, "--model", &self.model]).args(args);
        command.current_dir(self.home.path()).env_clear().env("HYDRA_ACTOR", "tester");
        if fs::metadata(self.home.path()).expect("metadata").uid() == 0 {
            command.uid(NOBODY);
        }
        command.output().expect("the binary runs").into()
    }

    /// Asserts that the commands that read answer, and change nothing.
    fn assert_readable(&self) {
        let before = contents(self.home.path());
        for args in [
            &["champion"][..],
            &["list"],
            &["show", "--version", "2"],
            &["history"],
            &["history", "verify", "--no-rerun"],
            &["status"],
            &["doctor"],
        ] {
            let outcome = self.run(args);
            assert_eq!(outcome.code, 0, "{args:?}: {}{}", outcome.out, outcome.err);
        }
        let champion = self.run(&["--output", "json", "champion"]);
        let champion: serde_json::Value = serde_json::from_str(&champion.out).expect("a document");
        assert_eq!(champion["version"], 2);
        assert_eq!(contents(self.home.path()), before);
        let refused = self.run(&["nominate", "1"]);
        assert_eq!(refused.code, 2, "{}", refused.out);
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        // So that the directory can be removed.
        for path in below(self.home.path()) {
            mode(&path, 0o755);
        }
    }
}

/// The directory and everything below it, parents first.
fn below(directory: &Path) -> Vec<PathBuf> {
    let mut found = vec![directory.to_owned()];
    let entries = fs::read_dir(directory).into_iter().flatten();
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        if path.is_dir() { found.extend(below(&path)) } else { found.push(path) }
    }
    found
}

fn contents(directory: &Path) -> Vec<(PathBuf, Option<Vec<u8>>)> {
    below(directory).into_iter().map(|path| (path.clone(), fs::read(&path).ok())).collect()
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("the permissions");
}

#[test]
fn a_file_store_is_readable_without_the_right_to_write() {
    let shared = Shared::new("", "mlruns");
    shared.protect(None);
    shared.assert_readable();
}

#[test]
fn a_file_store_is_readable_without_the_right_to_lock() {
    let shared = Shared::new("", "mlruns");
    shared.protect(Some("mlruns/.hydra-registry.lock"));
    shared.assert_readable();
}

#[test]
fn a_file_store_is_readable_after_a_crash_that_the_reader_cannot_repair() {
    let shared = Shared::new("", "mlruns");
    // The crash came before the first step of a change that sets a tag.
    let path = format!("models/{}/tags/note", shared.model);
    let journal = serde_json::json!({
        "schema": 1, "steps": [{"write": {"path": path, "text": "x"}}, {"make-dir": {"path": ".trash"}}]
    });
    fs::write(shared.path("mlruns/.hydra-registry.journal"), journal.to_string()).expect("a journal");
    shared.protect(None);
    shared.assert_readable();
    assert!(shared.path("mlruns/.hydra-registry.journal").exists());
}

#[test]
fn a_database_is_readable_without_the_right_to_write() {
    let shared = Shared::new("sqlite:///", "mlflow.db");
    shared.protect(None);
    shared.assert_readable();
}

#[test]
fn a_database_in_wal_mode_is_readable_without_the_right_to_write() {
    let shared = Shared::new("sqlite:///", "mlflow.db");
    let script = "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1])\nc.execute('pragma journal_mode=wal')\n\
                  c.execute('update registered_models set description = 1')\nc.commit()\nos._exit(0)";
    let python = crate::support::python_of(super::NEWEST);
    let done = Command::new(python).args(["-c", script]).arg(shared.path("mlflow.db")).status();
    assert!(done.expect("python runs").success());
    assert!(shared.path("mlflow.db-wal").exists(), "the change is in the log only");
    fs::remove_file(shared.path("mlflow.db-shm")).expect("the shared memory");
    shared.protect(None);
    shared.assert_readable();
}

#[test]
fn a_database_is_readable_after_a_crash_that_the_reader_cannot_repair() {
    let shared = Shared::new("sqlite:///", "mlflow.db");
    // The process dies after it changed the file, and before its transaction ended.
    let script = "import sqlite3, sys, os\nc = sqlite3.connect(sys.argv[1])\nc.execute('pragma cache_size=1')\n\
                  c.execute('pragma cache_spill=1')\n\
                  c.execute('update registered_model_aliases set version = 1')\n\
                  c.execute(\"create table filler as with recursive n(i) as (select 1 union all select i+1 from n where i < 5000) \
                  select i, hex(randomblob(200)) h from n\")\nos._exit(0)";
    let python = crate::support::python_of(super::NEWEST);
    let done = Command::new(python).args(["-c", script]).arg(shared.path("mlflow.db")).status();
    assert!(done.expect("python runs").success());
    assert!(shared.path("mlflow.db-journal").exists(), "the transaction is not finished");
    shared.protect(None);
    shared.assert_readable();
}
