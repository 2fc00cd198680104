//! Rows in memory, written to a file that an evaluation reads.

use std::path::PathBuf;

use arrow_array::ffi_stream::RecordBatchStreamReader;
use arrow_pyarrow::FromPyArrow as _;
use hydra_tables::{FileFormat, Output};
use pyo3::prelude::*;

use crate::errors::raised;
use crate::input::next_batch;

/// Write the batches of an object with `__arrow_c_stream__` to an Arrow file.
#[pyfunction]
#[pyo3(signature = (rows, path))]
fn _spool(py: Python<'_>, rows: &Bound<'_, PyAny>, path: PathBuf) -> PyResult<()> {
    let mut batches = RecordBatchStreamReader::from_pyarrow_bound(rows)?;
    let write = move || -> hydra_base::Result<()> {
        let mut output = Output::to_file(&path, FileFormat::Arrow)?;
        while let Some(batch) = next_batch(&mut batches)? {
            output.write(&batch)?;
        }
        output.finish()
    };
    py.detach(write).map_err(|error| raised(&error))
}

/// Adds what this module defines.
pub fn register(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add_function(wrap_pyfunction!(_spool, module)?)
}
