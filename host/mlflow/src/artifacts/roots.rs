//! Artifact roots that have moved: what a store calls by its old URI is read and written at another place.

use std::path::Path;

use async_trait::async_trait;

use super::{ArtifactReader, ArtifactStore, OnProgress, segments};
use crate::entities::ArtifactInfo;
use crate::uri::{ArtifactUri, Location, redact};
use hydra_base::error::{Error, ErrorKind, Result};

/// Where artifact roots have moved to. Of several that fit a URI, the longest counts.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ArtifactRoots(Vec<(ArtifactUri, ArtifactUri)>);

impl ArtifactRoots {
    /// What is at `old` or below it, in the form of the store's artifact URIs, is at `new` from now on: a local directory, which may
    /// be relative to `base`, or a URI. `Config` for a text that is not the URI of a directory; a second place takes that of the first.
    pub fn with(mut self, old: &str, new: &str, base: &Path) -> Result<Self> {
        let (old, new) = (root(old)?, root(new)?);
        let new = match new.location() {
            Location::Local(path) => ArtifactUri::new(base.join(path).to_string_lossy())?,
            _ => new,
        };
        self.0.retain(|(known, _)| *known != old);
        self.0.push((old, new));
        Ok(self)
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The place of `uri`; `None` if it has not moved. `Untrusted` if the rest of the URI leaves the new root.
    pub(crate) fn place_of(&self, uri: &ArtifactUri) -> Result<Option<ArtifactUri>> {
        let fitting = self.0.iter().filter_map(|(old, new)| Some((uri.below(old)?, new)));
        let Some((rest, new)) = fitting.min_by_key(|(rest, _)| rest.len()) else { return Ok(None) };
        segments(&rest)?;
        new.join(&rest).map(Some)
    }
}

/// The URI of a root.
fn root(text: &str) -> Result<ArtifactUri> {
    let malformed = |error: Error| {
        Error::new(ErrorKind::Config, format!("`{}` is not the root of artifacts", redact(text)))
            .with_source(error)
            .with_hint("write OLD=NEW with directories or URIs, such as `/old/mlruns=/new/mlruns`")
    };
    let uri = ArtifactUri::new(text.trim_end_matches('/')).map_err(malformed)?;
    match uri.location() {
        Location::Model(_) => Err(malformed(Error::new(ErrorKind::Config, "it refers to a model"))),
        _ => Ok(uri),
    }
}

/// The artifacts of a root that has moved.
#[derive(Debug)]
pub(crate) struct MovedArtifacts {
    /// The URI in the store, by which others find the root again.
    uri: String,
    inner: Box<dyn ArtifactStore>,
}

impl MovedArtifacts {
    pub(crate) fn new(uri: &ArtifactUri, inner: Box<dyn ArtifactStore>) -> Self {
        Self { uri: uri.as_str().to_owned(), inner }
    }

    fn named<T>(&self, result: Result<T>) -> Result<T> {
        result.map_err(|error| error.with_context("root in the store", redact(&self.uri)))
    }
}

#[async_trait]
impl ArtifactStore for MovedArtifacts {
    fn uri(&self) -> &str {
        &self.uri
    }

    fn place(&self) -> &str {
        self.inner.place()
    }

    fn remedy(&self) -> Option<String> {
        self.inner.remedy()
    }

    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>> {
        self.named(self.inner.list(path).await)
    }

    async fn open(&self, path: &str) -> Result<ArtifactReader> {
        self.named(self.inner.open(path).await)
    }

    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()> {
        self.named(self.inner.put_file(path, file, progress).await)
    }

    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        self.named(self.inner.put_bytes(path, bytes).await)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roots(pairs: &[(&str, &str)]) -> ArtifactRoots {
        pairs.iter().fold(ArtifactRoots::default(), |roots, (old, new)| {
            roots.with(old, new, Path::new("/base")).expect("roots")
        })
    }

    fn place(roots: &ArtifactRoots, uri: &str) -> Option<String> {
        let place = roots.place_of(&uri.parse().expect(uri)).expect(uri);
        place.map(|place| place.as_str().to_owned())
    }

    #[test]
    fn a_root_takes_what_is_below_it_along() {
        let roots = roots(&[
            ("/old/mlruns/", "/new/runs"),
            ("/old/mlruns/7", "s3://bucket/seven/"),
            ("file:///c%20d", "relative dir"),
            ("s3://old-bucket/root", "s3://bucket"),
            ("S3://old-bucket/root/x", "gs://other/x"),
            ("mlflow-artifacts:/1", "/one"),
            ("wasbs://box@account.blob.core.windows.net", "abfss://box@account.dfs.core.windows.net"),
        ]);
        for (uri, expected) in [
            ("/old/mlruns", Some("/new/runs")),
            ("/old/mlruns/1/models/m-1/artifacts", Some("/new/runs/1/models/m-1/artifacts")),
            ("file:///old/mlruns/1/a%20b", Some("/new/runs/1/a b")),
            ("/old/mlruns/7/x", Some("s3://bucket/seven/x")),
            ("/old/mlruns/77", Some("/new/runs/77")),
            ("/old/mlrunsX/1", None),
            ("/c d/x", Some("/base/relative dir/x")),
            ("s3://old-bucket/root/a/b", Some("s3://bucket/a/b")),
            ("s3://old-bucket/root/x/b", Some("gs://other/x/b")),
            ("s3://old-bucket/rootless", None),
            ("s3://other/root", None),
            ("mlflow-artifacts:/1/r", Some("/one/r")),
            ("mlflow-artifacts:/11/r", None),
            ("mlflow-artifacts://host/1/r", None),
            (
                "wasbs://box@account.blob.core.windows.net/a",
                Some("abfss://box@account.dfs.core.windows.net/a"),
            ),
            ("models:/m/1", None),
        ] {
            assert_eq!(place(&roots, uri).as_deref(), expected, "{uri}");
        }
    }

    #[test]
    fn nothing_leaves_the_new_root_and_a_later_place_counts() {
        let roots = roots(&[("/old", "/first"), ("/old", "/new")]);
        assert_eq!(place(&roots, "/old/x").as_deref(), Some("/new/x"));
        let error = roots.place_of(&"/old/../etc".parse().expect("a URI")).expect_err("outside");
        assert_eq!(error.kind(), ErrorKind::Untrusted);
    }

    #[test]
    fn what_is_not_a_root_is_refused() {
        for (old, new) in [("", "/x"), ("/x", " "), ("models:/m/1", "/x"), ("/x", "runs:/abc/x")] {
            let error = ArtifactRoots::default().with(old, new, Path::new("/")).expect_err(old);
            assert_eq!(error.kind(), ErrorKind::Config, "{old}={new}");
        }
    }
}
