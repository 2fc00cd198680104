//! Checks a message before Arrow's reader receives it.

use arrow_ipc::{CompressionType, Message, RecordBatch};

use super::invalid;
use hydra_base::{Error, Result};

/// The limit of rows in a batch, as recommended by Arrow's specification.
const MOST_ROWS: i64 = i32::MAX as i64;

/// The limit of values in a column of a batch, with those in lists.
const MOST_VALUES: i64 = 1 << 40;

/// The limit of the unpacked size of a batch's buffers in bytes.
const MOST_UNPACKED: u64 = 2 << 30;

/// The limit of the ratio of a buffer's unpacked to its packed size: that of Zstandard for a repeated byte. LZ4 does
/// not reach a hundredth of it.
const RATIO: u64 = 1 << 15;

/// The size up to which the ratio of a buffer is not checked, in bytes.
const ALWAYS: u64 = 1 << 16;

/// Checks the lengths that a message declares against its body.
pub(super) fn message(message: &Message<'_>, body: &[u8]) -> Result<()> {
    if let Some(batch) = message.header_as_record_batch() {
        return record_batch(batch, body);
    }
    let dictionary = message.header_as_dictionary_batch();
    dictionary.and_then(|dictionary| dictionary.data()).map_or(Ok(()), |batch| record_batch(batch, body))
}

fn record_batch(batch: RecordBatch<'_>, body: &[u8]) -> Result<()> {
    if !(0..=MOST_ROWS).contains(&batch.length()) {
        return Err(damaged("the number of rows is impossible").with_context("rows", batch.length()));
    }
    for node in batch.nodes().into_iter().flatten() {
        if !(0..=MOST_VALUES).contains(&node.length()) || !(0..=node.length()).contains(&node.null_count()) {
            return Err(damaged("the length of a column is impossible").with_context("length", node.length()));
        }
    }
    let codec = batch.compression().map(|compression| compression.codec());
    let mut unpacked = 0_u64;
    for buffer in batch.buffers().into_iter().flatten() {
        let range = usize::try_from(buffer.offset()).ok().zip(usize::try_from(buffer.length()).ok());
        let range = range.and_then(|(start, length)| Some(start..start.checked_add(length)?));
        let bytes = range.and_then(|range| body.get(range)).ok_or_else(|| {
            damaged("a buffer is outside its message")
                .with_context("offset", buffer.offset())
                .with_context("length", buffer.length())
                .with_context("bytes", body.len())
        })?;
        if let Some(codec) = codec {
            unpacked = unpacked.saturating_add(unpacked_length(bytes, codec)?);
        }
    }
    if unpacked > MOST_UNPACKED {
        return Err(invalid("a record batch is too large")
            .with_context("unpacked bytes", unpacked)
            .with_context("limit", MOST_UNPACKED)
            .with_hint("write the file with fewer rows in a batch"));
    }
    Ok(())
}

/// The unpacked length that a buffer declares in its first eight bytes, where -1 means that it is not packed.
fn unpacked_length(bytes: &[u8], codec: CompressionType) -> Result<u64> {
    if bytes.is_empty() {
        return Ok(0);
    }
    let Some((length, packed)) = bytes.split_first_chunk::<8>() else {
        return Err(damaged("a packed buffer is too short"));
    };
    let length = i64::from_le_bytes(*length);
    if length == -1 {
        return Ok(packed.len() as u64);
    }
    let most = (packed.len() as u64).saturating_mul(RATIO).max(ALWAYS);
    u64::try_from(length).ok().filter(|length| *length <= most).ok_or_else(|| {
        damaged("the declared size of a buffer is impossible")
            .with_context("unpacked", length)
            .with_context("packed", packed.len())
            .with_context("codec", codec.variant_name().unwrap_or("unknown"))
    })
}

fn damaged(why: &str) -> Error {
    invalid("a record batch is damaged").with_source(why.to_owned())
}
