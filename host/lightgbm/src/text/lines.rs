//! Reads a model's lines, one value at a time, with line numbers for error messages.

use crate::decimal::{self, Number};
use hydra_base::{Error, ErrorKind};

/// A position in the text.
pub(super) struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    before: usize,
    line: usize,
    tree: Option<usize>,
}

impl<'a> Lines<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self::part(bytes, 0, 1)
    }

    /// A part of a text, preceded by `offset` bytes with `line` - 1 lines.
    pub fn part(bytes: &'a [u8], offset: usize, line: usize) -> Self {
        Self { bytes, at: 0, before: offset, line, tree: None }
    }

    /// Bytes of the text before the position.
    pub fn offset(&self) -> usize {
        self.before + self.at
    }

    /// Bytes from the position on.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at..]
    }

    /// The number of the line at the position, from 1.
    pub fn number(&self) -> usize {
        self.line
    }

    /// Sets the tree for the errors from here on.
    pub fn set_tree(&mut self, tree: Option<usize>) {
        self.tree = tree;
    }

    /// An error about a key of the line at the position.
    pub fn error(&self, kind: ErrorKind, message: impl Into<String>, key: &str) -> Error {
        self.located(Error::new(kind, message), Some(key))
    }

    /// An [`ErrorKind::InvalidModel`] about the line at the position, or about its tree.
    pub fn invalid_line(&self, message: impl Into<String>) -> Error {
        self.located(Error::new(ErrorKind::InvalidModel, message), None)
    }

    fn located(&self, mut error: Error, key: Option<&str>) -> Error {
        if let Some(tree) = self.tree {
            error = error.with_context("tree", tree);
        }
        if let Some(key) = key {
            error = error.with_context("key", key);
        }
        error.with_context("line", self.line)
    }

    /// An [`ErrorKind::InvalidModel`] about a key of the line at the position.
    pub fn invalid(&self, message: impl Into<String>, key: &str) -> Error {
        self.error(ErrorKind::InvalidModel, message, key)
    }

    /// An [`ErrorKind::InvalidModel`] about a key of the line that ends at the position.
    pub fn invalid_above(&self, message: impl Into<String>, key: &str) -> Error {
        Self { line: self.line.saturating_sub(1), ..*self }.invalid(message, key)
    }

    /// The line at the position, without its end, if there is one.
    pub fn peek(&self) -> Option<&'a [u8]> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        let length = rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
        let line = &rest[..length];
        Some(line.strip_suffix(b"\r").unwrap_or(line))
    }

    /// Moves past the line at the position.
    pub fn skip(&mut self) {
        let rest = self.rest();
        let length = rest.iter().position(|byte| *byte == b'\n').map_or(rest.len(), |length| length + 1);
        self.at += length;
        self.line += 1;
    }

    /// Moves past `text`, if it comes next.
    pub fn take(&mut self, text: &[u8]) -> bool {
        let found = self.rest().starts_with(text);
        if found {
            self.at += text.len();
        }
        found
    }

    /// Moves past the end of the line, if it comes next. The end of the text counts as the end of a line.
    pub fn take_end(&mut self) -> bool {
        let found = self.rest().is_empty() || self.take(b"\n") || self.take(b"\r\n");
        if found {
            self.line += 1;
        }
        found
    }

    /// The key of a `key=value` line; moves to its value. `None` for a key that is too long.
    pub fn key(&mut self) -> Option<&'a str> {
        let rest = self.rest();
        let length = rest.iter().take(64).position(|byte| matches!(byte, b'=' | b'\n'))?;
        let key = rest[..length].is_ascii().then(|| std::str::from_utf8(&rest[..length]).ok())??;
        if key.is_empty() || rest[length] != b'=' || key.bytes().any(|byte| byte.is_ascii_control()) {
            return None;
        }
        self.at += length + 1;
        Some(key)
    }

    /// The only integer up to the end of the line.
    pub fn integer(&mut self, key: &str) -> Result<i32, Error> {
        let (value, length) =
            decimal::integer(self.rest()).ok_or_else(|| self.invalid("expected an integer", key))?;
        self.at += length;
        if !self.take_end() {
            return Err(self.invalid("expected the end of the line after a number", key));
        }
        Ok(value)
    }

    /// Whether the value of the line is empty, apart from spaces.
    pub fn is_blank(&self) -> bool {
        let rest = self.rest();
        let spaces = rest.iter().take_while(|byte| **byte == b' ').count();
        matches!(rest[spaces..], [] | [b'\n', ..] | [b'\r', b'\n', ..])
    }

    /// Reads `count` integers up to the end of the line into `target`; `convert` rejects a value with `None`.
    pub fn integers<T>(
        &mut self,
        key: &str,
        count: usize,
        target: &mut Vec<T>,
        mut convert: impl FnMut(i32) -> Option<T>,
    ) -> Result<(), Error> {
        self.list(key, count, |rest| {
            let (value, length) = decimal::integer(rest)?;
            Some((length, convert(value).map(|value| target.push(value)).is_some()))
        })
    }

    /// Reads `count` numbers up to the end of the line into `target`; `convert` rejects a value with `None`.
    pub fn numbers<T>(
        &mut self,
        key: &str,
        count: usize,
        target: &mut Vec<T>,
        mut convert: impl FnMut(&Number<'a>) -> Option<T>,
    ) -> Result<(), Error> {
        self.list(key, count, |rest| {
            let number = Number::read(rest)?;
            Some((number.len(), convert(&number).map(|value| target.push(value)).is_some()))
        })
    }

    /// Checks that `count` numbers follow up to the end of the line.
    pub fn skip_numbers(&mut self, key: &str, count: usize) -> Result<(), Error> {
        self.list(key, count, |rest| Some((Number::read(rest)?.len(), true)))
    }

    /// Checks that `count` values of at least one byte each can follow, before memory is reserved for them.
    pub fn check_room(&self, key: &str, count: usize) -> Result<(), Error> {
        // Values are separated, and a line end or the end of the text follows.
        if count > self.rest().len().div_ceil(2) {
            return Err(self.invalid(format!("expected {count} values, but the text ends earlier"), key));
        }
        Ok(())
    }

    fn list(
        &mut self,
        key: &str,
        count: usize,
        mut read: impl FnMut(&'a [u8]) -> Option<(usize, bool)>,
    ) -> Result<(), Error> {
        let bytes = self.bytes;
        let mut at = self.at;
        let mut found = 0;
        let problem = loop {
            while bytes.get(at) == Some(&b' ') {
                at += 1;
            }
            match bytes.get(at) {
                None | Some(b'\n' | b'\r') => break None,
                _ if found == count => break Some(format!("expected {count} values, found more")),
                _ => {}
            }
            match read(&bytes[at..]) {
                Some((length, true))
                    if matches!(bytes.get(at + length), None | Some(b' ' | b'\n' | b'\r')) =>
                {
                    at += length;
                    found += 1;
                }
                Some((_, false)) => break Some(format!("value {found} is out of range")),
                _ => break Some(format!("value {found} is not a number of the expected type")),
            }
        };
        if let Some(problem) = problem {
            return Err(self.invalid(problem, key));
        }
        if found != count {
            return Err(self.invalid(format!("expected {count} values, found {found}"), key));
        }
        self.at = at;
        if !self.take_end() {
            return Err(self.invalid("a carriage return without a line feed", key));
        }
        Ok(())
    }
}
