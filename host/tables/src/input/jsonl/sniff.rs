//! Finds the kinds of the features' columns in the first objects.

use std::collections::HashMap;

use serde_json::{Map, Value};

use super::cells::is_number_text;
use super::lines;
use crate::wanted::Wanted;
use hydra_lightgbm::loaded::ColumnKind;

/// Finds the features that are text or numbers in the first lines of a file. A column with both is text.
pub(super) fn columns(start: &[u8], wanted: &Wanted) -> Vec<ColumnKind> {
    let features: HashMap<&str, usize> =
        wanted.features.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let mut columns = vec![ColumnKind::Unknown; wanted.features.len()];
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    for line in start.split(|byte| *byte == b'\n') {
        // Ignore errors here: the reader reports them.
        let Ok(object) = serde_json::from_slice::<Map<String, Value>>(&lines::json(line)) else { continue };
        for (key, value) in &object {
            let feature = features.get(key.as_str()).or_else(|| features.get(key.replace(' ', "_").as_str()));
            let Some(kind) = feature.map(|feature| &mut columns[*feature]) else { continue };
            match value {
                Value::String(text) if !is_number_text(text) => *kind = ColumnKind::Text,
                Value::Number(_) | Value::Bool(_) if *kind == ColumnKind::Unknown => {
                    *kind = ColumnKind::Number;
                }
                _ => {}
            }
        }
    }
    columns
}
