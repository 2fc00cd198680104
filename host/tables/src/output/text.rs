//! Predictions as text: CSV and JSON lines.
//!
//! Times of named zones are written in UTC. A batch is first rendered in memory, so that a failure of the destination
//! is always an I/O error.

use std::borrow::Cow;
use std::io::Write;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray};
use arrow_json::writer::{Encoder, EncoderFactory, EncoderOptions, LineDelimited, NullableEncoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Schema, SchemaRef};

use super::{BatchWriter, Destination, unfit, unwritable};
use hydra_base::Result;
use hydra_base::text::{escape_json, printable_block};
use hydra_lightgbm::arrow::is_json;

/// Writes comma-separated values with a header; missing values are empty.
pub(super) struct CsvWriter<'p> {
    out: Destination<'p>,
    text: Vec<u8>,
}

impl<'p> CsvWriter<'p> {
    pub(super) fn new(schema: &SchemaRef, out: Destination<'p>) -> Result<Self> {
        let mut writer = Self { out, text: Vec::new() };
        writer.render(&RecordBatch::new_empty(schema.clone()), true)?;
        Ok(writer)
    }

    fn render(&mut self, batch: &RecordBatch, header: bool) -> Result<()> {
        self.text.clear();
        let mut csv = arrow_csv::WriterBuilder::new().with_header(header).build(&mut self.text);
        csv.write(with_offsets(batch)?.as_ref()).map_err(unfit)?;
        drop(csv);
        if self.out.is_terminal() {
            // Kept columns may hold any text; a file and a pipe receive it as it is.
            let shown = printable_block(&String::from_utf8_lossy(&self.text));
            return self.out.write_all(shown.as_bytes()).map_err(unwritable);
        }
        self.out.write_all(&self.text).map_err(unwritable)
    }
}

impl<'p> BatchWriter<'p> for CsvWriter<'p> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.render(batch, false)?;
        self.out.flush().map_err(unwritable)
    }

    fn finish(self: Box<Self>) -> Result<Destination<'p>> {
        Ok(self.out)
    }
}

/// Writes one JSON object per line; missing values and numbers that are not finite are null.
pub(super) struct JsonlWriter<'p> {
    out: Destination<'p>,
    text: Vec<u8>,
}

impl<'p> JsonlWriter<'p> {
    pub(super) fn new(out: Destination<'p>) -> Self {
        Self { out, text: Vec::new() }
    }
}

impl<'p> BatchWriter<'p> for JsonlWriter<'p> {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        self.text.clear();
        let mut json = arrow_json::WriterBuilder::new()
            .with_explicit_nulls(true)
            .with_encoder_factory(Arc::new(JsonText))
            .build::<_, LineDelimited>(&mut self.text);
        json.write(with_offsets(batch)?.as_ref()).and_then(|()| json.finish()).map_err(unfit)?;
        let text = String::from_utf8_lossy(&self.text);
        let lines = escape_json(&text);
        self.out.write_all(lines.as_bytes()).and_then(|()| self.out.flush()).map_err(unwritable)
    }

    fn finish(self: Box<Self>) -> Result<Destination<'p>> {
        Ok(self.out)
    }
}

/// Converts times of named zones to UTC: the same times, without a database of zones.
fn with_offsets(batch: &RecordBatch) -> Result<Cow<'_, RecordBatch>> {
    const UTC: &str = "+00:00";
    let has_zone = |field: &FieldRef| matches!(field.data_type(), DataType::Timestamp(_, Some(_)));
    if !batch.schema_ref().fields().iter().any(has_zone) {
        return Ok(Cow::Borrowed(batch));
    }
    let columns = batch.schema_ref().fields().iter().zip(batch.columns()).map(|(field, column)| {
        let DataType::Timestamp(unit, Some(_)) = field.data_type() else {
            return Ok((field.clone(), column.clone()));
        };
        let utc = DataType::Timestamp(*unit, Some(UTC.into()));
        let column = arrow_cast::cast(column, &utc)?;
        Ok((Arc::new(Field::new(field.name(), utc, true)), column))
    });
    let columns = columns.collect::<Result<Vec<_>, ArrowError>>().map_err(unfit)?;
    let (fields, columns): (Vec<FieldRef>, Vec<ArrayRef>) = columns.into_iter().unzip();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map(Cow::Owned).map_err(unfit)
}

/// Writes columns of JSON text as JSON values.
#[derive(Debug)]
struct JsonText;

impl EncoderFactory for JsonText {
    fn make_default_encoder<'a>(
        &self,
        field: &'a FieldRef,
        array: &'a dyn Array,
        _options: &'a EncoderOptions,
    ) -> Result<Option<NullableEncoder<'a>>, ArrowError> {
        let texts = array.as_string_opt::<i32>().filter(|_| is_json(field));
        Ok(texts.map(|texts| NullableEncoder::new(Box::new(Verbatim(texts)), texts.nulls().cloned())))
    }
}

struct Verbatim<'a>(&'a StringArray);

impl Encoder for Verbatim<'_> {
    fn encode(&mut self, row: usize, out: &mut Vec<u8>) {
        out.extend_from_slice(self.0.value(row).as_bytes());
    }
}
