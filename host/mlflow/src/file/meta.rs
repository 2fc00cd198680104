//! `meta.yaml` files: reads the fields that this crate uses, and writes files that every YAML parser reads alike.
//!
//! MLflow writes them with PyYAML, which follows YAML 1.1. PyYAML leaves strings such as `12e45` (a possible run id) or
//! `y` unquoted, and reads an unquoted `2024-01-01` or `no` as a date or a boolean. The reader here has typed fields,
//! so it reads them as text, and the writer quotes every string.
//!
//! Files that MLflow wrote are edited key by key, not parsed and written again, so unknown keys keep their bytes.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::entities::Tags;
use crate::file::tree::Tree;
use hydra_base::error::{Error, ErrorKind, Result};

/// The name of the file that describes the entity of its directory.
pub(super) const META: &str = "meta.yaml";

#[derive(Debug, Deserialize)]
pub(super) struct ExperimentMeta {
    pub name: String,
    pub artifact_location: String,
    pub lifecycle_stage: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RunMeta {
    pub run_id: Option<String>,
    pub run_name: Option<String>,
    pub artifact_uri: Option<String>,
    pub user_id: Option<String>,
    pub status: Option<u8>,
    pub start_time: Option<i64>,
    pub end_time: Option<i64>,
    pub lifecycle_stage: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct LoggedModelMeta {
    pub name: String,
    pub artifact_location: String,
    pub status: Option<u8>,
    pub source_run_id: Option<String>,
    pub lifecycle_stage: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct DatasetMeta {
    pub name: String,
    pub digest: String,
    pub source_type: String,
    pub source: String,
    pub schema: Option<String>,
    pub profile: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct InputMeta {
    pub source_type: String,
    pub source_id: String,
    pub tags: Option<Tags>,
}

#[derive(Debug, Deserialize)]
pub(super) struct RegisteredModelMeta {
    pub creation_timestamp: Option<i64>,
    pub description: Option<String>,
}

#[derive(Debug, Deserialize)]
pub(super) struct VersionMeta {
    pub creation_timestamp: Option<i64>,
    pub current_stage: Option<String>,
    pub description: Option<String>,
    pub run_id: Option<String>,
    pub source: Option<String>,
    pub status: Option<String>,
    pub storage_location: Option<String>,
}

/// Reads the meta file of `directory`; `None` if the file, and therefore the entity, does not exist.
pub(super) fn read<T: DeserializeOwned>(tree: &Tree, directory: &str) -> Result<Option<T>> {
    let path = format!("{directory}/{META}");
    let Some(text) = tree.read(&path)? else { return Ok(None) };
    serde_saphyr::from_str(&text).map(Some).map_err(|error| damaged(tree, &path).with_source(error))
}

/// The text of a meta file, for editing.
#[derive(Debug)]
pub(super) struct MetaText {
    /// Each top-level key with its line and the lines that continue it, sorted by key as PyYAML sorts them.
    blocks: Vec<(String, String)>,
}

/// A value in a meta file.
pub(super) enum Value<'a> {
    Null,
    Number(i64),
    Text(&'a str),
    /// An empty list.
    NoItems,
    /// A map from text to text.
    Map(Vec<(&'a str, String)>),
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(text: Option<&'a str>) -> Self {
        text.map_or(Self::Null, Self::Text)
    }
}

impl MetaText {
    /// Creates a file with `fields`.
    pub(super) fn new(fields: &[(&str, Value<'_>)]) -> Self {
        let mut meta = Self { blocks: Vec::new() };
        for (key, value) in fields {
            meta.set(key, value);
        }
        meta
    }

    /// Reads the meta file of `directory`; `None` if it does not exist. `Storage` if it is not a block mapping, the
    /// form that MLflow writes.
    pub(super) fn read(tree: &Tree, directory: &str) -> Result<Option<Self>> {
        let path = format!("{directory}/{META}");
        let Some(text) = tree.read(&path)? else { return Ok(None) };
        Self::parse(&text).map(Some).ok_or_else(|| damaged(tree, &path))
    }

    fn parse(text: &str) -> Option<Self> {
        let mut blocks: Vec<(String, String)> = Vec::new();
        for line in text.split_inclusive('\n') {
            if let Some(key) = top_level_key(line) {
                blocks.push((key.to_owned(), line.to_owned()));
            } else {
                let (_, block) = blocks.last_mut()?;
                block.push_str(line);
            }
        }
        if let Some((_, last)) = blocks.last_mut()
            && !last.ends_with('\n')
        {
            last.push('\n');
        }
        (!blocks.is_empty()).then_some(Self { blocks })
    }

    /// Sets a top-level key and leaves all other keys unchanged.
    pub(super) fn set(&mut self, key: &str, value: &Value<'_>) {
        let block = match value {
            Value::Null => format!("{key}: null\n"),
            Value::Number(number) => format!("{key}: {number}\n"),
            Value::Text(text) => format!("{key}: {}\n", quoted(text)),
            Value::NoItems => format!("{key}: []\n"),
            Value::Map(pairs) if pairs.is_empty() => format!("{key}: {{}}\n"),
            Value::Map(pairs) => {
                let lines =
                    pairs.iter().map(|(name, text)| format!("  {}: {}\n", quoted(name), quoted(text)));
                format!("{key}:\n{}", lines.collect::<String>())
            }
        };
        if let Some((_, stored)) = self.blocks.iter_mut().find(|(other, _)| other == key) {
            *stored = block;
        } else {
            let index = self.blocks.partition_point(|(other, _)| other.as_str() < key);
            self.blocks.insert(index, (key.to_owned(), block));
        }
    }

    /// The text of the whole file.
    pub(super) fn text(&self) -> String {
        self.blocks.iter().map(|(_, block)| block.as_str()).collect()
    }
}

/// The key of a line that starts a top-level entry: a plain word in the first column, followed by a colon.
fn top_level_key(line: &str) -> Option<&str> {
    let (key, rest) = line.split_once(':')?;
    let is_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    (is_word && (rest.is_empty() || rest.starts_with([' ', '\n', '\r']))).then_some(key)
}

/// Formats `text` as a double-quoted scalar that YAML 1.1 and 1.2 read alike; escapes what PyYAML rejects or folds.
fn quoted(text: &str) -> String {
    let mut scalar = String::with_capacity(text.len() + 2);
    scalar.push('"');
    for c in text.chars() {
        match c {
            '"' => scalar.push_str("\\\""),
            '\\' => scalar.push_str("\\\\"),
            '\n' => scalar.push_str("\\n"),
            ' '..='~' | '\u{a0}'..='\u{2027}' | '\u{202a}'..='\u{d7ff}' | '\u{e000}'..='\u{fefe}' => {
                scalar.push(c);
            }
            '\u{ff00}'..='\u{fffd}' | '\u{10000}'..='\u{10ffff}' => scalar.push(c),
            _ => scalar.extend(format!("\\u{:04X}", u32::from(c)).chars()),
        }
    }
    scalar.push('"');
    scalar
}

fn damaged(tree: &Tree, path: &str) -> Error {
    Error::new(ErrorKind::Storage, "a metadata file of the store is damaged")
        .with_context("path", tree.root().join(path).display())
        .with_hint("restore the file, or remove the directory that it describes")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const WRITTEN_BY_PYYAML: &str = "aliases:\n  champion: '1'\ncreation_timestamp: 17\ndescription: 'two\n\n  lines: \
                                     yes'\nfuture:\n- a\n- {b: 1e5}\nname: 1e5\n";

    #[derive(Debug, Deserialize)]
    struct Named {
        name: String,
        description: Option<String>,
    }

    #[test]
    fn every_string_is_read_as_text() {
        for (bare, text) in
            [("12e45", "12e45"), ("0o17", "0o17"), ("y", "y"), ("017", "017"), ("true", "true")]
        {
            let read: Named = serde_saphyr::from_str(&format!("name: {bare}\n")).expect("YAML");
            assert_eq!(read.name, text);
        }
    }

    #[test]
    fn an_edit_keeps_the_bytes_of_every_other_key() {
        let mut meta = MetaText::parse(WRITTEN_BY_PYYAML).expect("a block mapping");
        assert_eq!(meta.text(), WRITTEN_BY_PYYAML);
        meta.set("aliases", &Value::Map(vec![("champion", "2".into()), ("no", "3".into())]));
        meta.set("deleted_time", &Value::Number(5));
        let expected = WRITTEN_BY_PYYAML
            .replace("  champion: '1'\n", "  \"champion\": \"2\"\n  \"no\": \"3\"\n")
            .replace("description:", "deleted_time: 5\ndescription:");
        assert_eq!(meta.text(), expected);
    }

    #[test]
    fn only_block_mappings_are_edited() {
        for text in ["", "{a: 1}\n", "- a\n", "# comment only\n"] {
            assert!(MetaText::parse(text).is_none(), "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_back_as_it_was(name in any::<String>(), description in any::<String>()) {
            let fields = [("name", Value::Text(&name)), ("description", Value::Text(&description))];
            let read: Named = serde_saphyr::from_str(&MetaText::new(&fields).text()).expect("YAML");
            prop_assert_eq!((read.name, read.description), (name, Some(description)));
        }
    }
}
