//! Writing the files beside a `model.lgb`, as MLflow's Python client would.

use std::fmt::Write as _;

use super::yaml::quoted;
use super::{BOOSTER_CLASS, BOOSTER_FILE, MLMODEL_FILE, Signature};

/// A model directory about to be logged: everything but the booster's text, which may be large and is streamed.
#[derive(Debug, Clone)]
pub struct ModelDirectory {
    /// Which of MLflow's models this is.
    pub identity: Identity,
    /// The run that logs it.
    pub run_id: Option<String>,
    /// Its inputs and outputs, where they can be declared: see [`Signature::of_booster`].
    pub signature: Option<Signature>,
    /// The size of `model.lgb` in bytes.
    pub model_size: u64,
    /// When it is logged.
    pub created: jiff::Timestamp,
    /// What Python needs to load it.
    pub environment: Environment,
}

/// How MLflow finds the model again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// A LoggedModel of MLflow 3.
    LoggedModel {
        /// Its id, `m-` and 32 hex digits.
        model_id: String,
        /// Its artifact URI.
        artifact_uri: String,
    },
    /// A directory among a run's artifacts, the way of MLflow 2.
    RunArtifact {
        /// The directory's path below the run's artifacts, usually `model`.
        artifact_path: String,
        /// 32 hex digits that are this model's alone.
        model_uuid: String,
    },
}

/// The Python packages that load the model, as pinned in its requirements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Environment {
    /// Python's version.
    pub python: String,
    /// MLflow's version, also the one whose file layout this is.
    pub mlflow: String,
    /// LightGBM's version, that of the engine which wrote the model.
    pub lightgbm: String,
}

impl Default for Environment {
    fn default() -> Self {
        Self { python: "3.11.7".to_owned(), mlflow: "3.17.2".to_owned(), lightgbm: "4.7.0".to_owned() }
    }
}

/// A small file of a model directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelFile {
    /// Its name within the directory.
    pub name: &'static str,
    /// Its text.
    pub text: String,
}

impl ModelDirectory {
    /// The files beside `model.lgb`. `MLmodel` comes last: uploaded in this order, a directory with it is complete.
    #[must_use]
    pub fn files(&self) -> Vec<ModelFile> {
        vec![
            ModelFile { name: REQUIREMENTS, text: self.requirements() },
            ModelFile { name: PYTHON_ENV, text: self.python_env() },
            ModelFile { name: CONDA, text: self.conda() },
            ModelFile { name: MLMODEL_FILE, text: self.mlmodel() },
        ]
    }

    /// `MLmodel` alone; MLflow 2 also keeps its content in a tag of the run.
    #[must_use]
    pub fn mlmodel(&self) -> String {
        let Environment { python, mlflow, lightgbm } = &self.environment;
        let mut yaml = String::new();
        let mut line = |key: &str, value: &str| {
            let space = if value.is_empty() { "" } else { " " };
            // Writing to a string cannot fail.
            let _ = writeln!(yaml, "{key}:{space}{value}");
        };
        let artifact_path = match &self.identity {
            Identity::LoggedModel { artifact_uri, .. } => artifact_uri,
            Identity::RunArtifact { artifact_path, .. } => artifact_path,
        };
        line("artifact_path", &quoted(artifact_path));
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
            line("  inputs", &quoted(&signature.inputs_json().to_string()));
            let outputs = signature.outputs.as_ref().map(|outputs| quoted(&outputs.to_string()));
            line("  outputs", outputs.as_deref().unwrap_or("null"));
            line("  params", "null");
        }
        let created = self.created.strftime("%Y-%m-%d %H:%M:%S%.6f").to_string();
        line("utc_time_created", &quoted(&created));
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

    /// NumPy, pandas and SciPy come with these two.
    fn packages(&self) -> [String; 2] {
        let Environment { mlflow, lightgbm, .. } = &self.environment;
        [format!("mlflow=={mlflow}"), format!("lightgbm=={lightgbm}")]
    }
}

const CONDA: &str = "conda.yaml";
const PYTHON_ENV: &str = "python_env.yaml";
const REQUIREMENTS: &str = "requirements.txt";
