//! Writes the files next to a `model.lgb`, as MLflow's Python client would.

use std::fmt::Write as _;
use std::time::SystemTime;

use super::signature::columns_json;
use super::yaml::quoted;
use super::{BOOSTER_CLASS, BOOSTER_FILE, MLMODEL_FILE, Signature};

/// A model directory about to be logged, without the booster's text, which may be large and is streamed.
///
/// ```
/// use std::time::SystemTime;
///
/// use hydra_mlflow::flavor::{Identity, ModelDirectory, Signature};
///
/// let identity =
///     Identity::RunArtifact { artifact_path: "model".to_owned(), model_uuid: "0123456789abcdef".repeat(2) };
/// let directory = ModelDirectory::new(identity, 4850, SystemTime::now())
///     .signature(Some(Signature::of_booster(&["age", "visits"], 1)));
/// let files = directory.files();
/// assert_eq!(files.last().map(|file| file.name), Some("MLmodel"));
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ModelDirectory {
    /// The model's identity in MLflow.
    pub identity: Identity,
    /// The id of the run that logs it.
    pub run_id: Option<String>,
    /// Its inputs and outputs, if they can be declared: see [`Signature::of_booster`].
    pub signature: Option<Signature>,
    /// The size of `model.lgb` in bytes.
    pub model_size: u64,
    /// The time at which it is logged; `MLmodel` contains microseconds.
    pub created: SystemTime,
    /// The Python environment that loads it.
    pub environment: PythonEnvironment,
}

/// How MLflow finds the model again.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Identity {
    /// A LoggedModel of MLflow 3.
    LoggedModel {
        /// Its id, `m-` and 32 hex digits.
        model_id: String,
        /// Its artifact URI.
        artifact_uri: String,
    },
    /// A directory in a run's artifacts, the form of MLflow 2.
    RunArtifact {
        /// The directory's path below the run's artifacts, usually `model`.
        artifact_path: String,
        /// 32 hex digits that identify the model.
        model_uuid: String,
    },
}

/// The versions of Python and its packages that load the model, for the model's requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PythonEnvironment {
    /// Python's version.
    pub python: String,
    /// The version of MLflow, which also determines the layout of the files.
    pub mlflow: String,
    /// The version of LightGBM that wrote the model.
    pub lightgbm: String,
}

impl PythonEnvironment {
    /// An environment with these versions.
    pub fn new(python: impl Into<String>, mlflow: impl Into<String>, lightgbm: impl Into<String>) -> Self {
        Self { python: python.into(), mlflow: mlflow.into(), lightgbm: lightgbm.into() }
    }
}

/// The versions that this release was tested with.
impl Default for PythonEnvironment {
    fn default() -> Self {
        Self::new("3.11.7", "3.17.2", "4.7.0")
    }
}

/// A small file of a model directory.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryFile {
    /// Its name within the directory.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

impl ModelDirectory {
    /// A directory for a `model.lgb` of `model_size` bytes, without a run and a signature, for the
    /// [default environment](PythonEnvironment::default).
    #[must_use]
    pub fn new(identity: Identity, model_size: u64, created: SystemTime) -> Self {
        let environment = PythonEnvironment::default();
        Self { identity, run_id: None, signature: None, model_size, created, environment }
    }

    /// Sets the id of the run that logs it.
    #[must_use]
    pub fn run_id(self, run_id: impl Into<String>) -> Self {
        Self { run_id: Some(run_id.into()), ..self }
    }

    /// Sets the signature; `None` for inputs that cannot be declared.
    #[must_use]
    pub fn signature(self, signature: Option<Signature>) -> Self {
        Self { signature, ..self }
    }

    /// Sets the Python environment.
    #[must_use]
    pub fn environment(self, environment: PythonEnvironment) -> Self {
        Self { environment, ..self }
    }

    /// The files next to `model.lgb`. `MLmodel` is the last: if it is uploaded last, a directory with it is complete.
    #[must_use]
    pub fn files(&self) -> Vec<DirectoryFile> {
        vec![
            DirectoryFile { name: REQUIREMENTS, text: self.requirements() },
            DirectoryFile { name: PYTHON_ENV, text: self.python_env() },
            DirectoryFile { name: CONDA, text: self.conda() },
            DirectoryFile { name: MLMODEL_FILE, text: self.mlmodel() },
        ]
    }

    /// The text of `MLmodel`, which MLflow 2 also stores in a tag of the run.
    #[must_use]
    pub fn mlmodel(&self) -> String {
        let PythonEnvironment { python, mlflow, lightgbm } = &self.environment;
        let mut yaml = String::new();
        let mut line = |key: &str, value: &str| {
            let space = if value.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = writeln!(yaml, "{key}:{space}{value}");
        };
        line("artifact_path", &quoted(self.identity.artifact_path()));
        line("flavors", "");
        line("  lightgbm", "");
        line("    code", "null");
        line("    data", &quoted(BOOSTER_FILE));
        line("    lgb_version", &quoted(lightgbm));
        line("    model_class", &quoted(BOOSTER_CLASS));
        line("  python_function", "");
        line("    data", &quoted(BOOSTER_FILE));
        line("    env", "");
        line("      conda", &quoted(CONDA));
        line("      virtualenv", &quoted(PYTHON_ENV));
        line("    loader_module", &quoted("mlflow.lightgbm"));
        line("    python_version", &quoted(python));
        line("mlflow_version", &quoted(mlflow));
        match &self.identity {
            Identity::LoggedModel { model_id, .. } => {
                line("model_id", &quoted(model_id));
                line("model_uuid", &quoted(model_id));
            }
            Identity::RunArtifact { model_uuid, .. } => line("model_uuid", &quoted(model_uuid)),
        }
        line("model_size_bytes", &self.model_size.to_string());
        if let Some(run_id) = &self.run_id {
            line("run_id", &quoted(run_id));
        }
        if let Some(signature) = &self.signature {
            line("signature", "");
            line("  inputs", &quoted(&columns_json(&signature.inputs).to_string()));
            let outputs = signature.outputs.as_ref().map(|outputs| quoted(&outputs.to_string()));
            line("  outputs", outputs.as_deref().unwrap_or("null"));
            line("  params", "null");
        }
        line("utc_time_created", &quoted(&utc_time(self.created)));
        yaml
    }

    fn requirements(&self) -> String {
        self.packages().join("\n")
    }

    fn python_env(&self) -> String {
        let python = quoted(&self.environment.python);
        let requirements = quoted(&format!("-r {REQUIREMENTS}"));
        format!("python: {python}\nbuild_dependencies:\n- \"pip\"\ndependencies:\n- {requirements}\n")
    }

    fn conda(&self) -> String {
        let python = quoted(&format!("python={}", self.environment.python));
        let packages = self.packages().map(|package| format!("  - {}\n", quoted(&package))).concat();
        format!(
            "channels:\n- \"conda-forge\"\ndependencies:\n- {python}\n- \"pip\"\n- pip:\n{packages}name: \"mlflow-env\"\n"
        )
    }

    /// NumPy, pandas and SciPy are dependencies of these two.
    fn packages(&self) -> [String; 2] {
        let PythonEnvironment { mlflow, lightgbm, .. } = &self.environment;
        [format!("mlflow=={mlflow}"), format!("lightgbm=={lightgbm}")]
    }
}

impl Identity {
    /// The value of `artifact_path` in `MLmodel`.
    pub(super) fn artifact_path(&self) -> &str {
        match self {
            Self::LoggedModel { artifact_uri, .. } => artifact_uri,
            Self::RunArtifact { artifact_path, .. } => artifact_path,
        }
    }
}

/// A time as `MLmodel` has it.
pub(super) fn utc_time(time: SystemTime) -> String {
    // A time beyond the year 9999 has no such text.
    let time = jiff::Timestamp::try_from(time).unwrap_or(jiff::Timestamp::MAX);
    time.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string()
}

const CONDA: &str = "conda.yaml";
const PYTHON_ENV: &str = "python_env.yaml";
const REQUIREMENTS: &str = "requirements.txt";
