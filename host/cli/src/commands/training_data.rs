//! A CSV of training rows: numeric columns and one column of labels.

use std::path::Path;

use hydra_base::error::{Error, ErrorKind, Result};

/// Rows, labels and the names of the feature columns.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TrainingData {
    /// One vector of features per row; NaN where the cell is empty.
    pub rows: Vec<Vec<f64>>,
    /// One label per row.
    pub labels: Vec<f64>,
    /// The features' names, in the order of the columns.
    pub features: Vec<String>,
}

impl TrainingData {
    /// Reads a CSV with a header. `InvalidData` names file, line and column of a cell that is no number, and of a label
    /// that is neither 0 nor 1.
    pub fn read(path: &Path, label: &str) -> Result<Self> {
        Self::parse(path, label).map_err(|error| error.with_context("path", path.display()))
    }

    fn parse(path: &Path, label: &str) -> Result<Self> {
        let mut reader =
            csv::ReaderBuilder::new().trim(csv::Trim::All).from_path(path).map_err(|source| {
                Error::new(ErrorKind::InvalidData, "cannot read the training data").with_source(source)
            })?;
        let header = reader.headers().map_err(damaged)?.clone();
        let Some(label_column) = header.iter().position(|name| name == label) else {
            let columns = header.iter().collect::<Vec<_>>().join(", ");
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("no column `{label}` in the training data"),
            )
            .with_hint(format!("the columns are: {columns}")));
        };
        let features = header.iter().filter(|name| *name != label).map(str::to_owned).collect();
        let mut data = Self { features, ..Self::default() };
        if data.features.len() + 1 != header.len() {
            return Err(Error::new(ErrorKind::InvalidData, format!("the column `{label}` is there twice")));
        }
        for record in reader.records() {
            let record = record.map_err(damaged)?;
            let line = record.position().map_or(0, csv::Position::line);
            let mut row = Vec::with_capacity(data.features.len());
            for (column, cell) in record.iter().enumerate() {
                let value = number(cell).ok_or_else(|| bad_cell(cell, line, &header[column]))?;
                if column != label_column {
                    row.push(value);
                } else if value == 0.0 || value == 1.0 {
                    data.labels.push(value);
                } else {
                    return Err(bad_label(cell, line, label));
                }
            }
            data.rows.push(row);
        }
        Ok(data)
    }

    /// Splits off the last rows as a holdout of that share; neither part is empty.
    pub fn split(mut self, holdout: f64) -> Result<(Self, Self)> {
        if !(0.0..1.0).contains(&holdout) || holdout == 0.0 {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("not a share between 0 and 1: {holdout}"),
            )
            .with_context("flag", "--holdout"));
        }
        let rows = self.rows.len();
        let held = ((rows as f64 * holdout).round() as usize).max(1);
        if held >= rows {
            return Err(Error::new(
                ErrorKind::InvalidData,
                format!("{rows} rows are too few to hold some out"),
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

fn number(cell: &str) -> Option<f64> {
    if cell.is_empty() || cell.eq_ignore_ascii_case("na") { Some(f64::NAN) } else { cell.parse().ok() }
}

fn bad_cell(cell: &str, line: u64, column: &str) -> Error {
    let shown: String = cell.chars().take(40).collect();
    Error::new(ErrorKind::InvalidData, format!("not a number: `{shown}`"))
        .with_context("line", line)
        .with_context("column", column)
        .with_hint("training data is numeric; leave a cell empty where the value is missing")
}

fn bad_label(cell: &str, line: u64, column: &str) -> Error {
    let shown: String = cell.chars().take(40).collect();
    Error::new(ErrorKind::InvalidData, format!("a label is neither 0 nor 1: `{shown}`"))
        .with_context("line", line)
        .with_context("column", column)
        .with_hint("the baseline is a binary classifier: encode the two classes as 0 and 1")
}

fn damaged(source: csv::Error) -> Error {
    let line = source.position().map_or(0, csv::Position::line);
    Error::new(ErrorKind::InvalidData, "the training data is damaged")
        .with_context("line", line)
        .with_source(source)
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
        assert!(error.to_string().starts_with("not a number: `x` (line: 3, column: a, path: "), "{error}");
        for label in ["2", "", "nan"] {
            let error = read(&format!("a,y\n1,0\n3,1\n2,{label}\n")).expect_err("no label");
            let start = format!("a label is neither 0 nor 1: `{label}` (line: 4, column: y, path: ");
            assert!(error.to_string().starts_with(&start), "{error}");
        }
        let error = read("a,b\n1,0\n").expect_err("no label");
        assert_eq!(error.hint(), Some("the columns are: a, b"));
        let error = read("a,y\n1\n").expect_err("a short row");
        assert!(error.to_string().contains("line: 2"), "{error}");
        assert!(read("a,y\n1,0\n").expect("one row").split(0.2).is_err());
    }
}
