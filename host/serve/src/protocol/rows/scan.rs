//! A reader of JSON that builds nothing: it moves over a text and hands out what is there.
//!
//! It accepts JSON (RFC 8259) and the words `NaN`, `Infinity` and `-Infinity`, which Python's writers use. Everything that it passes
//! over is checked.

use std::borrow::Cow;

use hydra_lightgbm::decimal;

use super::refusal::{Cause, Refusal};

/// How deeply lists and objects may be nested.
const DEEPEST: usize = 32;

pub(super) type Read<T> = Result<T, Refusal>;

/// A position in a JSON text.
#[derive(Clone)]
pub(super) struct Scanner<'b> {
    text: &'b str,
    at: usize,
}

/// The kind of a value, by its first byte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Object,
    List,
    Text,
    /// A number, a boolean, `null`, or what is not JSON.
    Other,
}

impl<'b> Scanner<'b> {
    /// The start of a body.
    pub(super) fn new(body: &'b [u8]) -> Read<Self> {
        let text = std::str::from_utf8(body)
            .map_err(|error| Refusal::because(Cause::Json, format_args!("not UTF-8: {error}")))?;
        // Python's reader skips it, too.
        Ok(Self { text: text.strip_prefix('\u{feff}').unwrap_or(text), at: 0 })
    }

    /// The position, for [`Scanner::back`].
    pub(super) fn position(&self) -> usize {
        self.at
    }

    /// Returns to a position.
    pub(super) fn back(&mut self, position: usize) {
        self.at = position;
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> usize {
        self.text.len() - self.at
    }

    /// The next byte that is not white space; 0 at the end.
    #[inline]
    pub(super) fn peek(&mut self) -> u8 {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return *byte;
            }
            self.at += 1;
        }
        0
    }

    /// The kind of the next value.
    pub(super) fn kind(&mut self) -> Kind {
        match self.peek() {
            b'{' => Kind::Object,
            b'[' => Kind::List,
            b'"' => Kind::Text,
            _ => Kind::Other,
        }
    }

    /// Requires the end of the text.
    pub(super) fn end(&mut self) -> Read<()> {
        if self.peek() == 0 && self.at == self.text.len() { Ok(()) } else { Err(self.not_json()) }
    }

    /// Enters the list that is next; `false` if it is empty, which leaves it.
    #[inline]
    pub(super) fn enter_list(&mut self) -> Read<bool> {
        self.enter(b'[', b']')
    }

    /// Enters the object that is next; `false` if it is empty, which leaves it.
    pub(super) fn enter_object(&mut self) -> Read<bool> {
        self.enter(b'{', b'}')
    }

    /// Whether another item of the list follows; otherwise leaves it.
    #[inline]
    pub(super) fn next_item(&mut self) -> Read<bool> {
        self.next(b']')
    }

    /// Whether another member of the object follows; otherwise leaves it.
    pub(super) fn next_member(&mut self) -> Read<bool> {
        self.next(b'}')
    }

    /// Reads the key of a member, and its colon.
    pub(super) fn key(&mut self) -> Read<Cow<'b, str>> {
        let key = self.text()?;
        if self.peek() != b':' {
            return Err(self.not_json());
        }
        self.at += 1;
        Ok(key)
    }

    /// Reads a text.
    pub(super) fn text(&mut self) -> Read<Cow<'b, str>> {
        if self.peek() != b'"' {
            return Err(self.not_json());
        }
        let start = self.at + 1;
        let mut at = start;
        loop {
            match self.text.as_bytes().get(at) {
                Some(b'"') => {
                    self.at = at + 1;
                    return Ok(Cow::Borrowed(&self.text[start..at]));
                }
                Some(b'\\') => return self.escaped(start, at),
                Some(0x20..) => at += 1,
                _ => {
                    self.at = at;
                    return Err(self.not_json());
                }
            }
        }
    }

    /// Reads a number, or one of the words for what JSON cannot write as a number.
    #[inline]
    pub(super) fn number(&mut self) -> Read<f64> {
        let bytes = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let digits = bytes.strip_prefix(b"-").unwrap_or(bytes);
        // LightGBM's spelling also has leading zeros, and other words.
        let plain = match digits {
            [b'0', b'0'..=b'9', ..] => None,
            [b'0'..=b'9', ..] => decimal::prefix(bytes),
            _ => None,
        };
        match plain {
            Some((number, length)) => {
                self.at += length;
                Ok(number)
            }
            None => self.word(),
        }
    }

    /// Reads `true` or `false`.
    pub(super) fn boolean(&mut self) -> Read<bool> {
        self.peek();
        if self.takes("true") {
            Ok(true)
        } else if self.takes("false") {
            Ok(false)
        } else {
            Err(self.not_json())
        }
    }

    /// Takes `null` if it is next.
    pub(super) fn null(&mut self) -> bool {
        self.peek() == b'n' && self.takes("null")
    }

    /// Passes over a value of any kind.
    pub(super) fn skip(&mut self) -> Read<()> {
        self.skip_below(0)
    }

    /// The refusal of what is at the position.
    #[cold]
    pub(super) fn not_json(&self) -> Refusal {
        Refusal::because(Cause::Json, format_args!("not JSON at byte {}", self.at))
    }

    #[inline]
    fn enter(&mut self, open: u8, close: u8) -> Read<bool> {
        if self.peek() != open {
            return Err(self.not_json());
        }
        self.at += 1;
        if self.peek() == close {
            self.at += 1;
            return Ok(false);
        }
        Ok(true)
    }

    #[inline]
    fn next(&mut self, close: u8) -> Read<bool> {
        let byte = self.peek();
        if byte == b',' || byte == close {
            self.at += 1;
            return Ok(byte == b',');
        }
        Err(self.not_json())
    }

    fn skip_below(&mut self, depth: usize) -> Read<()> {
        if depth > DEEPEST {
            return Err(Refusal::because(Cause::Depth, format_args!("more than {DEEPEST} levels")));
        }
        match self.peek() {
            b'"' => self.skip_text(),
            b'{' => {
                let mut more = self.enter_object()?;
                while more {
                    self.peek();
                    self.skip_text()?;
                    if self.peek() != b':' {
                        return Err(self.not_json());
                    }
                    self.at += 1;
                    self.skip_below(depth + 1)?;
                    more = self.next_member()?;
                }
                Ok(())
            }
            b'[' => {
                let mut more = self.enter_list()?;
                while more {
                    self.skip_below(depth + 1)?;
                    more = self.next_item()?;
                }
                Ok(())
            }
            b't' | b'f' => self.boolean().map(drop),
            b'n' if self.takes("null") => Ok(()),
            _ => self.number().map(drop),
        }
    }

    fn skip_text(&mut self) -> Read<()> {
        self.text().map(drop)
    }

    #[cold]
    fn word(&mut self) -> Read<f64> {
        for (word, number) in
            [("NaN", f64::NAN), ("Infinity", f64::INFINITY), ("-Infinity", f64::NEG_INFINITY)]
        {
            if self.takes(word) {
                return Ok(number);
            }
        }
        Err(self.not_json())
    }

    fn takes(&mut self, word: &str) -> bool {
        let is_next = self.text.as_bytes()[self.at..].starts_with(word.as_bytes());
        if is_next {
            self.at += word.len();
        }
        is_next
    }

    /// Reads the rest of a text with escapes: it starts at `start`, and the first escape is at `at`.
    #[cold]
    fn escaped(&mut self, start: usize, at: usize) -> Read<Cow<'b, str>> {
        let mut text = String::new();
        self.at = at;
        let mut plain = start;
        loop {
            match self.text.as_bytes().get(self.at) {
                Some(b'"') => {
                    text.push_str(&self.text[plain..self.at]);
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => {
                    text.push_str(&self.text[plain..self.at]);
                    text.push(self.escape()?);
                    plain = self.at;
                }
                Some(0x20..) => self.at += 1,
                _ => return Err(self.not_json()),
            }
        }
    }

    /// Reads an escape.
    fn escape(&mut self) -> Read<char> {
        let escape = self.text.as_bytes().get(self.at + 1).copied();
        let plain = match escape {
            Some(plain @ (b'"' | b'\\' | b'/')) => char::from(plain),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                let first = self.unit()?;
                let second = if (0xD800..0xDC00).contains(&first) { Some(self.unit()?) } else { None };
                let units = std::iter::once(first).chain(second);
                let decoded = char::decode_utf16(units).next().and_then(Result::ok);
                return decoded.ok_or_else(|| self.not_json());
            }
            _ => return Err(self.not_json()),
        };
        self.at += 2;
        Ok(plain)
    }

    /// Reads `\uXXXX`.
    fn unit(&mut self) -> Read<u16> {
        let bytes = self.text.as_bytes().get(self.at..self.at + 6);
        let digits = bytes.and_then(|bytes| bytes.strip_prefix(b"\\u"));
        let digits = digits.filter(|digits| digits.iter().all(u8::is_ascii_hexdigit));
        let unit = digits
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u16::from_str_radix(digits, 16).ok());
        let unit = unit.ok_or_else(|| self.not_json())?;
        self.at += 6;
        Ok(unit)
    }
}

#[cfg(test)]
mod tests;
