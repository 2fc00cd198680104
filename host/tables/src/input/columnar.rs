//! Shared by Parquet and Arrow files, whose batches already consist of columns.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch};
use arrow_schema::Schema;

use super::constant::Constant;
use super::{Batch, BatchReader, named_columns};
use crate::wanted::{Selection, Wanted};
use hydra_base::{Error, ErrorKind, Result};

/// Batches in the order of a file.
pub(super) trait Batches: Send {
    /// The next batch; `None` at the end.
    fn next(&mut self) -> Result<Option<RecordBatch>>;

    /// The position of the reader, in units of the input's length.
    fn position(&self) -> u64;
}

/// Selects the wanted columns of batches.
pub(super) struct ColumnarReader<B> {
    name: String,
    batches: B,
    /// The schema of the file's batches.
    schema: Arc<Schema>,
    /// Of the columns of the batches, and then of the constants.
    selection: Selection,
    constants: Arc<[Constant]>,
    wanted: Wanted,
    /// The rest of a batch that is larger than wanted.
    rest: Option<RecordBatch>,
    first: bool,
}

impl<B: Batches> ColumnarReader<B> {
    /// A reader of `batches`, which have the schema `schema`; `selection` refers to its columns, and to the `constants` behind them.
    pub(super) fn new(
        name: String,
        batches: B,
        schema: Arc<Schema>,
        selection: Selection,
        constants: Arc<[Constant]>,
        wanted: Wanted,
    ) -> Self {
        Self { name, batches, schema, selection, constants, wanted, rest: None, first: true }
    }

    /// The next batch, with at most the wanted number of rows.
    fn next_rows(&mut self) -> Result<Option<RecordBatch>> {
        let batch = match self.rest.take() {
            Some(rest) => rest,
            None => loop {
                match self.batches.next()? {
                    Some(batch) if batch.num_rows() > 0 => break batch,
                    Some(_) => {}
                    None => return Ok(None),
                }
            },
        };
        let rows = self.wanted.batch_rows;
        if batch.num_rows() <= rows {
            return Ok(Some(batch));
        }
        self.rest = Some(batch.slice(rows, batch.num_rows() - rows));
        Ok(Some(batch.slice(0, rows)))
    }

    fn split(&self, batch: &RecordBatch) -> Result<Batch> {
        let rows = batch.num_rows();
        let column = |index: &usize| match index.checked_sub(batch.num_columns()) {
            Some(constant) => self.constants[constant].array(rows),
            None => batch.column(*index).clone(),
        };
        let features = self.selection.features.iter().map(column);
        let kept = self.selection.kept.iter().map(|index| unpacked(&column(index)));
        let kept: Vec<ArrayRef> = kept.collect::<Result<_>>()?;
        Ok(Batch {
            features: named_columns(self.wanted.features.iter().zip(features), rows)?,
            kept: named_columns(self.wanted.keep.iter().zip(kept), rows)?,
            lines: Vec::new(),
            position: self.batches.position(),
        })
    }
}

impl<B: Batches> BatchReader for ColumnarReader<B> {
    fn next(&mut self) -> Result<Option<Batch>> {
        let first = std::mem::take(&mut self.first);
        let batch = match self.next_rows().map_err(|error| error.with_context("file", &self.name))? {
            Some(batch) => batch,
            None if first => RecordBatch::new_empty(self.schema.clone()),
            None => return Ok(None),
        };
        self.split(&batch).map(Some)
    }
}

/// Replaces a dictionary by its values. Dictionaries can differ between batches, and not every output format has them.
fn unpacked(column: &ArrayRef) -> Result<ArrayRef> {
    let Some(dictionary) = column.as_any_dictionary_opt() else { return Ok(column.clone()) };
    arrow_cast::cast(column, dictionary.values().data_type()).map_err(|error| {
        Error::new(ErrorKind::InvalidData, "a dictionary of a column to keep is damaged").with_source(error)
    })
}
