//! Apache Parquet, one row group after the other.

use std::fs::File;
use std::sync::Arc;

use arrow_array::RecordBatch;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};

use super::Input;
use super::columnar::{Batches, ColumnarReader};
use super::source::{Source, unreadable};
use crate::cli::predict::wanted::{Selection, Wanted};
use crate::{Error, ErrorKind, Result};

/// Opens a Parquet file: reads its footer.
pub(super) fn open(source: Source, wanted: Wanted) -> Result<Input> {
    let name = source.name().to_owned();
    // The footer comes last, so bytes that cannot be read again go to the disk first.
    let file = source.into_regular_file()?;
    let metadata = ArrowReaderMetadata::load(&file, Default::default())
        .map_err(|error| invalid("not a Parquet file, or its footer is damaged").with_source(error))?;
    let names: Vec<&String> = metadata.schema().fields().iter().map(|field| field.name()).collect();
    let selection = wanted.select(&names)?;
    let ignored = selection.ignored.clone();

    // Only the wanted columns are decoded; a projected batch has them in the file's order.
    let mut roots: Vec<usize> = selection.features.iter().chain(&selection.kept).copied().collect();
    roots.sort_unstable();
    roots.dedup();
    let schema = metadata.schema().project(&roots).map_err(|error| internal().with_source(error))?;
    let within = |columns: &[usize]| {
        columns.iter().map(|column| roots.partition_point(|root| root < column)).collect()
    };
    let selection = Selection {
        features: within(&selection.features),
        kept: within(&selection.kept),
        ignored: Vec::new(),
    };

    let rows = u64::try_from(metadata.metadata().file_metadata().num_rows()).ok();
    let groups = RowGroups {
        mask: ProjectionMask::roots(metadata.parquet_schema(), roots),
        group: 0,
        groups: metadata.metadata().num_row_groups(),
        current: None,
        batch_rows: wanted.batch_rows,
        rows: 0,
        metadata,
        file,
    };
    let reader = ColumnarReader::new(name, groups, Arc::new(schema), selection, wanted);
    Ok(Input { reader: Box::new(reader), columns: None, ignored, length: rows, in_bytes: false })
}

/// The batches of a file, row group by row group, so that errors can name the group.
struct RowGroups {
    file: File,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    batch_rows: usize,
    /// The next group.
    group: usize,
    groups: usize,
    current: Option<ParquetRecordBatchReader>,
    rows: u64,
}

impl RowGroups {
    fn open_group(&self) -> Result<ParquetRecordBatchReader> {
        let file = self.file.try_clone().map_err(unreadable)?;
        ParquetRecordBatchReaderBuilder::new_with_metadata(file, self.metadata.clone())
            .with_projection(self.mask.clone())
            .with_row_groups(vec![self.group])
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(|error| {
                invalid("a row group is damaged").with_context("row group", self.group).with_source(error)
            })
    }
}

impl Batches for RowGroups {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                let batch = batch.map_err(|error| {
                    // The current group was counted when it was opened.
                    invalid("a row group is damaged")
                        .with_context("row group", self.group - 1)
                        .with_source(error)
                })?;
                self.rows += batch.num_rows() as u64;
                return Ok(Some(batch));
            }
            if self.group == self.groups {
                return Ok(None);
            }
            self.current = Some(self.open_group()?);
            self.group += 1;
        }
    }

    fn position(&self) -> u64 {
        self.rows
    }
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "a selected column is not in the file")
}
