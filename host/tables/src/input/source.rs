//! Sources of bytes: a file, stdin or a reader, with a count of the bytes read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf, Bytes};

use crate::is_dash;
use hydra_base::sha256::Hasher;
use hydra_base::{Error, ErrorKind, Result, Sha256};

/// An opened input: a file, stdin or any reader.
pub struct Source {
    name: String,
    kind: Kind,
}

enum Kind {
    Reader(Box<dyn Read + Send>),
    Memory(Bytes),
    File { file: File, length: Option<u64> },
}

impl Source {
    /// Opens a file, or stdin for `-`.
    ///
    /// [`ErrorKind::Storage`] if the file does not exist, is a directory or cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        if is_dash(path) {
            return Ok(Self::from_reader("stdin", io::stdin()));
        }
        let name = path.display().to_string();
        let open = || {
            let file = File::open(path)?;
            let metadata = file.metadata()?;
            if metadata.is_dir() {
                return Err(io::Error::from(io::ErrorKind::IsADirectory));
            }
            Ok(Kind::File { file, length: metadata.is_file().then_some(metadata.len()) })
        };
        match open() {
            Ok(kind) => Ok(Self { name, kind }),
            Err(error) => Err(Error::new(ErrorKind::Storage, "cannot open the input")
                .with_context("file", name)
                .with_source(error)),
        }
    }

    /// Reads the bytes of `reader`; errors contain `name`.
    ///
    /// Parquet is copied to a temporary file first, because its footer is at the end.
    #[must_use]
    pub fn from_reader(name: &str, reader: impl Read + Send + 'static) -> Self {
        Self { name: name.to_owned(), kind: Kind::Reader(Box::new(reader)) }
    }

    /// Reads bytes in memory, without a copy of them; errors contain `name`.
    #[must_use]
    pub fn from_bytes(name: &str, bytes: Bytes) -> Self {
        Self { name: name.to_owned(), kind: Kind::Memory(bytes) }
    }

    /// The path of the file, `stdin`, or the name of the reader.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of all bytes, and a source that reads them from the start.
    ///
    /// A file is read once more for it; bytes that come once are copied to a temporary file. [`ErrorKind::Storage`] if the bytes
    /// cannot be read.
    pub fn digest(self) -> Result<(Self, Sha256)> {
        let name = self.name.clone();
        let unreadable = |error| unreadable(error).with_context("file", &name);
        let mut file = self.into_regular_file().map_err(|error| error.with_context("file", &name))?;
        file.rewind().map_err(unreadable)?;
        let mut hasher = Hasher::default();
        io::copy(&mut file, &mut hasher).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let length = Some(file.metadata().map_err(unreadable)?.len());
        Ok((Self { name, kind: Kind::File { file, length } }, hasher.finish()))
    }

    /// How many bytes there are, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.kind {
            Kind::File { length, .. } => *length,
            Kind::Memory(bytes) => Some(bytes.len() as u64),
            Kind::Reader(_) => None,
        }
    }

    /// The file, if it supports seeking; it shares its position with this source.
    pub(super) fn regular_file(&self) -> Result<Option<File>> {
        match &self.kind {
            Kind::File { file, length: Some(_) } => file.try_clone().map(Some).map_err(unreadable),
            _ => Ok(None),
        }
    }

    /// The bytes where they are, if they are in memory.
    pub(super) fn in_memory(&self) -> Option<Bytes> {
        match &self.kind {
            Kind::Memory(bytes) => Some(bytes.clone()),
            _ => None,
        }
    }

    /// A file that supports seeking; a stream is copied to a temporary file.
    pub(super) fn into_regular_file(self) -> Result<File> {
        if let Kind::File { file, length: Some(_) } = self.kind {
            return Ok(file);
        }
        let mut file = tempfile::tempfile().map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot create a temporary file for the input").with_source(error)
        })?;
        let (mut reader, _) = self.into_reader();
        io::copy(&mut reader, &mut file).map_err(unreadable)?;
        Ok(file)
    }

    /// The bytes, as a stream, and a count of those read.
    pub(super) fn into_reader(self) -> (Box<dyn Read + Send>, ByteCount) {
        let count = ByteCount::new();
        let reader: Box<dyn Read + Send> = match self.kind {
            Kind::File { file, .. } => Box::new(Counted { inner: file, count: count.clone() }),
            Kind::Memory(bytes) => Box::new(Counted { inner: bytes.reader(), count: count.clone() }),
            Kind::Reader(reader) => Box::new(Counted { inner: reader, count: count.clone() }),
        };
        (reader, count)
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The number of bytes read, and the limit.
#[derive(Debug, Clone)]
pub(super) struct ByteCount(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    read: AtomicU64,
    allowed: AtomicU64,
}

/// The error for reading more than the limit.
#[derive(Debug)]
pub(super) struct TooMuch;

impl ByteCount {
    fn new() -> Self {
        Self(Arc::new(Counts { read: AtomicU64::new(0), allowed: AtomicU64::new(u64::MAX) }))
    }

    /// The number of bytes read so far.
    pub(super) fn get(&self) -> u64 {
        self.0.read.load(Ordering::Relaxed)
    }

    /// Sets the limit: after `bytes` more bytes, reading fails with [`TooMuch`].
    pub(super) fn allow(&self, bytes: u64) {
        self.0.allowed.store(self.get().saturating_add(bytes), Ordering::Relaxed);
    }
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many bytes")
    }
}

impl std::error::Error for TooMuch {}

struct Counted<R> {
    inner: R,
    count: ByteCount,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let counts = &self.count.0;
        if counts.read.load(Ordering::Relaxed) >= counts.allowed.load(Ordering::Relaxed) {
            return Err(io::Error::other(TooMuch));
        }
        let read = self.inner.read(buffer)?;
        counts.read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

/// An error of reading the input.
pub(super) fn unreadable(error: io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot read the input").with_source(error)
}
