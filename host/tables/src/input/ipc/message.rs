//! Messages of Arrow IPC: flatbuffers, each followed by a body of bytes.

use std::io::{self, Read};
use std::sync::Arc;

use arrow_ipc::{DictionaryBatch, MessageHeader, MetadataVersion, RecordBatch, root_as_message};
use arrow_schema::Schema;

use super::{check, invalid, not_arrow};
use crate::input::source::unreadable;
use hydra_base::{Error, Result};

/// Precedes the length of the metadata since version 5 of the format.
const CONTINUATION: [u8; 4] = [0xff; 4];

/// A message whose lengths have been checked against its bytes.
///
/// Arrow's reader trusts the lengths in the metadata: it panics on ranges outside the body, and reserves the declared
/// size of a compressed buffer, which can abort the process.
pub(super) struct Message {
    metadata: Vec<u8>,
    body: Vec<u8>,
}

impl Message {
    /// Reads a message; `None` at the end of the stream.
    pub(super) fn read(reader: &mut impl Read) -> Result<Option<Self>> {
        let Some(length) = metadata_length(reader)? else { return Ok(None) };
        let metadata = exactly(reader, length)?;
        let message = root_as_message(&metadata).map_err(unparsable)?;
        let length = u64::try_from(message.bodyLength())
            .map_err(|_| invalid("a record batch is damaged: its length is negative"))?;
        let body = exactly(reader, length)?;
        check::message(&message, &body)?;
        Ok(Some(Self { metadata, body }))
    }

    /// The schema in the message.
    pub(super) fn schema(&self) -> Result<Arc<Schema>> {
        let message = root_as_message(&self.metadata).map_err(unparsable)?;
        let schema =
            message.header_as_schema().ok_or_else(|| not_arrow("the first message is not a schema"))?;
        schema_of(schema)
    }

    /// Whether the message contains a dictionary.
    pub(super) fn is_dictionary(&self) -> bool {
        root_as_message(&self.metadata)
            .is_ok_and(|message| message.header_type() == MessageHeader::DictionaryBatch)
    }

    /// Takes the bytes after the metadata out of the message.
    pub(super) fn take_body(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// The record batch in the message.
    pub(super) fn record_batch(&self) -> Result<(RecordBatch<'_>, MetadataVersion)> {
        let message = root_as_message(&self.metadata).map_err(unparsable)?;
        let batch = message.header_as_record_batch();
        Ok((
            batch.ok_or_else(|| invalid("a record batch is damaged: its message has another type"))?,
            message.version(),
        ))
    }

    /// The dictionary in the message.
    pub(super) fn dictionary(&self) -> Result<(DictionaryBatch<'_>, MetadataVersion)> {
        let message = root_as_message(&self.metadata).map_err(unparsable)?;
        let batch = message.header_as_dictionary_batch();
        Ok((
            batch.ok_or_else(|| invalid("a dictionary is damaged: its message has another type"))?,
            message.version(),
        ))
    }
}

/// The schema of a stream or a footer.
pub(super) fn schema_of(schema: arrow_ipc::Schema<'_>) -> Result<Arc<Schema>> {
    if !schema.endianness().equals_to_target_endianness() {
        return Err(invalid("cannot read the file: its byte order is not this machine's"));
    }
    let schema = arrow_ipc::convert::try_fb_to_schema(schema);
    Ok(Arc::new(schema.map_err(|error| not_arrow(&error.to_string()))?))
}

fn metadata_length(reader: &mut impl Read) -> Result<Option<u64>> {
    let mut length = [0; 4];
    // A stream may end without an end marker.
    if reader.read(&mut length[..1]).map_err(unreadable)? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut length[1..]).map_err(truncated)?;
    if length == CONTINUATION {
        reader.read_exact(&mut length).map_err(truncated)?;
    }
    match i32::from_le_bytes(length) {
        0 => Ok(None),
        length => u64::try_from(length)
            .map(Some)
            .map_err(|_| invalid("a record batch is damaged: the length of its metadata is negative")),
    }
}

/// Reads `length` bytes; memory grows with the bytes that arrive.
fn exactly(reader: &mut impl Read, length: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = reader.take(length).read_to_end(&mut bytes).map_err(unreadable)?;
    if (read as u64) < length {
        return Err(invalid("the file ends within a record batch")
            .with_context("expected bytes", length)
            .with_context("found", read));
    }
    Ok(bytes)
}

fn truncated(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => invalid("the file ends within a record batch"),
        _ => unreadable(error),
    }
}

fn unparsable(error: impl std::fmt::Debug) -> Error {
    invalid("a record batch is damaged").with_source(format!("{error:?}"))
}
