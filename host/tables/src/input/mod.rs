//! Readers of rows: one per format, all with the same answer.

mod cell;
mod columnar;
mod csv;
mod ipc;
mod jsonl;
mod parquet;
mod sniff;
mod source;

use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow_schema::{Field, Schema};

use crate::FileFormat;
use crate::features::Features;
use crate::guard::guarded;
use crate::wanted::Wanted;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::ColumnKind;

pub use cell::number;
pub use source::Source;

/// Rows of a file: what the model wants, and what is repeated in the output.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The model's features, by its names and in its order.
    pub features: RecordBatch,
    /// The columns to keep.
    pub kept: RecordBatch,
    /// The line on which each row starts, where [`Wanted::lines`] asks for them and the format has lines.
    pub lines: Vec<u64>,
    /// How far the reader has come, in units of [`Input::length`].
    pub position: u64,
}

/// Reads a file in batches.
///
/// A reader brings at least one batch, without rows where the file has none, so that the output always has a header.
pub(crate) trait BatchReader: Send {
    /// The next batch, or none at the end. Damage is [`ErrorKind::InvalidData`] and says where.
    fn next(&mut self) -> Result<Option<Batch>>;
}

/// An opened input.
pub(crate) struct Input {
    /// Brings the rows.
    pub reader: Box<dyn BatchReader>,
    /// What is known about each feature's column, if the batches do not say it by their types.
    pub columns: Option<Vec<ColumnKind>>,
    /// The columns that nobody asked for.
    pub ignored: Vec<String>,
    /// How long the input is, if that is known.
    pub length: Option<u64>,
    /// Whether lengths and positions are bytes; rows else.
    pub in_bytes: bool,
}

impl Input {
    /// Finds the wanted columns in `source`; `model` has the features, and knows which are text.
    ///
    /// [`ErrorKind::Storage`] when it cannot be read, [`ErrorKind::InvalidData`] when columns are missing, and
    /// [`ErrorKind::InvalidArgument`] for JSON lines without a model, which do not say which columns there are.
    pub fn open(
        source: Source,
        format: FileFormat,
        wanted: Wanted,
        model: Option<&Features<'_>>,
    ) -> Result<Self> {
        let name = source.name().to_owned();
        let open = || match (format, model) {
            (FileFormat::Csv, model) => csv::open(source, wanted, model),
            (FileFormat::Parquet, _) => parquet::open(source, wanted),
            (FileFormat::Arrow, _) => ipc::open(source, wanted),
            (FileFormat::Jsonl, Some(model)) => jsonl::open(source, wanted, model),
            (FileFormat::Jsonl, None) => Err(Error::new(
                ErrorKind::InvalidArgument,
                "JSON lines do not say which columns there are before the last line",
            )
            .with_hint("write the rows as CSV, Parquet or Arrow")),
        };
        guarded(open).map_err(|error: Error| error.with_context("file", name))
    }
}

/// A batch of named columns, which may be none.
fn named_columns<'a>(
    columns: impl IntoIterator<Item = (&'a String, ArrayRef)>,
    rows: usize,
) -> Result<RecordBatch> {
    let field =
        |(name, array): (&String, ArrayRef)| (Field::new(name, array.data_type().clone(), true), array);
    columns_of_fields(columns.into_iter().map(field), rows)
}

/// A batch of columns, which may be none.
fn columns_of_fields(
    columns: impl IntoIterator<Item = (Field, ArrayRef)>,
    rows: usize,
) -> Result<RecordBatch> {
    let (fields, arrays): (Vec<Field>, Vec<ArrayRef>) = columns.into_iter().unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).map_err(|error| {
        Error::new(ErrorKind::Internal, "cannot build a batch from the columns").with_source(error)
    })
}
