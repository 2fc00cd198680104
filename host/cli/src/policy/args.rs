//! The arguments of `policy`.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use crate::args::ActorArgs;
pub use crate::policy::trust_args::{PullArgs, PushArgs, SignArgs, VerifyArgs};
use hydra_base::Timestamp;
use hydra_base::error::Error;
use hydra_base::names::Version;
use hydra_base::pattern::NamePattern;
use hydra_policy_kit::{Effort, Language};

/// The commands of the kit.
#[derive(Debug, Subcommand)]
#[command(after_help = POLICY_HELP)]
pub enum PolicyCommand {
    /// Create a policy project: the contract, a rule with its test, golden cases, a README
    New(NewArgs),
    /// Compile a policy project into one component
    Build(BuildArgs),
    /// Describe a policy: name, version, digest, interface, settings, limits
    Inspect(InspectArgs),
    /// Decide one case, and show the verdict with its fuel, time and memory
    Run(RunArgs),
    /// Check a policy against golden cases; exit status 1 if one fails
    Test(TestArgs),
    /// Measure decisions: time, fuel, memory
    Bench(BenchArgs),
    /// Find the single changes of the evidence that flip a verdict
    WhatIf(Box<WhatIfArgs>),
    /// Compile a policy now, so that no decision waits for it
    Compile(CompileArgs),
    /// Make policies those by which every host decides about a model; the ledger records it
    Activate(ActivateArgs),
    /// End the active policy: each host decides by its own again
    Deactivate(DeactivateArgs),
    /// Approve that a policy becomes the active one
    Approve(ApprovePolicyArgs),
    /// Show the active policy: components, settings, limits, approvals
    Active(ActiveArgs),
    /// Show when which policy was active, and the decisions that set it aside
    History(PolicyHistoryArgs),
    /// Repeat every recorded decision with a policy, and show where it decides differently
    Backtest(BacktestArgs),
    /// Push a component to an OCI registry
    Push(PushArgs),
    /// Fetch a component from an OCI registry
    Pull(PullArgs),
    /// Sign a component, in a file or in a registry
    Sign(SignArgs),
    /// Show who signed a component
    Verify(VerifyArgs),
}

const POLICY_HELP: &str = "\
From an empty directory to a tested policy:
  hydra-registry policy new my-policy
  hydra-registry policy build my-policy
  hydra-registry policy test my-policy/target/my-policy.wasm my-policy/cases";

/// Arguments of `policy new`.
#[derive(Debug, Args)]
pub struct NewArgs {
    /// The directory to create
    pub dir: PathBuf,

    /// The policy's name [default: the name of the directory]
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,

    /// The language: rust, javascript or python
    #[arg(long, value_name = "LANGUAGE", default_value = "rust", value_parser = language)]
    pub lang: Language,
}

/// Arguments of `policy build`.
#[derive(Debug, Args)]
pub struct BuildArgs {
    /// The project
    #[arg(default_value = ".")]
    pub dir: PathBuf,

    /// The component to write [default: target/NAME.wasm in the project]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,

    /// Write nothing, and compare this component with what the project builds to; exit status 1 if it was built from other
    /// sources or with other tools
    #[arg(long, value_name = "COMPONENT", conflicts_with = "out")]
    pub check: Option<PathBuf>,
}

/// Arguments of `policy inspect`.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The component [default: the policy of this host]
    pub file: Option<PathBuf>,
}

/// Arguments of `policy run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The component [default: the policy, or the policies together, of this host]
    pub file: Option<PathBuf>,

    /// The case: a JSON file that follows docs/policy-case.schema.json
    #[arg(long, value_name = "FILE")]
    pub case: PathBuf,
}

/// Arguments of `policy test`.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub struct TestArgs {
    /// The component [default: the policy, or the policies together, of this host]
    pub file: Option<PathBuf>,

    /// A case file, or a directory of case files
    pub cases: PathBuf,
}

/// Arguments of `policy bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// The component [default: the policy of this host]
    pub file: Option<PathBuf>,

    /// The case to decide [default: a promotion over a champion, both with twenty metrics]
    #[arg(long, value_name = "FILE")]
    pub case: Option<PathBuf>,

    /// The number of decisions to measure
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..))]
    pub runs: u32,
}

/// Arguments of `policy what-if`.
#[derive(Debug, Args)]
#[command(after_help = WHAT_IF_HELP)]
pub struct WhatIfArgs {
    /// The component [default: the policy, or the policies together, that `promote` would use; with --entry, those that decided;
    /// with --case, those of this host]
    pub file: Option<PathBuf>,

    /// Ask about a case instead of the registry: a JSON file that follows docs/policy-case.schema.json
    #[arg(long, value_name = "FILE", conflicts_with_all = ["entry", "version", "rollback"])]
    pub case: Option<PathBuf>,

    /// Ask about a recorded decision, by its number in the ledger, on the evidence that it had
    #[arg(long, value_name = "N", conflicts_with_all = ["version", "rollback"])]
    pub entry: Option<u64>,

    /// Ask about a promotion of this version [default: the one behind `candidate`]
    #[arg(long, value_name = "N")]
    pub version: Option<Version>,

    /// Ask about a rollback, to the version of --version or else to the archived one
    #[arg(long)]
    pub rollback: bool,

    /// The reason of the request, which the policy sees
    #[arg(long, value_name = "TEXT", conflicts_with_all = ["case", "entry"])]
    pub reason: Option<String>,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,

    /// Ask at most this many decisions; of several policies, each decision counts
    #[arg(long, value_name = "N", default_value_t = Effort::default().decisions, value_parser = clap::value_parser!(u32).range(1..))]
    pub decisions: u32,

    /// Begin no decision after this time
    #[arg(long, value_name = "TIME", default_value = "60s", value_parser = crate::time::span)]
    pub time: Duration,
}

const WHAT_IF_HELP: &str = "\
Examples:
  hydra-registry policy what-if
  hydra-registry policy what-if --version 12 --set margin=0.005
  hydra-registry policy what-if --entry 31
  hydra-registry policy what-if my-policy.wasm --case my-policy/cases/good.json

One thing changes at a time: an approval, a setting, the time of the decision, an age, a metric,
a measured figure or one of its bounds. What depends on it moves along, and the report names it.
Of several policies, the leader and the gates are asked: the verdict is that of all together.
The guards of the host are not part of the question.
Exit status: 0 whatever the verdict is; 2, 4 and 5 are errors.";

/// Arguments of `policy compile`.
#[derive(Debug, Args)]
pub struct CompileArgs {
    /// The component [default: the policy of this host]
    pub file: Option<PathBuf>,
}

/// Arguments of `policy backtest`.
#[derive(Debug, Args)]
pub struct BacktestArgs {
    /// The component [default: the policy, or the policies together, that `promote` would use]
    pub file: Option<PathBuf>,

    /// Only decisions since this time: 2026-11-01, 2026-11-01T12:00Z or `3 days ago` (UTC)
    #[arg(long, value_name = "TIME", value_parser = crate::time::parse_time)]
    pub since: Option<Timestamp>,
}

/// Arguments of `policy activate`.
#[derive(Debug, Args)]
#[command(after_help = ACTIVATE_HELP)]
pub struct ActivateArgs {
    /// The components, as for `--policy`: the first one leads, the others are gates [default: the policies that `--policy`,
    /// HYDRA_POLICY or hydra.toml name]
    #[arg(value_name = "FILE")]
    pub files: Vec<OsString>,

    /// How many people, other than the requester, must approve before another policy takes its place or none is active
    /// [default: `activation-approvals` in hydra.toml, 0]
    #[arg(long, value_name = "N")]
    pub activation_approvals: Option<u32>,

    /// The reason, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// The models.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

const ACTIVATE_HELP: &str = "\
Examples:
  hydra-registry policy activate metric-gate.wasm --set metric=auc --reason \"the rules of the risk team\"
  hydra-registry policy activate --models 'churn-*' --activation-approvals 1
  hydra-registry policy activate stricter.wasm --dry-run

The components lie in the archive of the ledger; every promotion, rollback and dry run of the model decides by them, with these
settings and limits, on every host. A host that is configured with another policy is refused.
Exit status: 0 the policy is active, 1 one of several models refuses it; 2, 4 and 5 are errors.";

/// Arguments of `policy deactivate`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 no policy is active, 1 one of several models refuses it; 2, 4 and 5 are errors."
)]
pub struct DeactivateArgs {
    /// The reason, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// The models.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

/// Arguments of `policy approve`.
#[derive(Debug, Args)]
#[command(after_help = APPROVE_POLICY_HELP)]
pub struct ApprovePolicyArgs {
    /// The digest that `policy activate --dry-run` shows, or the components as for `policy activate`
    #[arg(
        value_name = "DIGEST|FILE",
        required_unless_present = "deactivation",
        conflicts_with = "deactivation"
    )]
    pub policies: Vec<OsString>,

    /// Approve that no policy is active any more
    #[arg(long)]
    pub deactivation: bool,

    /// With components: the approvals that the policy asks for, as in `policy activate`
    #[arg(long, value_name = "N")]
    pub activation_approvals: Option<u32>,

    /// How long the approval lasts, such as 7d or 12h [default: until it is used]
    #[arg(long, value_name = "TIME", value_parser = crate::time::span)]
    pub expires: Option<Duration>,

    /// The reason, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// The models.
    #[command(flatten)]
    pub scope: ScopeArgs,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

const APPROVE_POLICY_HELP: &str = "\
Examples:
  hydra-registry policy approve 3f1c… --reason \"reviewed\"
  hydra-registry policy approve stricter.wasm --set margin=0.01 --expires 7d
  hydra-registry policy approve --deactivation

A policy that asks for approvals (`activation-approvals`) changes only when so many people, other than the one who requests the
change, have approved of the new one. An approval ends with its use and when it expires.
Exit status: 0 approved, 1 one of several models refuses it; 2, 4 and 5 are errors.";

/// The models of a statement about the active policy.
#[derive(Debug, Args)]
pub struct ScopeArgs {
    /// Every model whose name fits this pattern, such as 'churn-*'
    #[arg(long, value_name = "PATTERN", conflicts_with = "expect_head")]
    pub models: Option<NamePattern>,

    /// Check and explain, but change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Arguments of `policy active`.
#[derive(Debug, Args)]
#[command(after_help = "Exit status: 0 a policy is active, 1 none is; 2, 4 and 5 are errors.")]
pub struct ActiveArgs {
    /// Every model whose name fits this pattern, such as 'churn-*'
    #[arg(long, value_name = "PATTERN")]
    pub models: Option<NamePattern>,
}

/// Arguments of `policy history`.
#[derive(Debug, Args)]
pub struct PolicyHistoryArgs {
    /// The most entries to show
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Only entries since this time: 2026-11-01, 2026-11-01T12:00Z or `3 days ago` (UTC)
    #[arg(long, value_name = "TIME", value_parser = crate::time::parse_time)]
    pub since: Option<Timestamp>,
}

fn language(name: &str) -> Result<Language, String> {
    name.parse().map_err(|error: Error| match error.hint() {
        Some(hint) => format!("{error}; {hint}"),
        None => error.to_string(),
    })
}
