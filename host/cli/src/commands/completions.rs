//! `completions`: what a shell completes.

use std::io::Write as _;

use clap::CommandFactory as _;

use crate::args::{Cli, CompletionsArgs};
use crate::{ExitStatus, Printer};

/// Writes the script of a shell.
pub fn run(args: &CompletionsArgs, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "hydra-registry", &mut script);
    printer.data().write_all(&script)?;
    Ok(ExitStatus::Done)
}
