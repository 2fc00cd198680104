//! Checks what a guest answers.

use super::budget::Budget;
use super::text::one_line;
use super::types::Verdict;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};

/// Converts the texts and lists of an answer: checks the size of each, as the guest gave it, against the budget, and makes
/// texts fit on a line. Every text of a guest passes through here.
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
    /// The text without control characters.
    pub(super) fn text(self, what: &str, text: &str) -> Result<String> {
        let (bytes, limit) = (text.len(), self.0.text_bytes);
        if bytes <= limit as usize {
            return Ok(one_line(text));
        }
        let message = format!("the policy's {what} has {bytes} bytes; the limit is {limit}");
        Err(Error::new(ErrorKind::PolicyText, message)
            .with_hint("raise the policy limit `text-bytes`, or shorten the text"))
    }

    /// A move of an alias. An alias name that MLflow refuses is never managed, and version numbers begin with 1: such a move
    /// is an error of kind [`ErrorKind::Guard`], like those that the guards refuse.
    pub(super) fn alias_move(self, alias: &str, version: Option<u64>) -> Result<AliasMove> {
        let refuse =
            |what: String| move |source: Error| Error::new(ErrorKind::Guard, what).with_source(source);
        let name = self.text("alias", alias)?;
        let alias = Alias::new(name.as_str())
            .map_err(refuse(format!("the policy moves the alias `{name}`, which is not managed")))?;
        let version = version
            .map(Version::new)
            .transpose()
            .map_err(refuse(format!("the policy moves `{name}` to version 0, which does not exist")))?;
        Ok(AliasMove { alias, version })
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

/// Refuses a verdict without an explanation.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_move_that_names_no_alias_or_version_is_refused_as_by_the_guards() {
        let budget = Budget::default();
        let step = |alias, version| Answers(&budget).alias_move(alias, version);
        assert_eq!(step("champion", Some(3)).unwrap().to_string(), "champion -> 3");
        assert_eq!(step("champion", None).unwrap().to_string(), "champion removed");
        for (alias, version, objection) in [
            ("champion", Some(0), "the policy moves `champion` to version 0, which does not exist"),
            ("champion ", Some(3), "the policy moves the alias `champion `, which is not managed"),
            ("v3\u{1b}", None, "the policy moves the alias `v3\u{fffd}`, which is not managed"),
            ("latest", None, "the policy moves the alias `latest`, which is not managed"),
            ("", None, "the policy moves the alias ``, which is not managed"),
        ] {
            let error = step(alias, version).unwrap_err();
            assert_eq!((error.kind(), error.message()), (ErrorKind::Guard, objection));
        }
        let long = "a".repeat(budget.text_bytes as usize + 1);
        assert_eq!(step(&long, None).unwrap_err().kind(), ErrorKind::PolicyText);
    }
}
