//! The one error type of the library.
//!
//! Every fallible call returns [`Error`]: a [`ErrorKind`] that callers match on, a message for people, key-value
//! context, an optional hint that says what to do next, and the source. `Display` prints the message and the
//! context, never the source: walk [`std::error::Error::source`] for the chain.
//!
//! Messages, context and hints may quote what servers, files and policies say, so they are made
//! [printable](crate::text) here, in one place; only messages may have several lines.

use std::fmt;

use crate::text::{printable, printable_block};

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Source = Box<dyn std::error::Error + Send + Sync + 'static>;

/// What went wrong, as a value that callers match on and tests assert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting, flag, environment variable or configuration file is wrong.
    Config,
    /// A URI names a scheme for which there is no backend; the message lists those there are.
    UnsupportedScheme,
    /// A name, id, key or alias breaks MLflow's rules.
    InvalidName,
    /// An argument other than a name is outside what the call accepts.
    InvalidArgument,
    /// A table of input data (CSV, Parquet, ...) is damaged or does not fit the model.
    InvalidData,

    /// There is no such registered model.
    ModelNotFound,
    /// There is no such model version.
    VersionNotFound,
    /// There is no such run, experiment, logged model or other tracking entity.
    NotFound,
    /// The alias `champion` is not set: "No champion model set".
    NoChampion,
    /// The alias `candidate` is not set, and a command wanted the version behind it.
    NoCandidate,
    /// The version to roll back to was never the champion.
    NeverChampion,
    /// There is nothing to roll back to: "No archived model to rollback to".
    NoArchived,
    /// The entity to create exists already.
    AlreadyExists,
    /// The store refused because the entity is in the wrong state (deleted, not READY, ...).
    InvalidState,
    /// The store refused a request as malformed; a bug here or a server with other rules.
    BadRequest,

    /// The server wants credentials or refuses those given (HTTP 401).
    Unauthenticated,
    /// The credentials are known but not allowed to do this (HTTP 403).
    PermissionDenied,
    /// The server could not be reached: name, connection or TLS.
    Unreachable,
    /// The server did not answer in time.
    Timeout,
    /// The server asks to slow down (HTTP 429) and kept doing so until the deadline.
    RateLimited,
    /// The server failed (HTTP 5xx), or kept failing until the deadline.
    Server,
    /// The answer is not what the MLflow protocol says: an HTML page, damaged JSON, a missing field.
    Protocol,
    /// The server or store lacks a feature that the call needs.
    Unsupported,

    /// The local disk or database failed.
    Storage,
    /// The local store is locked by another process and stayed so until the deadline.
    Locked,
    /// A local database has a schema that this version cannot use safely.
    Schema,
    /// An artifact does not exist.
    ArtifactNotFound,
    /// A name or path from a registry tries to leave its root, or a host is not allow-listed.
    Untrusted,
    /// Bytes are not those promised: truncated download, digest mismatch.
    Integrity,

    /// A model file is damaged or breaks a validation rule.
    InvalidModel,
    /// A model file is of a format or uses a feature that is not supported.
    UnsupportedModel,
    /// LightGBM itself reported an error (training, prediction).
    LightGbm,

    /// The policy file cannot be read.
    PolicyNotFound,
    /// A policy project cannot be built: a compiler or tool is missing or fails.
    PolicyBuild,
    /// The file is not a component, imports something, or exports another interface version.
    PolicyIncompatible,
    /// The policy ran into a trap (unreachable, out of bounds, stack overflow, ...).
    PolicyTrap,
    /// The policy used up its fuel.
    PolicyFuel,
    /// The policy ran past its wall-clock limit.
    PolicyTimeout,
    /// The policy asked for more memory than its budget, tables and the state of its instances included.
    PolicyMemory,
    /// The policy has more instances, linear memories or tables than its budget.
    PolicyInstances,
    /// The policy cannot be instantiated, for a reason that is no limit.
    PolicyInstantiation,
    /// The component file is larger than the budget allows.
    PolicySize,
    /// The evidence is larger than the budget's input limit.
    PolicyInput,
    /// The answer is larger than the budget allows.
    PolicyAnswer,
    /// A single text in the answer is longer than the budget allows.
    PolicyText,
    /// A single list in the answer is longer than the budget allows.
    PolicyList,
    /// The answer breaks the contract (invalid UTF-8, unknown discriminant, ...).
    PolicyProtocol,
    /// The policy itself reported an error instead of a verdict.
    PolicyError,
    /// A policy setting is unknown, malformed or missing.
    PolicySettings,
    /// The policy said no; only as the error form of a transition.
    Rejected,
    /// The policy said not yet; only as the error form of a transition.
    Held,
    /// A guard of the host refused the policy's verdict.
    Guard,

    /// The ledger belongs to another model or was not made by this tool.
    LedgerIdentity,
    /// The ledger has a gap, a digest mismatch or an entry that cannot be read.
    LedgerBroken,
    /// Other writers kept winning until the deadline.
    Contention,

    /// The caller asked to stop, and what was begun was taken back.
    Interrupted,

    /// Something that should be impossible: a bug.
    Internal,
}

/// What went wrong, with which values, why, and what to do about it.
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

    /// Adds a value that tells this occurrence from others, such as a path or a version.
    #[must_use]
    pub fn with_context(mut self, key: &'static str, value: impl fmt::Display) -> Self {
        self.0.context.push((key, printable(&value.to_string())));
        self
    }

    /// Adds what the reader can do about it.
    #[must_use]
    pub fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.0.hint = Some(printable(&hint.into()));
        self
    }

    /// Says whether the same call may succeed later without anything being changed.
    #[must_use]
    pub fn with_retryable(mut self, retryable: bool) -> Self {
        self.0.retryable = retryable;
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.0.kind
    }

    /// The message alone, without context.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.0.message
    }

    /// Key-value pairs that tell this occurrence from others.
    #[must_use]
    pub fn context(&self) -> &[(&'static str, String)] {
        &self.0.context
    }

    /// What the reader can do about it.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        self.0.hint.as_deref()
    }

    /// Whether the same call may succeed later without anything being changed.
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
