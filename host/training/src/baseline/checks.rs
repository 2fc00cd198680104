//! Checks LightGBM's assumptions about a training table.

use std::collections::HashSet;

use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::{Error, ErrorKind, Result};

/// Longer names are probably an error in the input, and LightGBM's fixed message buffers could cut them inside a
/// character.
const MAX_NAME_BYTES: usize = 256;

/// Checks that LightGBM stores every name unchanged.
pub(super) fn feature_names(names: &[String]) -> Result<()> {
    if names.is_empty() {
        return Err(invalid("the list of feature names is empty"));
    }
    let mut seen = HashSet::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let problem = if name.is_empty() {
            "a feature name is empty"
        } else if name.len() > MAX_NAME_BYTES {
            "a feature name is longer than 256 bytes"
        } else if name.chars().any(|c| c.is_whitespace() || c.is_control()) {
            "a feature name has white space or control characters, which LightGBM's text format does not support"
        } else if name.contains(['"', ',', ':', '[', ']', '{', '}']) {
            "a feature name has one of the characters \" , : [ ] { }, which LightGBM rejects"
        } else if !seen.insert(name) {
            "a feature name appears twice"
        } else {
            continue;
        };
        return Err(invalid(problem)
            .with_context("column", index)
            .with_context("name", excerpt(name, QUOTED_CHARS))
            .with_hint("rename the column, for instance with underscores"));
    }
    Ok(())
}

/// Copies the rows into one row-major block. Each row must have `width` values.
pub(super) fn flatten<Row: AsRef<[f64]>>(rows: &[Row], width: usize) -> Result<Vec<f64>> {
    if rows.is_empty() {
        return Err(invalid("the data has no rows"));
    }
    if i32::try_from(rows.len()).is_err() {
        return Err(invalid("LightGBM supports at most 2,147,483,647 rows").with_context("rows", rows.len()));
    }
    let mut values = Vec::with_capacity(rows.len() * width);
    for (index, row) in rows.iter().enumerate() {
        let row = row.as_ref();
        if row.len() != width {
            return Err(invalid("the number of values in a row is not the number of feature names")
                .with_context("row", index)
                .with_context("values", row.len())
                .with_context("feature_names", width));
        }
        values.extend_from_slice(row);
    }
    Ok(values)
}

/// Checks that there is one label per row, that each is 0 or 1, and that both occur.
pub(super) fn binary_labels(labels: &[f64], rows: usize) -> Result<Vec<f32>> {
    if labels.len() != rows {
        return Err(invalid("the number of labels is not the number of rows")
            .with_context("labels", labels.len())
            .with_context("rows", rows));
    }
    if let Some((row, label)) = labels.iter().enumerate().find(|(_, label)| **label != 0.0 && **label != 1.0)
    {
        return Err(invalid("a label is not 0 or 1")
            .with_context("row", row)
            .with_context("label", label)
            .with_hint("encode the two classes as 0 and 1; the baseline is a binary classifier"));
    }
    if labels.iter().all(|label| *label == labels[0]) {
        return Err(invalid("all labels are the same; a classifier needs both classes")
            .with_context("label", labels[0]));
    }
    Ok(labels.iter().map(|label| *label as f32).collect())
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::InvalidData, message)
}
