//! The command line: arguments → resolved settings → one command → an exit status.
//!
//! stdout is for data, stderr for messages. A command returns an [`ExitStatus`]; errors are passed as `anyhow::Error`
//! to [`main`], which prints the chain and the hint.

mod again;
mod args;
mod commands;
mod document;
pub mod evaluate;
mod extras;
mod interrupt;
mod policy;
mod predict;
mod printer;
#[cfg(test)]
mod reference;
pub mod report;
mod selector;
mod settings;
mod time;

use std::env::VarError;
use std::ffi::OsString;
use std::io::{IsTerminal as _, Write as _};

use clap::{CommandFactory as _, FromArgMatches as _};

use hydra_base::text::printable;
use hydra_mlflow::environment;

use again::Again;
pub use args::Cli;
use args::{Command, GlobalArgs, LogFormat};
pub use extras::{Extras, MakeEngine, Train, TrainRequest, Trained};
pub use printer::{ExitStatus, Printer};
pub use settings::Settings;

/// Runs the command line `args` (the program's name first) with what the program adds to it.
pub fn main(args: impl IntoIterator<Item = OsString>, extras: Extras) -> ExitStatus {
    let status = run_words(args, extras);
    // Only a program in Rust does this at its end, and this library may be a part of another. A reader that has gone away is not an
    // error.
    let _ = std::io::stdout().flush();
    status
}

fn run_words(args: impl IntoIterator<Item = OsString>, extras: Extras) -> ExitStatus {
    let mut command = Cli::command();
    let parsed = command.try_get_matches_from_mut(args::gathered(args)).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok((cli, Again::of(&matches)))
    });
    let (cli, again) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let failed = error.use_stderr();
            // Ignore a failed write: stderr may be closed.
            let _ = error.print();
            return if failed { ExitStatus::Error } else { ExitStatus::Done };
        }
    };
    start_log(&cli);
    let mut printer = Printer::new(cli.global.output, cli.global.quiet).with_options(again);
    run(cli, extras, &mut printer).unwrap_or_else(|error| {
        if printer::is_broken_pipe(&error) {
            // The reader of the output has closed it (`| head`), which is not an error.
            return ExitStatus::Done;
        }
        printer.error(&error);
        ExitStatus::Error
    })
}

fn run(cli: Cli, extras: Extras, printer: &mut Printer) -> anyhow::Result<ExitStatus> {
    let settings = Settings::resolve(&cli.global, extras)?;
    let runtime = match &cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        // They await requests one after another; worker threads would take longer to start than they save.
        _ => tokio::runtime::Builder::new_current_thread().enable_all().build()?,
    };
    let status = runtime.block_on(commands::run(cli.command, &settings, printer))?;
    printer.flush()?;
    Ok(status)
}

fn start_log(cli: &Cli) {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::field::MakeExt as _;
    use tracing_subscriber::fmt::format::debug_fn;
    let GlobalArgs { verbose, quiet, .. } = cli.global;
    let serve = match &cli.command {
        Command::Serve(args) => Some(args.log_format),
        _ => None,
    };
    let level = match (quiet, verbose) {
        (true, _) => "error",
        (false, 0) if serve.is_some() => "hydra=info,warn",
        (false, 0) => "warn",
        (false, 1) => "hydra=info,warn",
        (false, 2) => "hydra=debug,info",
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
    // Fields may contain text from servers, and the formatter escapes only the message.
    let fields = debug_fn(|writer, field, value| match (field.name(), printable(&format!("{value:?}"))) {
        ("message", text) => writer.write_str(&text),
        (name, text) => write!(writer, "{name}={text}"),
    })
    .delimited(" ");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    let started = match serve {
        Some(LogFormat::Json) => log.json().flatten_event(true).with_current_span(false).try_init(),
        Some(LogFormat::Text) => log.fmt_fields(fields).try_init(),
        None => log.fmt_fields(fields).without_time().try_init(),
    };
    // An embedding test may have installed a subscriber already.
    started.ok();
    if let Some(error) = malformed {
        tracing::warn!(error, "ignoring HYDRA_LOG: not a valid log filter");
    }
}
