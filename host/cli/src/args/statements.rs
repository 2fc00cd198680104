//! The arguments of the statements about a version.

use std::time::Duration;

use clap::Args;

use super::ActorArgs;
use crate::time::span;
use hydra_base::names::Version;

/// Arguments of `nominate`.
#[derive(Debug, Args)]
#[command(after_help = NOMINATE_HELP)]
pub struct NominateArgs {
    /// The version that becomes the candidate
    pub version: Version,

    /// The reason, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

const NOMINATE_HELP: &str = "\
Example:
  hydra-registry nominate 12 --reason \"logged from a notebook\"

Exit status: 0 the version is the candidate; 2, 4 and 5 are errors.";

/// Arguments of `approve`.
#[derive(Debug, Args)]
#[command(after_help = APPROVE_HELP)]
pub struct ApproveArgs {
    /// The version to approve
    pub version: Version,

    /// How long the approval lasts, such as 7d or 12h [default: until it is used]
    #[arg(long, value_name = "TIME", value_parser = span)]
    pub expires: Option<Duration>,

    /// The reason, for the ledger and for the policy
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

const APPROVE_HELP: &str = "\
Examples:
  hydra-registry approve 12 --reason \"passed the bias review\"
  hydra-registry approve 12 --expires 7d

An approval ends when a promotion makes the version champion, when it expires, and when the bytes of the model change.
A rejection, a hold and a dry run leave it as it is. An approval by the person who logged the version is recorded as such.
Exit status: 0 approved; 2, 4 and 5 are errors.";

/// Arguments of `quarantine`.
#[derive(Debug, Args)]
#[command(after_help = QUARANTINE_HELP)]
pub struct QuarantineArgs {
    /// The version that must not become champion
    pub version: Version,

    /// The reason, for the ledger and for everyone who sees the version
    #[arg(long, value_name = "TEXT")]
    pub reason: String,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}

const QUARANTINE_HELP: &str = "\
Example:
  hydra-registry quarantine 12 --reason \"trained on leaked labels\"

Nothing moves: if the version is the champion, it stays the champion until another version is.
Exit status: 0 the version is in quarantine; 2, 4 and 5 are errors.";

/// Arguments of `release`.
#[derive(Debug, Args)]
#[command(
    after_help = "Exit status: 0 the version may become champion again, 2 it is not in quarantine; 4 and 5 are errors."
)]
pub struct ReleaseArgs {
    /// The version whose quarantine ends
    pub version: Version,

    /// The reason, for the ledger
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,

    /// Arguments of everything that the ledger records.
    #[command(flatten)]
    pub actor: ActorArgs,
}
