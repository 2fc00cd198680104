//! Lines of bounded length.

use std::borrow::Cow;
use std::io::{BufRead, BufReader, Read};

use crate::input::source::unreadable;
use hydra_base::{Error, ErrorKind, Result};

/// The length limit of a line, so that a file of another format does not fill the memory.
const LONGEST: u64 = 64 << 20;

/// The lines that contain more than white space.
pub(super) struct Lines<R> {
    reader: BufReader<R>,
    line: Vec<u8>,
    number: u64,
}

/// A line.
pub(super) struct Line<'a> {
    pub(super) text: &'a [u8],
    /// Its number in the file, from 1.
    pub(super) number: u64,
}

impl<R: Read> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader: BufReader::with_capacity(1 << 17, reader), line: Vec::new(), number: 0 }
    }

    /// The next line; `None` at the end.
    pub(super) fn next(&mut self) -> Result<Option<Line<'_>>> {
        loop {
            self.line.clear();
            let read =
                (&mut self.reader).take(LONGEST).read_until(b'\n', &mut self.line).map_err(unreadable)?;
            if read == 0 {
                return Ok(None);
            }
            self.number += 1;
            if read as u64 == LONGEST && self.line.last() != Some(&b'\n') {
                return Err(Error::new(ErrorKind::InvalidData, "the line is too long")
                    .with_context("line", self.number)
                    .with_context("bytes", format_args!("more than {LONGEST}"))
                    .with_hint("write one JSON object per line"));
            }
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        let text = match self.number {
            // A byte order mark.
            1 => self.line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&self.line),
            _ => &self.line,
        };
        Ok(Some(Line { text: text.trim_ascii_end(), number: self.number }))
    }
}

/// The line in JSON. Python's `json` writes missing values as `NaN` and infinite numbers as `Infinity`, which JSON does not have: they
/// become `null` and the text `"Infinity"`.
pub(super) fn json(line: &[u8]) -> Cow<'_, [u8]> {
    const WORDS: [(&[u8], &[u8]); 3] =
        [(b"NaN", b"null"), (b"-Infinity", b"\"-Infinity\""), (b"Infinity", b"\"Infinity\"")];
    let mut changed: Option<Vec<u8>> = None;
    let (mut at, mut copied, mut in_text) = (0, 0, false);
    while let Some(byte) = line.get(at) {
        match byte {
            b'"' => in_text = !in_text,
            b'\\' if in_text => at += 1,
            b'N' | b'I' | b'-' if !in_text => {
                if let Some((word, json)) = WORDS.iter().find(|(word, _)| line[at..].starts_with(word)) {
                    let changed = changed.get_or_insert_default();
                    changed.extend_from_slice(&line[copied..at]);
                    changed.extend_from_slice(json);
                    at += word.len();
                    copied = at;
                    continue;
                }
            }
            _ => {}
        }
        at += 1;
    }
    match changed {
        None => Cow::Borrowed(line),
        Some(mut changed) => {
            changed.extend_from_slice(&line[copied..]);
            Cow::Owned(changed)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_python_become_json() {
        for (line, expected) in [
            (
                r#"{"x": NaN, "y": -Infinity, "z": Infinity}"#,
                r#"{"x": null, "y": "-Infinity", "z": "Infinity"}"#,
            ),
            (r#"{"NaN": "NaN", "a\"b": [NaN]}"#, r#"{"NaN": "NaN", "a\"b": [null]}"#),
            (r#"{"x": -1, "text\\": NaN}"#, r#"{"x": -1, "text\\": null}"#),
            (r#"{"x": "Infinity"#, r#"{"x": "Infinity"#),
            (r#"{"x": "\"#, r#"{"x": "\"#),
            ("", ""),
        ] {
            assert_eq!(String::from_utf8_lossy(&json(line.as_bytes())), expected);
        }
        assert!(matches!(json(br#"{"x": 1}"#), Cow::Borrowed(_)));
    }
}
