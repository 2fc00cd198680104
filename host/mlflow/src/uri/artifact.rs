//! Locations of artifacts.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use percent_encoding::percent_decode_str;

use super::{ModelUri, redact, scheme_of};
use hydra_base::error::{Error, ErrorKind, Result};

/// The location of artifacts, in the form that a server or store uses. Untrusted: open it only with
/// [`Backend::artifact_store`](crate::connect::Backend::artifact_store).
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactUri {
    text: String,
    location: Location,
}

/// The kinds of locations in artifact URIs.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A path in the tracking server's artifact proxy, `mlflow-artifacts:/path`; `authority` if the URI names a host.
    Proxied {
        /// `host` or `host:port`.
        authority: Option<String>,
        /// The path without its leading slash.
        path: String,
    },
    /// A local directory: a plain path, or a `file:` URI.
    Local(PathBuf),
    /// A model or directory that another store call resolves: `runs:/…`, `models:/…`.
    Model(ModelUri),
    /// Any other scheme, in lower case: `s3`, `gs`, `abfss`, ….
    Other(String),
}

impl ArtifactUri {
    /// Parses a URI or a plain path. `Protocol` if it is blank or malformed.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let malformed = || {
            Error::new(ErrorKind::Protocol, "the text is not an artifact URI")
                .with_context("uri", redact(&text))
        };
        if text.trim().is_empty() || text.contains('\0') {
            return Err(malformed());
        }
        let location = match scheme_of(&text).as_deref() {
            None => Location::Local(PathBuf::from(&text)),
            Some("file") => Location::Local(file_url_path(&text).ok_or_else(malformed)?),
            Some("mlflow-artifacts") => {
                let (authority, path) = split_authority(&text);
                Location::Proxied {
                    authority: authority.map(str::to_ascii_lowercase),
                    path: path.trim_matches('/').to_owned(),
                }
            }
            Some("runs" | "models") => Location::Model(text.parse()?),
            Some(scheme) => Location::Other(scheme.to_owned()),
        };
        Ok(Self { text, location })
    }

    /// The location.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    pub(super) fn into_location(self) -> Location {
        self.location
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The path of this URI below `root`, empty for the root itself; `None` if it is elsewhere. Local directories are the same as plain
    /// paths and as `file:` URIs.
    #[must_use]
    pub fn below(&self, root: &Self) -> Option<String> {
        match (&self.location, &root.location) {
            (Location::Local(path), Location::Local(root)) => {
                path.strip_prefix(root).ok()?.to_str().map(str::to_owned)
            }
            (Location::Proxied { authority, path }, Location::Proxied { authority: of_root, path: root }) => {
                rest_below(path, root).filter(|_| authority == of_root)
            }
            (Location::Other(scheme), Location::Other(of_root)) if scheme == of_root => {
                let after = |text: &str| text.split_once(':').map(|(_, rest)| rest.to_owned());
                rest_below(&after(&self.text)?, after(&root.text)?.trim_end_matches('/'))
            }
            _ => None,
        }
    }

    /// The URI of `path` below this one. Paths in `file:` URIs are percent-encoded, others are not.
    pub fn join(&self, path: &str) -> Result<Self> {
        let root = self.text.trim_end_matches('/');
        Self::new(if path.is_empty() {
            root.to_owned()
        } else if scheme_of(&self.text).as_deref() == Some("file") {
            const KEPT: &percent_encoding::AsciiSet =
                &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
            format!("{root}/{}", percent_encoding::utf8_percent_encode(path, KEPT))
        } else {
            format!("{root}/{path}")
        })
    }
}

impl fmt::Display for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

impl fmt::Debug for ArtifactUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ArtifactUri({self})")
    }
}

impl FromStr for ArtifactUri {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

/// The part of `path` below `root`, if it is there.
fn rest_below(path: &str, root: &str) -> Option<String> {
    let rest = path.strip_prefix(root)?;
    let is_below = rest.is_empty() || rest.starts_with('/') || root.is_empty();
    is_below.then(|| rest.trim_matches('/').to_owned())
}

/// The authority, if there is one, and the path of `scheme:/path` or `scheme://authority/path`.
fn split_authority(text: &str) -> (Option<&str>, &str) {
    let rest = text.split_once(':').map_or(text, |(_, rest)| rest);
    match rest.strip_prefix("//") {
        Some(rest) => {
            let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(authority).filter(|authority| !authority.is_empty()), path)
        }
        None => (None, rest),
    }
}

/// The path of a `file:` URI. MLflow writes `file:///a%20b`, but passes user input on unchanged, with raw spaces.
fn file_url_path(text: &str) -> Option<PathBuf> {
    let (authority, path) = split_authority(text);
    if authority.is_some_and(|host| !host.eq_ignore_ascii_case("localhost")) {
        return None;
    }
    let absolute = if text[text.find(':')? + 1..].starts_with("//") {
        format!("/{}", path.trim_start_matches('/'))
    } else {
        path.to_owned()
    };
    let decoded = percent_decode_str(&absolute).decode_utf8().ok()?;
    (!decoded.is_empty() && !decoded.contains('\0')).then(|| PathBuf::from(decoded.as_ref()))
}
