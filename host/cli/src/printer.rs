//! Output: data to stdout as text or JSON, messages to stderr.

mod list;
mod messages;
mod pager;
mod progress;
mod terminal;

use std::io::{self, Write};

use serde::Serialize;

use crate::again::Again;
use crate::args::OutputFormat;
use hydra_base::text::{escape_json, printable_block};
use hydra_mlflow::environment;

use list::List;
pub use messages::EscapedStderr;
use pager::Sink;
pub use terminal::{Paint, Terminal, View};

/// Writes data and messages in the requested format.
#[derive(Debug)]
pub struct Printer {
    format: OutputFormat,
    quiet: bool,
    /// What a command that a text names has to repeat.
    again: Again,
    /// The list that is being printed.
    list: Option<List>,
    terminal: Terminal,
    /// How messages look.
    messages: Paint,
    /// Whether messages are JSON.
    has_json_messages: bool,
    may_page: bool,
    out: io::BufWriter<Sink>,
}

impl Printer {
    /// A printer to the process's stdout and stderr.
    #[must_use]
    pub fn new(format: OutputFormat, quiet: bool) -> Self {
        Self {
            format,
            quiet,
            again: Again::default(),
            list: None,
            terminal: Terminal::of_stdout(),
            messages: Paint::of_stderr(),
            has_json_messages: format != OutputFormat::Text || logs_json(),
            may_page: true,
            out: io::BufWriter::new(Sink::stdout()),
        }
    }

    /// The same, with the options that a named command has to repeat.
    #[must_use]
    pub(crate) fn with_options(self, again: Again) -> Self {
        Self { again, ..self }
    }

    /// The same, which shows long output in a pager only if `may_page`.
    #[must_use]
    pub(crate) fn with_pager(self, may_page: bool) -> Self {
        Self { may_page, ..self }
    }

    /// Whether the caller asked for JSON, in documents or in lines.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.format != OutputFormat::Text
    }

    /// How text on stdout is to look.
    #[must_use]
    pub fn view(&self) -> View {
        self.terminal.view()
    }

    /// From now on, text goes to the user's pager if stdout is a terminal.
    pub fn page(&mut self) -> io::Result<()> {
        if self.may_page && !self.is_json() && self.terminal.is_watched {
            self.out.flush()?;
            if let Some(sink) = Sink::pager() {
                self.out = io::BufWriter::new(sink);
            }
        }
        Ok(())
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

    /// Prints a document that is JSON in all formats: on one line, if the caller asked for lines.
    pub fn document<R: Serialize>(&mut self, document: &R) -> io::Result<()> {
        if self.format == OutputFormat::Jsonl {
            return self.json_line(document);
        }
        writeln!(self.out, "{}", escape_json(&serde_json::to_string_pretty(document)?))
    }

    /// Prints one item of a stream that is JSON lines in all formats.
    pub fn json_line<R: Serialize>(&mut self, item: &R) -> io::Result<()> {
        writeln!(self.out, "{}", escape_json(&serde_json::to_string(item)?))
    }

    /// Prints text as complete lines; prints nothing for an empty text.
    pub fn line(&mut self, text: &str) -> io::Result<()> {
        let text = self.terminal.paint.text(&whole_lines(text));
        self.out.write_all(text.as_bytes())
    }

    /// Prints the heading of a table.
    pub fn heading(&mut self, text: &str) -> io::Result<()> {
        let text = self.terminal.paint.heading(&whole_lines(text));
        self.out.write_all(text.as_bytes())
    }

    /// The stream for data, for commands that write another format.
    pub fn data(&mut self) -> &mut impl Write {
        &mut self.out
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

    /// Writes the buffered output to stdout.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes the buffered output, and waits until the pager is closed.
    pub fn finish(&mut self) -> io::Result<()> {
        let flushed = self.out.flush();
        self.out.get_mut().finish();
        flushed
    }
}

/// Whether the log on stderr is JSON, so that messages between its lines have to be JSON, too.
fn logs_json() -> bool {
    std::env::var(environment::LOG_FORMAT).is_ok_and(|format| format == "json")
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
