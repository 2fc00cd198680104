//! Sources of bytes: a file, stdin or a reader, with a count of the bytes read.

use std::fmt;
use std::fs::File;
use std::io::{self, Read, Seek};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Buf as _, Bytes};

use super::compression::{self, Compression, Damaged};
use super::constant::Constant;
use super::remote::{FromStart, RemoteFile};
use crate::format::{is_dash, is_tabs, without_compression};
use hydra_base::sha256::Hasher;
use hydra_base::{Error, ErrorKind, Result, Sha256};

/// An opened input: a file, stdin or any reader. Bytes that are compressed with gzip, zstd or bzip2 are decompressed.
pub struct Source {
    name: String,
    kind: Kind,
    delimiter: Option<u8>,
    most_unpacked: u64,
    most_columns: usize,
    constants: Arc<[Constant]>,
}

/// The most bytes that the parts of bytes in memory may be unpacked, unless [`Source::unpacked_at_most`] sets another number.
const MOST_UNPACKED: u64 = 256 << 20;

enum Kind {
    Reader(Box<dyn Read + Send>),
    Memory(Bytes),
    File { file: File, length: Option<u64> },
    Remote(Arc<dyn RemoteFile>),
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
        let delimiter = is_tabs(&without_compression(path)).then_some(b'\t');
        match open() {
            Ok(kind) => Ok(Self { delimiter, ..Self::new(name, kind) }),
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
        Self::new(name.to_owned(), Kind::Reader(Box::new(reader)))
    }

    /// Says what separates the columns of CSV. Without it, the extension .tsv or .tab or else the header decides.
    #[must_use]
    pub fn delimited_by(self, delimiter: Option<u8>) -> Self {
        Self { delimiter: delimiter.or(self.delimiter), ..self }
    }

    /// Reads bytes in memory, without a copy of them; errors contain `name`.
    #[must_use]
    pub fn from_bytes(name: &str, bytes: Bytes) -> Self {
        Self::new(name.to_owned(), Kind::Memory(bytes))
    }

    /// Reads a file that is elsewhere: Parquet by its parts, other formats from their start to their end.
    #[must_use]
    pub fn from_remote(file: Arc<dyn RemoteFile>) -> Self {
        let delimiter = is_tabs(&without_compression(Path::new(file.name()))).then_some(b'\t');
        Self { delimiter, ..Self::new(file.name().to_owned(), Kind::Remote(file)) }
    }

    fn new(name: String, kind: Kind) -> Self {
        Self {
            name,
            kind,
            delimiter: None,
            most_unpacked: MOST_UNPACKED,
            most_columns: usize::MAX,
            constants: [].into(),
        }
    }

    /// Adds columns of one value each.
    pub(crate) fn with_constants(self, constants: Arc<[Constant]>) -> Self {
        Self { constants, ..self }
    }

    /// The columns of one value each, which are not in the bytes.
    pub(super) fn constants(&self) -> Arc<[Constant]> {
        self.constants.clone()
    }

    /// Says how many bytes the pages of a Parquet file in memory may be when they are unpacked; its default is 256 MiB. Errors about
    /// more have the context `unpacked`.
    #[must_use]
    pub fn unpacked_at_most(self, most_unpacked: u64) -> Self {
        Self { most_unpacked, ..self }
    }

    /// Says how many columns the header of CSV may have; a column takes many times its bytes in the header. Errors about more have the
    /// context `most columns`.
    #[must_use]
    pub fn columns_at_most(self, most_columns: usize) -> Self {
        Self { most_columns, ..self }
    }

    /// Refuses a header of more columns than allowed.
    pub(super) fn check_columns(most: usize, columns: usize) -> Result<()> {
        if columns > most {
            return Err(Error::new(ErrorKind::InvalidData, "the header has too many columns")
                .with_context("most columns", most));
        }
        Ok(())
    }

    /// How many columns the header of CSV may have.
    pub(super) fn most_columns(&self) -> usize {
        self.most_columns
    }

    /// How many bytes the pages of a file in memory may be when they are unpacked.
    pub(super) fn most_unpacked(&self) -> u64 {
        self.most_unpacked
    }

    /// The path of the file, `stdin`, or the name of the reader.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What separates the columns of CSV, if that was said.
    pub(super) fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// The SHA-256 of all bytes, before they are decompressed, and a source that reads them from the start.
    ///
    /// A file is read once more for it; bytes that come once are copied to a temporary file. [`ErrorKind::Storage`] if the bytes
    /// cannot be read.
    pub fn digest(self) -> Result<(Self, Sha256)> {
        let Self { kind, name, delimiter, most_unpacked, most_columns, constants } = self;
        let with =
            |kind| Self { name: name.clone(), kind, delimiter, most_unpacked, most_columns, constants };
        let unreadable = |error| unreadable(error).with_context("file", &name);
        let mut file = match kind {
            Kind::File { file, length: Some(_) } => file,
            Kind::File { mut file, length: None } => {
                copied(&mut file).map_err(|error| error.with_context("file", &name))?
            }
            Kind::Reader(mut reader) => {
                copied(&mut reader).map_err(|error| error.with_context("file", &name))?
            }
            Kind::Memory(bytes) => {
                let digest = Sha256::of(&bytes);
                return Ok((with(Kind::Memory(bytes)), digest));
            }
            Kind::Remote(file) => {
                let mut hasher = Hasher::default();
                io::copy(&mut FromStart::new(file.clone()), &mut hasher).map_err(unreadable)?;
                return Ok((with(Kind::Remote(file)), hasher.finish()));
            }
        };
        file.rewind().map_err(unreadable)?;
        let mut hasher = Hasher::default();
        io::copy(&mut file, &mut hasher).map_err(unreadable)?;
        file.rewind().map_err(unreadable)?;
        let length = Some(file.metadata().map_err(unreadable)?.len());
        Ok((with(Kind::File { file, length }), hasher.finish()))
    }

    /// How many bytes there are, if that is known.
    pub(super) fn length(&self) -> Option<u64> {
        match &self.kind {
            Kind::File { length, .. } => *length,
            Kind::Memory(bytes) => Some(bytes.len() as u64),
            Kind::Remote(file) => Some(file.length()),
            Kind::Reader(_) => None,
        }
    }

    /// The file, if it supports seeking and is not compressed; it shares its position with this source.
    pub(super) fn regular_file(&self) -> Result<Option<File>> {
        match &self.kind {
            Kind::File { file, length: Some(_) } => {
                let file = file.try_clone().map_err(unreadable)?;
                Ok(compression_of(&file).map_err(unreadable)?.is_none().then_some(file))
            }
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

    /// The file elsewhere whose parts can be read, if it is one and not compressed.
    pub(super) fn remote(&self) -> Result<Option<Arc<dyn RemoteFile>>> {
        let Kind::Remote(file) = &self.kind else { return Ok(None) };
        let start = file.read(0..file.length().min(compression::START as u64)).map_err(unreadable)?;
        Ok(Compression::of(&start).is_none().then(|| file.clone()))
    }

    /// A file that supports seeking; a stream, and what is compressed, is copied to a temporary file.
    pub(super) fn into_regular_file(self) -> Result<File> {
        if let Some(file) = self.regular_file()? {
            return Ok(file);
        }
        copied(&mut self.into_reader()?.0)
    }

    /// The decompressed bytes, as a stream, and a count of those read. Bytes in memory come as they are: few of a stranger could become
    /// very many.
    pub(super) fn into_reader(self) -> Result<(Box<dyn Read + Send>, ByteCount)> {
        let position = Arc::new(Counts::default());
        let counted = |inner| Box::new(Counted { inner, counts: Arc::clone(&position) });
        let mut bytes: Box<dyn Read + Send> = match self.kind {
            Kind::File { file, .. } => counted(Box::new(file)),
            Kind::Reader(reader) => counted(reader),
            Kind::Remote(file) => counted(Box::new(FromStart::new(file))),
            Kind::Memory(bytes) => {
                let bytes = counted(Box::new(bytes.reader()));
                return Ok((bytes, ByteCount { limit: Arc::clone(&position), position }));
            }
        };
        let mut start = Vec::new();
        bytes.by_ref().take(compression::START as u64).read_to_end(&mut start).map_err(unreadable)?;
        let compression = Compression::of(&start);
        let bytes: Box<dyn Read + Send> = Box::new(Read::chain(io::Cursor::new(start), bytes));
        let Some(compression) = compression else {
            return Ok((bytes, ByteCount { limit: Arc::clone(&position), position }));
        };
        let limit = Arc::new(Counts::default());
        let inner = compression.reader(bytes).map_err(unreadable)?;
        let reader = Counted { inner, counts: Arc::clone(&limit) };
        Ok((Box::new(reader), ByteCount { limit, position }))
    }
}

/// A temporary file with these bytes, whose position is behind them.
pub(super) fn copied(reader: &mut impl Read) -> Result<File> {
    let mut file = tempfile::tempfile().map_err(|error| {
        Error::new(ErrorKind::Storage, "cannot create a temporary file for the input").with_source(error)
    })?;
    io::copy(reader, &mut file).map_err(unreadable)?;
    Ok(file)
}

/// How a file is compressed; its position is its start afterwards.
fn compression_of(mut file: &File) -> io::Result<Option<Compression>> {
    let mut start = Vec::new();
    file.rewind()?;
    file.take(compression::START as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(Compression::of(&start))
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// The number of bytes read from the source, and the limit of those that a reader receives.
#[derive(Debug, Clone)]
pub(super) struct ByteCount {
    /// Of the decompressed bytes.
    limit: Arc<Counts>,
    /// Of the bytes of the source.
    position: Arc<Counts>,
}

#[derive(Debug)]
struct Counts {
    read: AtomicU64,
    allowed: AtomicU64,
}

/// The error for reading more than the limit.
#[derive(Debug)]
pub(super) struct TooMuch;

impl Default for Counts {
    fn default() -> Self {
        Self { read: AtomicU64::new(0), allowed: AtomicU64::new(u64::MAX) }
    }
}

impl ByteCount {
    /// The number of bytes read so far.
    pub(super) fn get(&self) -> u64 {
        self.position.read.load(Ordering::Relaxed)
    }

    /// Sets the limit: after `bytes` more bytes, reading fails with [`TooMuch`].
    pub(super) fn allow(&self, bytes: u64) {
        let allowed = self.limit.read.load(Ordering::Relaxed).saturating_add(bytes);
        self.limit.allowed.store(allowed, Ordering::Relaxed);
    }
}

impl fmt::Display for TooMuch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("too many bytes")
    }
}

impl std::error::Error for TooMuch {}

struct Counted {
    inner: Box<dyn Read + Send>,
    counts: Arc<Counts>,
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let counts = &self.counts;
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
    if error.get_ref().is_some_and(|cause| cause.is::<Damaged>()) {
        return Error::new(ErrorKind::InvalidData, "cannot decompress the input").with_source(error);
    }
    match error.downcast::<Error>() {
        // Of a file elsewhere.
        Ok(error) => error,
        Err(error) => Error::new(ErrorKind::Storage, "cannot read the input").with_source(error),
    }
}
