//! Running the real binary as a user would.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A project directory and the store that commands in it use.
#[derive(Debug)]
pub struct Project {
    home: tempfile::TempDir,
    /// The directory of the project if it is not `home`.
    place: Option<PathBuf>,
    tracking_uri: Option<String>,
}

/// The result of a command.
#[derive(Debug)]
pub struct Outcome {
    /// The exit code, or -1 after a signal.
    pub code: i32,
    /// The text on stdout.
    pub out: String,
    /// The text on stderr.
    pub err: String,
}

impl Project {
    /// A project for `model` in the store at `tracking_uri`; `None` is the embedded default.
    pub fn new(tracking_uri: Option<&str>, model: &str) -> Self {
        let home = tempfile::tempdir().expect("a project directory");
        std::fs::write(home.path().join("hydra.toml"), format!("model = \"{model}\"\n")).expect("hydra.toml");
        Self { home, place: None, tracking_uri: tracking_uri.map(str::to_owned) }
    }

    /// The same project in the directory `place`, which is created with its settings if it does not exist.
    pub fn within(self, place: &Path) -> Self {
        std::fs::create_dir_all(place).expect("the directory of the project");
        if !place.join("hydra.toml").exists() {
            std::fs::copy(self.home.path().join("hydra.toml"), place.join("hydra.toml")).expect("hydra.toml");
        }
        Self { place: Some(place.to_owned()), ..self }
    }

    /// The project's root.
    pub fn path(&self) -> &Path {
        self.place.as_deref().unwrap_or_else(|| self.home.path())
    }

    /// Writes a file into the project and returns its path.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path().join(name);
        std::fs::write(&path, content).expect("a file in the project");
        path
    }

    /// A command of the binary in this project, with a clean environment.
    pub fn command(&self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hydra-registry"));
        command.args(args).current_dir(self.path()).env_clear();
        // All tests share one cache, so that only the first one compiles the policy.
        command.env("HYDRA_CACHE_DIR", env!("CARGO_TARGET_TMPDIR")).env("HYDRA_ACTOR", "tester");
        if let Some(uri) = &self.tracking_uri {
            command.env("MLFLOW_TRACKING_URI", uri);
        }
        command
    }

    /// Runs a command to its end.
    pub fn run<S: AsRef<OsStr>>(&self, args: impl IntoIterator<Item = S>) -> Outcome {
        self.command(args).output().expect("the binary runs").into()
    }

    /// Runs a command that must succeed, with JSON output, and returns the document.
    pub fn json<'a>(&self, args: impl IntoIterator<Item = &'a str>) -> Value {
        let outcome = self.run(["--output", "json"].into_iter().chain(args));
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        serde_json::from_str(&outcome.out).unwrap_or_else(|error| panic!("{error} in {}", outcome.out))
    }
}

impl From<Output> for Outcome {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8_lossy(&output.stdout).into_owned(),
            err: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }
}
