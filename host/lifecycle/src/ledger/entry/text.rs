//! The text of an entry: written, shortened until it fits, and read back.

use std::fmt;

use serde::Deserialize;
use serde_json::Value;

use super::{Entry, MAX_ENTRY_BYTES, SCHEMA};
use hydra_base::error::{Error, ErrorKind, Result};

impl Entry {
    /// The text of the tag. Explanation and reason are cut, longest first, and then the actor, until it fits [`MAX_ENTRY_BYTES`];
    /// `InvalidArgument` when the rest alone is too long.
    pub fn encode(&mut self) -> Result<String> {
        loop {
            let text = self.canonical()?;
            let Some(excess) = text.len().checked_sub(MAX_ENTRY_BYTES).filter(|excess| *excess > 0) else {
                return Ok(text);
            };
            let texts = [&mut self.explanation].into_iter().chain(&mut self.reason);
            let longest = texts.filter(|text| text.len() > KEPT).max_by_key(|text| text.len());
            // A name that was cut is not recognised as the same person's.
            match longest.or(Some(&mut self.actor).filter(|actor| actor.len() > KEPT)) {
                Some(longest) => cut(longest, excess),
                None => {
                    return Err(Error::new(
                        ErrorKind::InvalidArgument,
                        "the decision is too large for the ledger",
                    )
                    .with_context("bytes", text.len())
                    .with_context("limit", MAX_ENTRY_BYTES)
                    .with_hint("manage fewer aliases, or shorten the policy's name and version"));
                }
            }
        }
    }

    /// Reads the text of a tag.
    pub fn decode(text: &str) -> Result<Self, Undecodable> {
        #[derive(Deserialize)]
        struct Probe {
            schema: u32,
            #[serde(default)]
            host: Value,
        }
        let probe = serde_json::from_str::<Probe>(text);
        // A newer release may write longer entries, so its schema is looked at first.
        if let Ok(Probe { schema, host }) = probe
            && schema > SCHEMA
        {
            return Err(Undecodable::Newer { schema, release: host.as_str().and_then(release) });
        }
        if text.len() > MAX_ENTRY_BYTES {
            return Err(format!("it has {} bytes", text.len()).into());
        }
        let entry: Self =
            serde_json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))?;
        if entry.schema < SCHEMA && !entry.is_of_schema_1() {
            return Err(format!("it has schema {}, and parts of a later one", entry.schema).into());
        }
        match entry.canonical() {
            Ok(canonical) if canonical == text => Ok(entry),
            _ => Err("it is not in canonical form".into()),
        }
    }

    fn canonical(&self) -> Result<String> {
        serde_json_canonicalizer::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write a ledger entry as JSON").with_source(error)
        })
    }
}

/// Why the text of a tag is not an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Undecodable {
    /// A newer release wrote it.
    Newer {
        /// Its schema, greater than [`SCHEMA`].
        schema: u32,
        /// The release of hydra-registry that wrote it, if the entry names one.
        release: Option<String>,
    },
    /// It is damaged; the reason is for people.
    Damaged(String),
}

impl<T: Into<String>> From<T> for Undecodable {
    fn from(flaw: T) -> Self {
        Self::Damaged(flaw.into())
    }
}

impl fmt::Display for Undecodable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Newer { schema, release: None } => {
                write!(f, "its schema {schema} is newer than this program")
            }
            Self::Newer { schema, release: Some(release) } => {
                write!(f, "its schema {schema} is newer than this program; hydra-registry {release} wrote it")
            }
            Self::Damaged(flaw) => f.write_str(flaw),
        }
    }
}

/// The release in the `host` of an entry: `0.3.0` in `hydra-registry/0.3.0`. What is not a version of a release counts as
/// none, because it goes into messages.
fn release(host: &str) -> Option<String> {
    let release = host.strip_prefix("hydra-registry/")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || ".-+".contains(c);
    (!release.is_empty() && release.len() <= 32 && release.chars().all(plain)).then(|| release.to_owned())
}

/// A text of that many bytes is not cut.
const KEPT: usize = 64;

const ELLIPSIS: char = '…';

/// Whether a recorded text is `full`, or `full` cut to fit.
pub(super) fn is_cut(recorded: &str, full: &str) -> bool {
    recorded == full || recorded.strip_suffix(ELLIPSIS).is_some_and(|start| full.starts_with(start))
}

/// Takes characters off the end until the JSON is shorter by `excess` bytes, or by half, and says so with an ellipsis.
/// Halving lets several long texts lose their ends in turn.
fn cut(text: &mut String, excess: usize) {
    let half = text.len() / 2;
    let mut saved = 0;
    while saved < excess + ELLIPSIS.len_utf8() && text.len() > half {
        saved += text.pop().map_or(0, json_bytes);
    }
    text.push(ELLIPSIS);
}

fn json_bytes(c: char) -> usize {
    match c {
        '"' | '\\' | '\n' | '\r' | '\t' | '\u{8}' | '\u{c}' => 2,
        '\0'..'\x20' => 6,
        other => other.len_utf8(),
    }
}
