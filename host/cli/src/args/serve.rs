//! The arguments of `serve`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum};

use super::path;
use crate::time::span;
use hydra_base::names::Alias;
use hydra_mlflow::environment;

/// Arguments of `serve`.
#[derive(Debug, Clone, Default, Args)]
#[command(after_help = SERVE_HELP)]
pub struct ServeArgs {
    /// The registered models [default: the model of `--model`]; `/invocations` asks the first one
    #[arg(value_name = "MODEL")]
    pub models: Vec<String>,

    /// Serve a model file, or a directory with `MLmodel`, instead of registered models; nothing is followed
    #[arg(long, env = environment::SERVE_MODEL_FILE, value_name = "PATH", value_parser = path(), conflicts_with = "models", hide_env_values = true)]
    pub model_file: Option<PathBuf>,

    /// The address of HTTP [default: 127.0.0.1:8080]
    #[arg(long, env = environment::SERVE_LISTEN, value_name = "ADDRESS", hide_env_values = true)]
    pub listen: Option<String>,

    /// The address of gRPC [default: none]
    #[arg(long, env = environment::SERVE_GRPC, value_name = "ADDRESS", hide_env_values = true)]
    pub grpc: Option<String>,

    /// The alias that is followed [default: champion]
    #[arg(long, value_name = "NAME")]
    pub alias: Option<Alias>,

    /// How long to wait before asking for the alias again [default: 5s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub poll: Option<Duration>,

    /// The longest time for opening a version: for fetching, checking and compiling it [default: 10m]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub open_time: Option<Duration>,

    /// Start with the version that was served last, from the model cache, if the registry cannot be reached
    #[arg(long)]
    pub offline_ok: bool,

    /// Score the same rows with the version behind this alias, off the path of the answers
    #[arg(long, value_name = "ALIAS", conflicts_with = "model_file")]
    pub shadow: Option<Alias>,

    /// Record how far the shadow agrees, as an evaluation that policies see: every 15 minutes, and at the end
    #[arg(long)]
    pub record_shadow: bool,

    /// The name of this process in what it records [default: the name of the host]
    #[arg(long, env = environment::SERVE_INSTANCE, value_name = "NAME", hide_env_values = true)]
    pub instance: Option<String>,

    /// Answer this share of the keys with the version behind this alias, such as candidate=5%
    #[arg(long, value_name = "ALIAS=SHARE", conflicts_with = "model_file")]
    pub canary: Option<String>,

    /// What the key of a request is: header:NAME, or column:NAME for a feature in the first row
    #[arg(long, value_name = "header:NAME|column:NAME")]
    pub canary_key: Option<String>,

    /// The columns that had pandas' category type in training, for models that have categories and do not identify them
    #[arg(long, value_name = "COLUMN,…", value_delimiter = ',')]
    pub categories: Vec<String>,

    /// How NaN and infinities are written in answers, unless a request says [default: null]
    #[arg(long, value_enum, value_name = "FORM")]
    pub nan: Option<Nan>,

    /// Say in refusals what is wrong with the request, which may quote it
    #[arg(long)]
    pub explain_errors: bool,

    /// A PEM file with the certificate of the server, which is read again when it changes
    #[arg(long, value_name = "FILE")]
    pub tls_certificate: Option<PathBuf>,

    /// A PEM file with the key of the certificate
    #[arg(long, value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// A file of bearer tokens, one on a line, of which requests must have one; it is read again when it changes
    #[arg(long, env = environment::SERVE_TOKEN_FILE, value_name = "FILE", value_parser = path(), hide_env_values = true)]
    pub token_file: Option<PathBuf>,

    /// The longest time for running requests after SIGTERM [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub drain: Option<Duration>,

    /// The most bytes of a body, also after decompression [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub max_body: Option<usize>,

    /// The most bytes that an answer may take [default: 67108864]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub max_answer: Option<usize>,

    /// The most rows of a request [default: 1000000]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_rows: Option<usize>,

    /// The most columns of a request [default: 16384]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_columns: Option<usize>,

    /// The most requests that are read or answered at a time [default: 1024]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_requests: Option<usize>,

    /// The most rows that are scored at a time, beyond the first 1000 of each request [default: 1000000]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_concurrent_rows: Option<usize>,

    /// The most bytes of bodies and answers at a time, beyond the first 16 KiB of each [default: 268435456]
    #[arg(long, value_name = "BYTES", help_heading = LIMITS)]
    pub max_concurrent_bytes: Option<usize>,

    /// The most connections [default: 4096]
    #[arg(long, value_name = "N", help_heading = LIMITS)]
    pub max_connections: Option<usize>,

    /// The longest time for the head of a request [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = LIMITS)]
    pub header_time: Option<Duration>,

    /// The longest time for the body of a request [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = LIMITS)]
    pub body_time: Option<Duration>,

    /// The longest time that a client may take for reading an answer [default: 30s]
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = LIMITS)]
    pub answer_time: Option<Duration>,

    /// The longest time that a connection waits for its next request [default: 75s]
    #[arg(long, value_name = "TIME", value_parser = span, help_heading = LIMITS)]
    pub idle_time: Option<Duration>,

    /// The format of the log on stderr [default: HYDRA_LOG_FORMAT, else json]
    #[arg(long, value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// The heading of the limits.
const LIMITS: &str = "Limits; what is beyond is refused at once";

/// How NaN and infinities are written in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Nan {
    /// As null
    Null,
    /// As the words NaN, Infinity and -Infinity, which JSON does not have and MLflow's server writes
    Bare,
}

/// The format of the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object on each line
    Json,
    /// For people
    Text,
}

const SERVE_HELP: &str = "\
Answers MLflow's /invocations, KServe's v1, the Open Inference Protocol over HTTP and gRPC, and SageMaker. A new champion is
fetched, checked and warmed before it takes over; if that fails, the former one keeps answering, and GET / says why.
`[serve]` in hydra.toml has the same options.

Examples:
  hydra-registry serve
  hydra-registry serve churn fraud --listen 0.0.0.0:8080 --grpc 0.0.0.0:8081 --token-file tokens
  hydra-registry serve churn --shadow candidate --record-shadow
  hydra-registry serve churn --canary candidate=5% --canary-key header:x-customer
  hydra-registry serve --model-file model.lgb

Exit status: 0 ended by SIGTERM or Ctrl-C; 2, 4 and 5 are errors.";
