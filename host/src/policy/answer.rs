//! What a guest answers, before the host believes any of it.

use super::budget::Budget;
use super::text::one_line;
use super::types::Verdict;
use crate::base::error::{Error, ErrorKind, Result};

/// Takes the texts and lists of an answer over: each is checked against the budget as the guest gave it, and texts are made to fit
/// on a line. Whatever a guest says goes through here.
#[derive(Clone, Copy)]
pub(super) struct Answers<'a>(pub(super) &'a Budget);

/// The policy's own report that it cannot decide.
#[derive(Debug)]
pub(super) enum Refusal {
    InvalidSettings(String),
    InvalidInput(String),
    Internal(String),
}

impl Answers<'_> {
    /// A text without control characters.
    pub(super) fn text(self, what: &str, text: &str) -> Result<String> {
        let (bytes, limit) = (text.len(), self.0.text_bytes);
        if bytes <= limit as usize {
            return Ok(one_line(text));
        }
        let message = format!("the policy's {what} has {bytes} bytes; the limit is {limit}");
        Err(Error::new(ErrorKind::PolicyText, message)
            .with_hint("raise the policy limit `text-bytes`, or shorten the text"))
    }

    /// Each item of a list, converted.
    pub(super) fn list<T, U>(
        self,
        what: &str,
        items: Vec<T>,
        convert: impl FnMut(T) -> Result<U>,
    ) -> Result<Vec<U>> {
        let limit = self.0.list_items;
        if items.len() <= limit as usize {
            return items.into_iter().map(convert).collect();
        }
        let message = format!("the policy's answer has {} {what}; the limit is {limit}", items.len());
        Err(Error::new(ErrorKind::PolicyList, message)
            .with_hint("raise the policy limit `list-items` if you trust the policy"))
    }
}

/// A verdict must say why.
pub(super) fn check(verdict: Verdict) -> Result<Verdict> {
    if verdict.explanation().trim().is_empty() {
        return Err(Error::new(ErrorKind::PolicyProtocol, "the policy's explanation is empty"));
    }
    Ok(verdict)
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let (kind, message) = match refusal {
            Refusal::InvalidSettings(message) => (ErrorKind::PolicySettings, message),
            Refusal::InvalidInput(message) => {
                (ErrorKind::PolicyError, format!("the evidence is invalid: {message}"))
            }
            Refusal::Internal(message) => (ErrorKind::PolicyError, format!("the policy failed: {message}")),
        };
        Self::new(kind, message)
    }
}
