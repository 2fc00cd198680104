//! The sections after the trees: importances, parameters and pandas' categories. Only the last one is used.

use serde_json::Value;

use super::lines::Lines;
use hydra_base::Result;

/// A category of a pandas column.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Category {
    /// A missing value, which is not equal to any value of a column.
    Missing,
    /// A boolean, which equals the numbers 0 and 1.
    Bool(bool),
    /// An integer.
    Integer(i128),
    /// Another number; it can be infinite.
    Float(f64),
    /// Text.
    Text(String),
}

/// Reads from after `end of trees` to the end of the text; returns pandas' categories.
pub(super) fn read(lines: &mut Lines<'_>) -> Result<Option<Vec<Vec<Category>>>> {
    let mut categories = None;
    while let Some(line) = lines.peek() {
        // LightGBM before 3 wrote the heading with a space.
        if line == b"feature_importances:" || line == b"feature importances:" {
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
            let read = lists(json).map_err(|error| {
                lines.invalid("the categories are not lists", "pandas_categorical").with_source(error)
            })?;
            let convert = |list: Vec<Value>| list.into_iter().map(category).collect::<Option<Vec<_>>>();
            let read = read.map(|lists| lists.into_iter().map(convert).collect::<Option<Vec<_>>>());
            let read = read
                .map_or(Some(None), |lists| lists.map(Some))
                .ok_or_else(|| lines.invalid("a category is a list or an object", "pandas_categorical"))?;
            categories = Some(read);
            lines.skip();
        } else if line.is_empty() {
            lines.skip();
        } else {
            return Err(lines.invalid_line("unknown line after the trees"));
        }
    }
    Ok(categories.flatten())
}

/// The texts that replace infinite categories.
const INFINITE: &str = "Infinity";

/// The lists. Python writes infinite numbers as `Infinity`, which JSON does not have.
fn lists(json: &[u8]) -> serde_json::Result<Option<Vec<Vec<Value>>>> {
    serde_json::from_slice(json).or_else(|error| {
        if !json.windows(INFINITE.len()).any(|bytes| bytes == INFINITE.as_bytes()) {
            return Err(error);
        }
        let mut changed = Vec::with_capacity(json.len() + 64);
        let (mut at, mut in_text) = (0, false);
        while let Some(byte) = json.get(at) {
            let rest = &json[at..];
            let infinite = [("Infinity", "1"), ("-Infinity", "-1")];
            let found = infinite.iter().find(|(word, _)| !in_text && rest.starts_with(word.as_bytes()));
            if let Some((word, sign)) = found {
                changed.extend(format!("{{\"{INFINITE}\":{sign}}}").into_bytes());
                at += word.len();
                continue;
            }
            changed.push(*byte);
            at += 1;
            match byte {
                b'"' => in_text = !in_text,
                b'\\' if in_text => {
                    changed.extend(json.get(at));
                    at += 1;
                }
                _ => {}
            }
        }
        serde_json::from_slice(&changed)
    })
}

fn category(json: Value) -> Option<Category> {
    Some(match json {
        Value::Null => Category::Missing,
        Value::Bool(flag) => Category::Bool(flag),
        Value::Number(number) => match number.as_i64().map(i128::from).or(number.as_u64().map(i128::from)) {
            Some(integer) => Category::Integer(integer),
            None => Category::Float(number.as_f64()?),
        },
        Value::String(text) => Category::Text(text),
        Value::Object(object) if object.len() == 1 => {
            Category::Float(f64::INFINITY.copysign(object.get(INFINITE)?.as_f64()?))
        }
        Value::Object(_) | Value::Array(_) => return None,
    })
}

fn skip_section(lines: &mut Lines<'_>, end: &[u8]) -> Result<()> {
    loop {
        match lines.peek() {
            None => {
                let end = String::from_utf8_lossy(end).into_owned();
                return Err(lines.invalid("the text ends inside a section; it may be truncated", &end));
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
