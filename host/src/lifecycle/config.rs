//! A training configuration as MLflow params.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::mlflow::names::Key;

/// The artifact that holds the whole configuration; MLflow cuts long params, but never an artifact.
pub const CONFIG_ARTIFACT: &str = "config.json";

/// The configuration's leaves as params, sorted as in the document: nested keys joined by dots, strings bare, every
/// other scalar and every list as JSON text. An empty object becomes the param `{}`.
///
/// `InvalidName` when a key is no legal param key, `InvalidArgument` when two leaves get the same key.
pub fn flatten(config: &Value) -> Result<Vec<(String, String)>> {
    let Value::Object(fields) = config else {
        return Err(Error::new(ErrorKind::InvalidArgument, "the configuration must be a JSON object")
            .with_hint("wrap it, as in {\"config\": ...}"));
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
            format!("two configuration values get the same param key `{}`", pair[0]),
        )
        .with_hint("a key that holds a dot collides with a nested one; rename one of them")),
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
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nested_keys_are_dotted_strings_bare_and_the_rest_json() {
        let config = json!({
            "seed": 7, "lr": 0.1, "name": "a \"b\"", "on": true, "none": null, "list": [1, "x"],
            "data": {"rows": 569, "columns": {"n": 30}}, "empty": {}
        });
        let mut params = flatten(&config).expect("params");
        params.sort();
        let expected = [
            ("data.columns.n", "30"),
            ("data.rows", "569"),
            ("empty", "{}"),
            ("list", "[1,\"x\"]"),
            ("lr", "0.1"),
            ("name", "a \"b\""),
            ("none", "null"),
            ("on", "true"),
            ("seed", "7"),
        ];
        assert_eq!(params, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }

    #[test]
    fn colliding_and_illegal_keys_are_refused() {
        let error = flatten(&json!({"a.b": 1, "a": {"b": 2}})).expect_err("a collision");
        assert_eq!(error.kind(), ErrorKind::InvalidArgument);
        let error = flatten(&json!({"k".repeat(251): 1})).expect_err("a long key");
        assert_eq!(error.kind(), ErrorKind::InvalidName);
        assert_eq!(flatten(&json!([1])).expect_err("no object").kind(), ErrorKind::InvalidArgument);
    }
}
