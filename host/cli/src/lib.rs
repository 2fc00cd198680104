//! The command line: arguments → resolved settings → one command → an exit status.
//!
//! stdout is for data, stderr for messages. A command returns an [`ExitStatus`]; errors are passed as `anyhow::Error`
//! to [`main`], which prints the chain and the hint.

mod again;
mod args;
mod commands;
mod delimiter;
mod document;
pub mod evaluate;
mod exit_status;
mod extras;
mod flags;
#[cfg(test)]
mod golden;
mod interrupt;
#[cfg(test)]
mod manual;
mod policy;
mod predict;
mod printer;
#[cfg(test)]
mod reference;
mod remote;
pub mod report;
mod selector;
mod settings;
mod suggest;
mod table;
mod time;
mod versions;

use std::collections::BTreeMap;
use std::env::VarError;
use std::ffi::OsString;
use std::io::Write as _;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use clap::{CommandFactory as _, FromArgMatches as _, ValueEnum as _};

use hydra_base::error::{Error, ErrorKind};
use hydra_base::text::printable;
use hydra_mlflow::environment;
use hydra_policy::{COMPILER_ARGUMENT, compiler_main};

use again::Again;
pub use args::Cli;
use args::{Command, GlobalArgs, LogFormat, OutputFormat};
pub use exit_status::ExitStatus;
pub use extras::{Extras, MakeEngine, Train, TrainRequest, Trained};
use printer::{EscapedStderr, Paint};
pub use printer::{Printer, View};
pub use settings::Settings;

/// The stack of the thread that runs the command line: that of the main thread may be smaller (`ulimit -s`).
const STACK_BYTES: usize = 8 << 20;

/// Runs the command line `args` (the program's name first) with what the program adds to it.
pub fn main(args: impl IntoIterator<Item = OsString>, extras: Extras) -> ExitStatus {
    let args: Vec<_> = args.into_iter().collect();
    if args.get(1).is_some_and(|first| first == COMPILER_ARGUMENT) {
        let has_replied = compiler_main(args.get(2).map(OsString::as_os_str));
        return if has_replied { ExitStatus::Done } else { ExitStatus::Error };
    }
    let format = args::wanted_format(&args);
    let running = thread::Builder::new()
        .name("hydra-registry".to_owned())
        .stack_size(STACK_BYTES)
        .spawn(move || run_words(args, format, extras));
    let status = match running.map(JoinHandle::join) {
        Ok(Ok(status)) => status,
        Ok(Err(panic)) => std::panic::resume_unwind(panic),
        Err(error) => {
            Printer::new(format, false).error(&anyhow::Error::new(error).context("cannot start a thread"));
            ExitStatus::Error
        }
    };
    // Only a program in Rust does this at its end, and this library may be a part of another. A reader that has gone away is not an
    // error.
    let _ = std::io::stdout().flush();
    status
}

/// Runs a command line. `format` is that of the messages about a command line that cannot be read.
fn run_words(args: Vec<OsString>, format: OutputFormat, extras: Extras) -> ExitStatus {
    let mut command = Cli::command();
    let words = args::gathered(args);
    let parsed = command.try_get_matches_from_mut(&words).and_then(|matches| {
        let cli = Cli::from_arg_matches(&matches).map_err(|error| error.format(&mut command))?;
        Ok((cli, Again::of(&matches), flags::on_command_line(&matches)))
    });
    let (cli, again, flags) = match parsed {
        Ok(parsed) => parsed,
        Err(error) => {
            let error = suggest::improved(error, &words);
            Printer::new(format, false).usage(&error);
            return if error.use_stderr() { ExitStatus::Error } else { ExitStatus::Done };
        }
    };
    start_log(&cli);
    let GlobalArgs { output, quiet, no_pager, .. } = cli.global;
    let mut printer = Printer::new(output, quiet).with_options(again).with_pager(!no_pager);
    run(cli, flags, extras, &mut printer).unwrap_or_else(|error| {
        if printer::is_broken_pipe(&error) {
            // The reader of the output has closed it (`| head`), which is not an error.
            return ExitStatus::Done;
        }
        printer.error(&error);
        ExitStatus::of_error(&error)
    })
}

fn run(
    cli: Cli,
    flags: BTreeMap<String, String>,
    extras: Extras,
    printer: &mut Printer,
) -> anyhow::Result<ExitStatus> {
    let limit = cli.global.timeout.or_else(|| cli.command.usual_timeout());
    let settings = Settings { flags, ..Settings::resolve(&cli.global, extras)? };
    let runtime = match &cli.command {
        Command::Serve(_) => tokio::runtime::Builder::new_multi_thread().enable_all().build()?,
        // They await requests one after another; worker threads would take longer to start than they save.
        _ => {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.thread_stack_size(STACK_BYTES).enable_all().build()?
        }
    };
    let command = Box::pin(commands::run(cli.command, &settings, printer));
    let status = match limit {
        None => runtime.block_on(command)?,
        Some(limit) => match runtime.block_on(async { tokio::time::timeout(limit, command).await }) {
            Ok(status) => status?,
            Err(_) => {
                // Threads may still wait for a lock or a disk.
                runtime.shutdown_background();
                return Err(timed_out(limit).into());
            }
        },
    };
    printer.finish()?;
    Ok(status)
}

fn timed_out(limit: Duration) -> Error {
    let limit = jiff::SignedDuration::try_from(limit).unwrap_or(jiff::SignedDuration::MAX);
    Error::new(ErrorKind::Timeout, format!("the command did not end within {limit:#}"))
        .with_retryable(true)
        .with_hint("see with `hydra-registry history` whether it was recorded; then repeat it, with more time by `--timeout`")
}

fn start_log(cli: &Cli) {
    use tracing_subscriber::EnvFilter;
    use tracing_subscriber::field::MakeExt as _;
    use tracing_subscriber::fmt::format::debug_fn;
    let GlobalArgs { verbose, quiet, output, .. } = cli.global;
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
    let mut malformed = Vec::new();
    let filter = variable(environment::LOG, "log filter", |text| EnvFilter::try_new(text), &mut malformed);
    let format = |text: &str| LogFormat::from_str(text, false);
    let format = variable(environment::LOG_FORMAT, "log format", format, &mut malformed);
    // Fields may contain text from servers, and the formatter escapes only the message.
    let fields = debug_fn(|writer, field, value| match (field.name(), printable(&format!("{value:?}"))) {
        ("message", text) => writer.write_str(&text),
        (name, text) => write!(writer, "{name}={text}"),
    })
    .delimited(" ");
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter.unwrap_or_else(|| EnvFilter::new(level)))
        .with_writer(std::io::stderr)
        .with_ansi(Paint::of_stderr().has_colour())
        .with_target(false);
    let asked = serve.flatten().or(format);
    let is_json =
        output != OutputFormat::Text || asked.map_or(serve.is_some(), |format| format == LogFormat::Json);
    let started = match (is_json, serve.is_some() || asked == Some(LogFormat::Json)) {
        (true, with_time) => {
            let log = log.with_writer(EscapedStderr).json().flatten_event(true).with_current_span(false);
            if with_time { log.try_init() } else { log.without_time().try_init() }
        }
        (false, true) => log.fmt_fields(fields).try_init(),
        (false, false) => log.fmt_fields(fields).without_time().try_init(),
    };
    // An embedding test may have installed a subscriber already.
    started.ok();
    for (name, what, error) in malformed {
        tracing::warn!(error, "ignoring {name}: not a valid {what}");
    }
}

/// The value of a variable of the log; an empty one counts as unset. One that cannot be read is named once there is a log.
fn variable<T, E: ToString>(
    name: &'static str,
    what: &'static str,
    read: impl FnOnce(&str) -> Result<T, E>,
    malformed: &mut Vec<(&'static str, &'static str, String)>,
) -> Option<T> {
    let given = match std::env::var(name) {
        Ok(given) if !given.is_empty() => read(&given).map_err(|error| error.to_string()),
        Ok(_) | Err(VarError::NotPresent) => return None,
        Err(error @ VarError::NotUnicode(_)) => Err(error.to_string()),
    };
    given.map_err(|error| malformed.push((name, what, error))).ok()
}
