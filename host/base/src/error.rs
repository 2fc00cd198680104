//! The one error type of the library.
//!
//! Every fallible call returns [`Error`]: an [`ErrorKind`] that callers match on, a message for people, key-value
//! context, an optional hint with the next step, and the source. `Display` prints the message and the context but not
//! the source; use [`std::error::Error::source`] for the chain.
//!
//! Messages, context and hints may quote servers, files and policies, so this module makes them all
//! [printable](crate::text). Only messages may have several lines.

mod kind;

use std::fmt;

use crate::text::{printable, printable_block};

pub use kind::{ErrorCategory, ErrorKind};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// A failure: its kind, the values involved, its cause, and the next step.
pub struct Error(Box<Inner>);

struct Inner {
    kind: ErrorKind,
    message: String,
    context: Vec<(&'static str, String)>,
    hint: Option<String>,
    source: Option<Source>,
    retryable: bool,
}

impl Error {
    /// An error of `kind`; `message` is lower case, without a trailing period.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self(Box::new(Inner {
            kind,
            message: printable_block(&message.into()),
            context: Vec::new(),
            hint: None,
            source: None,
            retryable: false,
        }))
    }

    /// Adds the error that caused this one.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Source>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// Adds a value of this occurrence, such as a path or a version.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, printable(&value.to_string())));
        self
    }

    /// Adds a hint: what the reader can do about the error.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(printable(&hint.into()));
        self
    }

    /// Sets whether the same call may succeed later without any change.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// The kind of the error.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Key-value pairs with the values of this occurrence.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// The hint: what the reader can do about the error.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same call may succeed later without any change.
    #[must_use]
    pub fn retryable(&self) -> bool {
        self.0.retryable
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)?;
        for (index, (key, value)) in self.0.context.iter().enumerate() {
            let open = if index == 0 { " (" } else { ", " };
            write!(f, "{open}{key}: {value}")?;
        }
        if self.0.context.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("kind", &self.0.kind)
            .field("message", &self.0.message)
            .field("context", &self.0.context)
            .field("hint", &self.0.hint)
            .field("retryable", &self.0.retryable)
            .field("source", &self.0.source)
            .finish()
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source.as_deref().map(|source| source as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::error::Error as _;

    #[test]
    fn display_names_the_context_and_never_repeats_the_source() {
        let error = Error::new(ErrorKind::Storage, "cannot write the file")
            .with_context("path", "/tmp/x")
            .with_context("bytes", 12)
            .with_source(std::io::Error::other("disk full"));
        assert_eq!(error.to_string(), "cannot write the file (path: /tmp/x, bytes: 12)");
        assert_eq!(error.source().map(ToString::to_string).as_deref(), Some("disk full"));
        assert_eq!(error.kind(), ErrorKind::Storage);
        assert!(!error.retryable());
    }

    #[test]
    fn what_an_error_quotes_is_printable_and_only_messages_have_lines() {
        let foreign = "a\n\u{1b}[2J\u{2028}\u{202e}\u{e0041}b";
        let error = Error::new(ErrorKind::Protocol, foreign).with_context("name", foreign).with_hint(foreign);
        let line = "a\u{fffd}\u{fffd}[2J\u{fffd}\u{fffd}\u{fffd}b";
        assert_eq!(error.message(), line.replacen('\u{fffd}', "\n", 1));
        assert_eq!(error.context(), [("name", line.to_owned())]);
        assert_eq!(error.hint(), Some(line));
    }
}
