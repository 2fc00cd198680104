//! The arguments of `history`.

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
    /// Check the chain and the aliases, and run every decision again; exit status 1 if a check fails
    Verify(VerifyArgs),
    /// Write every entry unchanged, one JSON document per line, newest first
    Export,
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

/// Arguments of `history verify`.
#[derive(Debug, Args)]
pub struct VerifyArgs {
    /// Check only the chain and the aliases; run no decisions again
    #[arg(long)]
    pub no_rerun: bool,
}
