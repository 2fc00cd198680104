//! A row as a list of values.

use super::super::cell::Cell;
use super::super::refusal::{Cause, Refusal};
use super::super::scan::{Read, Scanner};
use super::super::schema::{Place, Places};

/// Reads a row whose columns are the features, and returns their number.
#[inline]
pub(super) fn plain_row<'b, C: Cell<'b>>(
    json: &mut Scanner<'b>,
    width: usize,
    values: &mut Vec<C>,
) -> Read<usize> {
    let mut read = 0;
    let mut more = json.enter_list()?;
    while more {
        read += 1;
        if read > width {
            break;
        }
        values.push(C::read(json)?);
        more = json.next_item()?;
    }
    Ok(read)
}

/// Reads a row and returns the number of its columns.
pub(super) fn placed_row<'b, C: Cell<'b>>(
    json: &mut Scanner<'b>,
    places: &Places,
    width: usize,
    values: &mut Vec<C>,
) -> Read<usize> {
    let start = values.len();
    values.resize(start + width, C::MISSING);
    let row = &mut values[start..];
    let mut read = 0;
    let mut more = json.enter_list()?;
    while more {
        match places.of(read) {
            Some(Place::Feature(feature)) => row[feature] = C::read(json)?,
            Some(Place::Ignored) => json.skip()?,
            None => return Ok(read + 1),
        }
        read += 1;
        more = json.next_item()?;
    }
    Ok(read)
}

/// The refusal of a row of another width.
#[cold]
pub(super) fn odd_row(row: usize, read: usize, columns: usize) -> Refusal {
    let cause = if row == 0 { Cause::Columns } else { Cause::Ragged };
    if read > columns {
        Refusal::because(cause, format_args!("row {row} has more than {columns} values"))
    } else {
        Refusal::because(cause, format_args!("row {row} has {read} values, not {columns}"))
    }
}
