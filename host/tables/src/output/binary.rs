//! Predictions in binary formats: Parquet and Arrow IPC.

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::{FileWriter, StreamWriter};
use arrow_schema::{DataType, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::WriterProperties;

use super::{BatchWriter, Destination, unfit};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// The limit of encoded bytes of a row group in memory.
const ROW_GROUP_BYTES: usize = 64 << 20;

/// A writer of Parquet, compressed with Snappy as pandas does.
pub(super) fn parquet<'p>(schema: &SchemaRef, out: Destination<'p>) -> Result<impl BatchWriter<'p> + 'p> {
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties)).map_err(unfit)?;
    Ok(Typed { schema: schema.clone(), writer })
}

/// A writer of an Arrow IPC file.
pub(super) fn ipc_file<'p>(schema: &SchemaRef, out: Destination<'p>) -> Result<impl BatchWriter<'p> + 'p> {
    Ok(Typed { schema: schema.clone(), writer: FileWriter::try_new(out, schema).map_err(unfit)? })
}

/// A writer of an Arrow IPC stream.
pub(super) fn ipc_stream<'p>(schema: &SchemaRef, out: Destination<'p>) -> Result<impl BatchWriter<'p> + 'p> {
    Ok(Typed { schema: schema.clone(), writer: StreamWriter::try_new(out, schema).map_err(unfit)? })
}

/// The shared part of these writers.
trait TypedWriter<'p> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;
    fn finish(self) -> Result<Destination<'p>>;
}

impl<'p> TypedWriter<'p> for ArrowWriter<Destination<'p>> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        ArrowWriter::write(self, batch).map_err(unfit)?;
        if self.in_progress_size() >= ROW_GROUP_BYTES {
            self.flush().map_err(unfit)?;
        }
        Ok(())
    }

    fn finish(self) -> Result<Destination<'p>> {
        self.into_inner().map_err(unfit)
    }
}

impl<'p> TypedWriter<'p> for FileWriter<Destination<'p>> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        FileWriter::write(self, batch).map_err(unfit)
    }

    fn finish(self) -> Result<Destination<'p>> {
        self.into_inner().map_err(unfit)
    }
}

impl<'p> TypedWriter<'p> for StreamWriter<Destination<'p>> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        StreamWriter::write(self, batch).and_then(|()| self.flush()).map_err(unfit)
    }

    fn finish(self) -> Result<Destination<'p>> {
        self.into_inner().map_err(unfit)
    }
}

/// Converts every batch to the schema of the first one.
struct Typed<W> {
    schema: SchemaRef,
    writer: W,
}

impl<'p, W: TypedWriter<'p>> BatchWriter<'p> for Typed<W> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.schema_ref() == &self.schema {
            return self.writer.write(batch);
        }
        let columns = self.schema.fields().iter().zip(batch.columns()).map(|(field, column)| {
            widened(column, field.data_type())
                .map_err(|error| error.with_context("column", excerpt(field.name(), QUOTED_CHARS)))
        });
        let columns = columns.collect::<Result<Vec<ArrayRef>>>()?;
        let batch = RecordBatch::try_new(self.schema.clone(), columns).map_err(unfit)?;
        self.writer.write(&batch)
    }

    fn finish(self: Box<Self>) -> Result<Destination<'p>> {
        self.writer.finish()
    }
}

/// Converts a column to its type in the first batch, if that is exact.
fn widened(column: &ArrayRef, to: &DataType) -> Result<ArrayRef> {
    let empty = column.null_count() == column.len();
    match column.data_type() {
        from if from == to => Ok(column.clone()),
        _ if empty => Ok(arrow_array::new_null_array(to, column.len())),
        DataType::Int64 if to == &DataType::Float64 && is_exact_in_floats(column) => {
            arrow_cast::cast(column, to).map_err(unfit)
        }
        from => Err(Error::new(ErrorKind::InvalidData, "a column to keep changes its type between batches")
            .with_context("first", to)
            .with_context("later", from)
            .with_hint("write csv or jsonl, which do not fix the types of columns")),
    }
}

/// Whether floats represent all of these integers exactly.
fn is_exact_in_floats(column: &ArrayRef) -> bool {
    const WHOLE: u64 = 1 << 53;
    let numbers = column.as_primitive_opt::<Int64Type>();
    numbers.is_some_and(|numbers| numbers.iter().flatten().all(|number| number.unsigned_abs() <= WHOLE))
}
