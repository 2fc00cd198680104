//! What follows the trees: importances, parameters and pandas' categories, of which only the last matters.

use serde_json::Value;

use super::lines::Lines;
use crate::Result;

/// Reads from behind `end of trees` to the end of the text; returns pandas' categories.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Option<Vec<Vec<Value>>>> {
    let mut categories = None;
    while let Some(line) = lines.peek() {
        if line == b"feature_importances:" {
            while lines.peek().is_some_and(|line| !line.is_empty()) {
                lines.skip();
            }
        } else if line == b"parameters:" {
            skip_section(lines, b"end of parameters")?;
        } else if line == b"parser:" {
            skip_section(lines, b"end of parser")?;
        } else if let Some(json) = line.strip_prefix(b"pandas_categorical:") {
            if categories.is_some() {
                return Err(lines.invalid("a line appears twice", "pandas_categorical"));
            }
            let read: Option<Vec<Vec<Value>>> = serde_json::from_slice(json).map_err(|error| {
                lines.invalid("the categories are not lists", "pandas_categorical").with_source(error)
            })?;
            if read.iter().flatten().flatten().any(|value| value.is_array() || value.is_object()) {
                return Err(lines.invalid("a category is a list or an object", "pandas_categorical"));
            }
            categories = Some(read);
            lines.skip();
        } else if line.is_empty() {
            lines.skip();
        } else {
            return Err(lines.invalid("unknown line after the trees", ""));
        }
    }
    Ok(categories.flatten())
}

fn skip_section(lines: &mut Lines<'_>, end: &[u8]) -> Result<()> {
    loop {
        match lines.peek() {
            None => {
                let end = String::from_utf8_lossy(end).into_owned();
                return Err(lines.invalid("the text ends inside a section: is it truncated?", &end));
            }
            Some(line) => {
                lines.skip();
                if line == end {
                    return Ok(());
                }
            }
        }
    }
}
