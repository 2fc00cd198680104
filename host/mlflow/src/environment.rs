//! Environment variables: `MLFLOW_*` with MLflow's meaning, `HYDRA_*` of this project.
//!
//! Variables are read from an [`Environment`] value, so that tests and embedding programs need not change the process
//! environment. An empty value counts as unset, as in MLflow.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use hydra_base::error::{Error, ErrorKind, Result};

/// The tracking URI.
pub const TRACKING_URI: &str = "MLFLOW_TRACKING_URI";
/// The registry URI; default: the tracking URI.
pub const REGISTRY_URI: &str = "MLFLOW_REGISTRY_URI";
/// The name of the experiment.
pub const EXPERIMENT_NAME: &str = "MLFLOW_EXPERIMENT_NAME";
/// The id of the experiment.
pub const EXPERIMENT_ID: &str = "MLFLOW_EXPERIMENT_ID";
/// The workspace on a server with workspaces; sent with every request if it is set.
pub const WORKSPACE: &str = "MLFLOW_WORKSPACE";
/// Whether a local database is used with workspaces. A server has its own setting.
pub const ENABLE_WORKSPACES: &str = "MLFLOW_ENABLE_WORKSPACES";
/// The user name of HTTP basic authentication.
pub const USERNAME: &str = "MLFLOW_TRACKING_USERNAME";
/// The password of HTTP basic authentication.
pub const PASSWORD: &str = "MLFLOW_TRACKING_PASSWORD";
/// A bearer token, used when there is no complete user name and password.
pub const TOKEN: &str = "MLFLOW_TRACKING_TOKEN";
/// Requests AWS signatures; not supported.
pub const AWS_SIGV4: &str = "MLFLOW_TRACKING_AWS_SIGV4";
/// Names a Python plug-in that authenticates requests; not supported.
pub const AUTH_PLUGIN: &str = "MLFLOW_TRACKING_AUTH";
/// Turns off the check of the server's certificate.
pub const INSECURE_TLS: &str = "MLFLOW_TRACKING_INSECURE_TLS";
/// A PEM bundle of the only trusted authorities.
pub const SERVER_CERT_PATH: &str = "MLFLOW_TRACKING_SERVER_CERT_PATH";
/// A PEM file with a client certificate and its key.
pub const CLIENT_CERT_PATH: &str = "MLFLOW_TRACKING_CLIENT_CERT_PATH";
/// Turns off the check of the certificates of object stores.
pub const S3_IGNORE_TLS: &str = "MLFLOW_S3_IGNORE_TLS";
/// The number of times that a request is repeated.
pub const MAX_RETRIES: &str = "MLFLOW_HTTP_REQUEST_MAX_RETRIES";
/// The factor of the exponential waits between attempts, in seconds.
pub const BACKOFF_FACTOR: &str = "MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR";
/// The longest random addition to a wait, in seconds.
pub const BACKOFF_JITTER: &str = "MLFLOW_HTTP_REQUEST_BACKOFF_JITTER";
/// The timeout of one call, and of a body that does not move, in seconds.
pub const REQUEST_TIMEOUT: &str = "MLFLOW_HTTP_REQUEST_TIMEOUT";
/// How long a server that has not answered yet is tried again if it cannot be connected to, in seconds.
pub const CONNECT_TIMEOUT: &str = "HYDRA_CONNECT_TIMEOUT";
/// Whether a server's `Retry-After` replaces the exponential wait.
pub const RESPECT_RETRY_AFTER: &str = "MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER";
/// Hosts other than the tracking server's that an `mlflow-artifacts://host/…` URI may name, separated by commas.
pub const ALLOWED_ARTIFACT_HOSTS: &str = "HYDRA_ALLOWED_ARTIFACT_HOSTS";
/// Local directories that a remote server's artifact URIs may name, with those below them; separated as in `PATH`.
pub const ALLOWED_ARTIFACT_ROOTS: &str = "HYDRA_ALLOWED_ARTIFACT_ROOTS";

/// The name of the registered model.
pub const MODEL: &str = "HYDRA_MODEL";
/// The policy component: a path, or `NAME=PATH`.
pub const POLICY: &str = "HYDRA_POLICY";
/// The name of the requester, for the ledger and for policies.
pub const ACTOR: &str = "HYDRA_ACTOR";
/// The format of the output.
pub const OUTPUT: &str = "HYDRA_OUTPUT";
/// The path of the configuration file.
pub const CONFIG: &str = "HYDRA_CONFIG";
/// How far the clock of this machine may be from the server's.
pub const CLOCK_TOLERANCE: &str = "HYDRA_CLOCK_TOLERANCE";
/// The filter of the events that are logged to stderr.
pub const LOG: &str = "HYDRA_LOG";
/// Whether OCI registries on other machines are asked without TLS.
pub const OCI_PLAIN_HTTP: &str = "HYDRA_OCI_PLAIN_HTTP";
/// The format of these events: `json` or `text`.
pub const LOG_FORMAT: &str = "HYDRA_LOG_FORMAT";
/// The cache directory for models and compiled policies.
pub const CACHE_DIR: &str = "HYDRA_CACHE_DIR";
/// The address of HTTP of a server.
pub const SERVE_LISTEN: &str = "HYDRA_SERVE_LISTEN";
/// The address of gRPC of a server.
pub const SERVE_GRPC: &str = "HYDRA_SERVE_GRPC";
/// The model file that a server serves instead of registered models.
pub const SERVE_MODEL_FILE: &str = "HYDRA_SERVE_MODEL_FILE";
/// The name of a server in what it records.
pub const SERVE_INSTANCE: &str = "HYDRA_SERVE_INSTANCE";
/// The file of bearer tokens of a server.
pub const SERVE_TOKEN_FILE: &str = "HYDRA_SERVE_TOKEN_FILE";
/// The size limit of the model cache in bytes; 0 turns it off.
pub const CACHE_BYTES: &str = "HYDRA_CACHE_BYTES";
/// The path of the command hydra-registry, to compile policies in a process of its own.
pub const POLICY_COMPILER: &str = "HYDRA_POLICY_COMPILER";
/// The limits of that process: `memory=4GiB,processor-time=5m,wall-clock=10m`.
pub const COMPILE_LIMITS: &str = "HYDRA_COMPILE_LIMITS";

/// The command that shows long output on a terminal.
pub const PAGER: &str = "HYDRA_PAGER";

/// The variables of this project.
pub const HYDRA: [&str; 22] = [
    CONNECT_TIMEOUT,
    ALLOWED_ARTIFACT_HOSTS,
    ALLOWED_ARTIFACT_ROOTS,
    MODEL,
    POLICY,
    ACTOR,
    OUTPUT,
    CONFIG,
    CLOCK_TOLERANCE,
    LOG,
    LOG_FORMAT,
    OCI_PLAIN_HTTP,
    CACHE_DIR,
    SERVE_LISTEN,
    SERVE_GRPC,
    SERVE_MODEL_FILE,
    SERVE_INSTANCE,
    SERVE_TOKEN_FILE,
    CACHE_BYTES,
    POLICY_COMPILER,
    COMPILE_LIMITS,
    PAGER,
];

/// One year.
const LONGEST_SECONDS: f64 = 365.0 * 86_400.0;

/// A set of environment variables.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// The environment of this process. Values that are not UTF-8 are left out.
    #[must_use]
    pub fn of_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The value of a variable that is set and not empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// The value of a variable of credentials, without the line end that secrets from files have. Other control characters, and spaces
    /// at an end or in a token or key, are not sent: they come from a mistake in copying, and the server would only answer that access
    /// is denied. `Config` names the variable, and not the value.
    pub fn secret(&self, name: &str) -> Result<Option<&str>> {
        let Some(value) = self.get(name) else { return Ok(None) };
        let value = value.trim_end_matches(['\r', '\n']);
        let is_one_word = ["TOKEN", "KEY"].iter().any(|word| name.contains(word)) && !name.ends_with("FILE");
        let flaw = if value.is_empty() {
            "is empty"
        } else if value.contains(char::is_control) {
            "contains a line end or another control character"
        } else if value.trim() != value || (is_one_word && value.contains(char::is_whitespace)) {
            "contains a space"
        } else {
            return Ok(Some(value));
        };
        Err(Error::new(ErrorKind::Config, format!("the value of `{name}` {flaw}"))
            .with_hint(format!("set `{name}` again")))
    }

    /// The variables whose names start with `prefix`; empty ones are left out.
    pub fn with_prefix<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, &'a str)> {
        let pairs = self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()));
        pairs.filter(move |(name, value)| name.starts_with(prefix) && !value.is_empty())
    }

    /// A boolean: `true`, `1`, `false` or `0` in any case; `false` if unset.
    pub fn flag(&self, name: &'static str) -> Result<bool> {
        self.flag_or(name, false)
    }

    /// A boolean as in [`flag`](Self::flag); `default` if unset.
    pub fn flag_or(&self, name: &'static str, default: bool) -> Result<bool> {
        match self.get(name).map(str::to_ascii_lowercase).as_deref() {
            None => Ok(default),
            Some("true" | "1") => Ok(true),
            Some("false" | "0") => Ok(false),
            Some(_) => Err(malformed(name, "`true`, `1`, `false` or `0`")),
        }
    }

    /// A whole number.
    pub fn count(&self, name: &'static str) -> Result<Option<u32>> {
        self.parsed(name, "a whole number of 0 or more")
    }

    /// A duration in seconds; fractions are allowed. Longer durations than a year count as a year, so that sums do not
    /// overflow.
    pub fn seconds(&self, name: &'static str) -> Result<Option<Duration>> {
        let seconds: Option<f64> = self.parsed(name, "a number of seconds")?;
        seconds
            .map(|seconds| {
                Duration::try_from_secs_f64(seconds.clamp(f64::NEG_INFINITY, LONGEST_SECONDS))
                    .map_err(|_| malformed(name, "a number of seconds of 0 or more"))
            })
            .transpose()
    }

    /// A file or directory.
    #[must_use]
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.get(name).map(PathBuf::from)
    }

    /// The directories in a variable with the syntax of `PATH`.
    #[must_use]
    pub fn paths(&self, name: &str) -> Vec<PathBuf> {
        let listed = self.get(name).map(|value| std::env::split_paths(value).collect::<Vec<_>>());
        listed.unwrap_or_default().into_iter().filter(|path| !path.as_os_str().is_empty()).collect()
    }

    /// The entries of a comma-separated list, in lower case.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = self.get(name).unwrap_or_default().split(',');
        entries.map(|entry| entry.trim().to_ascii_lowercase()).filter(|entry| !entry.is_empty()).collect()
    }

    /// The user's home directory.
    #[must_use]
    pub fn home(&self) -> Option<PathBuf> {
        self.path("HOME").or_else(|| self.path("USERPROFILE"))
    }

    fn parsed<T: FromStr>(&self, name: &'static str, wanted: &str) -> Result<Option<T>> {
        self.get(name).map(|value| value.trim().parse().map_err(|_| malformed(name, wanted))).transpose()
    }
}

impl<K: Into<String>, V: Into<String>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(pairs: I) -> Self {
        Self { variables: pairs.into_iter().map(|(name, value)| (name.into(), value.into())).collect() }
    }
}

/// Shows names only, because values may be secrets.
impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.variables.keys()).finish()
    }
}

/// The message does not contain the value, which may be a secret in the wrong variable.
fn malformed(name: &'static str, wanted: &str) -> Error {
    Error::new(ErrorKind::Config, format!("the environment variable `{name}` is not {wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_is_unset_and_values_parse_or_are_named() {
        let environment: Environment = [
            (INSECURE_TLS, "True"),
            (MAX_RETRIES, "seven"),
            (REQUEST_TIMEOUT, "1.5"),
            (BACKOFF_FACTOR, "-1"),
            (TRACKING_URI, ""),
            (ALLOWED_ARTIFACT_HOSTS, "A.example:80, ,b"),
        ]
        .into_iter()
        .collect();
        assert_eq!(environment.get(TRACKING_URI), None);
        assert!(environment.flag(INSECURE_TLS).expect("a flag"));
        assert!(!environment.flag(AWS_SIGV4).expect("unset is false"));
        assert_eq!(environment.seconds(REQUEST_TIMEOUT).expect("seconds"), Some(Duration::from_millis(1500)));
        assert_eq!(environment.list(ALLOWED_ARTIFACT_HOSTS), ["a.example:80", "b"]);
        let error = environment.count(MAX_RETRIES).expect_err("not a number");
        assert_eq!(error.kind(), ErrorKind::Config);
        assert!(error.message().contains(MAX_RETRIES) && !error.message().contains("seven"));
        assert_eq!(environment.seconds(BACKOFF_FACTOR).expect_err("negative").kind(), ErrorKind::Config);
    }

    #[test]
    fn seconds_without_end_are_a_year() {
        let seconds = |text: &str| [(REQUEST_TIMEOUT, text)].into_iter().collect::<Environment>();
        for long in ["31536001", "1e19", "1e300", "inf"] {
            let year = seconds(long).seconds(REQUEST_TIMEOUT).expect(long);
            assert_eq!(year, Some(Duration::from_secs(31_536_000)), "{long}");
        }
        let error = seconds("nan").seconds(REQUEST_TIMEOUT).expect_err("not a number");
        assert_eq!(error.kind(), ErrorKind::Config);
    }

    #[test]
    fn every_variable_of_this_project_is_listed() {
        let source = include_str!("environment.rs");
        let declared =
            source.lines().filter(|line| line.starts_with("pub const ") && line.contains("\"HYDRA_"));
        assert_eq!(declared.count(), HYDRA.len());
    }

    #[test]
    fn debug_shows_no_values() {
        let environment: Environment = [(PASSWORD, "hunter2")].into_iter().collect();
        let shown = format!("{environment:?}");
        assert!(shown.contains(PASSWORD) && !shown.contains("hunter2"), "{shown}");
    }
}
