//! The arguments of `promote` and `rollback`.

use std::path::PathBuf;

use clap::Args;

use super::{ActorArgs, MeasureArgs};
use hydra_base::names::Version;

/// Arguments of `promote`.
#[derive(Debug, Args)]
#[command(after_help = PROMOTE_HELP, mut_arg("label", |label| label.requires("evaluate")))]
pub struct PromoteArgs {
    /// The version to promote [default: the one behind `candidate`]
    pub version: Option<Version>,

    /// Arguments of every decision.
    #[command(flatten)]
    pub decision: DecisionArgs,

    /// First measure the version and the champion on these labelled rows, and record it: the policy receives the evaluation as
    /// first-hand
    #[arg(long, value_name = "ROWS", requires = "label", conflicts_with = "allow_unloadable")]
    pub evaluate: Option<PathBuf>,

    /// What to measure, and on which columns.
    #[command(flatten, next_help_heading = "Options of --evaluate, as of the command `evaluate`")]
    pub measure: MeasureArgs,
}

const PROMOTE_HELP: &str = "\
Examples:
  hydra-registry promote --reason \"weekly retrain\"
  hydra-registry promote 12 --dry-run
  hydra-registry promote --policy metric-gate.wasm --set metric=auc --set margin=0.005
  hydra-registry promote --policy metric-gate.wasm --policy soak-time.wasm --set metric=auc --set soak-time.min-age=48h
  hydra-registry promote --evaluate holdout.parquet --label churned

The former champion becomes archived, unless the policy decides otherwise. A version whose model cannot be loaded does
not become champion: its files are gone or damaged, or it is not a LightGBM model.
Exit status: 0 promoted, staged or already champion, 1 rejected, 3 the policy holds; 2, 4 and 5 are errors.";

/// Arguments of `rollback`.
#[derive(Debug, Args)]
#[command(after_help = ROLLBACK_HELP)]
pub struct RollbackArgs {
    /// Return to this version, which must be a former champion [default: the archived version]
    #[arg(long, value_name = "VERSION")]
    pub to: Option<Version>,

    /// Put the version that stops being champion in quarantine [default: `quarantine-on-rollback` in hydra.toml]
    #[arg(long)]
    pub quarantine: bool,

    /// Arguments of every decision.
    #[command(flatten)]
    pub decision: DecisionArgs,
}

const ROLLBACK_HELP: &str = "\
Examples:
  hydra-registry rollback --reason \"latency alarm\"
  hydra-registry rollback --to 7
  hydra-registry rollback --quarantine --reason \"wrong prices\"

`champion` and `archived` swap, unless the policy decides otherwise. If the champion was last moved without hydra-registry,
the rollback returns to the version that was champion before by the ledger. A version in quarantine cannot be rolled back to:
with --quarantine, a second rollback does not undo the first.
Exit status: 0 rolled back, 1 rejected, 3 the policy holds; 2, 4 and 5 are errors.";

/// Arguments of `promote` and `rollback`.
#[derive(Debug, Args)]
pub struct DecisionArgs {
    /// Decide and explain, but change nothing
    #[arg(long)]
    pub dry_run: bool,

    /// Make the version champion even if its model cannot be loaded, for emergencies; the ledger records it
    #[arg(long)]
    pub allow_unloadable: bool,

    /// Decide by the policy of this host although another one is active for the model, for emergencies; needs --reason, and the
    /// ledger records it
    #[arg(long, requires = "reason")]
    pub override_policy: bool,

    /// The reason, for the ledger and for the policy
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}
