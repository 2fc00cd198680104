//! `[serve]` in `hydra.toml`.

use std::path::{Path, PathBuf};

use serde::Deserialize;

/// The options of `serve`, by the names of its flags. All are optional; unknown ones are errors. Values that a flag has as text,
/// such as `5s` and `candidate=5%`, have the same text here.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ServeConfig {
    /// The registered models.
    #[serde(default)]
    pub models: Vec<String>,
    /// The address of HTTP.
    pub listen: Option<String>,
    /// The address of gRPC.
    pub grpc: Option<String>,
    /// The alias that is followed.
    pub alias: Option<String>,
    /// How long the server waits before it asks for the alias again.
    pub poll: Option<String>,
    /// The features that had pandas' category type in training.
    #[serde(default)]
    pub categories: Vec<String>,
    /// How NaN and infinities are written in answers: `null` or `bare`.
    pub nan: Option<String>,
    /// The longest time for opening a version.
    pub open_time: Option<String>,
    /// Whether the server starts from the model cache if the registry cannot be reached.
    #[serde(default)]
    pub offline_ok: bool,
    /// The alias of the shadow.
    pub shadow: Option<String>,
    /// Whether the agreement of the shadow is recorded.
    #[serde(default)]
    pub record_shadow: bool,
    /// The name of the process in what it records.
    pub instance: Option<String>,
    /// The alias of the canary and its share.
    pub canary: Option<String>,
    /// What the key of a request is.
    pub canary_key: Option<String>,
    /// Whether refusals say what is wrong with the request.
    #[serde(default)]
    pub explain_errors: bool,
    /// The file with the certificate.
    pub tls_certificate: Option<PathBuf>,
    /// The file with its key.
    pub tls_key: Option<PathBuf>,
    /// The file of tokens.
    pub token_file: Option<PathBuf>,
    /// The longest time for running requests at the end.
    pub drain: Option<String>,
    /// The most bytes of a body.
    pub max_body: Option<usize>,
    /// The most bytes of an answer.
    pub max_answer: Option<usize>,
    /// The most rows of a request.
    pub max_rows: Option<usize>,
    /// The most columns of a request.
    pub max_columns: Option<usize>,
    /// The most requests at a time.
    pub max_requests: Option<usize>,
    /// The most rows that are scored at a time.
    pub max_concurrent_rows: Option<usize>,
    /// The most bytes of bodies and answers at a time.
    pub max_concurrent_bytes: Option<usize>,
    /// The most connections.
    pub max_connections: Option<usize>,
    /// The longest time for the head of a request.
    pub header_time: Option<String>,
    /// The longest time for the body of a request.
    pub body_time: Option<String>,
    /// The longest time that a client may take for reading an answer.
    pub answer_time: Option<String>,
    /// The longest time that a connection waits for its next request.
    pub idle_time: Option<String>,
}

impl ServeConfig {
    /// The same options with absolute paths.
    pub(super) fn resolved(self, directory: &Path) -> Self {
        let absolute = |path: Option<PathBuf>| path.map(|path| directory.join(path));
        Self {
            tls_certificate: absolute(self.tls_certificate),
            tls_key: absolute(self.tls_key),
            token_file: absolute(self.token_file),
            ..self
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_relative_to_the_configuration_and_unknown_options_are_errors() {
        let text =
            "models = ['churn']\npoll = '10s'\nrecord-shadow = true\ntoken-file = 'tokens'\nmax-rows = 7";
        let config: ServeConfig = toml::from_str(text).expect("options");
        let config = config.resolved(Path::new("/srv/churn"));
        assert_eq!(config.token_file.as_deref(), Some(Path::new("/srv/churn/tokens")));
        assert_eq!(
            (config.poll.as_deref(), config.max_rows, config.record_shadow),
            (Some("10s"), Some(7), true)
        );
        toml::from_str::<ServeConfig>("listne = '0.0.0.0:1'").expect_err("an unknown option");
    }
}
