//! Record batches of any library with Arrow's PyCapsule interface.

use std::sync::Arc;

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_array::{RecordBatch, RecordBatchIterator, RecordBatchReader};
use arrow_pyarrow::{FromPyArrow, ToPyArrow};
use arrow_schema::{ArrowError, Schema};
use hydra_base::text::{QUOTED_CHARS, excerpt, listed};
use hydra_base::{Error, ErrorKind, Result};
use hydra_lightgbm::Model;
use hydra_lightgbm::arrow::{OutputType, table};
use hydra_lightgbm::loaded::ColumnNames;
use hydra_tables::guarded;
use pyo3::exceptions::PyException;
use pyo3::prelude::*;

use super::no_rows;
use crate::errors::raised;
use crate::predict::{Answer, Output, compute};

/// Record batches that are read one by one.
pub(crate) struct Batches(Box<dyn RecordBatchReader + Send>);

impl Batches {
    /// The batches of an object with `__arrow_c_array__` or `__arrow_c_stream__`.
    pub(super) fn of(data: &Bound<'_, PyAny>) -> PyResult<Self> {
        if data.hasattr("__arrow_c_array__")? {
            let batch = record_batch(data)?;
            let schema = batch.schema();
            return Ok(Self(Box::new(RecordBatchIterator::new([Ok(batch)], schema))));
        }
        let reader = contained(|| RecordBatchStreamReader::from_pyarrow_bound(data))?;
        reader.map(|reader| Self(Box::new(reader))).map_err(|error| not_a_table(data, error))
    }

    /// The model's predictions for the rows of all batches.
    pub(super) fn score(self, model: &Model, output: Output) -> Result<Answer> {
        let mut answer: Option<Answer> = None;
        let mut batches = self.0;
        while let Some(batch) = next_batch(&mut batches)? {
            if batch.num_rows() == 0 {
                continue;
            }
            let table = table(&batch)?;
            let more = compute(model, output, &model.encode(&table)?.matrix())?;
            match &mut answer {
                Some(answer) => answer.append(more)?,
                None => answer = Some(more),
            }
        }
        answer.ok_or_else(no_rows)
    }
}

/// The next batch. Its library may have broken the promises of the interface: Arrow's reader panics on columns that are not those of the
/// schema.
pub(crate) fn next_batch(
    batches: &mut impl Iterator<Item = std::result::Result<RecordBatch, ArrowError>>,
) -> Result<Option<RecordBatch>> {
    let batch = guarded(|| Ok(batches.next())).map_err(|error| {
        Error::new(ErrorKind::InvalidData, "the columns of a record batch are not those of its schema")
            .with_source(error)
            .with_hint("check the program that made the batch")
    })?;
    batch.transpose().map_err(|error| {
        Error::new(ErrorKind::InvalidData, "cannot read the next record batch").with_source(error)
    })
}

/// Runs what takes over an object of another library.
fn contained<T>(read: impl FnOnce() -> T) -> PyResult<T> {
    guarded(|| Ok(read())).map_err(|error| {
        let error =
            Error::new(ErrorKind::InvalidData, "cannot read the object as a table of Arrow's columns")
                .with_source(error)
                .with_hint("check the program that made it; an object that was read before may be used up");
        raised(&error)
    })
}

/// Predicts for a `pyarrow.RecordBatch`: the columns `keep`, then those of [`Model::predict_batch`]. Other columns than features are
/// left out. The answer has no rows if the batch has none.
pub(crate) fn predict_batch<'py>(
    data: &Bound<'py, PyAny>,
    model: &Model,
    output: OutputType,
    keep: &[String],
) -> PyResult<Bound<'py, PyAny>> {
    let batch = record_batch(data)?;
    let predicted = data.py().detach(|| joined(&batch, model, output, keep));
    predicted.map_err(|error| raised(&error))?.to_pyarrow(data.py())
}

fn joined(batch: &RecordBatch, model: &Model, output: OutputType, keep: &[String]) -> Result<RecordBatch> {
    let schema = batch.schema();
    let names: Vec<&String> = schema.fields().iter().map(|field| field.name()).collect();
    let names = ColumnNames::new(&names);
    let kept = keep.iter().map(|name| names.find(name)).collect::<Result<Vec<_>>>()?;
    let missing: Vec<&String> =
        keep.iter().zip(&kept).filter(|(_, place)| place.is_none()).map(|(name, _)| name).collect();
    if !missing.is_empty() {
        return Err(Error::new(ErrorKind::MissingColumns, "columns to keep are missing from the input")
            .with_context("missing", listed(&missing)));
    }
    let kept: Vec<usize> = kept.into_iter().flatten().collect();
    let features = names.match_features(model.feature_names(), &kept)?.features;
    let project = |places: &[usize]| {
        batch.project(places).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot select the columns of the batch").with_source(error)
        })
    };
    let (kept, predicted) = (project(&kept)?, model.predict_batch(&project(&features)?, output)?);
    let (kept_schema, schema) = (kept.schema(), predicted.schema());
    if let Some(field) = schema.fields().iter().find(|field| kept_schema.index_of(field.name()).is_ok()) {
        return Err(Error::new(
            ErrorKind::InvalidArgument,
            "a column to keep has the same name as a column of predictions",
        )
        .with_context("column", excerpt(field.name(), QUOTED_CHARS)));
    }
    let fields: Vec<_> = kept_schema.fields().iter().chain(schema.fields()).cloned().collect();
    let columns = kept.columns().iter().chain(predicted.columns()).cloned().collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).map_err(|error| {
        Error::new(ErrorKind::Internal, "the number of predictions is not the number of rows")
            .with_source(error)
    })
}

fn record_batch(data: &Bound<'_, PyAny>) -> PyResult<RecordBatch> {
    contained(|| RecordBatch::from_pyarrow_bound(data))?.map_err(|error| not_a_table(data, error))
}

/// The exception for an object that is not a table, such as a column; interrupts stay what they are.
fn not_a_table(data: &Bound<'_, PyAny>, error: PyErr) -> PyErr {
    let py = data.py();
    if !error.is_instance_of::<PyException>(py) {
        return error;
    }
    let name = data.get_type().name().map_or_else(|_| String::new(), |name| name.to_string());
    let refused = Error::new(ErrorKind::InvalidData, "cannot read the object as a table of Arrow's columns")
        .with_context("type", excerpt(name, QUOTED_CHARS))
        .with_hint("pass a table or a record batch with one column for each feature");
    let refused = raised(&refused);
    refused.set_cause(py, Some(error));
    refused
}
