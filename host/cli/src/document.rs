//! JSON and TOML documents from users: metrics and configurations.
//!
//! [`Value`] cannot represent NaN, infinities and integers of more than 64 bits: its parser rejects or changes them.
//! Python writes them, so a [`Document`] stores each as text after a mark. As a metric, it is converted to the number;
//! in a configuration, it is an error that names its key.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Map, Number, Value};

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::regular_file;

/// The first character of a number that is stored as text.
const MARK: char = '\0';

/// A document in the user's spelling.
#[derive(Debug)]
pub struct Document {
    path: PathBuf,
    value: Value,
}

/// The most bytes of a document.
const MAX_BYTES: u64 = 16 << 20;

impl Document {
    /// Reads a JSON file, or a TOML file if the name ends in `.toml`.
    pub fn read(path: &Path) -> anyhow::Result<Self> {
        let unreadable = |error| {
            Error::new(ErrorKind::InvalidArgument, format!("cannot read {}", path.display()))
                .with_source(error)
        };
        let text = regular_file::read_text(path, MAX_BYTES, unreadable)?;
        let is_toml = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("toml"));
        let parsed = if is_toml {
            toml::from_str(&text).map(toml::Value::Table).map(from_toml).map_err(anyhow::Error::from)
        } else {
            serde_json::from_str(&with_marks(&text)).map_err(anyhow::Error::from)
        };
        let value = parsed.with_context(|| format!("{} is damaged", path.display()))?;
        Ok(Self { path: path.to_owned(), value })
    }

    /// Converts to metrics: each value is a number, or a number's text.
    pub fn metrics(self) -> anyhow::Result<BTreeMap<String, f64>> {
        let Value::Object(metrics) = self.value else {
            bail!("{} is not an object of metrics", self.path.display());
        };
        let number = |(key, value): (String, Value)| {
            let number = match &value {
                Value::String(text) => number(&key, text.trim_start_matches(MARK)),
                other => number(&key, &other.to_string()),
            };
            number.map(|number| (key, number))
        };
        let metrics = metrics.into_iter().map(number).collect::<Result<_>>();
        Ok(metrics.map_err(|error| error.with_context("path", self.path.display()))?)
    }

    /// Converts to a configuration; `InvalidArgument` names the key of a number that [`Value`] cannot represent.
    pub fn config(self) -> anyhow::Result<Map<String, Value>> {
        if let Some((key, text)) = first_marked(&self.value, "") {
            let error = Error::new(
                ErrorKind::InvalidArgument,
                format!("cannot store the value of `{key}` exactly: {text}"),
            )
            .with_context("path", self.path.display())
            .with_hint(format!(
                "a configuration can contain only finite numbers and integers of at most 64 bits; write the value as text: \"{text}\""
            ));
            return Err(error.into());
        }
        match self.value {
            Value::Object(config) => Ok(config),
            _ => bail!("{} is not an object", self.path.display()),
        }
    }
}

/// Parses a number in the spelling of Rust, Python or JSON; otherwise `InvalidArgument` names the metric.
pub fn number(key: &str, text: &str) -> Result<f64> {
    text.parse().map_err(|source| {
        Error::new(ErrorKind::InvalidArgument, format!("metric `{key}` is not a number: `{text}`"))
            .with_source(source)
    })
}

/// Parses `text` as JSON if [`Value`] can represent all its numbers; otherwise returns the text.
pub fn json_or_text(text: String) -> Value {
    let parsed = serde_json::from_str(&with_marks(&text)).ok();
    parsed.filter(|value| first_marked(value, "").is_none()).unwrap_or(Value::String(text))
}

/// The key of the first number stored as text, as keys joined by dots, and the text.
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

/// Marks the numbers in `json` that [`Value`] cannot represent, as text.
fn with_marks(json: &str) -> String {
    let is_number_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let (mut quoted, mut escaped) = (false, false);
    // A piece is a number or a word with the following character; within strings, every character is a piece.
    let pieces = json.split_inclusive(|c: char| {
        let ends = quoted || !is_number_part(c);
        quoted ^= c == '"' && !escaped;
        escaped = quoted && c == '\\' && !escaped;
        ends
    });
    let mut marked = String::with_capacity(json.len());
    for piece in pieces {
        let number = piece.trim_end_matches(|c| !is_number_part(c));
        if needs_mark(number) {
            marked += &format!("\"\\u0000{number}\"");
            marked += &piece[number.len()..];
        } else {
            marked += piece;
        }
    }
    marked
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
        // JSON has no dates.
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

    fn document(name: &str, text: &str) -> Document {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("written");
        Document::read(&path).expect("a document")
    }

    fn refused(document: Document) -> String {
        let error: Error = document.config().expect_err("refused").downcast().expect("our error");
        error.message().to_owned()
    }

    #[test]
    fn dates_are_text() {
        let read =
            document("c.toml", "day = 2026-11-24\nat = 2026-11-24T01:02:03Z\n[a]\nb = [07:30:00, 1.5]\n");
        assert_eq!(
            Value::Object(read.config().expect("a configuration")),
            json!({"day": "2026-11-24", "at": "2026-11-24T01:02:03Z", "a": {"b": ["07:30:00", 1.5]}})
        );
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
            assert_eq!(refused(document(name, text)), message, "{text}");
        }
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("c.toml");
        std::fs::write(&path, "a = 9223372036854775808").expect("written");
        let error = Document::read(&path).expect_err("more than TOML holds");
        assert!(error.to_string().ends_with("c.toml is damaged"), "{error}");
    }

    #[test]
    fn everything_else_is_as_it_was() {
        let text = r#"{"a": "NaN \" -Infinity, 1e999", "é": [true, null, -9223372036854775808, 18446744073709551615],
                       "b": {"\\": 1e-7, "c": -0.5E+3}}"#;
        assert_eq!(with_marks(text), text);
        document("c.json", text).config().expect("a configuration");
        assert_eq!(json_or_text("[1, NaN]".into()), json!("[1, NaN]"));
        assert_eq!(json_or_text("18446744073709551616".into()), json!("18446744073709551616"));
        assert_eq!(json_or_text("[1, 2.5]".into()), json!([1, 2.5]));
        assert_eq!(json_or_text("unended \"".into()), json!("unended \""));
    }

    #[test]
    fn metrics_are_read_as_python_writes_them() {
        let metrics =
            document("m.json", "{\"auc\": 0.5, \"a\": NaN, \"b\": -Infinity, \"c\": \"1e3\", \"d\": 2}");
        let metrics = metrics.metrics().expect("metrics");
        let read = |key: &str| metrics[key];
        assert!(read("a").is_nan());
        assert_eq!([read("auc"), read("b"), read("c"), read("d")], [0.5, f64::NEG_INFINITY, 1000.0, 2.0]);
        let metrics = document("m.toml", "a = inf").metrics().expect("metrics");
        assert_eq!(metrics["a"], f64::INFINITY);
        let error = document("m.toml", "a = inf\nb = true").metrics().expect_err("no number");
        let error: Error = error.downcast().expect("our error");
        assert_eq!(error.message(), "metric `b` is not a number: `true`");
    }
}
