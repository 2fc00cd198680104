//! Reads one JSON object as one row.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::cells::{Cell, Cells, Column};
use super::kept::exceeds_integers;
use super::keys::{Key, Keys, Target};
use crate::input::Constant;
use crate::wanted::Wanted;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The columns of a batch during reading.
pub(super) struct Rows {
    wanted: Wanted,
    features: Vec<Cells>,
    kept: Vec<Vec<Value>>,
    /// The number of complete rows.
    #[expect(clippy::struct_field_names, reason = "the number of rows, in a struct that reads them")]
    rows: usize,
    keys: Keys,
    /// The columns of one value.
    constants: Vec<(Value, Target)>,
}

impl Rows {
    pub(super) fn new(wanted: &Wanted, constants: &[Constant]) -> Self {
        let mut keys = Keys::new(wanted);
        let with_target = |constant: &Constant| (constant.json(), keys.of_constant(&constant.name));
        let constants = constants.iter().map(with_target).collect();
        let mut rows =
            Self { features: Vec::new(), kept: Vec::new(), rows: 0, keys, constants, wanted: wanted.clone() };
        rows.take();
        rows
    }

    /// Reads a line as the next row. The error contains the position within the line.
    pub(super) fn push(&mut self, line: &[u8]) -> Result<()> {
        let mut failed = None;
        let mut json = serde_json::Deserializer::from_slice(line);
        let read = Row { rows: self, failed: &mut failed }.deserialize(&mut json).and_then(|()| json.end());
        read.map_err(|error| damaged(&error, failed))?;
        self.push_constants()?;
        self.refuse_changed(line)?;
        self.rows += 1;
        for cells in &mut self.features {
            cells.fill(self.rows);
        }
        for values in &mut self.kept {
            values.resize(self.rows, Value::Null);
        }
        Ok(())
    }

    /// Adds the values that the line does not have.
    fn push_constants(&mut self) -> Result<()> {
        for (value, target) in &self.constants {
            if let Some(feature) = target.feature {
                let cell = Cell { cells: &mut self.features[feature], row: self.rows };
                let name = || Some(self.wanted.features[feature].clone());
                cell.deserialize(value).map_err(|error| damaged(&error, name()))?;
            }
            if let Some(kept) = target.kept {
                // The line may have the key as well.
                if self.kept[kept].len() == self.rows {
                    self.kept[kept].push(value.clone());
                }
            }
        }
        Ok(())
    }

    /// Integers of more than 64 bits were parsed as floats, and would be written as other numbers.
    fn refuse_changed(&self, line: &[u8]) -> Result<()> {
        /// The number of characters of the smallest integer that does not fit, with its sign.
        const DIGITS: usize = 19;
        let last = self.kept.iter().map(|values| values.get(self.rows));
        let changed = last.zip(&self.wanted.keep).find(|(value, _)| value.is_some_and(exceeds_integers));
        let Some((_, column)) = changed else { return Ok(()) };
        if !line.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= DIGITS) {
            return Ok(());
        }
        Err(Error::new(ErrorKind::InvalidData, "a column to keep contains an integer of more than 64 bits")
            .with_context("column", excerpt(column, QUOTED_CHARS))
            .with_hint("write it as text"))
    }

    /// Returns the features and the kept columns of the rows read so far, and starts again without rows.
    pub(super) fn take(&mut self) -> (Vec<Column>, Vec<Vec<Value>>) {
        self.rows = 0;
        let features = self.wanted.kinds.iter().map(|kind| Cells::of(*kind)).collect();
        let features = std::mem::replace(&mut self.features, features);
        let kept = std::mem::replace(&mut self.kept, vec![Vec::new(); self.wanted.keep.len()]);
        (features.into_iter().map(Cells::finish).collect(), kept)
    }

    /// The keys that occurred so far.
    pub(super) fn keys(&self) -> &Keys {
        &self.keys
    }
}

/// Reads an object into the columns.
struct Row<'r> {
    rows: &'r mut Rows,
    /// The feature whose value was rejected.
    failed: &'r mut Option<String>,
}

impl<'de> DeserializeSeed<'de> for Row<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let Self { rows, failed } = self;
        let mut position = 0;
        while let Some(target) = object.next_key_seed(Key { keys: &mut rows.keys, position })? {
            position += 1;
            match target {
                Target { feature: None, kept: None } => drop(object.next_value::<IgnoredAny>()?),
                Target { feature: Some(feature), kept: None } => {
                    let cells = &mut rows.features[feature];
                    let read = object.next_value_seed(Cell { cells, row: rows.rows });
                    read.inspect_err(|_| *failed = Some(rows.wanted.features[feature].clone()))?;
                }
                Target { feature, kept: Some(kept) } => {
                    let value: Value = object.next_value()?;
                    if rows.kept[kept].len() > rows.rows {
                        return Err(A::Error::custom("the key appears twice"));
                    }
                    if let Some(feature) = feature {
                        let cell = Cell { cells: &mut rows.features[feature], row: rows.rows };
                        cell.deserialize(&value).map_err(|error| {
                            *failed = Some(rows.wanted.features[feature].clone());
                            A::Error::custom(error)
                        })?;
                    }
                    rows.kept[kept].push(value);
                }
            }
        }
        Ok(())
    }
}

fn damaged(error: &serde_json::Error, feature: Option<String>) -> Error {
    // serde_json's messages end with a position, whose line is always 1.
    let text = error.to_string();
    let detail = text.rsplit_once(" at line ").map_or(text.as_str(), |(detail, _)| detail);
    let mut damaged = Error::new(ErrorKind::InvalidData, format!("cannot read the row: {detail}"));
    if let Some(feature) = feature {
        damaged = damaged.with_context("column", excerpt(feature, QUOTED_CHARS));
    }
    damaged.with_context("character", error.column())
}
