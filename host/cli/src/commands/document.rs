//! JSON and TOML documents that a user hands over, with every value kept as it was written.
//!
//! [`Value`] holds no NaN, no infinity and no integer of more than 64 bits: a parser refuses them, or changes them silently.
//! Python writes them all the same. Here each becomes a *marked* text, which [`number`] reads as the number that it is, and
//! which [`refuse_marked`] refuses by its key.

use std::path::Path;

use anyhow::Context as _;
use serde_json::{Number, Value};

use hydra_base::error::{Error, ErrorKind, Result};

/// What the text of a marked number starts with.
const MARK: char = '\0';

/// A JSON file, or a TOML file by its ending.
pub fn read(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
    let parsed = if is_toml {
        toml::from_str(&text).map(toml::Value::Table).map(from_toml).map_err(anyhow::Error::from)
    } else {
        serde_json::from_str(&with_marks(&text)).map_err(anyhow::Error::from)
    };
    parsed.with_context(|| format!("{} is damaged", path.display()))
}

/// JSON where the text parses as such and nothing of it is changed, else the text itself.
pub fn json_or_text(text: String) -> Value {
    let parsed = serde_json::from_str(&with_marks(&text)).ok();
    parsed.filter(|value| first_marked(value, "").is_none()).unwrap_or(Value::String(text))
}

/// The number that a document's value is: a number, or its text as Rust, Python and JSON write it.
pub fn number(key: &str, value: &Value) -> Result<f64> {
    let text = match value {
        Value::String(text) => text.trim_start_matches(MARK).to_owned(),
        other => other.to_string(),
    };
    text.parse().map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, format!("metric `{key}` is not a number: `{text}`"))
            .with_source(source)
    })
}

/// Refuses a document with a number that [`Value`] cannot hold.
pub fn refuse_marked(document: &Value) -> Result<()> {
    let Some((key, text)) = first_marked(document, "") else { return Ok(()) };
    Err(Error::new(
        ErrorKind::InvalidArgument,
        format!("cannot store the value of `{key}` exactly: {text}"),
    )
    .with_hint(format!(
        "a configuration can contain only finite numbers and integers of at most 64 bits; write the value as text: \"{text}\""
    )))
}

fn first_marked<'a>(value: &'a Value, path: &str) -> Option<(String, &'a str)> {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::String(text) => text.strip_prefix(MARK).map(|text| (path.to_owned(), text)),
        Value::Array(items) => {
            items.iter().enumerate().find_map(|(index, item)| first_marked(item, &below(&index.to_string())))
        }
        Value::Object(fields) => fields.iter().find_map(|(key, field)| first_marked(field, &below(key))),
        _ => None,
    }
}

/// The JSON `text` with every number that would be refused or changed as marked text.
fn with_marks(text: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let mut marked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if first == '"' {
            string_length(rest)
        } else if is_part(first) {
            rest.find(|c| !is_part(c)).unwrap_or(rest.len())
        } else {
            first.len_utf8()
        };
        let (token, after) = rest.split_at(length);
        if needs_mark(token) {
            marked.push_str("\"\\u0000");
            marked.push_str(token);
            marked.push('"');
        } else {
            marked.push_str(token);
        }
        rest = after;
    }
    marked
}

/// The length of the JSON string that `text` starts with; all of it when the string does not end.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    let end = text.bytes().enumerate().skip(1).find(|(_, byte)| {
        let ends = *byte == b'"' && !escaped;
        escaped = *byte == b'\\' && !escaped;
        ends
    });
    end.map_or(text.len(), |(index, _)| index + 1)
}

fn needs_mark(token: &str) -> bool {
    let unsigned = token.strip_prefix('-').unwrap_or(token);
    if matches!(unsigned, "NaN" | "Infinity") {
        return true;
    }
    if !unsigned.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        return token.parse::<i64>().is_err() && token.parse::<u64>().is_err();
    }
    token.parse::<f64>().is_ok_and(f64::is_infinite)
}

fn from_toml(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => {
            Number::from_f64(number).map_or_else(|| format!("{MARK}{number}").into(), Value::Number)
        }
        toml::Value::Boolean(value) => value.into(),
        // JSON has no dates
        toml::Value::Datetime(date) => date.to_string().into(),
        toml::Value::Array(items) => items.into_iter().map(from_toml).collect(),
        toml::Value::Table(fields) => {
            fields.into_iter().map(|(key, field)| (key, from_toml(field))).collect()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn document(name: &str, text: &str) -> Value {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        read(&path).expect("a document")
    }

    fn refused(document: &Value) -> String {
        refuse_marked(document).expect_err("refused").message().to_owned()
    }

    #[test]
    fn dates_are_text() {
        let read =
            document("c.toml", "day = 2026-11-24\nat = 2026-11-24T01:02:03Z\n[a]\nb = [07:30:00, 1.5]\n");
        assert_eq!(
            read,
            json!({"day": "2026-11-24", "at": "2026-11-24T01:02:03Z", "a": {"b": ["07:30:00", 1.5]}})
        );
        refuse_marked(&read).expect("a configuration");
    }

    #[test]
    fn numbers_that_would_be_lost_are_refused_by_their_key() {
        for (name, text, message) in [
            ("c.toml", "[a]\nb = nan", "cannot store the value of `a.b` exactly: NaN"),
            ("c.toml", "a = [1, -inf]", "cannot store the value of `a.1` exactly: -inf"),
            ("c.json", "{\"a\": {\"b\": NaN}}", "cannot store the value of `a.b` exactly: NaN"),
            ("c.json", "{\"a\": -Infinity}", "cannot store the value of `a` exactly: -Infinity"),
            ("c.json", "{\"a\": 1e999}", "cannot store the value of `a` exactly: 1e999"),
            (
                "c.json",
                "{\"a\":18446744073709551616}",
                "cannot store the value of `a` exactly: 18446744073709551616",
            ),
        ] {
            assert_eq!(refused(&document(name, text)), message, "{text}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("c.toml");
        std::fs::write(&path, "a = 9223372036854775808").expect("written");
        let error = read(&path).expect_err("more than TOML holds");
        assert!(error.to_string().ends_with("c.toml is damaged"), "{error}");
    }

    #[test]
    fn everything_else_is_as_it_was() {
        let text = r#"{"a": "NaN \" -Infinity, 1e999", "é": [true, null, -9223372036854775808, 18446744073709551615],
                       "b": {"\\": 1e-7, "c": -0.5E+3}}"#;
        assert_eq!(with_marks(text), text);
        refuse_marked(&document("c.json", text)).expect("a configuration");
        assert_eq!(json_or_text("[1, NaN]".into()), json!("[1, NaN]"));
        assert_eq!(json_or_text("18446744073709551616".into()), json!("18446744073709551616"));
        assert_eq!(json_or_text("[1, 2.5]".into()), json!([1, 2.5]));
        assert_eq!(json_or_text("unended \"".into()), json!("unended \""));
    }

    #[test]
    fn metrics_are_read_as_python_writes_them() {
        let metrics =
            document("m.json", "{\"auc\": 0.5, \"a\": NaN, \"b\": -Infinity, \"c\": \"1e3\", \"d\": 2}");
        let read = |key: &str| number(key, &metrics[key]).expect(key);
        assert!(read("a").is_nan());
        assert_eq!([read("auc"), read("b"), read("c"), read("d")], [0.5, f64::NEG_INFINITY, 1000.0, 2.0]);
        let metrics = document("m.toml", "a = inf\nb = true");
        assert_eq!(number("a", &metrics["a"]).expect("a number"), f64::INFINITY);
        assert_eq!(
            number("b", &metrics["b"]).expect_err("no number").message(),
            "metric `b` is not a number: `true`"
        );
    }
}
