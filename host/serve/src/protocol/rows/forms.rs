//! The JSON forms of MLflow's scoring protocol and of KServe's first one.

mod row;

use std::borrow::Cow;

use super::Limits;
use super::cell::Cell;
use super::params::{Others, Params};
use super::records;
use super::refusal::{Cause, Refusal};
use super::scan::{Kind, Read, Scanner};
use super::schema::{Places, Schema};
use row::{odd_row, placed_row, plain_row};

/// The forms that a protocol has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forms {
    /// `dataframe_split`, `dataframe_records`, `instances` and `inputs`.
    MLflow,
    /// `instances` and `inputs`.
    KServe,
}

/// Values of the features, row by row.
#[derive(Debug)]
pub(super) struct Block<C> {
    pub(super) values: Vec<C>,
    pub(super) rows: usize,
    /// How many columns are not features.
    pub(super) ignored: usize,
    /// Whether the rows are an array, whose numbers are codes of categories, and not a table.
    pub(super) is_array: bool,
}

/// What all readers need.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a> {
    pub(super) schema: &'a Schema,
    pub(super) limits: &'a Limits,
}

/// A form that a body has: its key, and its rows or why they are refused.
struct Found<C> {
    key: &'static str,
    block: Read<Block<C>>,
}

impl Reader<'_> {
    /// Reads a body that is an object with exactly one of the forms, and `params`.
    ///
    /// As in Python, the last of equal keys wins. Other keys are ignored.
    pub(super) fn request<'b, C: Cell<'b>>(self, body: &'b [u8], forms: Forms) -> Read<(Block<C>, Params)> {
        let mut json = Scanner::new(body)?;
        if json.kind() != Kind::Object {
            json.skip()?;
            json.end()?;
            return Err(Refusal::because(Cause::Form, "the body is not an object"));
        }
        let mut found: Option<Found<C>> = None;
        let mut params = Ok(Params::default());
        let mut more = json.enter_object()?;
        while more {
            let key = json.key()?;
            if let Some(key) = forms.known(&key) {
                if let Some(other) = found.as_ref().filter(|found| found.key != key) {
                    let both = format!("both `{}` and `{key}`", other.key);
                    return Err(Refusal::because(Cause::Form, both));
                }
                let block = tried(&mut json, |json| match key {
                    "dataframe_split" => self.split(json),
                    "dataframe_records" => self.records_alone(json),
                    "inputs" if json.kind() == Kind::Object => self.columns(json),
                    _ => self.rows_or_records(json),
                })?;
                found = Some(Found { key, block });
            } else if &*key == "params" && forms == Forms::MLflow {
                params = tried(&mut json, |json| Params::read(json, Others::Refuse, |_, _| ()))?;
            } else {
                json.skip()?;
            }
            more = json.next_member()?;
        }
        json.end()?;
        let Some(found) = found else {
            return Err(Refusal::because(Cause::Form, format_args!("none of {}", forms.keys().join(", "))));
        };
        Ok((found.block?, params?))
    }

    /// `dataframe_split`: an object with `data`, and possibly `columns` and `index`.
    fn split<'b, C: Cell<'b>>(self, json: &mut Scanner<'b>) -> Read<Block<C>> {
        if json.kind() != Kind::Object {
            return Err(Refusal::because(Cause::Form, "`dataframe_split` is not an object"));
        }
        let mut places: Read<Option<Places>> = Ok(None);
        // Where the data starts, and the rows if the columns were known when they were read.
        let mut data: Option<(usize, Option<Read<Block<C>>>)> = None;
        let mut more = json.enter_object()?;
        while more {
            match &*json.key()? {
                "columns" => {
                    places = tried(json, |json| match self.names(json)? {
                        Some(names) => self.schema.by_name(&names).map(Some),
                        None => Ok(None),
                    })?;
                    data = data.map(|(start, _)| (start, None));
                }
                "data" => {
                    json.peek();
                    let start = json.position();
                    let block = match &places {
                        Ok(Some(places)) => Some(tried(json, |json| self.rows(json, places, false))?),
                        _ => {
                            json.skip()?;
                            None
                        }
                    };
                    data = Some((start, block));
                }
                // It names the rows, which changes nothing.
                "index" => json.skip()?,
                _ => {
                    return Err(Refusal::because(
                        Cause::Form,
                        "`dataframe_split` has other keys than columns, data and index",
                    ));
                }
            }
            more = json.next_member()?;
        }
        let places = places?;
        match data {
            None => Err(Refusal::because(Cause::Form, "`dataframe_split` has no `data`")),
            Some((_, Some(block))) => block,
            Some((start, None)) => {
                let end = json.position();
                json.back(start);
                let places = places.unwrap_or_else(|| self.schema.by_position());
                let block = self.rows(json, &places, false)?;
                json.back(end);
                Ok(block)
            }
        }
    }

    /// The names of columns; `None` for `null`. Integers are the names of columns without names, as pandas writes them.
    fn names<'b>(self, json: &mut Scanner<'b>) -> Read<Option<Vec<Cow<'b, str>>>> {
        if json.null() {
            return Ok(None);
        }
        if json.kind() != Kind::List {
            return Err(Refusal::because(Cause::Form, "`columns` is not a list"));
        }
        let mut names = Vec::new();
        let mut more = json.enter_list()?;
        while more {
            self.check_columns(names.len() + 1)?;
            names.push(match json.peek() {
                b'"' => json.text()?,
                b'0'..=b'9' => {
                    let number = json.number()?;
                    if number.trunc() != number {
                        return Err(Refusal::because(Cause::Form, "the name of a column is a fraction"));
                    }
                    Cow::Owned(number.to_string())
                }
                _ => return Err(Refusal::because(Cause::Form, "the name of a column is not text")),
            });
            more = json.next_item()?;
        }
        Ok(Some(names))
    }

    /// A list of objects.
    fn records_alone<'b, C: Cell<'b>>(self, json: &mut Scanner<'b>) -> Read<Block<C>> {
        if json.kind() != Kind::List {
            return Err(Refusal::because(Cause::Form, "the records are not a list"));
        }
        records::read(self, json)
    }

    /// A list of objects or of rows.
    fn rows_or_records<'b, C: Cell<'b>>(self, json: &mut Scanner<'b>) -> Read<Block<C>> {
        if json.kind() != Kind::List {
            return Err(Refusal::because(Cause::Form, "the rows are not a list"));
        }
        let mut inside = json.clone();
        if inside.enter_list()? && inside.kind() == Kind::Object {
            return records::read(self, json);
        }
        self.rows(json, &self.schema.by_position(), true)
    }

    /// A list of rows, each a list with a value for each column.
    fn rows<'b, C: Cell<'b>>(
        self,
        json: &mut Scanner<'b>,
        places: &Places,
        is_array: bool,
    ) -> Read<Block<C>> {
        if json.kind() != Kind::List {
            return Err(Refusal::because(Cause::Form, "the rows are not a list"));
        }
        let width = self.schema.width();
        let mut block = Block { values: Vec::new(), rows: 0, ignored: places.ignored, is_array };
        let mut more = json.enter_list()?;
        while more {
            block.rows += 1;
            self.check_values::<C>(block.rows)?;
            if json.kind() != Kind::List {
                return Err(Refusal::because(
                    Cause::Form,
                    format_args!("row {} is not a list", block.rows - 1),
                ));
            }
            let before = json.position();
            let read = if places.are_in_order() {
                plain_row(json, width, &mut block.values)?
            } else {
                placed_row(json, places, width, &mut block.values)?
            };
            if read != places.columns() {
                return Err(odd_row(block.rows - 1, read, places.columns()));
            }
            if block.rows == 1 {
                // The other rows are about as long.
                let rows = 1 + json.left() / (json.position() - before).max(1);
                block
                    .values
                    .reserve(rows.saturating_mul(width).min(json.left() / 2).min(self.limits.values::<C>()));
            }
            more = json.next_item()?;
        }
        if block.rows == 0 { Err(Refusal::new(Cause::NoRows)) } else { Ok(block) }
    }

    /// `inputs` as an object: for each column a list of values, or a single value.
    fn columns<'b, C: Cell<'b>>(self, json: &mut Scanner<'b>) -> Read<Block<C>> {
        let mut names: Vec<Cow<'b, str>> = Vec::new();
        let mut starts = Vec::new();
        let mut places = std::collections::HashMap::new();
        let mut more = json.enter_object()?;
        while more {
            let name = json.key()?;
            json.peek();
            let start = json.position();
            json.skip()?;
            match places.get(&name) {
                Some(place) => starts[*place] = start,
                None => {
                    self.check_columns(names.len() + 1)?;
                    places.insert(name.clone(), names.len());
                    names.push(name);
                    starts.push(start);
                }
            }
            more = json.next_member()?;
        }
        let end = json.position();
        let places = self.schema.by_key(&names)?;
        let width = self.schema.width();
        let mut rows = None;
        let mut values: Vec<C> = Vec::new();
        let mut column = Vec::new();
        for (index, start) in starts.into_iter().enumerate() {
            let Some(feature) = places.feature(index) else { continue };
            json.back(start);
            column.clear();
            self.column(json, &mut column)?;
            let expected = *rows.get_or_insert(column.len());
            if column.len() != expected {
                return Err(Refusal::because(
                    Cause::Ragged,
                    format_args!("column `{}` has {} values, others {expected}", names[index], column.len()),
                ));
            }
            if values.is_empty() {
                self.check_values::<C>(expected)?;
                values.resize(expected * width, C::MISSING);
            }
            for (row, value) in column.drain(..).enumerate() {
                values[row * width + feature] = value;
            }
        }
        json.back(end);
        match rows {
            None | Some(0) => Err(Refusal::new(Cause::NoRows)),
            Some(rows) => Ok(Block { values, rows, ignored: places.ignored, is_array: false }),
        }
    }

    /// The values of a column: a list, or one value.
    fn column<'b, C: Cell<'b>>(self, json: &mut Scanner<'b>, values: &mut Vec<C>) -> Read<()> {
        if json.kind() != Kind::List {
            values.push(C::read(json)?);
            return Ok(());
        }
        let mut more = json.enter_list()?;
        while more {
            values.push(C::read(json)?);
            self.check_rows(values.len())?;
            more = json.next_item()?;
        }
        Ok(())
    }

    pub(super) fn check_rows(self, rows: usize) -> Read<()> {
        if rows > self.limits.rows {
            return Err(Refusal::because(Cause::RowCount, format_args!("more than {}", self.limits.rows)));
        }
        Ok(())
    }

    pub(super) fn check_columns(self, columns: usize) -> Read<()> {
        if columns > self.limits.columns {
            return Err(Refusal::because(
                Cause::ColumnCount,
                format_args!("more than {}", self.limits.columns),
            ));
        }
        Ok(())
    }

    /// Refuses rows whose values would take more memory than a body can write: objects may leave values out.
    pub(super) fn check_values<C>(self, rows: usize) -> Read<()> {
        self.check_rows(rows)?;
        let most = self.limits.values::<C>();
        if rows.saturating_mul(self.schema.width()) > most {
            return Err(Refusal::because(Cause::RowCount, format_args!("more than {most} values")));
        }
        Ok(())
    }
}

impl Forms {
    fn keys(self) -> &'static [&'static str] {
        match self {
            Self::MLflow => &["dataframe_split", "dataframe_records", "instances", "inputs"],
            Self::KServe => &["instances", "inputs"],
        }
    }

    fn known(self, key: &str) -> Option<&'static str> {
        self.keys().iter().find(|known| **known == key).copied()
    }
}

/// Reads the next value, and moves behind it also if its content is refused: a later value of the same key replaces it.
pub(super) fn tried<'b, T>(
    json: &mut Scanner<'b>,
    read: impl FnOnce(&mut Scanner<'b>) -> Read<T>,
) -> Read<Read<T>> {
    let start = json.position();
    let result = read(json);
    if result.is_err() {
        json.back(start);
        json.skip()?;
    }
    Ok(result)
}
