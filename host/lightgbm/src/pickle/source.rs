//! Reads the bytes of a pickle. Every length is checked against the remaining bytes before it is used.

use std::borrow::Cow;

use crate::error::damaged;
use hydra_base::{Error, Result};

pub(super) struct Source<'a> {
    bytes: &'a [u8],
    position: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub(super) fn position(&self) -> usize {
        self.position
    }

    pub(super) fn remaining(&self) -> usize {
        self.bytes.len() - self.position
    }

    pub(super) fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.position..];
        let Some((taken, _)) = rest.split_at_checked(count) else {
            return Err(damaged("the pickle is truncated")
                .with_context("wanted", count)
                .with_context("remaining", rest.len()));
        };
        self.position += count;
        Ok(taken)
    }

    pub(super) fn byte(&mut self) -> Result<u8> {
        Ok(self.take(1)?[0])
    }

    /// A little-endian number of up to 8 bytes.
    pub(super) fn number(&mut self, bytes: usize) -> Result<u64> {
        debug_assert!(bytes <= 8);
        Ok(self.take(bytes)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// A little-endian length of `width` bytes; at most the number of remaining bytes.
    pub(super) fn length(&mut self, width: usize) -> Result<usize> {
        let length = self.number(width)?;
        match usize::try_from(length) {
            Ok(length) if length <= self.remaining() => Ok(length),
            _ => Err(damaged("the pickle declares more bytes than it has")
                .with_context("declared", length)
                .with_context("remaining", self.remaining())),
        }
    }

    /// Bytes, preceded by their length.
    pub(super) fn counted(&mut self, width: usize) -> Result<&'a [u8]> {
        let length = self.length(width)?;
        self.take(length)
    }

    /// UTF-8 text, preceded by its length.
    pub(super) fn text(&mut self, width: usize) -> Result<&'a str> {
        std::str::from_utf8(self.counted(width)?).map_err(|_| not_text())
    }

    /// A line without its line feed.
    pub(super) fn line(&mut self) -> Result<&'a str> {
        let rest = &self.bytes[self.position..];
        let end =
            rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("the pickle is truncated"))?;
        self.position += end + 1;
        std::str::from_utf8(&rest[..end]).map_err(|_| not_text())
    }

    /// A line in Python's raw-unicode-escape encoding: Latin-1, with `\u` escapes for other characters.
    pub(super) fn escaped_line(&mut self) -> Result<Cow<'a, str>> {
        let rest = &self.bytes[self.position..];
        let end =
            rest.iter().position(|byte| *byte == b'\n').ok_or_else(|| damaged("the pickle is truncated"))?;
        self.position += end + 1;
        let line = &rest[..end];
        match std::str::from_utf8(line) {
            Ok(plain) if line.is_ascii() && !line.contains(&b'\\') => Ok(Cow::Borrowed(plain)),
            _ => unescape(line).map(Cow::Owned),
        }
    }
}

fn unescape(line: &[u8]) -> Result<String> {
    let mut text = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((byte, after)) = rest.split_first() {
        let digits = match after.first() {
            Some(b'u') if *byte == b'\\' => 4,
            Some(b'U') if *byte == b'\\' => 8,
            _ => {
                text.push(char::from(*byte));
                rest = after;
                continue;
            }
        };
        let code = after.get(1..=digits).and_then(|digits| std::str::from_utf8(digits).ok());
        let code = code.and_then(|digits| u32::from_str_radix(digits, 16).ok()).and_then(char::from_u32);
        text.push(code.ok_or_else(not_text)?);
        rest = &after[1 + digits..];
    }
    Ok(text)
}

fn not_text() -> Error {
    damaged("a string of the pickle is not text")
}
