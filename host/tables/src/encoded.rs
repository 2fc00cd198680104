//! The rows of a small input as a model's numbers, on the caller's thread.

use crate::features::Features;
use crate::guard::guarded;
use crate::input::{BatchReader, Input, Source};
use crate::wanted::Wanted;
use crate::{FileFormat, scoring};
use hydra_base::Result;
use hydra_lightgbm::arrow::{OutputType, table};
use hydra_lightgbm::loaded::Model;

/// Reads the rows of an input as the numbers of a model's matrix, batch by batch, without a thread of its own.
///
/// ```
/// use hydra_lightgbm::Model;
/// use hydra_tables::{EncodedRows, FileFormat, Source};
///
/// # fn main() -> hydra_base::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
/// let model = Model::open(path)?;
/// let body = bytes::Bytes::from_static(b"f4,f3,f2,f1,f0,id\n4,3,2,1,0,a7\n");
/// let mut rows = EncodedRows::open(&model, Source::from_bytes("body", body), FileFormat::Csv)?;
/// let mut values = Vec::new();
/// while rows.read(&mut values)? {}
/// assert_eq!(values, [0.0, 1.0, 2.0, 3.0, 4.0]);
/// assert_eq!(rows.ignored(), ["id"]);
/// # Ok(())
/// # }
/// ```
pub struct EncodedRows {
    model: Model,
    reader: Box<dyn BatchReader>,
    ignored: Vec<String>,
    ended: bool,
}

impl EncodedRows {
    /// Finds the columns as [`Scoring::open`](crate::Scoring::open) does, which also names the errors.
    pub fn open(model: &Model, source: Source, format: FileFormat) -> Result<Self> {
        let batch_rows = scoring::default_batch_rows(model, OutputType::Output);
        let wanted = Wanted::new(model.feature_names(), &[], batch_rows);
        let Input { reader, columns, ignored, .. } =
            Input::open(source, format, wanted, Some(&Features::of([model])))?;
        let model = match columns {
            Some(columns) => model.clone().with_columns(&columns)?,
            None => model.clone(),
        };
        Ok(Self { model, reader, ignored, ended: false })
    }

    /// The columns of the input that are not features.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// Appends the next rows to `values`, row by row, with one value for each feature; `false` at the end.
    ///
    /// A batch takes at most 32 MB. No rows follow an error; errors are those of a [`ScoringRun`](crate::ScoringRun).
    pub fn read(&mut self, values: &mut Vec<f64>) -> Result<bool> {
        if self.ended {
            return Ok(false);
        }
        self.ended = true;
        let Some(batch) = guarded(|| self.reader.next())? else { return Ok(false) };
        let table = table(&batch.features)?;
        let encoded = self.model.encode(&table)?;
        let matrix = encoded.matrix();
        if values.is_empty() {
            *values = matrix.to_row_major();
        } else {
            values.extend_from_slice(&matrix.to_row_major());
        }
        self.ended = false;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// The bits of all values; NaN is one value.
    fn read(model: &Model, source: Source) -> Vec<u64> {
        let mut rows = EncodedRows::open(model, source, FileFormat::Parquet).unwrap();
        let mut values = Vec::new();
        while rows.read(&mut values).unwrap() {}
        values.iter().map(|value| if value.is_nan() { f64::NAN.to_bits() } else { value.to_bits() }).collect()
    }

    #[test]
    fn bytes_in_memory_are_read_as_the_file() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/categories");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let mut seen = 0;
        for path in files.filter(|path| path.extension().is_some_and(|ending| ending == "parquet")) {
            let (model, name) = (Model::open(path.with_extension("lgb")).unwrap(), path.display());
            let bytes = std::fs::read(&path).unwrap();
            let in_memory = read(&model, Source::from_bytes("body", bytes.into()));
            assert_eq!(in_memory, read(&model, Source::open(&path).unwrap()), "{name}");
            assert!(!in_memory.is_empty(), "{name}");
            seen += 1;
        }
        assert!(seen >= 9, "{seen}");
    }
}
