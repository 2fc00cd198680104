//! Bodies that are files of rows.

use bytes::Bytes;
use hydra_tables::{EncodedRows, FileFormat, Source};

use super::Limits;
use super::refusal::{Cause, Refusal};
use super::scan::Read;
use super::schema::Schema;

/// The formats of such bodies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TableFormat {
    Csv,
    Parquet,
}

/// The values of the features, row by row, the number of rows, and that of the columns that are not features.
pub(super) fn read(
    schema: &Schema,
    limits: &Limits,
    format: TableFormat,
    body: &Bytes,
) -> Read<(Vec<f64>, usize, usize)> {
    let format = match format {
        TableFormat::Csv => FileFormat::Csv,
        TableFormat::Parquet => FileFormat::Parquet,
    };
    let refused = |error: hydra_base::Error| {
        // Only what does not find the columns names these.
        let is_about = |keys: &[&str]| error.context().iter().any(|(key, _)| keys.contains(key));
        let cause = match () {
            () if is_about(&["missing", "features"]) => Cause::Columns,
            () if is_about(&["unpacked"]) => Cause::BodySize,
            () if is_about(&["most columns"]) => Cause::ColumnCount,
            () => Cause::Table,
        };
        Refusal::of(cause, &error)
    };
    let source = Source::from_bytes("body", body.clone()).unpacked_at_most(limits.body as u64);
    let source = source.columns_at_most(limits.columns);
    let mut rows = EncodedRows::open(schema.model(), source, format).map_err(refused)?;
    let ignored = rows.ignored().len();
    let width = schema.width();
    if ignored.saturating_add(width) > limits.columns {
        return Err(Refusal::because(Cause::ColumnCount, format_args!("more than {}", limits.columns)));
    }
    let mut values = Vec::new();
    while rows.read(&mut values).map_err(refused)? {
        let count = values.len().checked_div(width).unwrap_or(0);
        if count > limits.rows || values.len() > limits.values::<f64>() {
            return Err(Refusal::because(Cause::RowCount, format_args!("more than {}", limits.rows)));
        }
    }
    match values.len().checked_div(width) {
        None | Some(0) => Err(Refusal::new(Cause::NoRows)),
        Some(rows) => Ok((values, rows, ignored)),
    }
}
