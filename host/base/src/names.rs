//! Names and ids with checked constructors, so that text from registries and users is always validated.

use std::borrow::Cow;
use std::fmt;
use std::num::NonZeroU64;
use std::path::Path;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind, Result};
use crate::text::{QUOTED_CHARS, excerpt};

/// The length limit of metric, param and tag keys in all MLflow releases, in characters.
pub const MAX_KEY_CHARS: usize = 250;

/// The length limit of a registered model's name in bytes: the width of MLflow's column.
pub const MAX_MODEL_NAME_BYTES: usize = 256;

/// The length limit of a dataset's name in characters.
const MAX_DATASET_CHARS: usize = 100;

/// The workspace of entities that were created without naming a workspace.
pub const DEFAULT_WORKSPACE: &str = "default";

macro_rules! text_newtype {
    ($(#[$doc:meta])* $name:ident($text:ty), $check:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name($text);

        impl $name {
            /// Validates `text`; [`ErrorKind::InvalidName`] describes the allowed form.
            pub fn new(text: impl Into<String>) -> Result<Self> {
                let text = text.into();
                $check(&text)?;
                Ok(Self(text.into()))
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = Error;
            fn from_str(text: &str) -> Result<Self> {
                Self::new(text)
            }
        }

        impl TryFrom<String> for $name {
            type Error = Error;
            fn try_from(text: String) -> Result<Self> {
                Self::new(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0.into()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_newtype!(
    /// The name of a registered model: not blank, without `/`, `:` or control characters, not `.` or `..`, at most 256
    /// bytes. It is also a directory name in file stores.
    ModelName(String),
    check_model_name
);
text_newtype!(
    /// An alias of a registered model: 1 to 255 word characters or `-`; not `latest`, not `v<digits>`.
    Alias(Cow<'static, str>),
    check_alias
);
text_newtype!(
    /// A run id: a letter or digit, then word characters or `-`, at most 256 characters.
    RunId(String),
    check_id
);
text_newtype!(
    /// An experiment id: digits in MLflow's own stores; letters and `-` are accepted, too.
    ExperimentId(String),
    check_id
);
text_newtype!(
    /// The id of an MLflow 3 LoggedModel, such as `m-` and 32 hexadecimal digits.
    LoggedModelId(String),
    check_id
);
text_newtype!(
    /// A workspace: 2 to 63 lower-case letters, digits or inner `-`; `default` in databases and servers that do not use
    /// workspaces.
    Workspace(String),
    check_workspace
);
text_newtype!(
    /// The name of a policy among those that decide together: 1 to 64 ASCII letters, digits, `_` or `-`. Settings and limits
    /// of the policy are addressed by it, as `NAME.KEY`.
    PolicyName(String),
    check_policy_name
);
text_newtype!(
    /// The key of a metric, param or tag: 1 to 250 word characters, `/`, `.`, `-`, or spaces; a normalised relative
    /// path. `:` is not allowed, because MLflow before 2.10 and MLflow on Windows reject it.
    Key(String),
    check_key
);

text_newtype!(
    /// The name of a dataset that versions are evaluated on: 1 to 100 of `A-Z a-z 0-9 . _ -`, not starting with `.` or `-`.
    DatasetName(String),
    check_dataset
);

impl DatasetName {
    /// The name of the dataset in a file or a directory: the stem of its name, with `_` for every other character.
    ///
    /// `None` if the path has no file name, like `..`, and if its stem has characters outside ASCII: other files would get
    /// the same name.
    #[must_use]
    pub fn of_path(path: &Path) -> Option<Self> {
        let stem = path.file_stem()?.to_string_lossy();
        if !stem.is_ascii() {
            return None;
        }
        let plain = |c: char| if is_of_dataset(c) { c } else { '_' };
        let mut name: String = stem.chars().take(MAX_DATASET_CHARS).map(plain).collect();
        if name.starts_with(['.', '-']) {
            name.replace_range(..1, "_");
        }
        Self::new(name).ok()
    }
}

impl Alias {
    /// The alias of the version in production.
    pub const CHAMPION: Self = Self(Cow::Borrowed("champion"));

    /// The alias of the most recently logged version.
    pub const CANDIDATE: Self = Self(Cow::Borrowed("candidate"));

    /// The alias of the previous champion, the default target of a rollback.
    pub const ARCHIVED: Self = Self(Cow::Borrowed("archived"));
}

impl PolicyName {
    /// The length limit, in bytes.
    const MAX_BYTES: usize = 64;

    /// The name of a policy in the file `stem.wasm`: the stem, cut to the length limit, with `_` for each character that a name
    /// cannot have.
    #[must_use]
    pub fn of_stem(stem: &str) -> Self {
        let plain = |c: char| u8::try_from(c).is_ok_and(Self::allows);
        let name: String =
            stem.chars().take(Self::MAX_BYTES).map(|c| if plain(c) { c } else { '_' }).collect();
        Self(if name.is_empty() { "_".to_owned() } else { name })
    }

    fn allows(byte: u8) -> bool {
        byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-')
    }
}

/// The number of a model version, from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(NonZeroU64);

impl Version {
    /// The number of a model's first version.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The version with this number; `InvalidName` for 0.
    pub fn new(number: u64) -> Result<Self> {
        NonZeroU64::new(number).map(Self).ok_or_else(|| refuse_version("0"))
    }

    /// The number.
    #[must_use]
    pub fn get(self) -> u64 {
        self.0.get()
    }

    /// The next version; `None` after the greatest number.
    #[must_use]
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl From<NonZeroU64> for Version {
    fn from(number: NonZeroU64) -> Self {
        Self(number)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Version {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        match text.parse() {
            Ok(number) if text.bytes().all(|byte| byte.is_ascii_digit()) => Ok(Self(number)),
            _ => Err(refuse_version(text)),
        }
    }
}

fn refuse_version(text: &str) -> Error {
    let quoted = excerpt(text, QUOTED_CHARS);
    Error::new(ErrorKind::InvalidName, format!("the text is not a model version: `{quoted}`"))
        .with_hint("use a number of 1 or more; `hydra-registry list` shows the versions")
}

fn refuse(what: &str, text: &str, rule: &str) -> Error {
    let quoted = excerpt(text, QUOTED_CHARS);
    Error::new(ErrorKind::InvalidName, format!("the text is not a valid {what}: `{quoted}`")).with_hint(rule)
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

fn check_model_name(text: &str) -> Result<()> {
    let fits = !text.trim().is_empty()
        && text.len() <= MAX_MODEL_NAME_BYTES
        && text != "."
        && text != ".."
        && !text.contains(['/', ':', '\\'])
        && !text.chars().any(char::is_control);
    if fits {
        Ok(())
    } else {
        Err(refuse(
            "registered model name",
            text,
            "use 1 to 256 bytes without `/`, `:`, `\\` or control characters",
        ))
    }
}

fn check_workspace(text: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let fits = (2..=63).contains(&text.len())
        && text.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-');
    // MLflow uses these names in its own paths.
    if fits && !["workspaces", "api", "ajax-api", "static-files"].contains(&text) {
        Ok(())
    } else {
        Err(refuse("workspace", text, "use 2 to 63 lower-case letters and digits, with `-` only inside"))
    }
}

fn check_alias(text: &str) -> Result<()> {
    let reserved = text.eq_ignore_ascii_case("latest")
        || text
            .strip_prefix(['v', 'V'])
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()));
    let fits = (1..=255).contains(&text.chars().count()) && text.chars().all(|c| is_word(c) || c == '-');
    if fits && !reserved {
        Ok(())
    } else {
        Err(refuse(
            "alias",
            text,
            "use letters, digits, `_` and `-`; `latest` and `v<number>` are reserved by MLflow",
        ))
    }
}

fn is_of_dataset(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-')
}

fn check_dataset(text: &str) -> Result<()> {
    let fits = (1..=MAX_DATASET_CHARS).contains(&text.len()) && text.chars().all(is_of_dataset);
    if fits && !text.starts_with(['.', '-']) {
        Ok(())
    } else {
        Err(refuse(
            "dataset name",
            text,
            "use 1 to 100 of the characters A-Z, a-z, 0-9, `.`, `_` and `-`, without `.` or `-` at the start",
        ))
    }
}

fn check_id(text: &str) -> Result<()> {
    let starts = text.chars().next().is_some_and(|c| c.is_ascii_alphanumeric());
    let fits = text.len() <= 256 && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-');
    if starts && fits { Ok(()) } else { Err(refuse("id", text, "use letters, digits, `_` and `-`")) }
}

fn check_policy_name(text: &str) -> Result<()> {
    let fits = (1..=PolicyName::MAX_BYTES).contains(&text.len()) && text.bytes().all(PolicyName::allows);
    if fits {
        Ok(())
    } else {
        Err(refuse("name of a policy", text, "use 1 to 64 letters, digits, `_` and `-`"))
    }
}

fn check_key(text: &str) -> Result<()> {
    let chars_fit = (1..=MAX_KEY_CHARS).contains(&text.chars().count())
        && text.chars().all(|c| is_word(c) || matches!(c, '/' | '.' | '-' | ' '));
    let normalised = text.split('/').all(|part| !matches!(part, "" | "." | ".."));
    if chars_fit && normalised {
        Ok(())
    } else {
        Err(refuse(
            "metric, param or tag key",
            text,
            "use 1 to 250 letters, digits, `_`, `-`, `.`, spaces or `/`, without empty, `.` or `..` path segments",
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_follow_mlflow_and_never_leave_a_directory() {
        for good in ["hydra-baseline", "é t%20", "a.b", "..a"] {
            assert!(ModelName::new(good).is_ok(), "{good}");
        }
        for bad in ["", " ", ".", "..", "a/b", "a:b", "a\\b", "a\nb", &"x".repeat(257)] {
            assert_eq!(ModelName::new(bad).expect_err(bad).kind(), ErrorKind::InvalidName);
        }
    }

    #[test]
    fn aliases_keep_mlflows_reserved_words() {
        for good in ["champion", "é", "1", "-", "v1a", "v"] {
            assert!(Alias::new(good).is_ok(), "{good}");
        }
        for constant in [Alias::CHAMPION, Alias::CANDIDATE, Alias::ARCHIVED] {
            assert_eq!(Alias::new(constant.as_str()).expect("a legal alias"), constant);
        }
        for bad in ["", "latest", "Latest", "v1", "V20", "a b", "a/b", "a\u{1b}[2J", &"x".repeat(256)] {
            assert_eq!(Alias::new(bad).expect_err(bad).kind(), ErrorKind::InvalidName);
        }
    }

    #[test]
    fn keys_are_normalised_relative_paths() {
        for good in ["auc", "val/auc", "a b.c-d", "schlüssel"] {
            assert!(Key::new(good).is_ok(), "{good}");
        }
        for bad in ["", "/a", "a/", "a//b", "..", "a/../b", ".", "a:b", "a\0", &"k".repeat(251)] {
            assert_eq!(Key::new(bad).expect_err(bad).kind(), ErrorKind::InvalidName);
        }
    }

    #[test]
    fn a_policy_has_a_name_without_dots() {
        for good in ["metric-gate", "A_1", "-", &"n".repeat(64)] {
            assert_eq!(PolicyName::of_stem(good), PolicyName::new(good).expect("a name"));
        }
        for (bad, made) in
            [("", "_"), ("a.b", "a_b"), ("ü/\u{1b}", "___"), (&"n".repeat(65), &"n".repeat(64))]
        {
            assert_eq!(PolicyName::new(bad).expect_err(bad).kind(), ErrorKind::InvalidName);
            assert_eq!(PolicyName::of_stem(bad).as_str(), made);
            PolicyName::new(made).expect("a name");
        }
    }

    #[test]
    fn datasets_have_plain_names() {
        for good in ["holdout", "2026-05", "_a.b", &"x".repeat(100)] {
            assert!(DatasetName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", "-a", ".a", "a b", "a/b", "a:b", "é", &"x".repeat(101)] {
            assert_eq!(DatasetName::new(bad).expect_err(bad).kind(), ErrorKind::InvalidName);
        }
        let named = |path: &str| DatasetName::of_path(Path::new(path)).map(String::from);
        assert_eq!(named("data/holdout 2026.05.parquet").as_deref(), Some("holdout_2026.05"));
        assert_eq!(named("data/may/").as_deref(), Some("may"));
        assert_eq!(named(".hidden").as_deref(), Some("_hidden"));
        assert_eq!(named("--x.csv").as_deref(), Some("_-x"));
        assert_eq!(named(&"x".repeat(150)).as_deref(), Some("x".repeat(100).as_str()));
        assert_eq!(named("größe.csv"), None);
        assert_eq!(named(".."), None);
    }

    #[test]
    fn versions_are_positive_decimal_numbers() {
        assert_eq!("17".parse::<Version>().expect("a version").get(), 17);
        assert_eq!(serde_json::from_str::<Version>("17").expect("a version").get(), 17);
        assert_eq!(Version::new(0).expect_err("zero").kind(), ErrorKind::InvalidName);
        assert!(serde_json::from_str::<Version>("0").is_err());
        for bad in ["", "0", "-1", "+1", "1.0", "abc", "99999999999999999999999"] {
            assert_eq!(bad.parse::<Version>().expect_err(bad).kind(), ErrorKind::InvalidName);
        }
    }
}
