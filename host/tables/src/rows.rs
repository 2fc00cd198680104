//! Rows for several models at once: one pass over a file.

use std::sync::Arc;
use std::sync::mpsc::Receiver;

use arrow_array::RecordBatch;
use arrow_schema::FieldRef;

use crate::FileFormat;
use crate::features::Features;
use crate::input::{Input, Source};
use crate::scoring::{Message, default_batch_rows, read_ahead};
use crate::wanted::Wanted;
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::arrow::OutputType;
use hydra_lightgbm::loaded::Model;

/// Reads the rows of a file for several models, with columns to keep, in bounded memory.
///
/// ```
/// use arrow_array::cast::AsArray;
/// use hydra_lightgbm::arrow::OutputType;
/// use hydra_lightgbm::loaded::Model;
/// use hydra_tables::{FileFormat, RowReader, Source};
///
/// # fn main() -> hydra_base::Result<()> {
/// # let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
/// let models = vec![Model::open(path)?, Model::open(path)?];
/// let rows = Source::from_reader("rows", "id,f0,f1,f2,f3,f4\na7,0.5,1,-1,0,2\n".as_bytes());
///
/// let mut reader = RowReader::open(models, &["id".to_owned()], rows, FileFormat::Csv)?;
/// while let Some(batch) = reader.next_batch()? {
///     let ids = batch.kept.column(0).as_string::<i32>();
///     assert_eq!(ids.value(0), "a7");
///     for (index, model) in reader.models().iter().enumerate() {
///         let predictions = model.predict_batch(&batch.features(index)?, OutputType::Output)?;
///         assert_eq!(predictions.num_rows(), 1);
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct RowReader {
    models: Vec<Model>,
    places: Arc<Vec<Vec<usize>>>,
    batches: Receiver<Message>,
    file: String,
    ignored: Vec<String>,
    delimiter: Option<u8>,
    length: Option<u64>,
    in_bytes: bool,
    position: u64,
    ended: bool,
}

/// Some rows.
pub struct RowBatch {
    /// The columns to keep, in their order. Columns of CSV are text.
    pub kept: RecordBatch,
    features: RecordBatch,
    places: Arc<Vec<Vec<usize>>>,
}

impl RowBatch {
    /// The columns that are read, each once: the features of all models, then the columns to keep. A column of a format without
    /// types has the type as which it is read.
    pub fn fields(&self) -> impl Iterator<Item = &FieldRef> {
        let features = self.features.schema_ref();
        let kept = self.kept.schema_ref().fields().iter();
        features.fields().iter().chain(kept.filter(move |field| features.index_of(field.name()).is_err()))
    }

    /// The features of a model, which is numbered as in [`RowReader::models`].
    ///
    /// [`ErrorKind::InvalidArgument`] if there is no model of that number.
    pub fn features(&self, model: usize) -> Result<RecordBatch> {
        let projected = self.places.get(model).and_then(|places| self.features.project(places).ok());
        projected.ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, "the rows were not read for a model of this number")
                .with_context("model", model)
        })
    }
}

impl RowReader {
    /// Reads the header or schema of `source`, finds the columns of all models, and starts reading ahead.
    ///
    /// Columns are found as by [`Scoring::open`](crate::Scoring::open), which also names the errors. In addition:
    /// [`ErrorKind::MissingColumns`] if columns to keep are missing, and [`ErrorKind::ModelsDiffer`] if a format without types cannot
    /// be read for all models, because one reads a column as numbers and another as text.
    pub fn open(models: Vec<Model>, keep: &[String], source: Source, format: FileFormat) -> Result<Self> {
        let file = source.name().to_owned();
        let batch_rows = models.iter().map(|model| default_batch_rows(model, OutputType::Output)).min();
        let features = Features::of(&models);
        let wanted = Wanted::new(features.names(), keep, batch_rows.unwrap_or(1));
        let input = Input::open(source, format, wanted, Some(&features))?;
        let places = features.places();
        let with_columns = |(model, places): (Model, &Vec<usize>)| match &input.columns {
            Some(columns) => {
                let own: Vec<_> = places.iter().map(|place| columns[*place]).collect();
                model.with_columns(&own)
            }
            None => Ok(model),
        };
        let models = models.into_iter().zip(&places).map(with_columns).collect::<Result<_>>()?;
        Ok(Self {
            models,
            places: Arc::new(places),
            batches: read_ahead(input.reader, file.clone())?,
            file,
            ignored: input.ignored,
            delimiter: input.delimiter,
            length: input.length,
            in_bytes: input.in_bytes,
            position: 0,
            ended: false,
        })
    }

    /// The models, which have what the input says about their columns.
    #[must_use]
    pub fn models(&self) -> &[Model] {
        &self.models
    }

    /// The models, to read another file of the same columns with.
    #[must_use]
    pub fn into_models(self) -> Vec<Model> {
        self.models
    }

    /// The columns of the input that are neither features nor kept. For JSON lines, those of the first batch, at most
    /// 1000.
    #[must_use]
    pub fn ignored(&self) -> &[String] {
        &self.ignored
    }

    /// What separates the columns of CSV, if the header decided so and it is not the comma.
    #[must_use]
    pub fn delimiter(&self) -> Option<u8> {
        self.delimiter
    }

    /// The length of the input in units of [`RowReader::position`], if it is known.
    #[must_use]
    pub fn length(&self) -> Option<u64> {
        self.length
    }

    /// Whether length and position count bytes. Otherwise they count rows (Parquet) or record batches (Arrow files).
    #[must_use]
    pub fn is_in_bytes(&self) -> bool {
        self.in_bytes
    }

    /// The position of the reader when the last batch was complete.
    #[must_use]
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The name of the source, for errors.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The next batch, or none at the end. The first batch has no rows if the input has none.
    ///
    /// The errors, which name the file: [`ErrorKind::InvalidData`] for a damaged row (with its line or batch),
    /// [`ErrorKind::Storage`] for a failed read. No batch follows an error.
    pub fn next_batch(&mut self) -> Result<Option<RowBatch>> {
        if self.ended {
            return Ok(None);
        }
        let message = self.batches.recv().unwrap_or_else(|_| {
            Err(Error::new(ErrorKind::Internal, "the thread that reads the input panicked"))
        });
        self.ended = !matches!(message, Ok(Some(_)));
        Ok(message?.map(|batch| {
            self.position = batch.position;
            RowBatch { kept: batch.kept, features: batch.features, places: self.places.clone() }
        }))
    }
}
