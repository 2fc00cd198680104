//! Apache Arrow IPC: files (Feather is one) and streams, told apart by their first bytes.

use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek};

use arrow_array::RecordBatch;
use arrow_ipc::reader::{FileReader, StreamReader};
use arrow_schema::ArrowError;

use super::Input;
use super::columnar::{Batches, ColumnarReader};
use super::source::{ByteCount, Source, unreadable};
use crate::cli::predict::wanted::Wanted;
use crate::{Error, ErrorKind, Result};

/// What a file starts with.
const MAGIC: &[u8] = b"ARROW1";

/// How long the magic is with its padding; what follows is a stream, up to the footer.
const PREFIX: usize = 8;

/// Opens Arrow IPC: reads the schema.
pub(super) fn open(source: Source, wanted: Wanted) -> Result<Input> {
    let name = source.name().to_owned();
    let (schema, kind, length, in_bytes) = match source.regular_file()? {
        Some(file) if starts_with_magic(&file).map_err(unreadable)? => {
            let reader = FileReader::try_new(BufReader::new(file), None).map_err(not_arrow)?;
            let batches = reader.num_batches() as u64;
            (reader.schema(), Kind::File(reader), Some(batches), false)
        }
        _ => {
            let length = source.length();
            let (reader, count) = source.into_reader();
            let reader =
                StreamReader::try_new(past_magic(reader).map_err(unreadable)?, None).map_err(not_arrow)?;
            (reader.schema(), Kind::Stream(reader, count), length, true)
        }
    };
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    let selection = wanted.select(&names)?;
    let ignored = selection.ignored.clone();
    let reader = ColumnarReader::new(name, IpcBatches { kind, read: 0 }, schema, selection, wanted);
    Ok(Input { reader: Box::new(reader), columns: None, ignored, length, in_bytes })
}

type Bytes = Box<dyn Read + Send>;

struct IpcBatches {
    kind: Kind,
    /// How many batches have been read.
    read: u64,
}

enum Kind {
    File(FileReader<BufReader<File>>),
    Stream(StreamReader<BufReader<Bytes>>, ByteCount),
}

impl Batches for IpcBatches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        let batch = match &mut self.kind {
            Kind::File(reader) => reader.next(),
            Kind::Stream(reader, _) => reader.next(),
        };
        let batch = batch.transpose().map_err(|error| {
            Error::new(ErrorKind::InvalidData, "a record batch is damaged")
                .with_context("batch", self.read)
                .with_source(error)
        })?;
        self.read += u64::from(batch.is_some());
        Ok(batch)
    }

    fn position(&self) -> u64 {
        match &self.kind {
            Kind::File(_) => self.read,
            Kind::Stream(_, count) => count.get(),
        }
    }
}

fn starts_with_magic(mut file: &File) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start == MAGIC)
}

/// The stream within the bytes of a file that cannot be read from its end.
fn past_magic(mut reader: Bytes) -> io::Result<BufReader<Bytes>> {
    let mut start = Vec::with_capacity(PREFIX);
    reader.by_ref().take(PREFIX as u64).read_to_end(&mut start)?;
    let reader = if start.starts_with(MAGIC) { reader } else { Box::new(Cursor::new(start).chain(reader)) };
    Ok(BufReader::with_capacity(1 << 17, reader))
}

fn not_arrow(error: ArrowError) -> Error {
    Error::new(ErrorKind::InvalidData, "not an Arrow IPC file or stream, or its start is damaged")
        .with_source(error)
}
