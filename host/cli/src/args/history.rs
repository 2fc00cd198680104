//! The arguments of `history`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::time::parse_time;
use hydra_base::Timestamp;

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

    /// Show at most this many entries
    #[arg(long, value_name = "N")]
    pub limit: Option<usize>,
}

const HISTORY_HELP: &str = "\
Examples:
  hydra-registry history --since \"7 days ago\"
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
    /// Show one entry whole
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
