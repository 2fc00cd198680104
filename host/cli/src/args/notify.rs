//! The arguments of `notify`.

use clap::{Args, Subcommand};

/// The subcommands of `notify`.
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// Send every event that a receiver was not told yet
    #[command(after_help = CATCH_UP_HELP)]
    CatchUp(CatchUpArgs),
    /// Send every receiver an event that says nothing
    #[command(after_help = "Exit status: 0 every receiver took it, 1 one did not; 2, 4 and 5 are errors.")]
    Test(TestArgs),
}

/// Arguments of `notify catch-up`.
#[derive(Debug, Args)]
pub struct CatchUpArgs {
    /// Only the receiver of this name
    #[arg(long, value_name = "NAME")]
    pub receiver: Option<String>,

    /// Send from this entry on, whatever a receiver was told: to repeat events, or to leave out one that it does not take
    #[arg(long, value_name = "ENTRY")]
    pub from: Option<u64>,
}

/// Arguments of `notify test`.
#[derive(Debug, Args)]
pub struct TestArgs {
    /// Only the receiver of this name
    #[arg(long, value_name = "NAME")]
    pub receiver: Option<String>,
}

const CATCH_UP_HELP: &str = "\
Commands that decide do the same for at most two seconds. Receivers stand in `[notify.NAME]` in hydra.toml.

Examples:
  hydra-registry notify catch-up
  hydra-registry notify catch-up --receiver team --from 31

Exit status: 0 every receiver knows the newest entry, 1 one does not; 2, 4 and 5 are errors.";
