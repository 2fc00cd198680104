//! Writers of predictions: one per format.

mod binary;
mod destination;
mod text;

use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::SchemaRef;

use super::args::FileFormat;
use crate::{Error, ErrorKind, Result};

pub(super) use destination::Destination;

/// Writes record batches.
///
/// The types of kept columns may change from batch to batch where the input has none of its own (JSON); formats with types
/// refuse that with [`ErrorKind::InvalidData`].
pub(super) trait BatchWriter {
    /// Writes a batch and hands on what can be handed on already.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what ends the file.
    fn finish(&mut self) -> Result<()>;
}

/// A writer of `format` to `out`; what starts the file is written at once.
///
/// Arrow goes into files as a file, and as a stream to stdout and where the name ends in `.arrows`.
pub(super) fn writer<'w>(
    format: FileFormat,
    path: Option<&Path>,
    schema: &SchemaRef,
    out: &'w mut Destination<'_>,
) -> Result<Box<dyn BatchWriter + 'w>> {
    if matches!(format, FileFormat::Parquet | FileFormat::Arrow) && out.is_terminal() {
        return Err(Error::new(ErrorKind::InvalidArgument, "a terminal cannot show this format")
            .with_hint("write it to a file with --out, or choose --out-format csv"));
    }
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

fn unwritable(error: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot write the predictions").with_source(error)
}

/// An error of a format's writer: of the disk, or because a kept column has a type that the format lacks.
fn unfit(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    let is_io = std::error::Error::source(&error).is_some_and(|source| source.is::<std::io::Error>());
    let kind = if is_io { ErrorKind::Storage } else { ErrorKind::InvalidData };
    Error::new(kind, "cannot write the predictions").with_source(error)
}
