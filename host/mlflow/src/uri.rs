//! MLflow's three kinds of URI, as three types: where a store is ([`TrackingUri`]), where files are
//! ([`ArtifactUri`]), and which model is meant ([`ModelUri`]).

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use percent_encoding::percent_decode_str;
use serde::Deserialize;
use url::Url;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, LoggedModelId, ModelName, RunId, Version};
use hydra_base::text::printable;

/// A URI as somebody gave it, not looked at yet.
///
/// `Display` and `Debug` leave user information and queries out; [`expose`](Self::expose) does not.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenUri(String);

impl GivenUri {
    /// The text as given, credentials included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for GivenUri {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl From<&str> for GivenUri {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl fmt::Display for GivenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.0))
    }
}

impl fmt::Debug for GivenUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GivenUri({self})")
    }
}

/// Where a tracking or registry store is: `http(s)://…`, `sqlite:///…`, `file:…` or a plain path.
///
/// `Display` and `Debug` leave user information and queries out; [`expose`](Self::expose) does not.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrackingUri {
    scheme: String,
    text: String,
}

impl TrackingUri {
    /// Takes a URI or a plain path; [`ErrorKind::Config`] when it is blank or a malformed web address.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into().trim().to_owned();
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the tracking URI is blank"));
        }
        // MLflow takes these bare words for Databricks profiles, not for directories.
        let bare = ["databricks", "databricks-uc", "uc"].contains(&text.as_str());
        let scheme = if bare { text.clone() } else { scheme_of(&text).unwrap_or_else(|| "file".to_owned()) };
        let uri = Self { scheme, text };
        if matches!(uri.scheme(), "http" | "https") {
            uri.web_url()?;
        }
        Ok(uri)
    }

    /// The scheme in lower case, without a driver such as `+psycopg2`; `file` for a plain path.
    #[must_use]
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The text as given, credentials included.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The address of a server, credentials included; `Config` for anything else.
    pub(crate) fn web_url(&self) -> Result<Url> {
        let refuse = |why: &str| {
            Error::new(ErrorKind::Config, format!("the URI is not the address of an MLflow server: {why}"))
                .with_context("uri", self)
                .with_hint("write it like `http://localhost:5000`")
        };
        let url = Url::parse(&self.text).map_err(|error| refuse(&error.to_string()))?;
        match (url.scheme(), url.host_str(), url.query(), url.fragment()) {
            ("http" | "https", Some(_), None, None) => Ok(url),
            ("http" | "https", None, _, _) => Err(refuse("it has no host")),
            ("http" | "https", ..) => Err(refuse("it has a query or a fragment")),
            _ => Err(refuse("it is not http or https")),
        }
    }

    /// The same store, a relative path made absolute against the directory `base`; an empty `base` stands for the current
    /// directory. URIs without a path of a local file stay as they are.
    #[must_use]
    pub fn absolute(&self, base: &Path) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(base.join(path)).ok();
        let text = match self.scheme() {
            "sqlite" => self.sqlite_path().ok().and_then(absolute).and_then(|path| {
                let (scheme, rest) = self.text.split_once("://")?;
                let query = rest.find('?').map_or("", |start| &rest[start..]);
                Some(format!("{scheme}:///{}{query}", path.display()))
            }),
            // As a plain path, which nobody decodes again.
            "file" => self.file_path().ok().and_then(absolute).map(|path| path.display().to_string()),
            _ => None,
        };
        text.map_or_else(|| self.clone(), |text| Self { scheme: self.scheme.clone(), text })
    }

    /// The directory of a `file:` URI or a plain path, as written: it may be relative.
    pub fn file_path(&self) -> Result<PathBuf> {
        match ArtifactUri::new(self.text.as_str()).map(|uri| uri.location) {
            Ok(Location::Local(path)) => Ok(path),
            _ => Err(Error::new(ErrorKind::Config, "the URI is not a local path")
                .with_context("uri", self)
                .with_hint(
                    "write file:///dir or a plain path; two slashes are followed by the name of a host",
                )),
        }
    }

    /// The file of a `sqlite:` URI, as written: three slashes start a relative path, four an absolute one, as in
    /// SQLAlchemy.
    pub fn sqlite_path(&self) -> Result<PathBuf> {
        let rest = self.text.split_once("://").map(|(_, rest)| rest.split('?').next().unwrap_or(rest));
        match rest.and_then(|rest| rest.strip_prefix('/')) {
            Some(path) if !path.is_empty() && path != ":memory:" => Ok(PathBuf::from(path)),
            _ => Err(Error::new(ErrorKind::Config, "the URI is not the path of a SQLite database")
                .with_context("uri", self)
                .with_hint(
                    "write `sqlite:///relative/path.db` or, with four slashes, `sqlite:////absolute/path.db`",
                )),
        }
    }
}

impl fmt::Display for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&redact(&self.text))
    }
}

impl fmt::Debug for TrackingUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TrackingUri({self})")
    }
}

impl FromStr for TrackingUri {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        Self::new(text)
    }
}

impl TryFrom<String> for TrackingUri {
    type Error = Error;
    fn try_from(text: String) -> Result<Self> {
        Self::new(text)
    }
}

/// Where artifacts are, as a server or a store names it. Untrusted: opening one goes through the
/// [`ArtifactResolver`](crate::artifacts::ArtifactResolver).
#[derive(Clone, PartialEq, Eq)]
pub struct ArtifactUri {
    text: String,
    location: Location,
}

/// What an artifact URI points to.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Location {
    /// A path in the tracking server's artifact proxy, `mlflow-artifacts:/path`; `authority` when it names a host.
    Proxied {
        /// `host` or `host:port`.
        authority: Option<String>,
        /// The path without its leading slash.
        path: String,
    },
    /// A local directory: a plain path, or a `file:` URI.
    Local(PathBuf),
    /// A model or a directory that another store call resolves: `runs:/…`, `models:/…`.
    Model(ModelUri),
    /// Any other scheme, in lower case: `s3`, `gs`, `abfss`, ….
    Other(String),
}

impl ArtifactUri {
    /// Takes a URI or a plain path apart. `Protocol` when it is blank or malformed.
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

    /// What it points to.
    #[must_use]
    pub fn location(&self) -> &Location {
        &self.location
    }

    /// The text as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The URI of `path` below this one. Paths of `file:` URIs are percent-encoded, all others are not.
    #[must_use]
    pub fn join(&self, path: &str) -> String {
        let root = self.text.trim_end_matches('/');
        if path.is_empty() {
            root.to_owned()
        } else if scheme_of(&self.text).as_deref() == Some("file") {
            const KEPT: &percent_encoding::AsciiSet =
                &percent_encoding::NON_ALPHANUMERIC.remove(b'/').remove(b'.').remove(b'-').remove(b'_');
            format!("{root}/{}", percent_encoding::utf8_percent_encode(path, KEPT))
        } else {
            format!("{root}/{path}")
        }
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

/// Which model is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelUri {
    /// `models:/<name>/<version>`.
    Version(ModelName, Version),
    /// `models:/<name>@<alias>`.
    Alias(ModelName, Alias),
    /// `models:/m-…`, an MLflow 3 LoggedModel.
    LoggedModel(LoggedModelId),
    /// `runs:/<run id>/<path>`, a directory below a run's artifacts.
    Run(RunId, String),
}

impl FromStr for ModelUri {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(ErrorKind::InvalidName, format!("the text is not a model URI: `{text}`")).with_hint(
                "use `models:/name/version`, `models:/name@alias`, `models:/m-…` or `runs:/run/path`",
            )
        };
        if let Some(rest) = text.strip_prefix("runs:/") {
            let (run, path) = rest.trim_start_matches('/').split_once('/').ok_or_else(refuse)?;
            return Ok(Self::Run(RunId::new(run)?, path.trim_matches('/').to_owned()));
        }
        let rest = text.strip_prefix("models:/").ok_or_else(refuse)?.trim_start_matches('/');
        if let Some((name, version)) = rest.rsplit_once('/') {
            Ok(Self::Version(ModelName::new(name)?, version.parse()?))
        } else if let Some((name, alias)) = rest.rsplit_once('@') {
            Ok(Self::Alias(ModelName::new(name)?, Alias::new(alias)?))
        } else {
            LoggedModelId::new(rest).map(Self::LoggedModel).map_err(|_| refuse())
        }
    }
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(name, version) => write!(f, "models:/{name}/{version}"),
            Self::Alias(name, alias) => write!(f, "models:/{name}@{alias}"),
            Self::LoggedModel(id) => write!(f, "models:/{id}"),
            Self::Run(run, path) => write!(f, "runs:/{run}/{path}"),
        }
    }
}

/// `text` without the parts of a URI that may be secret (user information, query) and without control characters.
#[must_use]
pub fn redact(text: &str) -> String {
    let text = printable(text);
    let Some((scheme, rest)) = text.split_once("://") else { return text };
    if scheme.eq_ignore_ascii_case("file") {
        return text.clone();
    }
    let (rest, query) = match rest.split_once('?') {
        Some((rest, _)) => (rest, "?***"),
        None => (rest, ""),
    };
    // The last `@`, not that of the authority: a password may hold a slash that should have been encoded.
    match rest.rsplit_once('@') {
        Some((_, rest)) => format!("{scheme}://***@{rest}{query}"),
        None => format!("{scheme}://{rest}{query}"),
    }
}

/// The scheme of a URI in lower case, without a `+driver`; `None` for a plain path. One letter is a Windows drive.
fn scheme_of(text: &str) -> Option<String> {
    let (scheme, _) = text.split_once(':')?;
    let letters = scheme.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.'));
    let starts = scheme.starts_with(|c: char| c.is_ascii_alphabetic());
    let base = scheme.split('+').next().unwrap_or(scheme);
    (letters && starts && scheme.len() > 1).then(|| base.to_ascii_lowercase())
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

/// The path of a `file:` URI; MLflow writes `file:///a%20b`, and passes on whatever a user wrote, raw spaces
/// included.
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

#[cfg(test)]
mod tests;
