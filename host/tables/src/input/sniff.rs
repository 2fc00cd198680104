//! Reads ahead in formats without types, to find the columns of text.

use std::io::{self, Cursor, Read};

use super::source::unreadable;
use crate::features::Features;
use hydra_base::Result;
use hydra_lightgbm::loaded::ColumnKind;

/// The number of bytes that are read ahead.
const START: u64 = 1 << 20;

type Bytes = Box<dyn Read + Send>;

/// Returns the knowledge about each feature's column: unknown, if there is no model or it does not need the knowledge;
/// otherwise the result of `sniff` for the first complete lines. Also returns the input's bytes from the start.
pub(super) fn columns_or_sniff(
    model: Option<&Features<'_>>,
    mut bytes: Bytes,
    sniff: impl FnOnce(&[u8]) -> Vec<ColumnKind>,
) -> Result<(Vec<ColumnKind>, Bytes)> {
    let Some(model) = model else { return Ok((Vec::new(), bytes)) };
    let unknown = vec![ColumnKind::Unknown; model.names().len()];
    if model.kinds(&unknown).is_ok() {
        return Ok((unknown, bytes));
    }
    let start = read_start(&mut bytes).map_err(unreadable)?;
    let whole = if (start.len() as u64) < START {
        start.as_slice()
    } else {
        let end = start.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        start.get(..end).unwrap_or_default()
    };
    let columns = sniff(whole);
    Ok((columns, Box::new(Cursor::new(start).chain(bytes))))
}

fn read_start(bytes: &mut Bytes) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    bytes.by_ref().take(START).read_to_end(&mut start)?;
    Ok(start)
}
