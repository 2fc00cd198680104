//! Locations of tracking and registry stores.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::Deserialize;
use url::Url;

use super::{ArtifactUri, Location, redact, scheme_of};
use hydra_base::error::{Error, ErrorKind, Result};

/// The prefix of URIs for MLflow's Python client, which loads the gate of the Python package for them.
const GATE: &str = "hydra+";

/// A URI from a user, not parsed yet.
///
/// `Display` and `Debug` omit user information and queries; [`expose`](Self::expose) does not.
#[derive(Clone, PartialEq, Eq)]
pub struct GivenUri(String);

impl GivenUri {
    /// The original text, with credentials.
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

/// The location of a tracking or registry store: `http(s)://…`, `sqlite:///…`, `file:…` or a plain path.
///
/// `Display` and `Debug` omit user information and queries; [`expose`](Self::expose) does not.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TrackingUri {
    scheme: String,
    text: String,
}

impl TrackingUri {
    /// Parses a URI or a plain path; [`ErrorKind::Config`] if it is blank or a malformed web address. `hydra+http://…`, the URI by
    /// which MLflow's Python client finds the gate of hydra-registry, is the server behind that gate.
    pub fn new(text: impl Into<String>) -> Result<Self> {
        let text = text.into();
        let text = text.trim();
        let text = text.strip_prefix(GATE).unwrap_or(text).to_owned();
        if text.is_empty() {
            return Err(Error::new(ErrorKind::Config, "the tracking URI is blank"));
        }
        if is_address(&text) && !Path::new(&text).exists() {
            return Err(Error::new(ErrorKind::Config, format!("the tracking URI has no scheme: `{text}`"))
                .with_hint(format!("write `http://{text}` for a server, or `./{text}` for a directory")));
        }
        // MLflow reads these bare words as Databricks profiles, not as directories.
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

    /// The original text, with credentials.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.text
    }

    /// The address of a server, with credentials; `Config` for other URIs.
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

    /// The same store, with a relative path made absolute against the directory `base`; an empty `base` is the current
    /// directory. Other URIs are returned unchanged.
    #[must_use]
    pub fn absolute(&self, base: &Path) -> Self {
        let absolute = |path: PathBuf| std::path::absolute(base.join(path)).ok();
        let text = match self.scheme() {
            "sqlite" => self.sqlite_path().ok().and_then(absolute).and_then(|path| {
                let (scheme, rest) = self.text.split_once("://")?;
                let query = rest.find('?').map_or("", |start| &rest[start..]);
                Some(format!("{scheme}:///{}{query}", path.display()))
            }),
            // A plain path, because paths are not decoded again.
            "file" => self.file_path().ok().and_then(absolute).map(|path| path.display().to_string()),
            _ => None,
        };
        text.map_or_else(|| self.clone(), |text| Self { scheme: self.scheme.clone(), text })
    }

    /// The directory of a `file:` URI or a plain path, as written; it may be relative.
    pub fn file_path(&self) -> Result<PathBuf> {
        match ArtifactUri::new(self.text.as_str()).map(ArtifactUri::into_location) {
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

/// Whether a text is the host and the port of a server: `localhost:5000`, `10.0.0.7:5000/mlflow`.
fn is_address(text: &str) -> bool {
    let Some((host, rest)) = text.split_once(':') else { return false };
    let port = rest.split('/').next().unwrap_or(rest);
    let is_host = |host: &str| {
        host.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    !host.is_empty() && is_host(host) && port.parse::<u16>().is_ok() && !port.starts_with('+')
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
