//! Entries of the ledger, as they are written into one tag of a model version.
//!
//! The tag holds canonical JSON (RFC 8785): equal entries are equal bytes, and the digest of an entry is the SHA-256 of
//! those bytes. 64-bit numbers are decimal strings, since JSON readers disagree about large numbers.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use hydra_base::aliases::AliasState;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, RunId, Version};
use hydra_base::{PolicyIdentity, Sha256, Timestamp};
use hydra_ledger_rules::Number;
use hydra_policy::{Budget, Usage, VerdictKind};

/// The schema that this release writes; it reads all up to it.
pub const SCHEMA: u32 = 1;

/// The most bytes that an entry may have. MLflow 2.x stores at most 5,000, and longer tags are slow there.
pub const MAX_ENTRY_BYTES: usize = 4_500;

/// Where the ledger has its aliases: those of `state`, and `champion` and `archived` in any case.
#[must_use]
pub fn tracked(state: &AliasState) -> AliasState {
    let mut all = state.clone();
    for alias in [Alias::CHAMPION, Alias::ARCHIVED] {
        all.set_if_missing(alias, None);
    }
    all
}

/// What an entry records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EntryKind {
    /// The beginning, with the aliases found then.
    Genesis,
    /// A decision about a promotion.
    Promote,
    /// A decision about a rollback.
    Rollback,
    /// The entry before never took effect; its aliases are restored.
    Aborted,
    /// Aliases were moved without the ledger.
    External,
    /// A slow writer overwrote aliases; they are restored.
    Reassert,
    /// Damage in the ledger is bridged; the aliases are taken as found.
    Checkpoint,
}

/// What only a decision of a policy has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Decided {
    /// The policy.
    pub policy: PolicyIdentity,
    /// Its verdict.
    pub verdict: VerdictKind,
    /// The resources that the decision used.
    pub usage: Usage,
    /// The resources that it was allowed to use.
    pub budget: Budget,
    /// The SHA-256 of the archived input.
    pub input_sha256: Sha256,
    /// The SHA-256 of the evidence without the time: equal for requests that saw the same.
    pub evidence_sha256: Sha256,
    /// The SHA-256 of the model file of the version decided about, as the version's tag has it: not a
    /// [`Sha256`], because another program may have written anything into the tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model_sha256: Option<String>,
}

/// What only the first entry has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The registered model.
    pub model: String,
    /// When that was created. A model of the same name with another time is another model.
    #[serde(with = "text_number")]
    pub model_created_at: Timestamp,
    /// The run that holds inputs and policies.
    pub run_id: RunId,
}

/// What only a checkpoint has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bridge {
    /// The last entry below the damage that counts; zero when none is known.
    #[serde(with = "text_number")]
    pub trusted: Number,
    /// The newest number that is damaged.
    #[serde(with = "text_number")]
    pub damaged: Number,
}

/// A move of an alias that is not part of the ledger's state, such as `candidate` leaving the version promoted. It is carried out only
/// if the alias is still where the decision saw it, and never repaired.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideMove {
    /// Where it was.
    #[serde(with = "text_version")]
    pub from: Option<Version>,
    /// Where it goes.
    #[serde(with = "text_version")]
    pub to: Option<Version>,
}

/// An entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Entry {
    /// [`SCHEMA`].
    pub schema: u32,
    /// The id of the ledger.
    pub ledger: String,
    /// What it records.
    pub operation: EntryKind,
    /// 32 random hexadecimal digits, the same in all attempts of a request.
    pub operation_id: String,
    /// The head that the author saw; for a checkpoint, the newest number that the author saw.
    #[serde(with = "text_number")]
    pub base: Number,
    /// The digest of the head that the author saw; none for the first entry.
    pub previous: Option<Sha256>,
    /// The version it is about.
    #[serde(default, with = "text_version", skip_serializing_if = "Option::is_none")]
    pub target: Option<Version>,
    /// The requester's own name for itself; may be cut.
    pub actor: String,
    /// The requester's reason; may be cut.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the entry was made, by the author's clock, in milliseconds.
    #[serde(with = "text_number")]
    pub at: Timestamp,
    /// From when on it may no longer take effect, by the author's clock, in milliseconds.
    #[serde(with = "text_number")]
    pub expires: Timestamp,
    /// The policy's explanation, or a sentence of the author; may be cut.
    pub explanation: String,
    /// The ledger's aliases before. An alias that no entry ever moved is not in it.
    #[serde(with = "text_aliases")]
    pub before: AliasState,
    /// The ledger's aliases after.
    #[serde(with = "text_aliases")]
    pub after: AliasState,
    /// Moves of other aliases.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub side: BTreeMap<Alias, SideMove>,
    /// The policy's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decided: Option<Decided>,
    /// The genesis' part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// The checkpoint's part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bridge: Option<Bridge>,
    /// The program that wrote it, such as `hydra-registry/0.1.0`.
    pub host: String,
}

impl Entry {
    /// The text of the tag. Explanation, reason and actor are cut, longest first, until it fits [`MAX_ENTRY_BYTES`];
    /// `InvalidArgument` when the rest alone is too long.
    pub fn encode(&mut self) -> Result<String> {
        loop {
            let text = self.canonical()?;
            let Some(excess) = text.len().checked_sub(MAX_ENTRY_BYTES).filter(|excess| *excess > 0) else {
                return Ok(text);
            };
            let mut texts: Vec<&mut String> =
                [&mut self.explanation, &mut self.actor].into_iter().chain(&mut self.reason).collect();
            texts.sort_by_key(|text| std::cmp::Reverse(text.len()));
            match texts.into_iter().next() {
                Some(longest) if longest.len() > 64 => cut(longest, excess),
                _ => {
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
        }
        let probe = serde_json::from_str::<Probe>(text);
        // A newer release may write longer entries, so its schema is looked at first.
        if let Ok(Probe { schema }) = probe
            && schema > SCHEMA
        {
            return Err(Undecodable::Newer { schema });
        }
        if text.len() > MAX_ENTRY_BYTES {
            return Err(format!("it has {} bytes", text.len()).into());
        }
        let entry: Self =
            serde_json::from_str(text).map_err(|error| format!("it cannot be read: {error}"))?;
        match entry.canonical() {
            Ok(canonical) if canonical == text => Ok(entry),
            _ => Err("it is not in canonical form".into()),
        }
    }

    /// Whether it records what was found rather than what was decided.
    #[must_use]
    pub fn is_observation(&self) -> bool {
        matches!(self.operation, EntryKind::Genesis | EntryKind::External | EntryKind::Checkpoint)
    }

    /// Whether it is a decision of a policy, as opposed to an entry of the protocol.
    #[must_use]
    pub fn is_decision(&self) -> bool {
        matches!(self.operation, EntryKind::Promote | EntryKind::Rollback)
    }

    /// Whether the recorded explanation is `full`, or `full` cut to fit.
    #[must_use]
    pub fn explains(&self, full: &str) -> bool {
        let cut = self.explanation.strip_suffix(ELLIPSIS);
        self.explanation == full || cut.is_some_and(|start| full.starts_with(start))
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
            Self::Newer { schema } => write!(f, "its schema {schema} is newer than this program"),
            Self::Damaged(flaw) => f.write_str(flaw),
        }
    }
}

impl fmt::Display for EntryKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Genesis => "genesis",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
            Self::Aborted => "aborted",
            Self::External => "external",
            Self::Reassert => "reassert",
            Self::Checkpoint => "checkpoint",
        })
    }
}

const ELLIPSIS: char = '…';

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

/// Integers as decimal strings.
mod text_number {
    use std::fmt::Display;
    use std::str::FromStr;

    use serde::{Deserialize, Deserializer, Serializer, de};

    pub(super) fn serialize<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(value)
    }

    pub(super) fn deserialize<'de, T, D>(deserializer: D) -> Result<T, D::Error>
    where
        T: FromStr<Err: Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// Versions as decimal strings.
mod text_version {
    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use hydra_base::names::Version;

    #[expect(clippy::ref_option, reason = "serde requires this signature")]
    pub(super) fn serialize<S: Serializer>(
        version: &Option<Version>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        version.map(|version| version.to_string()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Version>, D::Error> {
        let text = Option::<String>::deserialize(deserializer)?;
        text.map(|text| text.parse().map_err(de::Error::custom)).transpose()
    }
}

/// Alias states with versions as decimal strings.
mod text_aliases {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serializer};

    use super::text_version;
    use hydra_base::aliases::AliasState;
    use hydra_base::names::{Alias, Version};

    #[derive(Deserialize)]
    struct Target(#[serde(with = "text_version")] Option<Version>);

    pub(super) fn serialize<S: Serializer>(aliases: &AliasState, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(
            aliases.iter().map(|(alias, version)| (alias, version.map(|version| version.to_string()))),
        )
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<AliasState, D::Error> {
        let targets = BTreeMap::<Alias, Target>::deserialize(deserializer)?;
        Ok(targets.into_iter().map(|(alias, target)| (alias, target.0)).collect())
    }
}

#[cfg(test)]
pub(crate) mod tests;
