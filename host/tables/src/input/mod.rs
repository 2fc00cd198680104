//! Readers of rows, one per format, with the same result.

mod cell;
mod columnar;
mod compression;
pub(crate) mod constant;
mod csv;
mod ipc;
mod jsonl;
mod pages;
mod parquet;
mod remote;
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
pub(crate) use constant::Constant;
pub use remote::RemoteFile;
pub use source::Source;

/// Rows of a file: the model's features, and the columns that the output repeats.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The model's features, with its names and in its order.
    pub features: RecordBatch,
    /// The columns to keep.
    pub kept: RecordBatch,
    /// The line on which each row starts, if [`Wanted::lines`] is set and the format has lines.
    pub lines: Vec<u64>,
    /// The position of the reader, in units of [`Input::length`].
    pub position: u64,
}

/// Reads a file in batches.
///
/// A reader returns at least one batch, which has no rows if the file has none, so that the output always has a header.
pub(crate) trait BatchReader: Send {
    /// The next batch; `None` at the end. Damage is [`ErrorKind::InvalidData`] with its position.
    fn next(&mut self) -> Result<Option<Batch>>;
}

/// An opened input.
pub(crate) struct Input {
    /// The reader of the rows.
    pub reader: Box<dyn BatchReader>,
    /// The knowledge about each feature's column, if the batches' types do not contain it.
    pub columns: Option<Vec<ColumnKind>>,
    /// The columns of the input that are neither features nor kept.
    pub ignored: Vec<String>,
    /// The length of the input, if it is known.
    pub length: Option<u64>,
    /// Whether lengths and positions are bytes; otherwise they are rows.
    pub in_bytes: bool,
    /// What separates the columns of CSV, if the header decided and it is not the comma.
    pub delimiter: Option<u8>,
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

/// A batch of named columns; there may be no columns.
fn named_columns<'a>(
    columns: impl IntoIterator<Item = (&'a String, ArrayRef)>,
    rows: usize,
) -> Result<RecordBatch> {
    let field =
        |(name, array): (&String, ArrayRef)| (Field::new(name, array.data_type().clone(), true), array);
    columns_of_fields(columns.into_iter().map(field), rows)
}

/// A batch of columns; there may be no columns.
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
