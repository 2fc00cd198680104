//! The command-line arguments.

mod config;
mod copy;
mod decisions;
mod history;
mod notify;
mod repeated;
mod serve;
mod statements;
mod versions;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::{OsStringValueParser, TypedValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::ExitStatus;
pub(crate) use crate::evaluate::{EvaluateArgs, MeasureArgs};
pub use crate::policy::{ModelCommand, PolicyCommand};
pub use crate::predict::PredictArgs;
use crate::selector::ModelArgs;
use crate::time::{parse_time, span};
pub use config::{CompletionsArgs, ConfigCommand};
pub use copy::CopyArgs;
pub use decisions::{DecisionArgs, PromoteArgs, RollbackArgs};
pub use history::{ExportArgs, HistoryArgs, HistoryCommand, ShowEntryArgs, VerifyArgs};
use hydra_base::Timestamp;
use hydra_base::pattern::NamePattern;
use hydra_mlflow::environment;
use hydra_mlflow::uri::GivenUri;
use hydra_registry::Head;
pub use notify::NotifyCommand;
pub use repeated::{REPEATED, gathered};
pub use serve::{LogFormat, Nan, ServeArgs};
pub use statements::{ApproveArgs, NominateArgs, QuarantineArgs, ReleaseArgs};
pub use versions::{DiffArgs, ListArgs, ShowArgs};

/// The champion lifecycle of LightGBM models on MLflow: log candidates, promote and roll back by a sandboxed policy,
/// and predict with the champion.
#[derive(Debug, Parser)]
#[command(name = "hydra-registry", version, long_version = LONG_VERSION, max_term_width = 110, after_help = after_help())]
pub struct Cli {
    /// Options of every command.
    #[command(flatten)]
    pub global: GlobalArgs,

    /// The command to run.
    #[command(subcommand)]
    pub command: Command,
}

/// The version with what it was built from, and the contracts that it knows.
const LONG_VERSION: &str = concat!(
    env!("CARGO_PKG_VERSION"),
    "\ncommit:   ",
    env!("BUILD_COMMIT"),
    "\nengine:   wasmtime ",
    env!("BUILD_ENGINE"),
    "\ncontract: hydra:lifecycle@0.2, 0.1\nledger:   schema 2, 1"
);

/// What follows the options of the program.
fn after_help() -> String {
    let status =
        |(status, meaning, _): &(ExitStatus, &str, &str)| format!("  {}  {meaning}\n", status.code());
    let statuses: String = ExitStatus::TABLE.iter().map(status).collect();
    format!("Exit status:\n{statuses}\n{AFTER_HELP}")
}

const AFTER_HELP: &str = "\
Precedence of settings: flags, environment (MLFLOW_*, HYDRA_*), hydra.toml in the project root.
Only data goes to stdout, so `hydra-registry --output json champion | jq .version` works.";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub struct GlobalArgs {
    /// The store of MLflow's runs: http(s)://…, sqlite:///file.db, file:///dir or a directory
    #[arg(long, global = true, env = environment::TRACKING_URI, value_name = "URI", hide_env_values = true)]
    pub tracking_uri: Option<GivenUri>,

    /// The store of MLflow's registered models, if it is not the store of the runs
    #[arg(long, global = true, env = environment::REGISTRY_URI, value_name = "URI", hide_env_values = true)]
    pub registry_uri: Option<GivenUri>,

    /// Artifacts that have moved: what the store calls OLD, a directory or a URI, and all below it, is at NEW
    #[arg(long = "artifact-root-map", global = true, value_name = "OLD=NEW")]
    pub artifact_root_map: Vec<String>,

    /// The registered model [default: hydra-baseline]
    #[arg(long, global = true, env = environment::MODEL, value_name = "NAME", hide_env_values = true)]
    pub model: Option<String>,

    /// The policy component that decides [default: the active policy of the model, else the embedded one]; of several, all must
    /// approve, and the first one moves the aliases
    #[arg(long = "policy", global = true, env = environment::POLICY, value_name = "[NAME=]FILE[@sha256:DIGEST]|oci://…", hide_env_values = true)]
    pub policies: Vec<OsString>,

    /// One more policy, whose answer is recorded and does not count
    #[arg(long = "monitor", global = true, value_name = "[NAME=]FILE|oci://…")]
    pub monitors: Vec<OsString>,

    /// A setting of the policy, which `policy inspect` lists; NAME.KEY for one of several policies, named after its file
    #[arg(long = "set", global = true, value_name = "[NAME.]KEY=VALUE")]
    pub set: Vec<String>,

    /// A limit of a decision, such as fuel=10000000; `policy inspect` lists them; NAME.LIMIT for one of several policies
    #[arg(long = "budget", global = true, value_name = "[NAME.]LIMIT=VALUE")]
    pub budget: Vec<String>,

    /// A limit for reading models, such as features=20000000 or bytes=4GiB; docs/limits.md lists them
    #[arg(long = "model-limit", global = true, value_name = "NAME=VALUE")]
    pub model_limits: Vec<String>,

    /// Ask OCI registries on other machines without TLS, and then without credentials [default: HYDRA_OCI_PLAIN_HTTP]
    #[arg(long, global = true)]
    pub oci_plain_http: bool,

    /// How far this machine's clock may be from the server's, or behind the newest entry in a local store, before decisions are
    /// refused [default: 60s]
    #[arg(long, global = true, env = environment::CLOCK_TOLERANCE, value_name = "TIME", hide_env_values = true)]
    pub clock_tolerance: Option<String>,

    /// The format of reports and messages: text for people, JSON for programs, or a JSON document on each line
    #[arg(
        long,
        global = true,
        env = environment::OUTPUT,
        value_enum,
        default_value_t,
        value_name = "FORMAT",
        hide_env_values = true
    )]
    pub output: OutputFormat,

    /// The configuration file [default: hydra.toml in the project root]
    #[arg(long, global = true, env = environment::CONFIG, value_name = "FILE", value_parser = path(), hide_env_values = true)]
    pub config: Option<PathBuf>,

    /// The longest time that the command may take, such as 10m [default: 1h; for log-candidate, predict, evaluate, download and
    /// policy, as long as their work and their transfers take]
    #[arg(long, global = true, value_name = "SPAN", value_parser = span)]
    pub timeout: Option<Duration>,

    /// Show long output as it is; otherwise HYDRA_PAGER or PAGER shows it on a terminal [default pager: less]
    #[arg(long, global = true)]
    pub no_pager: bool,

    /// Log more to stderr (-v, -vv, -vvv)
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,

    /// Print only errors to stderr
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    pub quiet: bool,
}

/// Parses a path that may be empty. Clap's own parser rejects an empty variable, which should count as unset.
fn path() -> impl TypedValueParser<Value = PathBuf> {
    OsStringValueParser::new().map(PathBuf::from)
}

/// The format of reports on stdout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum OutputFormat {
    /// For people.
    #[default]
    Text,
    /// For programs; every document has a `schema` field.
    Json,
    /// For programs that read line by line: each document on one line, and a document for each item of `list` and `history`.
    Jsonl,
}

/// The format that a command line asks for, even if it cannot be read otherwise; else that of `HYDRA_OUTPUT`.
pub fn wanted_format(args: &[OsString]) -> OutputFormat {
    let words = args.iter().skip(1).map(|word| word.to_string_lossy()).take_while(|word| word != "--");
    let words: Vec<_> = words.collect();
    let mut given = words.iter().enumerate().filter_map(|(at, word)| match word.strip_prefix("--output") {
        Some("") => words.get(at + 1).map(ToString::to_string),
        Some(value) => value.strip_prefix('=').map(ToOwned::to_owned),
        None => None,
    });
    let named = given.next_back().or_else(|| std::env::var(environment::OUTPUT).ok());
    named.and_then(|name| OutputFormat::from_str(&name, false).ok()).unwrap_or_default()
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Log a trained model as a candidate: run, config, metrics, tags, model and a registered version
    LogCandidate(Box<LogCandidateArgs>),
    /// Ask the policy to make a version the champion
    Promote(Box<PromoteArgs>),
    /// Ask the policy to return to the archived version
    Rollback(RollbackArgs),
    /// Make a version the candidate
    Nominate(NominateArgs),
    /// Approve a version, for policies that ask for approvals
    Approve(ApproveArgs),
    /// Keep a version from becoming champion
    Quarantine(QuarantineArgs),
    /// End the quarantine of a version
    Release(ReleaseArgs),
    /// Show the champion: version, run, metrics, tags
    Champion(ChampionArgs),
    /// List every version with its aliases, newest first
    List(ListArgs),
    /// Show a version: its run, its tags, its model, its evaluations and the decisions about it
    Show(ShowArgs),
    /// Show what differs between two versions
    Diff(DiffArgs),
    /// Copy a version with its evidence to another store, such as from staging to production
    Copy(CopyArgs),
    /// Write the model file of a version
    Download(DownloadArgs),
    /// Predict with the champion, or another version
    Predict(PredictArgs),
    /// Answer requests for scores with the champion, and follow it
    Serve(Box<ServeArgs>),
    /// Measure versions on the same labelled rows: metrics with paired intervals, agreement
    Evaluate(Box<EvaluateArgs>),
    /// Show, verify or export every decision: who, when, what, why, and by which policy
    History(HistoryArgs),
    /// Show several models at a glance: champion, since when, problems
    Status(StatusArgs),
    /// Find problems and show the remedy for each
    Doctor(DoctorArgs),
    /// Tell the receivers in hydra.toml what was recorded
    #[command(subcommand)]
    Notify(NotifyCommand),
    /// Show and check the settings
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Write what a shell needs to complete commands
    Completions(CompletionsArgs),
    /// Create, build, test and measure policies, and activate them
    #[command(subcommand)]
    Policy(PolicyCommand),
    /// Sign the models of versions, and show who signed them
    #[command(subcommand)]
    Model(ModelCommand),
}

impl Command {
    /// Whether it may record something in the ledger of the model.
    #[must_use]
    pub fn records(&self) -> bool {
        match self {
            Self::Promote(args) => !args.decision.dry_run,
            Self::Rollback(args) => !args.decision.dry_run,
            Self::Nominate(_) | Self::Approve(_) | Self::Quarantine(_) | Self::Release(_) => true,
            Self::Doctor(args) => args.fix && args.models.is_none(),
            _ => false,
        }
    }

    /// The longest time that the command may take, unless the user sets another: none for commands that compute and transfer
    /// files, whose requests have limits of their own.
    #[must_use]
    pub fn usual_timeout(&self) -> Option<Duration> {
        match self {
            Self::LogCandidate(_)
            | Self::Predict(_)
            | Self::Evaluate(_)
            | Self::Download(_)
            | Self::Copy(_)
            | Self::Policy(_)
            | Self::Serve(_) => None,
            Self::History(args) if args.follow => None,
            _ => Some(Duration::from_hours(1)),
        }
    }
}

/// Arguments of `log-candidate`.
#[derive(Debug, Args)]
#[command(
    group = clap::ArgGroup::new("origin").required(true).args(["model_file", "train"]),
    after_help = LOG_CANDIDATE_HELP
)]
pub struct LogCandidateArgs {
    /// A LightGBM text model to log (as `save_model` writes it); `-` reads it from stdin
    #[arg(value_name = "MODEL_FILE")]
    pub model_file: Option<PathBuf>,

    /// Train a baseline classifier on this CSV instead
    #[arg(long, value_name = "CSV", requires = "label")]
    pub train: Option<PathBuf>,

    /// The column of 0/1 labels in the training CSV
    #[arg(long, value_name = "COLUMN", requires = "train")]
    pub label: Option<String>,

    /// The share of rows to hold out for measuring metrics, taken from the end of the file
    #[arg(long, value_name = "SHARE", requires = "train", default_value_t = 0.2)]
    pub holdout: f64,

    /// A LightGBM training parameter, such as num_leaves=15
    #[arg(long = "param", value_name = "KEY=VALUE", requires = "train")]
    pub params: Vec<String>,

    /// The training configuration: a JSON or TOML file, logged as params and as one artifact; TOML's dates become text, and a
    /// number that JSON cannot represent (NaN, infinities, integers over 64 bits) is an error
    #[arg(long = "config-file", value_name = "FILE")]
    pub config_file: Option<PathBuf>,

    /// A configuration value, such as data.rows=569; overrides the file and the values of the built-in training; dots
    /// separate the keys of nested objects; a value that is not valid JSON is text
    #[arg(long = "config-value", value_name = "KEY=VALUE")]
    pub config_values: Vec<String>,

    /// A metric, such as auc=0.91
    #[arg(long = "metric", value_name = "KEY=VALUE")]
    pub metrics: Vec<String>,

    /// Log NaN and infinite metrics instead of rejecting them
    #[arg(long)]
    pub allow_non_finite: bool,

    /// A JSON or TOML file of metrics: {"auc": 0.91}
    #[arg(long, value_name = "FILE")]
    pub metrics_file: Option<PathBuf>,

    /// A tag on the run, such as team=risk
    #[arg(long = "tag", value_name = "KEY=VALUE")]
    pub tags: Vec<String>,

    /// The run's name
    #[arg(long, value_name = "NAME")]
    pub run_name: Option<String>,
}

const LOG_CANDIDATE_HELP: &str = "\
Examples:
  hydra-registry log-candidate model.lgb --metric auc=0.913 --config-file config.toml
  hydra-registry log-candidate --train rows.csv --label churned --param num_leaves=15";

/// Arguments of everything that the ledger records.
#[derive(Debug, Args)]
pub struct ActorArgs {
    /// Your name, for the ledger and for the policy [default: MLFLOW_TRACKING_USERNAME or the login name]
    #[arg(long, env = environment::ACTOR, value_name = "NAME", hide_env_values = true)]
    pub actor: Option<String>,

    /// Go on only if this is the newest entry of the ledger, as `history export --head` prints it
    #[arg(long, value_name = "HEAD")]
    pub expect_head: Option<Head>,
}

/// Arguments of `champion`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 there is a champion, 4 there is no champion or no such model; 2 and 5 are errors."
)]
pub struct ChampionArgs {
    #[arg(long, value_name = "TIME", value_parser = parse_time, help = AS_OF)]
    pub as_of: Option<Timestamp>,
}

/// Arguments of `download`.
#[derive(Debug, Args)]
#[command(after_help = DOWNLOAD_HELP)]
pub struct DownloadArgs {
    /// The file to write, which appears only when it is complete; `-` writes to stdout
    #[arg(value_name = "FILE")]
    pub out: PathBuf,

    /// The version.
    #[command(flatten)]
    pub model: ModelArgs,
}

const DOWNLOAD_HELP: &str = "\
The bytes are those of the model file in the version's artifacts. If they are not the ones that were logged, nothing is
written. A model file instead of a version is copied if it can be read as a model.

Examples:
  hydra-registry download champion.lgb
  hydra-registry download - --version 12 | sha256sum";

const AS_OF: &str =
    "Show the champion of that time, according to the ledger: 2026-11-01, 2026-11-01T12:00Z or `3 days ago`";

/// Arguments of `status`.
#[derive(Debug, Args)]
#[command(after_help = STATUS_HELP)]
pub struct StatusArgs {
    /// Only models whose names fit the pattern; `*` stands for any text
    #[arg(long, value_name = "PATTERN", default_value = "*")]
    pub models: NamePattern,
}

const STATUS_HELP: &str = "\
Example:
  hydra-registry status --models 'churn-*'

Shows the problems that the newest entries and the aliases show; `doctor` looks further.
Exit status: 0 no problem, 1 a problem, or no model fits a pattern other than `*`; 2, 4 and 5 are errors.";

/// Arguments of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = "\
Exit status: 0 no problem is left, 1 a problem is left, or no model fits a pattern other than `*`; 2, 4 and 5 are errors.")]
pub struct DoctorArgs {
    /// Examine every model whose name fits the pattern; `*` stands for any text
    #[arg(long, value_name = "PATTERN")]
    pub models: Option<NamePattern>,

    /// Repair the problems that need no human decision
    #[arg(long)]
    pub fix: bool,

    /// Also write the number of problems of each model as metrics, for the textfile collector of Prometheus' node exporter; the
    /// file appears only when it is complete
    #[arg(long, value_name = "FILE")]
    pub prometheus: Option<PathBuf>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory as _;
        Cli::command().debug_assert();
    }

    #[test]
    fn the_format_is_known_before_the_command_line_is_read() {
        let wanted = |line: &str| wanted_format(&line.split(' ').map(OsString::from).collect::<Vec<_>>());
        assert_eq!(wanted("h --output json nonsense"), OutputFormat::Json);
        assert_eq!(wanted("h nonsense --output=jsonl --bad"), OutputFormat::Jsonl);
        assert_eq!(wanted("h --output json --output text x"), OutputFormat::Text);
        assert_eq!(wanted("h --output"), OutputFormat::Text);
        assert_eq!(wanted("h x -- --output json"), OutputFormat::Text);
    }

    #[test]
    fn the_version_names_the_contracts_that_the_host_knows() {
        let known: Vec<&str> =
            hydra_policy::INTERFACE_VERSIONS.iter().map(|version| version.trim_end_matches(".0")).collect();
        assert!(LONG_VERSION.contains(&format!("hydra:lifecycle@{}\n", known.join(", "))), "{known:?}");
        let schema = hydra_lifecycle::ledger::entry::SCHEMA;
        assert!(LONG_VERSION.contains(&format!("schema {schema}, 1")));
        assert!(!env!("BUILD_ENGINE").is_empty());
    }

    #[test]
    fn no_credential_is_shown_by_debug() {
        let line = [
            "hydra-registry",
            "--tracking-uri",
            "http://ann:hunter2@t",
            "--registry-uri",
            "http://hunter2@r",
        ];
        let shown =
            format!("{:?}", Cli::try_parse_from(line.into_iter().chain(["list"])).expect("a command"));
        assert!(shown.contains("***@t") && shown.contains("***@r") && !shown.contains("hunter2"), "{shown}");
    }
}
