//! The JSON forms of messages on stderr.

use schemars::JsonSchema;
use serde::Serialize;

use crate::ExitStatus;
use hydra_base::error::{Error, ErrorCategory};

/// An error, on stderr.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ErrorReport {
    /// `hydra-registry/error/1`.
    pub schema: &'static str,
    /// The kind, such as `NoChampion`; `Usage` for an error of the command line, `Error` for one without a kind.
    pub kind: String,
    /// `usage`, `missing`, `refused`, `unavailable`, `data`, `policy`, `ledger` or `bug`; none for an error without a kind.
    pub category: Option<&'static str>,
    /// The exit status of the command.
    pub exit_status: u8,
    /// What went wrong.
    pub message: String,
    /// The errors that caused it, the nearest first.
    pub causes: Vec<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Whether the same command may succeed later without any change.
    pub retryable: bool,
}

impl ErrorReport {
    /// An error with the messages of its chain.
    pub(crate) fn new(
        error: Option<&Error>,
        chain: Vec<String>,
        hint: Option<String>,
        status: ExitStatus,
    ) -> Self {
        let mut chain = chain.into_iter();
        Self {
            schema: "hydra-registry/error/1",
            kind: error.map_or_else(|| "Error".to_owned(), |error| format!("{:?}", error.kind())),
            category: error.map(|error| error.kind().category().as_str()),
            exit_status: status.code(),
            message: chain.next().unwrap_or_default(),
            causes: chain.collect(),
            hint,
            retryable: error.is_some_and(Error::retryable),
        }
    }

    /// An error of the command line.
    pub(crate) fn of_usage(message: String, hint: Option<String>) -> Self {
        Self {
            schema: "hydra-registry/error/1",
            kind: "Usage".to_owned(),
            category: Some(ErrorCategory::Usage.as_str()),
            exit_status: ExitStatus::Error.code(),
            message,
            causes: Vec::new(),
            hint,
            retryable: false,
        }
    }
}

/// A message that is not an error, on stderr.
#[derive(Debug, Serialize, JsonSchema)]
pub struct NoteReport {
    /// `hydra-registry/note/1`.
    pub schema: &'static str,
    /// The message.
    pub message: String,
}

impl NoteReport {
    /// A message.
    pub(crate) fn new(message: String) -> Self {
        Self { schema: "hydra-registry/note/1", message }
    }
}
