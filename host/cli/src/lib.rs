//! The command line: arguments → resolved settings → one command → an exit status.
//!
//! stdout is data, stderr is talk. A command returns an [`ExitStatus`]; errors travel as `anyhow::Error` up to
//! [`main`], which prints the chain and the hint.

mod args;
mod commands;
mod document;
mod interrupt;
mod moment;
mod policy;
mod predict;
mod printer;
#[cfg(test)]
mod reference;
mod report;
mod settings;
mod training;

use std::env::VarError;
use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write};
use std::process::ExitCode;

use clap::Parser;

use hydra_base::text::is_unprintable;
use hydra_mlflow::environment;

pub use args::Cli;
pub use printer::{ExitStatus, Printer};
pub use settings::Settings;

/// Runs the command line `args` (the program's name first) and returns its exit code.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let cli = match Cli::try_parse_from(args) {
        Ok(cli) => cli,
        Err(error) => {
            let failed = error.use_stderr();
            // A closed terminal is no reason to fail louder.
            let _ = error.print();
            return if failed { ExitStatus::Error.into() } else { ExitStatus::Done.into() };
        }
    };
    start_log(cli.global.verbose, cli.global.quiet);
    let mut printer = Printer::new(cli.global.output, cli.global.quiet);
    let status = run(cli, &mut printer).unwrap_or_else(|error| {
        if printer::is_broken_pipe(&error) {
            // The reader of our output went away (`| head`): not an error.
            return ExitStatus::Done;
        }
        printer.error(&error);
        ExitStatus::Error
    });
    status.into()
}

fn run(cli: Cli, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let settings = Settings::resolve(&cli.global)?;
    // Commands await one thing after another; worker threads would cost more to start than they bring.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let status = runtime.block_on(commands::run(cli.command, &settings, printer))?;
    printer.flush()?;
    Ok(status)
}

fn start_log(verbose: u8, quiet: bool) {
    use tracing_subscriber::EnvFilter;
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) => "warn",
        (false, 1) => "hydra_registry=info,warn",
        (false, 2) => "hydra_registry=debug,info",
        (false, _) => "trace",
    };
    let (filter, malformed) = match std::env::var(environment::LOG) {
        Ok(given) if !given.is_empty() => match EnvFilter::try_new(&given) {
            Ok(filter) => (filter, None),
            Err(error) => (EnvFilter::new(level), Some(error.to_string())),
        },
        Ok(_) | Err(VarError::NotPresent) => (EnvFilter::new(level), None),
        Err(error @ VarError::NotUnicode(_)) => (EnvFilter::new(level), Some(error.to_string())),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(|| LogWriter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .without_time()
        .try_init()
        // An embedding test may have set one already.
        .ok();
    if let Some(error) = malformed {
        tracing::warn!(error, "HYDRA_LOG is no log filter and is not used");
    }
}

/// Standard error for the log, whose fields may hold what servers say.
struct LogWriter;

impl Write for LogWriter {
    /// Writes an event. The escape character stays: it is of the formatter's own colours, which escapes those in fields.
    /// Lines after the first are indented, so that none of them passes for another event.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let plain = |c: char| {
            let kept = matches!(c, '\n' | '\t' | '\u{1b}') || !is_unprintable(c);
            if kept { c } else { char::REPLACEMENT_CHARACTER }
        };
        let text: String = String::from_utf8_lossy(event).chars().map(plain).collect();
        let text = text.trim_end_matches('\n').replace('\n', "\n    ");
        io::stderr().write_all((text + "\n").as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}
