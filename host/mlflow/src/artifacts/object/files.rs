//! Files in object stores and at web addresses that are not artifacts: rows, which are read in parts, and predictions.

use std::ops::Range;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use object_store::path::Path as Key;
use object_store::{GetOptions, GetRange, MultipartUpload, ObjectMeta, ObjectStore, ObjectStoreExt as _};
use tokio::task::JoinSet;

use super::{Bucket, PART_BYTES, PARTS_AT_ONCE, classify, listing, provider, refusal};
use crate::environment::Environment;
use crate::uri::redact;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::pattern::NamePattern;
use hydra_base::text::{QUOTED_CHARS, excerpt};

/// The most files below an address.
const MOST: usize = 250_000;
/// How deeply directories are nested, at most.
const DEEPEST: usize = 32;

/// A file that is read in parts.
#[derive(Debug, Clone)]
pub struct ObjectFile {
    uri: String,
    store: Arc<dyn ObjectStore>,
    key: Key,
    size: u64,
    /// The state of the bytes, so that a file that changes while it is read is an error.
    e_tag: Option<String>,
}

/// Whether a text is the address of a file in an object store or on the web.
#[must_use]
pub fn is_object_uri(text: &str) -> bool {
    let schemes = ["s3", "gs", "wasb", "wasbs", "abfss", "http", "https"];
    text.split_once("://").is_some_and(|(scheme, _)| schemes.contains(&scheme.to_ascii_lowercase().as_str()))
}

impl ObjectFile {
    /// The file at `uri`, or else the files below it, each with its path below `uri`, sorted by their names. Names that start with `.`
    /// or `_` do not count. In the path, `*` makes patterns of names, and the path below it starts at the first of them.
    ///
    /// [`ErrorKind::Protocol`] for a malformed address, [`ErrorKind::ArtifactNotFound`] if there is nothing, [`ErrorKind::InvalidData`] for a
    /// directory below it whose name is not like `region=north`; errors of the store keep their kinds.
    pub async fn find(uri: &str, environment: &Environment) -> Result<Vec<(Self, String)>> {
        let scheme = uri.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).unwrap_or_default();
        if scheme.starts_with("http") {
            let (store, path) = provider::connect_web(uri, environment)?;
            let found = head(store.as_ref(), &key_of(uri, &path)?, uri).await?;
            let file =
                Self { uri: redact(uri), store, key: found.location, size: found.size, e_tag: found.e_tag };
            return Ok(vec![(file, String::new())]);
        }
        let (store, root) = provider::connect(uri, environment)?;
        let parts: Vec<&str> = root.split('/').filter(|part| !part.is_empty()).collect();
        let first = parts.iter().position(|part| part.contains('*'));
        let place = Place { uri, store, bucket: bucket_of(uri) };
        if first.is_none() && !uri.ends_with('/') && !parts.is_empty() {
            match head(place.store.as_ref(), &key_of(uri, &root)?, uri).await {
                Ok(found) => {
                    return Ok(vec![(place.file(found.location, found.size, found.e_tag), String::new())]);
                }
                Err(error) if error.kind() == ErrorKind::ArtifactNotFound => {}
                Err(error) => return Err(error),
            }
        }
        let (above, patterns) = parts.split_at(first.unwrap_or(parts.len()));
        let patterns = patterns.iter().map(|part| NamePattern::new(*part)).collect::<Result<Vec<_>>>()?;
        let mut found = Vec::new();
        place.walk(&above.join("/"), "", &patterns, &mut found, 0).await?;
        if found.is_empty() {
            let why = "there is no file at the address, and none below it";
            return Err(Error::new(ErrorKind::ArtifactNotFound, why).with_context("uri", redact(uri)));
        }
        Ok(found)
    }

    /// The address, without credentials.
    #[must_use]
    pub fn uri(&self) -> &str {
        &self.uri
    }

    /// The number of bytes.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// The bytes of a range. `Integrity` if the file has changed since it was found.
    pub async fn read(&self, range: Range<u64>) -> Result<Bytes> {
        let options = GetOptions {
            range: Some(GetRange::Bounded(range)),
            if_match: self.e_tag.clone(),
            ..GetOptions::default()
        };
        let answer = async { self.store.get_opts(&self.key, options).await?.bytes().await };
        answer.await.map_err(|error| match error {
            object_store::Error::Precondition { .. } => {
                Error::new(ErrorKind::Integrity, "the file has changed while it was read")
                    .with_context("file", &self.uri)
                    .with_hint("repeat the command")
            }
            error => failed("read", &self.uri, error),
        })
    }
}

/// Where files are looked for.
struct Place<'u> {
    uri: &'u str,
    store: Arc<dyn Bucket>,
    /// The address of the bucket.
    bucket: String,
}

impl Place<'_> {
    /// The files in `directory` whose names fit the first of `patterns`, and so on; all files in directories that fit the last one.
    /// `below` is the path of the directory below the address.
    fn walk<'w>(
        &'w self,
        directory: &'w str,
        below: &'w str,
        patterns: &'w [NamePattern],
        found: &'w mut Vec<(ObjectFile, String)>,
        depth: usize,
    ) -> BoxFuture<'w, Result<()>> {
        async move {
            let key = key_of(self.uri, directory)?;
            let listed = listing::of(self.store.as_ref(), &key, directory).await.map_err(|error| match error {
                listing::Failure::Refused(error) => error.with_context("uri", redact(self.uri)),
                listing::Failure::Failed(error) => failed("list", &redact(self.uri), error),
            })?;
            for entry in listed {
                let name = entry.path.rsplit('/').next().unwrap_or(&entry.path);
                let (pattern, rest) = match patterns {
                    [pattern, rest @ ..] => (Some(pattern), rest),
                    [] => (None, patterns),
                };
                let fits = pattern.is_none_or(|pattern| pattern.matches(name));
                if name.starts_with(['.', '_']) || !fits {
                    continue;
                }
                let below = if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
                if entry.is_dir {
                    if pattern.is_none() && (!name.contains('=') || depth == DEEPEST) {
                        return Err(Error::new(
                            ErrorKind::InvalidData,
                            format!("the directory of rows contains a directory: `{}`", excerpt(name, QUOTED_CHARS)),
                        )
                        .with_context("uri", redact(self.uri))
                        .with_hint("put the files into one directory, or into directories with names like `region=north`"));
                    }
                    self.walk(&entry.path, &below, rest, found, depth + 1).await?;
                } else if rest.is_empty() {
                    if found.len() == MOST {
                        return Err(Error::new(ErrorKind::AnswerSize, format!("there are more than {MOST} files"))
                            .with_context("uri", redact(self.uri)));
                    }
                    // What is not in quotes is a time.
                    let e_tag = entry.stamp.filter(|stamp| stamp.ends_with('"'));
                    let key = key_of(self.uri, &entry.path)?;
                    found.push((self.file(key, entry.size.unwrap_or(0), e_tag), below));
                }
            }
            Ok(())
        }
        .boxed()
    }

    fn file(&self, key: Key, size: u64, e_tag: Option<String>) -> ObjectFile {
        ObjectFile { uri: format!("{}/{key}", self.bucket), store: self.store.clone(), key, size, e_tag }
    }
}

fn key_of(uri: &str, path: &str) -> Result<Key> {
    Key::parse(path).map_err(|error| {
        Error::new(ErrorKind::Protocol, "the address is not that of a file")
            .with_context("uri", redact(uri))
            .with_source(error)
    })
}

async fn head(store: &(impl ObjectStore + ?Sized), key: &Key, uri: &str) -> Result<ObjectMeta> {
    let options = GetOptions { head: true, ..GetOptions::default() };
    let found = store.get_opts(key, options).await.map_err(|error| failed("find", &redact(uri), error))?;
    Ok(found.meta)
}

/// The scheme and the bucket of an address in an object store.
fn bucket_of(uri: &str) -> String {
    let (scheme, rest) = uri.split_once("://").unwrap_or(("", uri));
    format!("{scheme}://{}", rest.split('/').next().unwrap_or(rest))
}

/// A file that is written to an object store and becomes visible when it is complete.
#[derive(Debug)]
pub struct ObjectUpload {
    uri: String,
    store: Arc<dyn ObjectStore>,
    key: Key,
    /// What is not sent yet.
    rest: BytesMut,
    /// None until there are the bytes of a part; a smaller file is sent in one request.
    parts: Option<Box<dyn MultipartUpload>>,
    in_transit: JoinSet<object_store::Result<()>>,
}

impl ObjectUpload {
    /// An upload to `uri`. Sends no request yet. [`ErrorKind::Protocol`] for an address that files cannot be written to.
    pub fn new(uri: &str, environment: &Environment) -> Result<Self> {
        let (store, root) = provider::connect(uri, environment)?;
        let malformed = || {
            Error::new(ErrorKind::Protocol, "the address is not that of a file in an object store")
                .with_context("uri", redact(uri))
        };
        let key = Key::parse(&root).map_err(|error| malformed().with_source(error))?;
        if key.as_ref().is_empty() || uri.ends_with('/') {
            return Err(malformed());
        }
        Ok(Self::at(uri, store, key))
    }

    pub(super) fn at(uri: &str, store: Arc<dyn ObjectStore>, key: Key) -> Self {
        let (rest, in_transit) = (BytesMut::new(), JoinSet::new());
        Self { uri: redact(uri), store, key, rest, parts: None, in_transit }
    }

    /// Adds bytes. Waits while parts are in transit.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.rest.extend_from_slice(bytes);
        while self.rest.len() >= PART_BYTES {
            let part = self.rest.split_to(PART_BYTES);
            self.send(part.freeze()).await.map_err(|error| failed("write", &self.uri, error))?;
        }
        Ok(())
    }

    async fn send(&mut self, part: Bytes) -> object_store::Result<()> {
        while self.in_transit.len() >= PARTS_AT_ONCE {
            self.arrived().await?;
        }
        let parts = match &mut self.parts {
            Some(parts) => parts,
            None => self.parts.insert(self.store.put_multipart(&self.key).await?),
        };
        self.in_transit.spawn(parts.put_part(part.into()));
        Ok(())
    }

    /// Waits for one part.
    async fn arrived(&mut self) -> object_store::Result<()> {
        match self.in_transit.join_next().await {
            None => Ok(()),
            Some(arrived) => {
                arrived.unwrap_or_else(|error| Err(object_store::Error::JoinError { source: error }))
            }
        }
    }

    /// Makes the file visible. If that fails, [`abort`](Self::abort) removes what was sent.
    pub async fn complete(&mut self) -> Result<()> {
        let rest = std::mem::take(&mut self.rest).freeze();
        let completed = async {
            if self.parts.is_none() {
                return self.store.put(&self.key, rest.into()).await.map(drop);
            }
            if !rest.is_empty() {
                self.send(rest).await?;
            }
            while !self.in_transit.is_empty() {
                self.arrived().await?;
            }
            match &mut self.parts {
                Some(parts) => parts.complete().await.map(drop),
                None => Ok(()),
            }
        };
        completed.await.map_err(|error| failed("write", &self.uri, error))?;
        self.parts = None;
        Ok(())
    }

    /// [Aborts](Self::abort) after a failure, which is the one to report.
    pub async fn remove(&mut self) {
        if let Err(error) = self.abort().await {
            tracing::warn!(%error, "cannot remove the parts of a failed upload");
        }
    }

    /// Removes the parts that were sent, which the store would keep at a cost. Dropping an upload before it is complete does so in the
    /// background, if there is a runtime.
    pub async fn abort(&mut self) -> Result<()> {
        self.in_transit.shutdown().await;
        self.rest.clear();
        match self.parts.take() {
            Some(mut parts) => {
                parts.abort().await.map_err(|error| failed("remove the parts of", &self.uri, error))
            }
            None => Ok(()),
        }
    }
}

/// A caller that is interrupted drops the upload.
impl Drop for ObjectUpload {
    fn drop(&mut self) {
        let Some(mut parts) = self.parts.take() else { return };
        let mut in_transit = std::mem::take(&mut self.in_transit);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                in_transit.shutdown().await;
                if let Err(error) = parts.abort().await {
                    tracing::warn!(%error, "cannot remove the parts of an interrupted upload");
                }
            });
        }
    }
}

fn failed(action: &str, uri: &str, error: object_store::Error) -> Error {
    let (kind, hint) = match refusal(&error) {
        Some(refusal) => (refusal.kind(), refusal.hint().unwrap_or_default()),
        None => classify(&error),
    };
    let hint = if kind == ErrorKind::ArtifactNotFound { "check the address, and the region" } else { hint };
    let hint = hint.to_owned();
    let failed = Error::new(kind, format!("cannot {action} the file at the address"))
        .with_context("file", uri)
        .with_retryable(matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Server))
        .with_hint(hint);
    // The cause has the query of a web address, which may be a signature.
    if uri.contains('?') { failed } else { failed.with_source(error) }
}
