//! Outputs for predictions, in all formats.

mod binary;
mod destination;
mod text;

use std::io::Write;
use std::path::{Path, PathBuf};

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use crate::FileFormat;
use hydra_base::{Error, ErrorKind, Result};

use destination::Destination;
pub use destination::{Upload, remove_partial_files};

/// An output that has been opened.
pub struct Output<'p> {
    format: FileFormat,
    path: Option<PathBuf>,
    state: State<'p>,
}

/// Before the first batch, which determines the columns.
enum State<'p> {
    Opened(Destination<'p>),
    Writing(Box<dyn BatchWriter<'p> + 'p>),
    /// After a failed write.
    Broken,
}

/// Writes record batches in a format.
///
/// The types of kept columns may change between batches if the input has no types (JSON). Formats with types reject
/// that with [`ErrorKind::InvalidData`].
trait BatchWriter<'p> {
    /// Writes a batch and passes on complete parts of the output.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes the end of the file.
    fn finish(self: Box<Self>) -> Result<Destination<'p>>;
}

impl<'p> Output<'p> {
    /// Writes to a file, which becomes visible under its name when [`Output::finish`] has succeeded.
    ///
    /// Arrow is written as a stream if the name ends in `.arrows`, else as a file. [`ErrorKind::Storage`] if the file
    /// cannot be created.
    pub fn to_file(path: &Path, format: FileFormat) -> Result<Self> {
        let destination = Destination::open(path).map_err(|error| named(error, Some(path)))?;
        Self::new(destination, format, Some(path))
    }

    /// Writes to a file elsewhere, whose address is `name`. It becomes visible when [`Output::finish`] has succeeded.
    ///
    /// Arrow is written as a stream if the name ends in `.arrows`, else as a file.
    #[must_use]
    pub fn to_upload(name: &str, upload: Box<dyn Upload>, format: FileFormat) -> Self {
        Self { format, path: Some(name.into()), state: State::Opened(Destination::Upload(upload)) }
    }

    /// Writes to the process's stdout through the caller's buffer `stdout`; Arrow is written as a stream.
    ///
    /// [`ErrorKind::InvalidArgument`] if stdout is a terminal and the format is binary.
    pub fn to_stdout(stdout: &'p mut (dyn Write + Send), format: FileFormat) -> Result<Self> {
        Self::new(Destination::Stdout(stdout), format, None)
    }

    /// Writes to any writer; Arrow is written as a stream.
    #[must_use]
    pub fn to_writer(writer: &'p mut (dyn Write + Send), format: FileFormat) -> Self {
        Self { format, path: None, state: State::Opened(Destination::Writer(writer)) }
    }

    fn new(destination: Destination<'p>, format: FileFormat, path: Option<&Path>) -> Result<Self> {
        if matches!(format, FileFormat::Parquet | FileFormat::Arrow) && destination.is_terminal() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a terminal cannot show this format")
                .with_hint("write it to a file with --out, or choose --out-format csv"));
        }
        Ok(Self { format, path: path.map(Path::to_owned), state: State::Opened(destination) })
    }

    /// Writes a batch; the first one starts the file.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let path = self.path.as_deref();
        let mut writer = match std::mem::replace(&mut self.state, State::Broken) {
            State::Opened(destination) => writer(self.format, path, batch.schema_ref(), destination),
            State::Writing(writer) => Ok(writer),
            State::Broken => Err(Error::new(ErrorKind::Internal, "cannot write after a failed write")),
        }
        .map_err(|error| named(error, path))?;
        writer.write(batch).map_err(|error| named(error, path))?;
        self.state = State::Writing(writer);
        Ok(())
    }

    /// Writes the end of the file and makes it visible.
    pub fn finish(self) -> Result<()> {
        let destination = match self.state {
            State::Opened(destination) => Ok(destination),
            State::Writing(writer) => writer.finish(),
            State::Broken => Err(Error::new(ErrorKind::Internal, "cannot finish after a failed write")),
        };
        destination.and_then(Destination::commit).map_err(|error| named(error, self.path.as_deref()))
    }
}

/// A file that becomes visible under its name when it is complete.
pub struct NewFile {
    path: PathBuf,
    destination: Destination<'static>,
}

impl NewFile {
    /// Opens the file, so that work whose result cannot be written is not begun.
    ///
    /// [`ErrorKind::Storage`] if the file cannot be written.
    pub fn create(path: &Path) -> Result<Self> {
        let destination = Destination::open(path).map_err(|error| named(error, Some(path)))?;
        Ok(Self { path: path.to_owned(), destination })
    }

    /// Writes all of the file.
    ///
    /// [`ErrorKind::Storage`] if that fails.
    pub fn write(mut self, bytes: &[u8]) -> Result<()> {
        let written = self.destination.write_all(bytes).map_err(unwritable);
        written.and_then(|()| self.destination.commit()).map_err(|error| named(error, Some(&self.path)))
    }
}

/// A writer of `format` to `out`; writes the start of the file immediately.
///
/// Arrow is written as a file, but as a stream to stdout and to names that end in `.arrows`.
fn writer<'p>(
    format: FileFormat,
    path: Option<&Path>,
    schema: &SchemaRef,
    out: Destination<'p>,
) -> Result<Box<dyn BatchWriter<'p> + 'p>> {
    let is_file =
        path.is_some_and(|path| path.extension().is_none_or(|ending| !ending.eq_ignore_ascii_case("arrows")));
    Ok(match format {
        FileFormat::Csv => Box::new(text::CsvWriter::new(schema, out)?),
        FileFormat::Jsonl => Box::new(text::JsonlWriter::new(out)),
        FileFormat::Parquet => Box::new(binary::parquet(schema, out)?),
        FileFormat::Arrow if is_file => Box::new(binary::ipc_file(schema, out)?),
        FileFormat::Arrow => Box::new(binary::ipc_stream(schema, out)?),
    })
}

fn named(error: Error, path: Option<&Path>) -> Error {
    match path {
        Some(path) => error.with_context("file", path.display()),
        None => error.with_context("file", "stdout"),
    }
}

fn unwritable(error: std::io::Error) -> Error {
    match error.downcast::<Error>() {
        // Of an upload.
        Ok(error) => error,
        Err(error) => Error::new(ErrorKind::Storage, "cannot write the output").with_source(error),
    }
}

/// Converts an error of a format's writer: an I/O error, or a kept column with a type that the format lacks.
fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let is_io = std::error::Error::source(&error)
        .is_some_and(<dyn std::error::Error + 'static>::is::<std::io::Error>);
    let kind = if is_io { ErrorKind::Storage } else { ErrorKind::InvalidData };
    Error::new(kind, "cannot write the output").with_source(error)
}
