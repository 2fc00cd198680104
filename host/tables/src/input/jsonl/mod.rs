//! JSON lines: one object a row, its keys in any order.

mod cells;
mod kept;
mod keys;
mod lines;
mod row;
mod sniff;

use std::io::Read;

use arrow_array::ArrayRef;
use arrow_schema::Field;

use super::sniff::{columns_or_sniff, first_line};
use super::source::{ByteCount, Source};
use super::{Batch, BatchReader, Input, columns_of_fields};
use crate::features::Features;
use crate::wanted::Wanted;
use hydra_base::text::listed;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::json_field;

use cells::Column;
use lines::Lines;
use row::Rows;

/// Opens JSON lines: reads the first batch, because only rows contain the names of columns.
///
/// A feature or kept column that no row of the first batch has is missing. In a row, a key that is missing is a missing
/// value.
pub(super) fn open(source: Source, mut wanted: Wanted, model: &Features<'_>) -> Result<Input> {
    let (length, name, constants) = (source.length(), source.name().to_owned(), source.constants());
    let (bytes, count) = source.into_reader()?;
    let (_, bytes) = first_line(bytes)?;
    let (columns, bytes) = columns_or_sniff(Some(model), bytes, |start| sniff::columns(start, &wanted))?;
    wanted.kinds = model.kinds(&columns)?;
    let rows = Rows::new(&wanted, &constants);
    let mut reader = JsonlReader { lines: Lines::new(bytes), count, name, wanted, rows, first: None };
    let first = reader.read()?;
    if first.features.num_rows() > 0 {
        let missing = reader.rows.keys().unseen();
        let kept: Vec<_> = missing.iter().filter(|name| reader.wanted.keep.contains(**name)).collect();
        if !kept.is_empty() {
            return Err(Error::new(ErrorKind::MissingColumns, "columns to keep are missing from the input")
                .with_context("missing", listed(&kept))
                .with_context("rows checked", first.features.num_rows()));
        }
        if !missing.is_empty() {
            let hint = if reader.wanted.has_placeholder_names() {
                "name the keys Column_0, Column_1 and so on, or use CSV; the model was trained without column names \
                 and takes columns by position"
            } else {
                "write null for missing values"
            };
            return Err(Error::new(ErrorKind::InvalidData, "columns are missing from the input")
                .with_context("missing", listed(&missing))
                .with_context("rows checked", first.features.num_rows())
                .with_hint(hint));
        }
    }
    reader.first = Some(first);
    let ignored = reader.rows.keys().ignored();
    Ok(Input {
        reader: Box::new(reader),
        columns: Some(columns),
        ignored,
        length,
        in_bytes: true,
        delimiter: None,
    })
}

struct JsonlReader<R> {
    lines: Lines<R>,
    count: ByteCount,
    name: String,
    wanted: Wanted,
    rows: Rows,
    /// The first batch, which [`open`] has read.
    first: Option<Batch>,
}

impl<R: Read + Send> BatchReader for JsonlReader<R> {
    fn next(&mut self) -> Result<Option<Batch>> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let batch = self.read().map_err(|error| error.with_context("file", &self.name))?;
        Ok((batch.features.num_rows() > 0).then_some(batch))
    }
}

impl<R: Read> JsonlReader<R> {
    /// Reads a batch; it has no rows at the end.
    fn read(&mut self) -> Result<Batch> {
        let mut rows = 0;
        while rows < self.wanted.batch_rows {
            let Some(line) = self.lines.next()? else { break };
            self.rows
                .push(&lines::json(line.text))
                .map_err(|error| error.with_context("line", line.number))?;
            rows += 1;
        }
        let (features, kept) = self.rows.take();
        Ok(Batch {
            features: columns_of_fields(self.wanted.features.iter().zip(features).map(field), rows)?,
            kept: kept::batch(self.wanted.keep.iter().zip(kept), rows)?,
            lines: Vec::new(),
            position: self.count.get(),
        })
    }
}

/// A feature's column with its field.
fn field((name, column): (&String, Column)) -> (Field, ArrayRef) {
    match column {
        Column::Plain(array) => (Field::new(name, array.data_type().clone(), true), array),
        Column::Json(array) => (json_field(name), array),
    }
}
