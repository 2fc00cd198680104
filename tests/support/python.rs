//! Asking the real Python client.

use std::path::Path;
use std::process::Command;

use serde_json::Value;

use super::{python_of, root};

/// Runs `tests/python/SCRIPT` in an environment and reads the JSON that it prints last.
pub fn ask(environment: &str, script: &str, args: &[&str]) -> Value {
    let path = root().join("tests/python").join(script);
    let output = Command::new(python_of(environment))
        .arg(&path)
        .args(args)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .env("GIT_PYTHON_REFRESH", "quiet")
        .env_remove("MLFLOW_TRACKING_URI")
        .current_dir(std::env::temp_dir())
        .output()
        .expect("python runs");
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{} failed:\n{text}\n{errors}", Path::new(script).display());
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("{error} in the answer of {script}:\n{text}\n{errors}"))
}
