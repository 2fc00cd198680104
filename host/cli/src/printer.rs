//! Output: data to stdout as text or JSON, messages to stderr.

use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::again::Again;
use crate::args::OutputFormat;
use hydra_base::error::{Error, ErrorCategory, ErrorKind};
use hydra_base::text::{escape_json, printable_block};

/// The exit status, which scripts rely on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExitStatus {
    /// 0: done, or nothing to do.
    Done,
    /// 1: the policy rejected, or a requested check found a problem.
    Rejected,
    /// 2: an error; nothing was changed, or the message describes the change.
    Error,
    /// 3: the policy holds: not enough evidence yet.
    Held,
    /// 4: what the command is about does not exist: a model, a version, an alias, an entry.
    Missing,
    /// 5: the store cannot be reached or stays busy. The same command may succeed later.
    Unavailable,
    /// 6: the ledger is sound, but a checkpoint bridges damage in it.
    Bridged,
}

impl ExitStatus {
    /// Every status with its meaning and the commands that end with it.
    pub(crate) const TABLE: [(Self, &str, &str); 7] = [
        (Self::Done, "done, nothing to do, or sound", "all"),
        (
            Self::Rejected,
            "the policy rejects, or a check finds a problem",
            "`promote`, `rollback`, `policy run`: a rejection; `history verify`, `doctor`, `status`, `policy test`: a problem",
        ),
        (Self::Error, "an error: nothing was changed, or the message says what was", "all"),
        (
            Self::Held,
            "the policy holds: the evidence is not sufficient yet",
            "`promote`, `rollback`, `policy run`",
        ),
        (
            Self::Missing,
            "there is no such model, version, alias, entry or file in the store",
            "all that read the store",
        ),
        (
            Self::Unavailable,
            "the store cannot be reached or stays busy; the same command may succeed later",
            "all that use the store",
        ),
        (Self::Bridged, "sound, but a checkpoint bridges damage", "`history verify`"),
    ];

    /// The status of a command that ends with an error.
    pub(crate) fn of_error(error: &anyhow::Error) -> Self {
        let Some(kind) = error.chain().find_map(|cause| cause.downcast_ref::<Error>()).map(Error::kind)
        else {
            return Self::Error;
        };
        match (kind.category(), kind) {
            (ErrorCategory::Missing, _) => Self::Missing,
            // They are about files and processes of this machine, and the last one is about the user's wish.
            (
                _,
                ErrorKind::Storage
                | ErrorKind::CacheUnavailable
                | ErrorKind::CompilerUnavailable
                | ErrorKind::AddressUnavailable
                | ErrorKind::Interrupted,
            ) => Self::Error,
            (ErrorCategory::Unavailable, _) => Self::Unavailable,
            _ => Self::Error,
        }
    }

    /// The exit code of the process.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Rejected => 1,
            Self::Error => 2,
            Self::Held => 3,
            Self::Missing => 4,
            Self::Unavailable => 5,
            Self::Bridged => 6,
        }
    }
}

impl From<ExitStatus> for ExitCode {
    fn from(status: ExitStatus) -> Self {
        Self::from(status.code())
    }
}

/// Writes data and messages in the requested format.
#[derive(Debug)]
pub struct Printer {
    format: OutputFormat,
    quiet: bool,
    /// What a command that a text names has to repeat.
    again: Again,
    out: io::BufWriter<io::Stdout>,
}

impl Printer {
    /// A printer to the process's stdout and stderr.
    #[must_use]
    pub fn new(format: OutputFormat, quiet: bool) -> Self {
        Self { format, quiet, again: Again::default(), out: io::BufWriter::new(io::stdout()) }
    }

    /// The same, with the options that a named command has to repeat.
    #[must_use]
    pub(crate) fn with_options(self, again: Again) -> Self {
        Self { again, ..self }
    }

    /// Whether the caller asked for JSON.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.format == OutputFormat::Json
    }

    /// Prints a report: `report` itself as one JSON document, or its `text` for people.
    pub fn report<R: Serialize>(&mut self, report: &R, text: impl FnOnce(&R) -> String) -> io::Result<()> {
        if self.is_json() {
            self.document(report)
        } else {
            let text = self.with_commands(&text(report));
            self.line(&text)
        }
    }

    /// Prints a document that is JSON in both formats.
    pub fn document<R: Serialize>(&mut self, document: &R) -> io::Result<()> {
        writeln!(self.out, "{}", escape_json(&serde_json::to_string_pretty(document)?))
    }

    /// The text, with complete commands in its lines that say what to do next.
    fn with_commands(&self, text: &str) -> String {
        let line = |line: &str| {
            let says = ["next:", "remedy:"].iter().any(|word| line.trim_start().starts_with(word));
            if says || line.contains("`hydra-registry ") {
                self.again.complete(line)
            } else {
                line.to_owned()
            }
        };
        text.split_inclusive('\n').map(line).collect()
    }

    /// Prints one item of a stream: a JSON line, or a line of text.
    pub fn item<R: Serialize>(&mut self, item: &R, text: impl FnOnce(&R) -> String) -> io::Result<()> {
        if self.is_json() { self.json_line(item) } else { self.line(&text(item)) }
    }

    /// Prints one item of a stream that is JSON lines in both formats.
    pub fn json_line<R: Serialize>(&mut self, item: &R) -> io::Result<()> {
        writeln!(self.out, "{}", escape_json(&serde_json::to_string(item)?))
    }

    /// Prints text, such as a heading, as complete lines; prints nothing for an empty text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        self.out.write_all(whole_lines(text).as_bytes())
    }

    /// The stream for data, for commands that write another format.
    pub fn data(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Prints a message to stderr, unless `--quiet` is set. The commands that it names get the options of this command line.
    #[expect(clippy::print_stderr, reason = "messages go to stderr only through this function")]
    pub fn note(&self, text: impl AsRef<str>) {
        if !self.quiet {
            eprint!("{}", whole_lines(&self.with_commands(text.as_ref())));
        }
    }

    /// A progress bar over `length` units on stderr; hidden if stderr is not a terminal or `--quiet` is set.
    #[must_use]
    pub fn progress(&self, length: Option<u64>, bytes: bool, message: &'static str) -> ProgressBar {
        let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new).with_message(message);
        let template = match (length.is_some(), bytes) {
            (true, true) => "{msg} [{bar:30}] {bytes}/{total_bytes} ({bytes_per_sec}, {eta})",
            (true, false) => "{msg} [{bar:30}] {pos}/{len} ({per_sec}, {eta})",
            (false, true) => "{msg} {spinner} {bytes} ({bytes_per_sec})",
            (false, false) => "{msg} {spinner} {pos} ({per_sec})",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style.progress_chars("=> "));
        }
        if self.quiet || !io::stderr().is_terminal() {
            bar.set_draw_target(ProgressDrawTarget::hidden());
        }
        bar
    }

    /// A sign on stderr that work goes on, with the time that it has taken; hidden like a progress bar.
    #[must_use]
    pub fn spinner(&self, message: &'static str) -> ProgressBar {
        let bar = self.progress(None, false, message);
        if let Ok(style) = ProgressStyle::with_template("{msg} {spinner} {elapsed}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(100));
        bar
    }

    /// Prints an error with its chain and hint to stderr: as text, or with `--output json` as a JSON object.
    #[expect(clippy::print_stderr, reason = "errors go to stderr only through this function")]
    pub fn error(&mut self, error: &anyhow::Error) {
        // Output before the error is still data.
        let _ = self.out.flush();
        let ours = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
        // Some messages contain an excerpt of several lines.
        let chain: Vec<String> =
            error.chain().map(|cause| printable_block(&cause.to_string()).trim_end().to_owned()).collect();
        let hint = ours.and_then(Error::hint).map(|hint| self.again.complete(hint));
        if self.is_json() {
            let report = serde_json::json!({
                "schema": "hydra-registry/error/1",
                "kind": ours.map_or_else(|| "Error".to_owned(), |e| format!("{:?}", e.kind())),
                "message": chain.first(),
                "causes": chain.get(1..),
                "hint": hint,
                "retryable": ours.is_some_and(Error::retryable),
            });
            eprintln!("{}", escape_json(&report.to_string()));
            return;
        }
        for (index, cause) in chain.iter().enumerate() {
            // Indented, so that a line of a message cannot be mistaken for one of this program.
            let cause = cause.replace('\n', "\n    ");
            eprintln!("{} {cause}", if index == 0 { "error:" } else { "  caused by:" });
        }
        if let Some(hint) = hint {
            eprintln!("hint: {hint}");
        }
    }

    /// Writes the buffered output to stdout.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Whether the error only means that the reader has closed the output.
pub(super) fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let direct = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        direct.or(json) == Some(io::ErrorKind::BrokenPipe)
    })
}

/// Printable text of several lines, ended by a newline.
fn whole_lines(text: &str) -> String {
    let mut block = printable_block(text);
    if !block.is_empty() && !block.ends_with('\n') {
        block.push('\n');
    }
    block
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_exit_status_of_an_error_follows_from_its_category() {
        for (kind, code) in [
            (ErrorKind::Config, 2),
            (ErrorKind::NoChampion, 4),
            (ErrorKind::VersionNotFound, 4),
            (ErrorKind::EntryNotFound, 4),
            (ErrorKind::Unreachable, 5),
            (ErrorKind::Timeout, 5),
            (ErrorKind::Locked, 5),
            (ErrorKind::Server, 5),
            (ErrorKind::Storage, 2),
            (ErrorKind::Interrupted, 2),
            (ErrorKind::CompilerUnavailable, 2),
            (ErrorKind::PolicyNotFound, 2),
            (ErrorKind::LedgerBroken, 2),
            (ErrorKind::PermissionDenied, 2),
        ] {
            let error = anyhow::Error::new(Error::new(kind, "x")).context("outer");
            assert_eq!(ExitStatus::of_error(&error).code(), code, "{kind:?}");
        }
        assert_eq!(ExitStatus::of_error(&anyhow::anyhow!("x")), ExitStatus::Error);
    }

    #[test]
    fn the_table_has_every_code_once_in_order() {
        let codes: Vec<u8> = ExitStatus::TABLE.iter().map(|(status, ..)| status.code()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 4, 5, 6]);
    }
}
