//! Comma-separated values, in the form of RFC 4180 and pandas.

use std::io::Read;
use std::sync::Arc;

use arrow_array::builder::StringBuilder;
use arrow_array::{ArrayRef, Float64Array};
use csv::{ByteRecord, ReaderBuilder};

use super::constant::{Constant, with_names};
use super::sniff::{columns_or_sniff, first_line};
use super::source::{ByteCount, Source, TooMuch, unreadable};
use super::{Batch, BatchReader, Input, cell, named_columns};
use crate::BATCH_ROWS;
use crate::features::Features;
use crate::wanted::{Selection, Wanted};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::loaded::{ColumnKind, FeatureKind};

/// The length limit of a row, so that a quote without an end does not fill the memory.
const LONGEST: u64 = 64 << 20;

/// What may separate the columns of a file that does not say.
const DELIMITERS: [u8; 4] = [b',', b'\t', b';', b'|'];

/// Opens a CSV file: reads its header.
pub(super) fn open(source: Source, mut wanted: Wanted, model: Option<&Features<'_>>) -> Result<Input> {
    let (length, name) = (source.length(), source.name().to_owned());
    let (said, most_columns) = (source.delimiter(), source.most_columns());
    let constants = source.constants();
    let (bytes, count) = source.into_reader()?;
    let (first, bytes) = first_line(bytes)?;
    let separators = DELIMITERS.map(|delimiter| first.split(|byte| *byte == delimiter).count() - 1);
    Source::check_columns(most_columns, separators.into_iter().max().unwrap_or(0))?;
    let delimiter = said.unwrap_or_else(|| delimiter_of(&first, &constants, &wanted));
    let mut builder = ReaderBuilder::new();
    builder.delimiter(delimiter);
    let (columns, bytes) =
        columns_or_sniff(model, bytes, |start| sniffed(start, &builder, &constants, &wanted))?;
    if let Some(model) = model {
        wanted.kinds = model.kinds(&columns)?;
        refuse_mixed(&wanted)?;
    }
    count.allow(LONGEST);
    let mut rows = builder.buffer_capacity(1 << 17).from_reader(bytes);
    let header = rows.byte_headers().map_err(|error| damaged(error, 1))?;
    if header.is_empty() {
        return Err(Error::new(ErrorKind::InvalidData, "the file is empty, without a header"));
    }
    Source::check_columns(most_columns, header.len())?;
    let mut header: Vec<String> = header
        .iter()
        .map(|name| String::from_utf8(name.to_vec()).map_err(|_| invalid("a column name is not UTF-8", 1)))
        .collect::<Result<_>>()?;
    wanted.see_columns(&header);
    refuse_missing_header(&header, &wanted)?;
    let in_file = header.len();
    header.extend(constants.iter().map(|constant| constant.name.clone()));
    let selection = wanted.select(&header).map_err(|error| match in_file {
        1 => error.with_hint("check what separates the columns, and say it with --delimiter"),
        _ => error,
    })?;
    let ignored = selection.ignored.clone();
    let found = Some(delimiter).filter(|delimiter| said.is_none() && *delimiter != b',');
    let reader = CsvReader {
        rows,
        count,
        name,
        header,
        constants,
        wanted,
        selection,
        first: true,
        record: ByteRecord::new(),
    };
    Ok(Input {
        reader: Box::new(reader),
        columns: Some(columns),
        ignored,
        length,
        in_bytes: true,
        delimiter: found,
    })
}

/// What separates the columns of a file with this header: the first of these with which the wanted columns are found, else the one that
/// separates the most columns; the comma in doubt.
fn delimiter_of(header: &[u8], constants: &[Constant], wanted: &Wanted) -> u8 {
    let mut best = (false, 1, b',');
    for delimiter in DELIMITERS {
        let mut rows = ReaderBuilder::new().delimiter(delimiter).from_reader(header);
        let Ok(header) = rows.headers() else { continue };
        let names = with_names(header, constants);
        let found = (wanted.select(&names).is_ok(), header.len());
        if found > (best.0, best.1) {
            best = (found.0, found.1, delimiter);
        }
    }
    best.2
}

/// Finds the features that are text in the first rows of a file. A later row may have text for other features, too.
fn sniffed(
    start: &[u8],
    builder: &ReaderBuilder,
    constants: &[Constant],
    wanted: &Wanted,
) -> Vec<ColumnKind> {
    let mut columns = vec![ColumnKind::Unknown; wanted.features.len()];
    let mut rows = builder.from_reader(start);
    let Ok(header) = rows.headers() else { return columns };
    let header = header.clone();
    let names = with_names(&header, constants);
    // Ignore errors here: the reader reports them.
    let Ok(selection) = wanted.select(&names) else { return columns };
    let mut record = ByteRecord::new();
    while let Ok(true) = rows.read_byte_record(&mut record) {
        add_constants(&mut record, constants);
        for (kind, index) in columns.iter_mut().zip(&selection.features) {
            if record.get(*index).is_some_and(|text| cell::number(text).is_none()) {
                *kind = ColumnKind::Text;
            }
        }
    }
    columns
}

/// Adds the cells that the file does not have.
fn add_constants(record: &mut ByteRecord, constants: &[Constant]) {
    for constant in constants {
        record.push_field(constant.cell().as_bytes());
    }
}

/// Refuses a file whose first line is a row. For columns by position, such a file would otherwise lose a row silently.
///
/// pandas writes the header `0,1,2,...` for columns without names.
fn refuse_missing_header(header: &[String], wanted: &Wanted) -> Result<()> {
    let is_row = header.iter().all(|name| cell::number(name.as_bytes()).is_some());
    let is_count = header.iter().enumerate().all(|(index, name)| *name == index.to_string());
    if !wanted.has_placeholder_names() || !is_row || is_count {
        return Ok(());
    }
    Err(invalid("the file has no header; its first line is a row", 1)
        .with_hint("add a line with any column names before the rows; the model takes columns by position"))
}

/// A cell `3` may be a number or text, which are different categories.
fn refuse_mixed(wanted: &Wanted) -> Result<()> {
    let mixed = wanted.kinds.iter().position(|kind| *kind == FeatureKind::MixedCategory);
    mixed.map_or(Ok(()), |feature| {
        Err(Error::new(
            ErrorKind::InvalidData,
            "the categories of a column mix numbers and text, which CSV cannot distinguish",
        )
        .with_context("column", excerpt(&wanted.features[feature], QUOTED_CHARS))
        .with_hint("use JSON lines"))
    })
}

struct CsvReader<R> {
    rows: csv::Reader<R>,
    count: ByteCount,
    name: String,
    header: Vec<String>,
    constants: Arc<[Constant]>,
    wanted: Wanted,
    selection: Selection,
    first: bool,
    record: ByteRecord,
}

impl<R: Read + Send> BatchReader for CsvReader<R> {
    fn next(&mut self) -> Result<Option<Batch>> {
        let (mut columns, mut lines) = (self.columns(), Vec::new());
        let rows =
            self.fill(&mut columns, &mut lines).map_err(|error| error.with_context("file", &self.name))?;
        if rows == 0 && !self.first {
            return Ok(None);
        }
        self.first = false;
        let mut arrays = columns.into_iter().map(|column| column.cells.finish());
        let features: Vec<ArrayRef> = arrays.by_ref().take(self.wanted.features.len()).collect();
        Ok(Some(Batch {
            features: named_columns(self.wanted.features.iter().zip(features), rows)?,
            kept: named_columns(self.wanted.keep.iter().zip(arrays), rows)?,
            lines,
            position: self.count.get(),
        }))
    }
}

impl<R: Read> CsvReader<R> {
    /// Empty columns: the features, then the kept columns.
    fn columns(&self) -> Vec<Column> {
        // The caller may request more rows than the file has.
        let rows = self.wanted.batch_rows.min(BATCH_ROWS);
        let features = self.selection.features.iter().zip(&self.wanted.kinds);
        let features = features.map(|(index, kind)| Column { index: *index, cells: Cells::of(*kind, rows) });
        let kept = self.selection.kept.iter().map(|index| Column { index: *index, cells: Cells::kept() });
        features.chain(kept).collect()
    }

    /// Reads the rows of a batch and returns their number.
    fn fill(&mut self, columns: &mut [Column], lines: &mut Vec<u64>) -> Result<usize> {
        for row in 0..self.wanted.batch_rows {
            self.count.allow(LONGEST);
            match self.rows.read_byte_record(&mut self.record) {
                Ok(true) => add_constants(&mut self.record, &self.constants),
                Ok(false) => return Ok(row),
                Err(error) => return Err(damaged(error, self.line())),
            }
            if self.wanted.lines {
                lines.push(self.line());
            }
            for column in &mut *columns {
                // The CSV parser rejects rows that are shorter than the header.
                let text = self.record.get(column.index).unwrap_or_default();
                if let Err(problem) = column.cells.push(text) {
                    return Err(invalid(problem, self.line())
                        .with_context("column", excerpt(&self.header[column.index], QUOTED_CHARS))
                        .with_context("cell", excerpt(text, QUOTED_CHARS)));
                }
            }
        }
        Ok(self.wanted.batch_rows)
    }

    /// The line on which the most recently read row starts.
    fn line(&self) -> u64 {
        self.record.position().map_or(1, csv::Position::line)
    }
}

/// A column of a batch during reading.
struct Column {
    /// The index of the column in the file.
    index: usize,
    cells: Cells,
}

enum Cells {
    Numbers(Vec<f64>),
    Texts { builder: StringBuilder, missing: fn(&[u8]) -> bool },
}

impl Cells {
    fn of(kind: FeatureKind, rows: usize) -> Self {
        match kind {
            FeatureKind::TextCategory | FeatureKind::MixedCategory => {
                Self::Texts { builder: StringBuilder::new(), missing: cell::is_missing }
            }
            _ => Self::Numbers(Vec::with_capacity(rows)),
        }
    }

    /// Kept cells are repeated unchanged; only empty ones are missing.
    fn kept() -> Self {
        Self::Texts { builder: StringBuilder::new(), missing: <[u8]>::is_empty }
    }

    fn push(&mut self, text: &[u8]) -> Result<(), &'static str> {
        match self {
            Self::Numbers(numbers) => numbers.push(cell::feature(text).ok_or("the cell is not a number")?),
            Self::Texts { builder, missing } if missing(text) => builder.append_null(),
            Self::Texts { builder, .. } => {
                builder.append_value(std::str::from_utf8(text).map_err(|_| "the cell is not UTF-8")?);
            }
        }
        Ok(())
    }

    fn finish(self) -> ArrayRef {
        match self {
            Self::Numbers(numbers) => Arc::new(Float64Array::from(numbers)),
            Self::Texts { mut builder, .. } => Arc::new(builder.finish()),
        }
    }
}

fn damaged(error: csv::Error, line: u64) -> Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) if error.get_ref().is_some_and(|cause| cause.is::<TooMuch>()) => {
            invalid("the row is too long", line).with_hint("check for a quote that is not closed")
        }
        csv::ErrorKind::Io(error) => unreadable(error),
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
            invalid("the row and the header have different numbers of cells", line)
                .with_context("cells", len)
                .with_context("header", expected_len)
        }
        other => invalid("cannot read the row", line).with_source(format!("{other:?}")),
    }
}

fn invalid(message: &str, line: u64) -> Error {
    Error::new(ErrorKind::InvalidData, message).with_context("line", line)
}
