//! The arguments of `history`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use crate::time::parse_time;
use hydra_base::Timestamp;
use hydra_base::names::Version;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_policy::VerdictKind;

const SINCE: &str = "Only decisions since this time: 2026-11-01, 2026-11-01T12:00Z or `3 days ago` (UTC)";

/// Arguments of `history`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true, after_help = HISTORY_HELP)]
pub struct HistoryArgs {
    /// The action; without one, the history is shown.
    #[command(subcommand)]
    pub command: Option<HistoryCommand>,

    #[arg(long, value_name = "TIME", value_parser = parse_time, help = SINCE)]
    pub since: Option<Timestamp>,

    /// Show at most this many entries [default: all; with --follow, 10]
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,

    /// Write the history as one HTML page for browsers, which needs no server and no network; `-` writes to stdout
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,

    /// Of how many of the newest decisions the page shows the whole evidence
    #[arg(long, value_name = "N", requires = "html", default_value_t = 200)]
    pub evidence: usize,

    /// Only what this actor did; repeat it for several
    #[arg(long = "actor", value_name = "NAME")]
    pub actors: Vec<String>,

    /// Only entries about this version, or that move an alias to or from it; repeat it for several
    #[arg(long = "version", value_name = "N")]
    pub versions: Vec<Version>,

    /// Only decisions with this verdict; repeat it for several
    #[arg(long = "verdict", value_name = "VERDICT", value_enum)]
    pub verdicts: Vec<VerdictArg>,

    /// Only entries of this operation, such as promote or external; repeat it for several
    #[arg(long = "operation", value_name = "OPERATION", value_parser = operation)]
    pub operations: Vec<EntryKind>,

    /// Show the newest entries, then each new one as it comes, until interrupted
    #[arg(long, short)]
    pub follow: bool,
}

/// A verdict to search for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum VerdictArg {
    /// Approved.
    Approve,
    /// Rejected.
    Reject,
    /// Held.
    Hold,
}

impl From<VerdictArg> for VerdictKind {
    fn from(verdict: VerdictArg) -> Self {
        match verdict {
            VerdictArg::Approve => Self::Approve,
            VerdictArg::Reject => Self::Reject,
            VerdictArg::Hold => Self::Hold,
        }
    }
}

/// Reads an operation by its name.
fn operation(name: &str) -> Result<EntryKind, String> {
    serde_json::from_value(name.into()).map_err(|_| {
        "the value is not an operation; write promote, rollback, nominate, approve, quarantine, release, activate, deactivate, \
         genesis, external, aborted, reassert, checkpoint or archive"
            .to_owned()
    })
}

const HISTORY_HELP: &str = "\
Examples:
  hydra-registry history --since \"7 days ago\"
  hydra-registry history --version 14 --verdict reject
  hydra-registry history --follow
  hydra-registry history show 31
  hydra-registry history verify
  hydra-registry history export > ledger.jsonl
  hydra-registry history show 31 --as-case > my-policy/cases/entry-31.json";

/// The subcommands of `history`.
#[derive(Debug, Subcommand)]
pub enum HistoryCommand {
    /// Check the chain and the aliases, compare every decision with its archive, and run it again
    Verify(VerifyArgs),
    /// Write every entry unchanged, one JSON document per line, newest first
    Export(ExportArgs),
    /// Show one entry whole: its settings, its evidence side by side, evaluations, and every explanation
    Show(ShowEntryArgs),
}

/// Arguments of `history show`.
#[derive(Debug, Args)]
pub struct ShowEntryArgs {
    /// The number of the entry
    #[arg(value_name = "N")]
    pub number: u64,

    /// Write the decision as a case file for `policy test`: its evidence and its verdict
    #[arg(long)]
    pub as_case: bool,
}

/// Arguments of `history export`.
#[derive(Debug, Args)]
#[command(after_help = EXPORT_HELP)]
pub struct ExportArgs {
    /// Write only the head, on one line: the ledger's id, the number and the SHA-256 of its newest entry
    #[arg(long)]
    pub head: bool,
}

const EXPORT_HELP: &str = "\
Keep what it writes where the writers of the registry cannot change it: `history verify --against FILE` and
`promote --expect-head HEAD` compare the ledger with it.

Examples:
  hydra-registry history export > ledger.jsonl
  hydra-registry history export --head >> heads.txt";

/// Arguments of `history verify`.
#[derive(Debug, Args)]
#[command(after_help = VERIFY_HELP)]
pub struct VerifyArgs {
    /// Check only the chain and the aliases; run no decisions again
    #[arg(long)]
    pub no_rerun: bool,

    /// Also compare the ledger with an earlier `history export`, or with lines of `history export --head`
    #[arg(long, value_name = "FILE")]
    pub against: Option<PathBuf>,
}

const VERIFY_HELP: &str = "\
Against an earlier export it finds entries that were removed or written anew, a backup that was restored, and a ledger that was
deleted. Names entries whose authors had wrong clocks, beyond --clock-tolerance.
Exit status: 0 sound, 1 a check fails, 6 sound, but a checkpoint bridges damage; 2, 4 and 5 are errors.";
