//! A training configuration as MLflow params.

use serde_json::{Map, Value};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::Key;

/// The artifact that holds the whole configuration; MLflow cuts long params, but never an artifact.
pub const CONFIG_ARTIFACT: &str = "config.json";

/// Sets the value at `path`, the key that [`flatten`] gives it: dots lead into nested objects, which are made where they are
/// missing, and a key that itself holds the dots is taken as it is where there is one. What is there is replaced.
///
/// `InvalidArgument` when the path leads through a value that is not an object.
pub fn set(config: &mut Map<String, Value>, path: &str, value: Value) -> Result<()> {
    let mut fields = config;
    let mut rest = path;
    while let Some((key, inner)) = rest.split_once('.').filter(|_| !fields.contains_key(rest)) {
        let next = fields.entry(key).or_insert_with(|| Value::Object(Map::new()));
        let Value::Object(next) = next else {
            let parent = path.strip_suffix(inner).map_or(path, |parent| parent.trim_end_matches('.'));
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("cannot set `{path}`: `{parent}` is not an object in the configuration"),
            )
            .with_hint(format!("set `{parent}` itself, or choose another key")));
        };
        (fields, rest) = (next, inner);
    }
    fields.insert(rest.to_owned(), value);
    Ok(())
}

/// The configuration's leaves as params, sorted as in the document: nested keys joined by dots, strings bare, every
/// other scalar and every list as JSON text. An empty object becomes the param `{}`.
///
/// `InvalidName` when a key is not a legal param key, `InvalidArgument` when two leaves get the same key.
pub fn flatten(config: &Value) -> Result<Vec<(String, String)>> {
    let Value::Object(fields) = config else {
        return Err(Error::new(ErrorKind::InvalidArgument, "the configuration is not a JSON object")
            .with_hint("wrap it in an object, as in {\"config\": ...}"));
    };
    let mut params = Vec::new();
    for (key, value) in fields {
        collect(key.clone(), value, &mut params)?;
    }
    let mut keys: Vec<&str> = params.iter().map(|(key, _)| key.as_str()).collect();
    keys.sort_unstable();
    match keys.windows(2).find(|pair| pair[0] == pair[1]) {
        None => Ok(params),
        Some(pair) => Err(Error::new(
            ErrorKind::InvalidArgument,
            format!("two configuration values have the same param key `{}`", pair[0]),
        )
        .with_hint("rename one of the keys; a key with a dot collides with a nested key")),
    }
}

fn collect(key: String, value: &Value, params: &mut Vec<(String, String)>) -> Result<()> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            for (inner, value) in fields {
                collect(format!("{key}.{inner}"), value, params)?;
            }
            return Ok(());
        }
        Value::String(text) => params.push((Key::new(key)?.into(), text.clone())),
        other => params.push((Key::new(key)?.into(), other.to_string())),
    }
    Ok(())
}

#[cfg(test)]
mod tests;
