//! Messages on stderr: text for people, or JSON lines for programs.

use std::io::{self, Write as _};

use clap::error::{ContextKind, ContextValue};
use tracing_subscriber::fmt::MakeWriter;

use super::{Printer, whole_lines};
use crate::ExitStatus;
use crate::report::{ErrorReport, NoteReport};
use hydra_base::error::Error;
use hydra_base::text::{escape_json, is_unprintable, printable_block};

impl Printer {
    /// Prints a message to stderr, unless `--quiet` is set. The commands that it names get the options of this command line.
    pub fn note(&self, text: impl AsRef<str>) {
        if self.quiet {
            return;
        }
        let text = self.with_commands(text.as_ref());
        if self.has_json_messages {
            write_json(&NoteReport::new(printable_block(text.trim_end())));
        } else {
            write(&self.messages.text(&whole_lines(&text)));
        }
    }

    /// Prints an error with its chain and hint to stderr: as text, or as a JSON object.
    pub fn error(&mut self, error: &anyhow::Error) {
        // Output before the error is still data.
        let _ = self.finish();
        let ours = error.chain().find_map(|cause| cause.downcast_ref::<Error>());
        // Some messages contain an excerpt of several lines.
        let chain: Vec<String> =
            error.chain().map(|cause| printable_block(&cause.to_string()).trim_end().to_owned()).collect();
        let hint = ours.and_then(Error::hint).map(|hint| self.again.complete(hint));
        if self.has_json_messages {
            let status = ExitStatus::of_error(error);
            write_json(&ErrorReport::new(ours, chain, hint, status));
            return;
        }
        let mut text = String::new();
        for (index, cause) in chain.iter().enumerate() {
            // Indented, so that a line of a message cannot be mistaken for one of this program.
            let cause = cause.replace('\n', "\n    ");
            text += &format!("{} {cause}\n", if index == 0 { "error:" } else { "  caused by:" });
        }
        if let Some(hint) = hint {
            text += &format!("hint: {hint}\n");
        }
        write(&self.messages.text(&text));
    }

    /// Prints what is wrong with the command line, or the help that it asks for.
    pub fn usage(&self, error: &clap::Error) {
        let text = error.render().to_string();
        if error.use_stderr() && self.has_json_messages {
            let (message, hints) = parts(error, &text);
            write_json(&ErrorReport::of_usage(message, hints));
        } else if text.chars().any(|c| c != '\n' && is_unprintable(c)) {
            // It quotes an argument or a variable.
            write(&whole_lines(&text));
        } else {
            // Ignore a failed write: the stream may be closed.
            let _ = error.print();
        }
    }
}

/// The message of an error of the command line without its label, and the hints.
fn parts(error: &clap::Error, text: &str) -> (String, Option<String>) {
    let asks_for_command = matches!(
        error.kind(),
        clap::error::ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
            | clap::error::ErrorKind::MissingSubcommand
    );
    if asks_for_command {
        let known = match error.get(ContextKind::ValidSubcommand) {
            Some(ContextValue::Strings(known)) => Some(known.join(", ")),
            _ => None,
        };
        return ("a command is missing".to_owned(), known.map(|known| format!("choose one of {known}")));
    }
    let text = printable_block(text);
    let paragraphs: Vec<&str> = text.split("\n\n").map(str::trim).collect();
    let message = paragraphs.first().copied().unwrap_or_default();
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let tips = text.lines().filter_map(|line| line.trim_start().strip_prefix("tip: "));
    let tips: Vec<&str> = tips.collect();
    let hint = if tips.is_empty() { "run the same command with --help".to_owned() } else { tips.join("; ") };
    (message.lines().map(str::trim).collect::<Vec<_>>().join(" "), Some(hint))
}

fn write_json(report: &impl serde::Serialize) {
    // These are texts and numbers, which JSON can represent.
    if let Ok(json) = serde_json::to_string(report) {
        write(&format!("{}\n", escape_json(&json)));
    }
}

/// Ignores a failed write: stderr may be closed.
fn write(text: &str) {
    let _ = io::stderr().lock().write_all(text.as_bytes());
}

/// stderr for events in JSON, whose texts may contain characters that a terminal must not receive.
#[derive(Debug, Clone, Copy, Default)]
pub struct EscapedStderr;

impl io::Write for EscapedStderr {
    /// Writes a whole event.
    fn write(&mut self, event: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(event);
        io::stderr().lock().write_all(escape_json(&text).as_bytes())?;
        Ok(event.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for EscapedStderr {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        Self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_a_command_line_has_a_message_and_hints() {
        use clap::CommandFactory as _;
        let parts_of = |line: &str| {
            let error = crate::Cli::command().try_get_matches_from(line.split(' ')).expect_err("refused");
            parts(&error, &error.render().to_string())
        };
        let (message, hint) = parts_of("h champion --as-off now");
        assert_eq!(message, "unexpected argument '--as-off' found");
        assert_eq!(hint.as_deref(), Some("a similar argument exists: '--as-of'"));
        let (message, hint) = parts_of("h promote --limit 3");
        assert_eq!(message, "unexpected argument '--limit' found");
        assert!(hint.is_some());
        assert_eq!(parts_of("h policy").0, "a command is missing");
    }
}
