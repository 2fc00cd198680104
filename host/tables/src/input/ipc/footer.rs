//! The footer of an Arrow file, with the positions of its messages.

use std::fs::File;
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::sync::Arc;

use arrow_ipc::{Block, root_as_footer};
use arrow_schema::Schema;

use super::message::schema_of;
use super::{MAGIC, not_arrow};
use crate::input::source::unreadable;
use hydra_base::Result;

/// The size of the footer's length and the magic at the end of a file, in bytes.
const TRAILER: u64 = 10;

/// The contents of the footer.
pub(super) struct Footer {
    pub(super) schema: Arc<Schema>,
    /// The positions of the dictionaries.
    pub(super) dictionaries: Vec<u64>,
    /// The positions of the record batches.
    pub(super) batches: Vec<u64>,
}

impl Footer {
    /// Reads the footer from the end of a file.
    pub(super) fn read(file: &mut BufReader<File>) -> Result<Self> {
        let end = file.seek(SeekFrom::End(0)).map_err(unreadable)?;
        let cut = || not_arrow("the file does not end with a footer: is it truncated?");
        let trailer = end.checked_sub(TRAILER).ok_or_else(cut)?;
        file.seek(SeekFrom::Start(trailer)).map_err(unreadable)?;
        let mut length = [0; 4];
        file.read_exact(&mut length).map_err(unreadable)?;
        let mut magic = [0; MAGIC.len()];
        file.read_exact(&mut magic).map_err(unreadable)?;
        if magic != MAGIC {
            return Err(cut());
        }
        let length = u64::try_from(i32::from_le_bytes(length)).map_err(|_| cut())?;
        let start = trailer.checked_sub(length).ok_or_else(cut)?;
        file.seek(SeekFrom::Start(start)).map_err(unreadable)?;
        let mut bytes = Vec::new();
        file.take(length).read_to_end(&mut bytes).map_err(unreadable)?;

        let footer = root_as_footer(&bytes).map_err(|error| not_arrow(&error.to_string()))?;
        let schema = schema_of(footer.schema().ok_or_else(|| not_arrow("the footer has no schema"))?)?;
        let offset = |block: &Block| {
            let offset = u64::try_from(block.offset()).ok().filter(|offset| *offset < start);
            offset.ok_or_else(|| not_arrow("the footer points outside the file"))
        };
        Ok(Self {
            schema,
            dictionaries: footer.dictionaries().into_iter().flatten().map(offset).collect::<Result<_>>()?,
            batches: footer.recordBatches().into_iter().flatten().map(offset).collect::<Result<_>>()?,
        })
    }
}
