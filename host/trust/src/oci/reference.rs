//! References of artifacts: `oci://HOST/REPOSITORY:TAG@sha256:DIGEST`.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The scheme of references where paths of files are possible, too.
pub const SCHEME: &str = "oci://";

/// The most bytes of a repository's name.
const MAX_REPOSITORY_BYTES: usize = 255;
/// The most bytes of a tag.
const MAX_TAG_BYTES: usize = 128;

/// An artifact in an OCI registry, by tag or digest. With both, the digest counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    registry: String,
    repository: String,
    tag: Option<String>,
    digest: Option<Sha256>,
}

impl Reference {
    /// Whether a text is meant as a reference, and not as a path.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        text.starts_with(SCHEME)
    }

    /// The registry: a host, and a port if one is named.
    #[must_use]
    pub fn registry(&self) -> &str {
        &self.registry
    }

    /// The repository in the registry.
    #[must_use]
    pub fn repository(&self) -> &str {
        &self.repository
    }

    /// The tag.
    #[must_use]
    pub fn tag(&self) -> Option<&str> {
        self.tag.as_deref()
    }

    /// The SHA-256 of the artifact's manifest.
    #[must_use]
    pub fn digest(&self) -> Option<Sha256> {
        self.digest
    }

    /// The last part of the repository, as a name for people and files.
    #[must_use]
    pub fn name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or(&self.repository)
    }

    /// The registry and the repository, as signatures name them.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}/{}", self.registry, self.repository)
    }

    /// The same artifact by the digest that its tag had.
    #[must_use]
    pub fn at(&self, digest: Sha256) -> Self {
        Self { digest: Some(digest), ..self.clone() }
    }

    /// The host without the port.
    pub(super) fn host(&self) -> &str {
        let without_port = |at: usize| self.registry[at + 1..].bytes().all(|byte| byte.is_ascii_digit());
        match self.registry.rfind(':').filter(|at| without_port(*at)) {
            Some(at) => &self.registry[..at],
            None => &self.registry,
        }
    }

    /// Whether the registry is on this machine.
    #[must_use]
    pub fn is_local(&self) -> bool {
        is_loopback(self.host())
    }

    /// Where the registry answers: Docker's answers at another host than the one in its references.
    pub(super) fn address(&self) -> &str {
        if self.registry == "docker.io" { "registry-1.docker.io" } else { &self.registry }
    }
}

/// Whether a host is this machine.
pub(super) fn is_loopback(host: &str) -> bool {
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    host == "localhost"
        || host.ends_with(".localhost")
        || address.is_ok_and(|address| address.to_canonical().is_loopback())
}

impl FromStr for Reference {
    type Err = Error;

    /// Parses a reference, with or without `oci://`. [`ErrorKind::InvalidReference`] names what is wrong.
    fn from_str(text: &str) -> Result<Self> {
        let rest = text.strip_prefix(SCHEME).unwrap_or(text);
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest)),
            None => (rest, None),
        };
        let invalid = |why: &str| {
            let message =
                format!("the text is not a reference: `{}`: {why}", excerpt(text, QUOTED_CHARS * 3));
            Error::new(ErrorKind::InvalidReference, message)
                .with_hint("write it like `oci://registry.example.com/policies/gate:1.2`, or with `@sha256:` and a digest")
        };
        let (registry, path) = rest.split_once('/').ok_or_else(|| invalid("it names no repository"))?;
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_registry(registry) {
            return Err(invalid("the text before the first `/` is not a host"));
        }
        if repository.len() > MAX_REPOSITORY_BYTES || !repository.split('/').all(is_component) {
            return Err(invalid(
                "the repository has other characters than `a-z`, `0-9`, `.`, `_`, `-` and `/`, or too many",
            ));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(invalid(
                "the tag has other characters than letters, digits, `_`, `.` and `-`, or too many",
            ));
        }
        let digest = digest.map(|digest| {
            let digits = digest.strip_prefix("sha256:").and_then(|digits| digits.parse().ok());
            digits.ok_or_else(|| invalid("the digest is not `sha256:` and 64 lower-case hexadecimal digits"))
        });
        let digest = digest.transpose()?;
        if tag.is_none() && digest.is_none() {
            return Err(invalid("it names neither a tag nor a digest"));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{SCHEME}{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        match self.digest {
            Some(digest) => write!(f, "@sha256:{digest}"),
            None => Ok(()),
        }
    }
}

/// Whether a text is the host of a registry, perhaps with a port.
pub(super) fn is_registry(text: &str) -> bool {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if matches!(address.parse(), Ok(IpAddr::V6(_))) => {
                ("v6", port.strip_prefix(':').unwrap_or(port))
            }
            _ => return false,
        },
        None => match text.split_once(':') {
            Some((_, "")) => return false,
            Some((host, port)) => (host, port),
            None => (text, ""),
        },
    };
    let label = |label: &str| {
        !label.is_empty()
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
    };
    host.len() <= 253 && host.split('.').all(label) && (port.is_empty() || port.parse::<u16>().is_ok())
}

/// A part of a repository's name: letters and digits, with separators between them.
fn is_component(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = text.bytes().next().is_some_and(plain) && text.bytes().last().is_some_and(plain);
    let separators: Vec<&str> = text
        .split(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        .filter(|part| !part.is_empty())
        .collect();
    let allowed = |part: &str| matches!(part, "." | "_" | "__") || part.bytes().all(|byte| byte == b'-');
    ends && separators.into_iter().all(allowed)
}

fn is_tag(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG_BYTES
        && text.bytes().next().is_some_and(word)
        && text.bytes().all(|byte| word(byte) || matches!(byte, b'.' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const DIGEST: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    #[test]
    fn references_are_read_and_written() {
        for (text, host, repository, tag, digest, local) in [
            ("oci://r.example/gate:1.2", "r.example", "gate", Some("1.2"), false, false),
            ("localhost:5000/a/b-c__d.e:_x-Y", "localhost", "a/b-c__d.e", Some("_x-Y"), false, true),
            ("oci://[::1]:5000/gate:v1", "[::1]", "gate", Some("v1"), false, true),
            (&format!("oci://127.0.0.1:1/gate@sha256:{DIGEST}"), "127.0.0.1", "gate", None, true, true),
            (
                &format!("oci://r.example:443/p/gate:1@sha256:{DIGEST}"),
                "r.example",
                "p/gate",
                Some("1"),
                true,
                false,
            ),
        ] {
            let reference: Reference = text.parse().unwrap();
            assert_eq!(reference.to_string(), format!("{SCHEME}{}", text.trim_start_matches(SCHEME)));
            assert_eq!(
                (
                    reference.host(),
                    reference.repository(),
                    reference.tag(),
                    reference.digest().is_some(),
                    reference.is_local()
                ),
                (host, repository, tag, digest, local),
                "{text}"
            );
        }
        let named: Reference = "docker.io/library/gate:1".parse().unwrap();
        assert_eq!((named.address(), named.name()), ("registry-1.docker.io", "gate"));
    }

    #[test]
    fn other_texts_are_not_references() {
        let long = "a".repeat(256);
        for bad in [
            "",
            "oci://",
            "gate.wasm",
            "oci://r.example",
            "oci://r.example/",
            "oci://r.example/gate",
            "oci://r.example/Gate:1",
            "oci://r.example/a//b:1",
            "oci://r.example/../b:1",
            "oci://r.example/a___b:1",
            "oci://r.example/gate:",
            "oci://r.example/gate:a/b",
            "oci://r.example/gate@sha512:00",
            "oci://r.example/gate@sha256:00",
            "oci://user:secret@r.example/gate:1",
            "oci://r.example:/gate:1",
            "oci://r.example:70000/gate:1",
            "oci:///gate:1",
            "oci://r_x/gate:1",
            "oci://-r/gate:1",
            "oci://[::1/gate:1",
            "oci://[x]/gate:1",
            "oci://r.example/gate:1?x=y",
            "oci://r.example/gate:1#x",
            "oci://r example/gate:1",
            "oci://r.example/gâte:1",
            "oci://r.example/gate:\u{202e}1",
            &format!("oci://r.example/{long}:1"),
            &format!("oci://r.example/gate:{long}"),
            &format!("oci://r.example/gate@sha256:{}", DIGEST.to_uppercase()),
        ] {
            assert_eq!(bad.parse::<Reference>().unwrap_err().kind(), ErrorKind::InvalidReference, "{bad}");
        }
    }
}
