//! Apache Arrow IPC: files are read through their footer, streams message by message. The first bytes distinguish them.

mod check;
mod footer;
mod message;

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufReader, Cursor, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::reader::{read_dictionary, read_record_batch};
use arrow_schema::{ArrowError, Schema};

use super::Input;
use super::columnar::{Batches, ColumnarReader};
use super::constant::with_names;
use super::source::{ByteCount, Source, copied, unreadable};
use crate::wanted::Wanted;
use hydra_base::{Error, ErrorKind, Result};

use footer::Footer;
use message::Message;

/// The first bytes of a file.
const MAGIC: &[u8] = b"ARROW1";

/// Opens Arrow IPC: reads the schema.
pub(super) fn open(source: Source, mut wanted: Wanted) -> Result<Input> {
    let (name, constants) = (source.name().to_owned(), source.constants());
    let (schema, kind, length, in_bytes) = match opened(source)? {
        Bytes::File(file) => {
            let mut file = BufReader::new(file);
            let footer = Footer::read(&mut file)?;
            let batches = footer.batches.len() as u64;
            (footer.schema.clone(), Kind::File { file, footer }, Some(batches), false)
        }
        Bytes::Stream(mut stream, count, length) => {
            let first = Message::read(&mut stream).map_err(|error| match error.kind() {
                ErrorKind::InvalidData => not_arrow(error.message()),
                _ => error,
            })?;
            let first = first.ok_or_else(|| not_arrow("there is no schema"))?;
            (first.schema()?, Kind::Stream(stream, count), length, true)
        }
    };
    let mut batches = IpcBatches { kind, schema: schema.clone(), dictionaries: HashMap::new(), read: 0 };
    batches.read_dictionaries()?;
    let names = with_names(schema.fields().iter().map(|field| field.name().as_str()), &constants);
    wanted.see_columns(&names);
    let selection = wanted.select(&names)?;
    let ignored = selection.ignored.clone();
    let reader = ColumnarReader::new(name, batches, schema.clone(), selection, constants.clone(), wanted);
    Ok(Input { reader: Box::new(reader), columns: None, ignored, length, in_bytes, delimiter: None })
}

type Stream = BufReader<Box<dyn Read + Send>>;

/// The bytes of an input by its first ones.
enum Bytes {
    /// A file, whose footer says where its batches are.
    File(File),
    /// A stream, the count of its bytes, and its length if that is known.
    Stream(Stream, ByteCount, Option<u64>),
}

struct IpcBatches {
    kind: Kind,
    schema: Arc<Schema>,
    /// The dictionaries read so far, by their ids.
    dictionaries: HashMap<i64, ArrayRef>,
    /// The number of batches read so far.
    read: u64,
}

enum Kind {
    File { file: BufReader<File>, footer: Footer },
    Stream(Stream, ByteCount),
}

impl IpcBatches {
    /// Reads the dictionaries of a file, before all batches.
    fn read_dictionaries(&mut self) -> Result<()> {
        let Kind::File { file, footer } = &mut self.kind else { return Ok(()) };
        for offset in std::mem::take(&mut footer.dictionaries) {
            let message = message_at(file, offset)?;
            let (schema, dictionaries) = (&self.schema, &mut self.dictionaries);
            add_dictionary(message, schema, dictionaries)
                .map_err(|error| error.with_context("dictionary at byte", offset))?;
        }
        Ok(())
    }

    /// The next message with rows.
    fn next_message(&mut self) -> Result<Option<Message>> {
        match &mut self.kind {
            Kind::File { file, footer } => {
                let offset = usize::try_from(self.read).ok().and_then(|read| footer.batches.get(read));
                offset.map(|offset| message_at(file, *offset)).transpose()
            }
            Kind::Stream(stream, _) => loop {
                let Some(message) = Message::read(stream)? else { return Ok(None) };
                if !message.is_dictionary() {
                    return Ok(Some(message));
                }
                add_dictionary(message, &self.schema, &mut self.dictionaries)?;
            },
        }
    }

    fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        let Some(mut message) = self.next_message()? else { return Ok(None) };
        let body = message.take_body();
        let (batch, version) = message.record_batch()?;
        let schema = self.schema.clone();
        let batch = read_record_batch(&body.into(), batch, schema, &self.dictionaries, None, &version)
            .map_err(damaged)?;
        self.read += 1;
        Ok(Some(batch))
    }
}

impl Batches for IpcBatches {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        self.next_batch().map_err(|error| error.with_context("batch", self.read))
    }

    fn position(&self) -> u64 {
        match &self.kind {
            Kind::File { .. } => self.read,
            Kind::Stream(_, count) => count.get(),
        }
    }
}

fn add_dictionary(
    mut message: Message,
    schema: &Schema,
    dictionaries: &mut HashMap<i64, ArrayRef>,
) -> Result<()> {
    let body = message.take_body();
    let (batch, version) = message.dictionary()?;
    read_dictionary(&body.into(), batch, schema, dictionaries, &version).map_err(damaged)
}

fn message_at(file: &mut BufReader<File>, offset: u64) -> Result<Message> {
    file.seek(SeekFrom::Start(offset)).map_err(unreadable)?;
    Message::read(file)?.ok_or_else(|| invalid("a message is missing").with_context("byte", offset))
}

fn starts_with_magic(mut file: &File) -> io::Result<bool> {
    let mut start = Vec::with_capacity(MAGIC.len());
    file.take(MAGIC.len() as u64).read_to_end(&mut start)?;
    file.rewind()?;
    Ok(start == MAGIC)
}

/// Copies a file that comes once, or compressed, to a temporary one, because its footer is at the end.
fn opened(source: Source) -> Result<Bytes> {
    if let Some(file) = source.regular_file()?
        && starts_with_magic(&file).map_err(unreadable)?
    {
        return Ok(Bytes::File(file));
    }
    let length = source.length();
    let (mut reader, count) = source.into_reader()?;
    let mut start = Vec::with_capacity(MAGIC.len());
    reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut start).map_err(unreadable)?;
    let is_file = start == MAGIC;
    let mut reader: Box<dyn Read + Send> = Box::new(Cursor::new(start).chain(reader));
    if is_file {
        return copied(&mut reader).map(Bytes::File);
    }
    Ok(Bytes::Stream(BufReader::with_capacity(1 << 17, reader), count, length))
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn damaged(error: ArrowError) -> Error {
    invalid("a record batch is damaged").with_source(error)
}

fn not_arrow(why: &str) -> Error {
    invalid("not an Arrow IPC file or stream, or its start is damaged").with_source(why.to_owned())
}
