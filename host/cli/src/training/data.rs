//! The data for training a baseline: columns of numbers and one of labels.

use std::path::Path;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_tables::{FileFormat, NumberTable, Source};

/// Rows, labels and the names of the feature columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainingData {
    /// One vector of features per row; NaN where the value is missing.
    pub rows: Vec<Vec<f64>>,
    /// One label per row: 0 or 1.
    pub labels: Vec<f64>,
    /// The features' names, in the order of the columns.
    pub features: Vec<String>,
}

impl TrainingData {
    /// Reads a file as `predict` does: in the format of its extension, else as CSV. `InvalidData` names file, line and
    /// column of a cell that is not a number, and of a label that is neither 0 nor 1.
    pub fn read(path: &Path, label: &str) -> Result<Self> {
        let format = FileFormat::of(path).unwrap_or(FileFormat::Csv);
        let table = NumberTable::read(Source::open(path)?, format)?;
        Self::of(table, label).map_err(|error| error.with_context("file", path.display()))
    }

    fn of(mut table: NumberTable, label: &str) -> Result<Self> {
        let Some(labels) = table.take(label) else {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("no column `{label}` in the training data"),
            )
            .with_hint(format!("use one of these columns: {}", table.names.join(", "))));
        };
        if let Some(row) = labels.iter().position(|value| *value != 0.0 && *value != 1.0) {
            return Err(bad_label(labels[row], row, &table.lines, label));
        }
        let row = |row: usize| table.columns.iter().map(|column| column[row]).collect();
        Ok(Self { rows: (0..labels.len()).map(row).collect(), labels, features: table.names })
    }

    /// Splits off the last rows as a holdout with this share; neither part is empty.
    pub fn split(mut self, holdout: f64) -> Result<(Self, Self)> {
        if !(0.0..1.0).contains(&holdout) || holdout == 0.0 {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the holdout is not a share between 0 and 1: `{holdout}`"),
            )
            .with_context("flag", "--holdout"));
        }
        let rows = self.rows.len();
        let held = ((rows as f64 * holdout).round() as usize).max(1);
        if held >= rows {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("cannot hold out rows: {rows} rows are not enough"),
            ));
        }
        let held_out = Self {
            rows: self.rows.split_off(rows - held),
            labels: self.labels.split_off(rows - held),
            features: self.features.clone(),
        };
        Ok((self, held_out))
    }
}

fn bad_label(value: f64, row: usize, lines: &[u64], column: &str) -> Error {
    let error = Error::new(ErrorKind::InvalidData, format!("a label is neither 0 nor 1: `{value}`"));
    let error = match lines.get(row) {
        Some(line) => error.with_context("line", line),
        None => error.with_context("row", row + 1),
    };
    error
        .with_context("column", column)
        .with_hint("encode the two classes as 0 and 1; the baseline is a binary classifier")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<TrainingData> {
        let file = tempfile::NamedTempFile::new().expect("a file");
        std::fs::write(file.path(), text).expect("written");
        TrainingData::read(file.path(), "y")
    }

    #[test]
    fn the_label_may_be_any_column_and_empty_cells_are_missing() {
        let data = read("a,y,b\n1,0,2.5\n,1,-3\n").expect("data");
        assert_eq!(data.features, ["a", "b"]);
        assert_eq!(data.labels, [0.0, 1.0]);
        assert_eq!(data.rows[0], [1.0, 2.5]);
        assert!(data.rows[1][0].is_nan());
        let (train, held) = data.split(0.5).expect("two parts");
        assert_eq!((train.rows.len(), held.labels), (1, vec![1.0]));
    }

    #[test]
    fn what_is_wrong_is_named_with_line_and_column() {
        let error = read("a,y\n1,0\nx,1\n").expect_err("a bad cell");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let start = "the cell is not a number (line: 3, column: a, cell: x, file: ";
        assert!(error.to_string().starts_with(start), "{error}");
        for (label, shown) in [("2", "2"), ("", "NaN"), ("nan", "NaN")] {
            let error = read(&format!("a,y\n1,0\n3,1\n2,{label}\n")).expect_err("no label");
            let start = format!("a label is neither 0 nor 1: `{shown}` (line: 4, column: y, file: ");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
        let error = read("a,b\n1,0\n").expect_err("no label");
        assert_eq!(error.hint(), Some("use one of these columns: a, b"));
        let error = read("a,y\n1\n").expect_err("a short row");
        assert!(error.to_string().contains("line: 2"), "{error}");
        assert!(read("a,y\n1,0\n").expect("one row").split(0.2).is_err());
    }
}
