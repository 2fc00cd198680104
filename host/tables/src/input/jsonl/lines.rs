//! Lines of bounded length.

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
