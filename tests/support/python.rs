//! Scripts that use the real Python client.

use std::process::{Command, Output};

use serde_json::Value;

use super::{python_of, root};

/// Runs `tests/python/SCRIPT` in an environment and parses the last line of its output as JSON.
pub fn ask(environment: &str, script: &str, args: &[&str]) -> Value {
    ask_with(environment, script, args, &[])
}

/// Like [`ask`], with additional environment variables.
pub fn ask_with(environment: &str, script: &str, args: &[&str], variables: &[(&str, &str)]) -> Value {
    let output = run(environment, script, args, variables);
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{script} failed:\n{text}\n{errors}");
    let last = text.lines().last().unwrap_or_default();
    serde_json::from_str(last)
        .unwrap_or_else(|error| panic!("{error} in the answer of {script}:\n{text}\n{errors}"))
}

/// Runs a script that must fail, and returns its error output.
pub fn complaint_of(environment: &str, script: &str, args: &[&str]) -> String {
    let output = run(environment, script, args, &[]);
    assert!(!output.status.success(), "{script} of {environment} was expected to fail");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn run(environment: &str, script: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    Command::new(python_of(environment))
        .arg(root().join("tests/python").join(script))
        .args(args)
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .env("MLFLOW_ALLOW_FILE_STORE", "true")
        .env("GIT_PYTHON_REFRESH", "quiet")
        .env_remove("MLFLOW_TRACKING_URI")
        .envs(variables.iter().copied())
        .current_dir(std::env::temp_dir())
        .output()
        .expect("python runs")
}
