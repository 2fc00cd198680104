//! Apache Parquet, read row group by row group.

use std::error::Error as StdError;
use std::fs::File;
use std::io::{self, Read};
use std::sync::Arc;

use arrow_array::{ArrayRef, DictionaryArray, Int32Array, RecordBatch, RecordBatchOptions};
use arrow_schema::{DataType, Fields, Schema};
use bytes::Bytes;
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{
    ArrowReaderMetadata, ArrowReaderOptions, ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder,
};
use parquet::basic::Compression;
use parquet::file::reader::{ChunkReader, Length};

use super::Input;
use super::columnar::{Batches, ColumnarReader};
use super::constant::with_names;
use super::pages;
use super::remote::Places;
use super::source::{Source, unreadable};
use crate::wanted::{Selection, Wanted};
use hydra_base::{Error, ErrorKind, Result};

/// Opens a Parquet file: reads its footer.
pub(super) fn open(source: Source, mut wanted: Wanted) -> Result<Input> {
    let name = source.name().to_owned();
    let (left, constants) = (source.most_unpacked(), source.constants());
    let contents = Contents::of(source)?;
    if let Contents::Memory(bytes) = &contents {
        pages::check_footer(bytes)?;
    }
    let metadata = ArrowReaderMetadata::load(&contents, Default::default())
        .map_err(|error| damaged("not a Parquet file, or its footer is damaged", error))?;
    let texts = if contents.is_in_memory() { Texts::Shared } else { Texts::AsWritten };
    let (metadata, dictionaries) = readable(metadata, texts)?;
    let in_file = metadata.schema().fields().len();
    let names = with_names(metadata.schema().fields().iter().map(|field| field.name().as_str()), &constants);
    wanted.see_columns(&names);
    let selection = wanted.select(&names)?;
    let ignored = selection.ignored.clone();

    // Only the wanted columns are decoded; a projected batch has them in the file's order.
    let wanted_columns = selection.features.iter().chain(&selection.kept).copied();
    let mut roots: Vec<usize> = wanted_columns.filter(|column| *column < in_file).collect();
    roots.sort_unstable();
    roots.dedup();
    let schema = metadata.schema().project(&roots).map_err(|error| internal().with_source(error))?;
    let dictionaries: Vec<bool> = roots.iter().map(|root| dictionaries[*root]).collect();
    let schema = Arc::new(with_dictionaries(&schema, &dictionaries));
    let within = |columns: &[usize]| {
        let place = |column: &usize| match column.checked_sub(in_file) {
            Some(constant) => roots.len() + constant,
            None => roots.partition_point(|root| root < column),
        };
        columns.iter().map(place).collect()
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
        dictionaries,
        schema: schema.clone(),
        left,
        metadata,
        contents,
    };
    let reader = ColumnarReader::new(name, groups, schema, selection, constants, wanted);
    Ok(Input {
        reader: Box::new(reader),
        columns: None,
        ignored,
        length: rows,
        in_bytes: false,
        delimiter: None,
    })
}

/// The bytes of a file, which is read from several places.
enum Contents {
    File(File),
    Memory(Bytes),
    Remote(Places),
}

/// How columns of text are read.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    /// As the file's schema has them.
    AsWritten,
    /// As references to the texts in the file. A small file can repeat a long text in all of its rows; bytes in memory, which may
    /// come from anywhere, cannot make the reader copy it as often.
    Shared,
}

impl Contents {
    fn is_in_memory(&self) -> bool {
        matches!(self, Self::Memory(_))
    }

    /// The bytes of `source`. The footer is at their end, so a stream is first copied to a temporary file.
    fn of(source: Source) -> Result<Self> {
        if let Some(file) = source.remote()? {
            return Ok(Self::Remote(Places::new(file)));
        }
        match source.in_memory() {
            Some(bytes) => Ok(Self::Memory(bytes)),
            None => source.into_regular_file().map(Self::File),
        }
    }

    /// The same bytes for another reader.
    fn again(&self) -> Result<Self> {
        Ok(match self {
            Self::File(file) => Self::File(file.try_clone().map_err(unreadable)?),
            Self::Memory(bytes) => Self::Memory(bytes.clone()),
            Self::Remote(places) => Self::Remote(places.clone()),
        })
    }
}

impl Length for Contents {
    fn len(&self) -> u64 {
        match self {
            Self::File(file) => file.len(),
            Self::Memory(bytes) => bytes.len() as u64,
            Self::Remote(places) => places.length(),
        }
    }
}

impl ChunkReader for Contents {
    type T = Box<dyn Read>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(match self {
            Self::File(file) => Box::new(file.get_read(start)?),
            Self::Memory(bytes) => Box::new(bytes.get_read(start)?),
            Self::Remote(places) => Box::new(places.reader(start)),
        })
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        match self {
            Self::File(file) => file.get_bytes(start, length),
            Self::Memory(bytes) => bytes.get_bytes(start, length),
            Self::Remote(places) => Ok(places.read(start, Some(length as u64))?),
        }
    }
}

/// The batches of a file, row group by row group, so that errors can name the group.
struct RowGroups {
    contents: Contents,
    metadata: ArrowReaderMetadata,
    mask: ProjectionMask,
    batch_rows: usize,
    /// The next group.
    group: usize,
    groups: usize,
    current: Option<ParquetRecordBatchReader>,
    rows: u64,
    /// How many bytes of pages may still be unpacked, if the file is in memory.
    left: u64,
    /// The columns that were dictionaries in the writer's schema and are read as plain ones.
    dictionaries: Vec<bool>,
    /// The schema of the batches, with dictionaries.
    schema: Arc<Schema>,
}

/// The file's metadata, changed so that dictionaries of other values than text are read as plain columns, and those
/// columns.
///
/// The file contains the writer's Arrow types. Some of its dictionaries cannot be decoded, and those of booleans make
/// the decoder panic.
fn readable(metadata: ArrowReaderMetadata, texts: Texts) -> Result<(ArrowReaderMetadata, Vec<bool>)> {
    let is_text = |data_type: &DataType| matches!(data_type, DataType::Utf8 | DataType::LargeUtf8);
    let is_plain_dictionary =
        |data_type: &DataType| matches!(data_type, DataType::Dictionary(_, values) if !is_text(values));
    let read_as = |data_type: &DataType| match data_type {
        DataType::Dictionary(_, values) if !is_text(values) => Some((**values).clone()),
        DataType::Dictionary(_, _) if texts == Texts::Shared => Some(DataType::Utf8View),
        text if texts == Texts::Shared && is_text(text) => Some(DataType::Utf8View),
        _ => None,
    };
    let fields = metadata.schema().fields();
    let dictionaries: Vec<bool> = fields.iter().map(|field| is_plain_dictionary(field.data_type())).collect();
    if fields.iter().all(|field| read_as(field.data_type()).is_none()) {
        return Ok((metadata, dictionaries));
    }
    let fields = fields.iter().map(|field| match read_as(field.data_type()) {
        Some(read_as) => Arc::new(field.as_ref().clone().with_data_type(read_as)),
        None => field.clone(),
    });
    let schema = Arc::new(Schema::new(fields.collect::<Fields>()));
    let options = ArrowReaderOptions::new().with_schema(schema);
    let metadata = ArrowReaderMetadata::try_new(metadata.metadata().clone(), options)
        .map_err(|error| invalid("the type of a dictionary does not match its column").with_source(error))?;
    Ok((metadata, dictionaries))
}

/// The schema with these columns as dictionaries.
fn with_dictionaries(schema: &Schema, dictionaries: &[bool]) -> Schema {
    let fields = schema.fields().iter().zip(dictionaries).map(|(field, is_dictionary)| {
        if !is_dictionary {
            return field.clone();
        }
        let wrapped = DataType::Dictionary(Box::new(DataType::Int32), Box::new(field.data_type().clone()));
        Arc::new(field.as_ref().clone().with_data_type(wrapped))
    });
    Schema::new(fields.collect::<Fields>())
}

impl RowGroups {
    /// The batch with the writer's dictionaries, which a model reads as categories.
    fn wrap(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = batch.columns().iter().zip(&self.dictionaries).map(|(column, is_dictionary)| {
            if !is_dictionary {
                return Ok(column.clone());
            }
            let rows = i32::try_from(column.len()).map_err(|_| invalid("a batch has too many rows"))?;
            let keys = Int32Array::from_iter_values(0..rows);
            let wrapped = DictionaryArray::try_new(keys, column.clone());
            Ok(Arc::new(wrapped.map_err(|error| internal().with_source(error))?) as ArrayRef)
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| internal().with_source(error))
    }

    fn open_group(&mut self) -> Result<ParquetRecordBatchReader> {
        let columns = self.metadata.metadata().row_group(self.group).columns().iter().enumerate();
        let mut codecs = columns
            .filter(|(leaf, _)| self.mask.leaf_included(*leaf))
            .map(|(_, column)| column.compression());
        if let Some(codec) = codecs.find(|codec| matches!(codec, Compression::BROTLI(_) | Compression::LZO)) {
            return Err(invalid("the file's compression is not supported")
                .with_context("codec", codec)
                .with_hint("write the file with zstd, snappy, gzip, lz4 or no compression"));
        }
        if let Contents::Memory(bytes) = &self.contents {
            let columns = self.metadata.metadata().row_group(self.group).columns().iter().enumerate();
            for (_, column) in columns.filter(|(leaf, _)| self.mask.leaf_included(*leaf)) {
                pages::check(bytes, column, &mut self.left)
                    .map_err(|error| error.with_context("row group", self.group))?;
            }
        }
        if let Contents::Remote(places) = &self.contents {
            let columns = self.metadata.metadata().row_group(self.group).columns().iter().enumerate();
            let ranges = columns.filter(|(leaf, _)| self.mask.leaf_included(*leaf)).map(|(_, column)| {
                let (start, length) = column.byte_range();
                start..start.saturating_add(length)
            });
            places.expect(ranges.collect());
        }
        ParquetRecordBatchReaderBuilder::new_with_metadata(self.contents.again()?, self.metadata.clone())
            .with_projection(self.mask.clone())
            .with_row_groups(vec![self.group])
            .with_batch_size(self.batch_rows)
            .build()
            .map_err(|error| damaged("a row group is damaged", error).with_context("row group", self.group))
    }
}

impl Batches for RowGroups {
    fn next(&mut self) -> Result<Option<RecordBatch>> {
        loop {
            if let Some(batch) = self.current.as_mut().and_then(Iterator::next) {
                let batch = batch.map_err(|error| {
                    // The current group was counted when it was opened.
                    damaged("a row group is damaged", error).with_context("row group", self.group - 1)
                })?;
                self.rows += batch.num_rows() as u64;
                return self.wrap(&batch).map(Some);
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

/// What an error of the decoder means: damage, or that the bytes could not be had.
fn damaged(message: &str, error: impl StdError + Send + Sync + 'static) -> Error {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(&error);
    while let Some(found) = cause {
        let inner = found.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let inner = inner.map(|inner| inner as &(dyn StdError + 'static));
        if let Some(found) =
            [Some(found), inner].into_iter().flatten().find_map(<dyn StdError>::downcast_ref::<Error>)
        {
            let error = Error::new(found.kind(), found.message().to_owned());
            let error =
                found.context().iter().fold(error, |error, (key, value)| error.with_context(key, value));
            return match found.hint() {
                Some(hint) => error.with_hint(hint),
                None => error,
            };
        }
        cause = found.source();
    }
    invalid(message).with_source(error)
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}

fn internal() -> Error {
    Error::new(ErrorKind::Internal, "a selected column is not in the file")
}
