//! A file of numbers in memory, for training.

use crate::guard::guarded;
use crate::input::{Input, Source};
use crate::wanted::Wanted;
use crate::{BATCH_ROWS, FileFormat};
use hydra_base::Result;
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_lightgbm::arrow::column_numbers;

/// Every column of a file as numbers, in memory.
///
/// A cell is the number that a prediction would read: NaN for missing values, 0 and 1 for booleans.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct NumberTable {
    /// The names of the columns, in the file's order, without repetition.
    pub names: Vec<String>,
    /// The values of each column, one per row, in the order of `names`.
    pub columns: Vec<Vec<f64>>,
    /// The line on which each row starts, counted from 1, in CSV; empty for Parquet and Arrow.
    pub lines: Vec<u64>,
}

impl NumberTable {
    /// Reads all rows of `source`.
    ///
    /// The errors name the file: [`ErrorKind::Storage`] if it cannot be read; [`ErrorKind::InvalidData`] if it is
    /// damaged, a column name appears twice or a cell is not a number, with line and column;
    /// [`ErrorKind::InvalidArgument`] for JSON lines, whose columns are unknown before the last line.
    ///
    /// [`ErrorKind::Storage`]: hydra_base::ErrorKind::Storage
    /// [`ErrorKind::InvalidData`]: hydra_base::ErrorKind::InvalidData
    /// [`ErrorKind::InvalidArgument`]: hydra_base::ErrorKind::InvalidArgument
    ///
    /// ```
    /// use hydra_tables::{FileFormat, NumberTable, Source};
    ///
    /// let rows = "height,tall\n1.5,false\nNA,true\n";
    /// let table = NumberTable::read(Source::from_reader("rows", rows.as_bytes()), FileFormat::Csv)?;
    /// assert_eq!(table.names, ["height", "tall"]);
    /// assert_eq!(table.columns[1], [0.0, 1.0]);
    /// assert!(table.columns[0][1].is_nan());
    /// # Ok::<(), hydra_base::Error>(())
    /// ```
    pub fn read(source: Source, format: FileFormat) -> Result<Self> {
        let file = source.name().to_owned();
        let mut input = Input::open(source, format, Wanted::every_column(BATCH_ROWS), None)?;
        let mut table = Self::default();
        while let Some(batch) = guarded(|| input.reader.next())? {
            let fields = batch.features.schema_ref().fields();
            if table.names.is_empty() {
                table.names = fields.iter().map(|field| field.name().clone()).collect();
                table.columns = vec![Vec::new(); fields.len()];
            }
            for ((values, array), name) in
                table.columns.iter_mut().zip(batch.features.columns()).zip(&table.names)
            {
                let read = column_numbers(array).map_err(|error| {
                    error.with_context("column", excerpt(name, QUOTED_CHARS)).with_context("file", &file)
                })?;
                values.extend_from_slice(&read);
            }
            table.lines.extend(batch.lines);
        }
        Ok(table)
    }

    /// Removes the column `name` and returns its values, or `None` if there is no such column.
    #[must_use]
    pub fn take(&mut self, name: &str) -> Option<Vec<f64>> {
        let column = self.names.iter().position(|column| column == name)?;
        self.names.remove(column);
        Some(self.columns.remove(column))
    }
}

#[cfg(test)]
mod tests;
