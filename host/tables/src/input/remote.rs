//! Files that are elsewhere, such as in an object store, and are read in parts.

use std::fmt::Debug;
use std::io::{self, Read};
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::{Buf as _, Bytes};

/// The bytes that are asked for at once where a file is read from its start to its end.
const STEP: u64 = 8 << 20;

/// The bytes of the end of a file that are asked for at once: the footers of most files are shorter.
const END: u64 = 64 << 10;

/// The most bytes of parts of a file that are kept while its columns are read side by side.
const MOST_KEPT: u64 = 64 << 20;

/// The least bytes that are asked for at once in a column.
const LEAST_STEP: u64 = 256 << 10;

/// A file that is read in parts. Its bytes do not change while it is read: an implementation fails if they do.
pub trait RemoteFile: Debug + Send + Sync {
    /// Its address, for errors.
    fn name(&self) -> &str;

    /// How many bytes it has.
    fn length(&self) -> u64;

    /// The bytes of a range that is within the file. May wait for the network.
    fn read(&self, range: Range<u64>) -> io::Result<Bytes>;
}

/// Reads a file from its start to its end.
pub(super) struct FromStart {
    file: Arc<dyn RemoteFile>,
    position: u64,
    part: Bytes,
}

impl FromStart {
    pub(super) fn new(file: Arc<dyn RemoteFile>) -> Self {
        Self { file, position: 0, part: Bytes::new() }
    }
}

impl Read for FromStart {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            let end = self.file.length().min(self.position + STEP);
            if self.position == end || buffer.is_empty() {
                return Ok(0);
            }
            self.part = whole(self.file.read(self.position..end)?, end - self.position)?;
            self.position = end;
        }
        let read = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// Reads a file at several places, each of which goes on from where it was: those of the columns of a row group.
#[derive(Debug, Clone)]
pub(super) struct Places {
    file: Arc<dyn RemoteFile>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    /// The ranges that are read from their starts to their ends, sorted.
    ranges: Vec<Range<u64>>,
    /// For each range, the part of it that was asked for last: its position and its bytes.
    parts: Vec<(u64, Bytes)>,
}

impl Places {
    pub(super) fn new(file: Arc<dyn RemoteFile>) -> Self {
        let length = file.length();
        let places = Self { file, state: Arc::default() };
        let end = length.saturating_sub(END)..length;
        places.expect(Vec::from([end]));
        places
    }

    pub(super) fn length(&self) -> u64 {
        self.file.length()
    }

    /// From now on, these ranges are read, each in the order of its bytes.
    pub(super) fn expect(&self, mut ranges: Vec<Range<u64>>) {
        ranges.sort_by_key(|range| range.start);
        let parts = ranges.iter().map(|range| (range.start, Bytes::new())).collect();
        *self.state.lock().unwrap_or_else(PoisonError::into_inner) = State { ranges, parts };
    }

    /// `length` bytes from `start`, and what was asked for beyond them if `length` is `None`.
    pub(super) fn read(&self, start: u64, length: Option<u64>) -> io::Result<Bytes> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let State { ranges, parts } = &mut *state;
        let wanted_end = length.map(|length| start.saturating_add(length));
        let file_end = self.file.length();
        if start > file_end || wanted_end.is_some_and(|end| end > file_end) {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the range is not within the file"));
        }
        let Some(at) = ranges.iter().position(|range| range.contains(&start)) else {
            let end = wanted_end.unwrap_or(file_end.min(start.saturating_add(LEAST_STEP)));
            return whole(self.file.read(start..end)?, end - start);
        };
        let step = (MOST_KEPT / ranges.len() as u64).clamp(LEAST_STEP, STEP);
        let (from, part) = &mut parts[at];
        let has = |from: u64, part: &Bytes| {
            let end = from + part.len() as u64;
            from <= start && start < end && wanted_end.is_none_or(|wanted| wanted <= end)
        };
        if !has(*from, part) {
            let range = &ranges[at];
            let first = if range.end - range.start <= END { range.start } else { start };
            let end = range.end.min(first.saturating_add(step)).max(wanted_end.unwrap_or(0)).min(file_end);
            (*from, *part) = (first, whole(self.file.read(first..end)?, end - first)?);
        }
        let skipped = usize::try_from(start - *from).map_err(io::Error::other)?;
        let rest = part.slice(skipped..);
        Ok(match length.map(usize::try_from) {
            Some(Ok(length)) if length <= rest.len() => rest.slice(..length),
            _ => rest,
        })
    }

    /// A reader from `start`, for as long as one asks.
    pub(super) fn reader(&self, start: u64) -> impl Read + use<> {
        FromPlace { places: self.clone(), position: start, part: Bytes::new() }
    }
}

struct FromPlace {
    places: Places,
    position: u64,
    part: Bytes,
}

impl Read for FromPlace {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.part.is_empty() {
            if buffer.is_empty() || self.position >= self.places.length() {
                return Ok(0);
            }
            self.part = self.places.read(self.position, None)?;
            self.position += self.part.len() as u64;
        }
        let read = buffer.len().min(self.part.len());
        self.part.copy_to_slice(&mut buffer[..read]);
        Ok(read)
    }
}

/// The bytes, if there are as many as were asked for.
fn whole(bytes: Bytes, length: u64) -> io::Result<Bytes> {
    if bytes.len() as u64 == length {
        return Ok(bytes);
    }
    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the answer has another length than was asked for"))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes that count, and the ranges that were asked for.
    #[derive(Debug)]
    struct Numbers(u64, Mutex<Vec<Range<u64>>>);

    impl RemoteFile for Numbers {
        fn name(&self) -> &'static str {
            "numbers"
        }

        fn length(&self) -> u64 {
            self.0
        }

        fn read(&self, range: Range<u64>) -> io::Result<Bytes> {
            self.1.lock().expect("no panic").push(range.clone());
            Ok(range.map(|at| (at % 251) as u8).collect())
        }
    }

    fn numbers(length: u64) -> Arc<Numbers> {
        Arc::new(Numbers(length, Mutex::default()))
    }

    fn asked(file: &Numbers) -> Vec<Range<u64>> {
        std::mem::take(&mut *file.1.lock().expect("no panic"))
    }

    #[test]
    fn a_file_is_read_in_steps_from_its_start() {
        let file = numbers(STEP * 2 + 5);
        let mut bytes = Vec::new();
        FromStart::new(file.clone()).read_to_end(&mut bytes).expect("bytes");
        assert!(
            bytes.len() as u64 == file.0
                && bytes.iter().enumerate().all(|(at, byte)| at % 251 == *byte as usize)
        );
        assert_eq!(asked(&file), [0..STEP, STEP..STEP * 2, STEP * 2..STEP * 2 + 5]);
        let mut empty = Vec::new();
        FromStart::new(numbers(0)).read_to_end(&mut empty).expect("no bytes");
        assert!(empty.is_empty());
    }

    #[test]
    fn places_are_read_in_few_parts_and_never_beyond_their_ranges() {
        let file = numbers(10 << 20);
        let places = Places::new(file.clone());
        // A footer: its length, then itself.
        assert_eq!(places.read(file.0 - 8, Some(8)).expect("bytes").len(), 8);
        assert_eq!(places.read(file.0 - 5000, Some(5000)).expect("bytes")[0], ((file.0 - 5000) % 251) as u8);
        let end = file.0 - END..file.0;
        assert_eq!(asked(&file), [end]);
        places.expect(vec![1000..900_000, 900_000..2_000_000]);
        for start in [1000, 900_000] {
            let (mut reader, mut head) = (places.reader(start), [0; 30]);
            reader.read_exact(&mut head).expect("a head");
            assert_eq!(head[0], (start % 251) as u8);
            assert_eq!(places.read(start + 30, Some(5000)).expect("a page").len(), 5000);
        }
        assert_eq!(asked(&file), [1000..900_000, 900_000..2_000_000]);
        assert!(places.read(file.0 - 1, Some(2)).is_err() && places.read(file.0 + 1, None).is_err());
        let mut rest = Vec::new();
        places.reader(1_999_000).take(3000).read_to_end(&mut rest).expect("bytes beyond a range");
        assert!(rest.iter().enumerate().all(|(at, byte)| (1_999_000 + at) % 251 == *byte as usize));
        assert_eq!(rest.len(), 3000);
    }
}
