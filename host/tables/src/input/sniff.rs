//! Reads ahead in text formats, to find out what they do not say.

use std::io::{self, Cursor, Read};

use super::source::unreadable;
use crate::features::Features;
use hydra_base::{Error, ErrorKind, Result};
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

/// Reads until the end of the first line, at most [`START`] bytes: those and all bytes.
///
/// [`ErrorKind::InvalidData`] for bytes that are not text in UTF-8: UTF-16, or another format by its first bytes.
pub(super) fn first_line(mut bytes: Bytes) -> Result<(Vec<u8>, Bytes)> {
    let (mut start, mut buffer) = (Vec::new(), [0; 1 << 13]);
    while (start.len() as u64) < START && !start.contains(&b'\n') {
        match bytes.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => start.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(unreadable(error)),
        }
    }
    let refuse = |what: &str, hint: &str| {
        Err(Error::new(ErrorKind::InvalidData, format!("the input is {what}, not text in UTF-8"))
            .with_hint(hint))
    };
    match &start[..] {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => {
            return refuse("UTF-16", "convert it: `iconv -f UTF-16 -t UTF-8 rows.csv`");
        }
        [b'P', b'A', b'R', b'1', ..] => return refuse("Parquet", "use --in-format parquet"),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] => return refuse("Arrow", "use --in-format arrow"),
        [b'P', b'K', 3, 4, ..] => {
            return refuse("a ZIP archive or an Excel file", "extract it, or save the sheet as CSV");
        }
        page if is_web_page(page) => {
            return refuse("a web page", "check the address, and whether it asks to sign in");
        }
        _ => {}
    }
    let end = start.iter().position(|byte| *byte == b'\n').map_or(start.len(), |end| end + 1);
    let line = start[..end].to_vec();
    Ok((line, Box::new(Cursor::new(start).chain(bytes))))
}

fn is_web_page(start: &[u8]) -> bool {
    let start = start.trim_ascii_start();
    ["<!doctype html", "<html"]
        .iter()
        .any(|tag| start.get(..tag.len()).is_some_and(|start| start.eq_ignore_ascii_case(tag.as_bytes())))
}

fn read_start(bytes: &mut Bytes) -> io::Result<Vec<u8>> {
    let mut start = Vec::new();
    bytes.by_ref().take(START).read_to_end(&mut start)?;
    Ok(start)
}
