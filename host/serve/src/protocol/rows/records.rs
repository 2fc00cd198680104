//! Lists of objects, one a row.

use std::borrow::Cow;
use std::collections::HashMap;

use super::cell::Cell;
use super::forms::{Block, Reader};
use super::refusal::{Cause, Refusal};
use super::scan::{Kind, Read, Scanner};
use super::schema::Places;

/// Reads the list that is next. Its objects may have their keys in any order, and a key that an object does not have is a missing
/// value.
pub(super) fn read<'b, C: Cell<'b>>(reader: Reader<'_>, json: &mut Scanner<'b>) -> Read<Block<C>> {
    // Most lists repeat the keys of the first object. If another object has other keys, or the first one lacks some, all are
    // collected first.
    let start = json.position();
    let mut keys = Keys::default();
    let mut inside = json.clone();
    if !inside.enter_list()? {
        return Err(Refusal::new(Cause::NoRows));
    }
    keys.collect(reader, &mut inside)?;
    if let Ok(places) = reader.schema.by_key(&keys.names)
        && let Some(block) = rows(reader, json, &keys, &places)?
    {
        return Ok(block);
    }
    json.back(start);
    let mut inside = json.clone();
    let mut more = inside.enter_list()?;
    let mut count = 0;
    while more {
        count += 1;
        reader.check_rows(count)?;
        keys.collect(reader, &mut inside)?;
        more = inside.next_item()?;
    }
    let places = reader.schema.by_key(&keys.names)?;
    rows(reader, json, &keys, &places)?
        .ok_or_else(|| Refusal::because(Cause::Internal, "a key of the records was not collected"))
}

/// The keys of objects, in the order in which they appeared.
#[derive(Debug, Default)]
struct Keys<'b> {
    names: Vec<Cow<'b, str>>,
    places: HashMap<Cow<'b, str>, usize>,
}

impl<'b> Keys<'b> {
    /// Adds the keys of the object that is next.
    fn collect(&mut self, reader: Reader<'_>, json: &mut Scanner<'b>) -> Read<()> {
        if json.kind() != Kind::Object {
            return Err(not_an_object());
        }
        let mut more = json.enter_object()?;
        while more {
            let key = json.key()?;
            if !self.places.contains_key(&key) {
                reader.check_columns(self.names.len() + 1)?;
                self.places.insert(key.clone(), self.names.len());
                self.names.push(key);
            }
            json.skip()?;
            more = json.next_member()?;
        }
        Ok(())
    }
}

/// Reads the rows; `None` if a key is not among `keys`.
fn rows<'b, C: Cell<'b>>(
    reader: Reader<'_>,
    json: &mut Scanner<'b>,
    keys: &Keys<'b>,
    places: &Places,
) -> Read<Option<Block<C>>> {
    let width = reader.schema.width();
    let mut block = Block { values: Vec::new(), rows: 0, ignored: places.ignored, is_array: false };
    let mut more = json.enter_list()?;
    while more {
        block.rows += 1;
        reader.check_values::<C>(block.rows)?;
        if json.kind() != Kind::Object {
            return Err(not_an_object());
        }
        let start = block.values.len();
        block.values.resize(start + width, C::MISSING);
        let row = &mut block.values[start..];
        let mut members = json.enter_object()?;
        let mut position = 0;
        while members {
            let key = json.key()?;
            let column = if keys.names.get(position) == Some(&key) {
                position
            } else {
                let Some(column) = keys.places.get(&key) else { return Ok(None) };
                *column
            };
            match places.feature(column) {
                Some(feature) => row[feature] = C::read(json)?,
                None => json.skip()?,
            }
            position += 1;
            members = json.next_member()?;
        }
        more = json.next_item()?;
    }
    Ok(Some(block))
}

#[cold]
fn not_an_object() -> Refusal {
    Refusal::because(Cause::Form, "a record is not an object")
}
