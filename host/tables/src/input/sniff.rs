//! Looking ahead in formats without types, to learn which columns are text.

use std::io::{self, Cursor, Read};

use super::source::unreadable;
use crate::features::Features;
use hydra_base::Result;
use hydra_lightgbm::loaded::ColumnKind;

/// How many bytes are looked at.
const START: u64 = 1 << 20;

type Bytes = Box<dyn Read + Send>;

/// What is known about each feature's column: nothing, if there is no model or it needs to know nothing, else what `sniff`
/// finds in the input's first whole lines. Also the input's bytes, from the first one.
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
