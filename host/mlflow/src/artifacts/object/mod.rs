//! Artifacts in an object store: S3, Google Cloud Storage, Azure.

mod bounded;
mod files;
mod listing;
mod provider;

use std::error::Error as StdError;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::client::{HttpError, HttpErrorKind};
use object_store::list::PaginatedListStore;
use object_store::path::Path as Key;
use object_store::{ObjectStore, ObjectStoreExt};
use tokio::io::AsyncReadExt;
use tokio_util::io::StreamReader;

use super::{ArtifactReader, ArtifactStore, OnProgress, segments};
use crate::entities::ArtifactInfo;
use crate::environment::Environment;
use crate::uri::redact;
use hydra_base::error::{Error, ErrorKind, Result};

pub use files::{ObjectFile, ObjectUpload, is_object_uri};

/// The size of an upload's parts. A smaller file is sent in one request.
const PART_BYTES: usize = 8 << 20;
/// The number of parts in transit at the same time. With [`PART_BYTES`] it bounds an upload's memory.
const PARTS_AT_ONCE: usize = 2;
/// The size of a read, after which progress is reported.
const READ_BYTES: usize = 256 << 10;

/// An artifact root in an object store. A file becomes visible when its upload is complete.
#[derive(Debug)]
pub struct ObjectArtifacts {
    uri: String,
    root: String,
    store: Arc<dyn Bucket>,
}

/// A store that lists page by page.
trait Bucket: ObjectStore + PaginatedListStore {}

impl<S: ObjectStore + PaginatedListStore> Bucket for S {}

impl ObjectArtifacts {
    /// The artifacts below `uri` (`s3://…`, `gs://…`, `wasb(s)://…`, `abfss://…`), with credentials and endpoints from
    /// `environment`. Sends no request yet. `Protocol` for a malformed URI, `Config` for settings that are not valid.
    pub fn new(uri: &str, environment: &Environment) -> Result<Self> {
        let (store, root) = provider::connect(uri, environment)?;
        Ok(Self { uri: uri.trim_end_matches('/').to_owned(), root, store })
    }

    /// The key of an artifact; `Untrusted` if the path leaves the root.
    fn key(&self, path: &str) -> Result<Key> {
        let parts: Vec<&str> = segments(path)?;
        let root = self.root.split('/').filter(|part| !part.is_empty());
        let key = root.chain(parts).collect::<Vec<_>>().join("/");
        Key::parse(&key).map_err(|error| {
            Error::new(ErrorKind::Untrusted, "the artifact path is not a valid key of an object store")
                .with_context("path", path)
                .with_source(error)
        })
    }

    fn failed(&self, action: &str, path: &str, error: object_store::Error) -> Error {
        let (kind, hint) = match refusal(&error) {
            Some(refusal) => (refusal.kind(), refusal.hint().unwrap_or_default()),
            None => classify(&error),
        };
        let hint = hint.to_owned();
        Error::new(kind, format!("cannot {action} an artifact in the object store"))
            .with_context("root", redact(&self.uri))
            .with_context("path", path)
            .with_retryable(matches!(kind, ErrorKind::Unreachable | ErrorKind::Timeout | ErrorKind::Server))
            .with_source(error)
            .with_hint(hint)
    }
}

#[async_trait]
impl ArtifactStore for ObjectArtifacts {
    fn uri(&self) -> &str {
        &self.uri
    }

    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>> {
        let directory = self.key(path)?;
        let listed = listing::of(self.store.as_ref(), &directory, path).await;
        listed.map_err(|error| match error {
            listing::Failure::Refused(error) => error
                .with_context("root", redact(&self.uri))
                .with_context("path", path)
                .with_hint(bounded::HINT),
            listing::Failure::Failed(error) => self.failed("list", path, error),
        })
    }

    async fn open(&self, path: &str) -> Result<ArtifactReader> {
        let key = self.key(path)?;
        let found = self.store.get(&key).await.map_err(|error| self.failed("open", path, error))?;
        let promised = found.meta.size;
        let received = Arc::new(AtomicU64::new(0));
        let count = Arc::clone(&received);
        let body = found.into_stream().map_err(io::Error::other).inspect_ok(move |chunk: &Bytes| {
            count.fetch_add(chunk.len() as u64, Ordering::Relaxed);
        });
        let path = path.to_owned();
        let end = stream::once(async move {
            let received = received.load(Ordering::Relaxed);
            if received == promised {
                return Ok(Bytes::new());
            }
            Err(io::Error::other(
                Error::new(ErrorKind::Integrity, "the download of an artifact ended early")
                    .with_context("path", path)
                    .with_context("announced bytes", promised)
                    .with_context("received bytes", received)
                    .with_retryable(true),
            ))
        });
        Ok(ArtifactReader::new(StreamReader::new(body.chain(end).boxed()), Some(promised)))
    }

    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()> {
        let key = self.key(path)?;
        let mut source = tokio::fs::File::open(file).await.map_err(|error| {
            Error::new(ErrorKind::Storage, "cannot read the file to upload")
                .with_context("path", file.display())
                .with_source(error)
        })?;
        let mut upload = ObjectUpload::at(self.uri.as_str(), Arc::clone(&self.store) as _, key);
        let uploaded = async {
            let mut buffer = vec![0; READ_BYTES];
            loop {
                let read = source.read(&mut buffer).await.map_err(|error| {
                    Error::new(ErrorKind::Storage, "cannot read the file to upload")
                        .with_context("path", file.display())
                        .with_source(error)
                })?;
                if read == 0 {
                    return upload.complete().await;
                }
                upload.write(&buffer[..read]).await?;
                progress(read as u64);
            }
        };
        let uploaded = uploaded.await;
        if uploaded.is_err() {
            upload.remove().await;
        }
        uploaded.map_err(|error| error.with_context("path", path))
    }

    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        let key = self.key(path)?;
        self.store.put(&key, bytes.into()).await.map(drop).map_err(|error| self.failed("write", path, error))
    }
}

fn classify(error: &object_store::Error) -> (ErrorKind, &'static str) {
    match error {
        object_store::Error::NotFound { .. } => {
            let hint = "check the names of bucket and file, and the region; if the artifacts have moved, name their new root with \
                        `--artifact-root-map OLD=NEW`";
            (ErrorKind::ArtifactNotFound, hint)
        }
        object_store::Error::PermissionDenied { .. } => {
            (ErrorKind::PermissionDenied, "use credentials with permission for this operation on the bucket")
        }
        object_store::Error::Unauthenticated { .. } => (
            ErrorKind::Unauthenticated,
            "set the provider's variables: AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, \
             GOOGLE_APPLICATION_CREDENTIALS, or AZURE_STORAGE_CONNECTION_STRING",
        ),
        other => match http_error(other).map(HttpError::kind) {
            Some(HttpErrorKind::Connect) => {
                (ErrorKind::Unreachable, "check the network, and the endpoint if you set one")
            }
            Some(HttpErrorKind::Timeout) => (ErrorKind::Timeout, "check the network, then try again"),
            _ => (ErrorKind::Server, "repeat the command when the object store answers"),
        },
    }
}

fn http_error(error: &object_store::Error) -> Option<&HttpError> {
    cause(error)
}

/// The error of an answer that was not read because it is too large.
fn refusal(error: &object_store::Error) -> Option<&Error> {
    cause(error)
}

/// The nearest cause of that type.
fn cause<E: StdError + 'static>(error: &object_store::Error) -> Option<&E> {
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        next = error.source();
    }
    None
}
