//! Artifacts through the tracking server's proxy: `mlflow-artifacts:/…`.

mod download;
mod signed;
mod upload;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, HeaderValue};
use reqwest::{Method, Response};
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::RestStore;
use super::body::read_up_to;
use super::failure::Failure;
use super::retry::RetryBudget;
use super::transport::{ARTIFACTS, Call, Transport};
use super::web_page::Page;
use super::wire::FilesAnswer;
use crate::artifacts::{ArtifactReader, ArtifactStore, OnProgress, parent, segments};
use crate::entities::ArtifactInfo;
use crate::uri::{ArtifactUri, redact};
use hydra_base::error::{Error, ErrorKind, Result};
use upload::Source;

const MAX_ANSWER_BYTES: usize = 1 << 20;
/// A compressed body has no known length, so a truncated one could not be detected.
const IDENTITY: HeaderValue = HeaderValue::from_static("identity");

/// The artifact proxies of a tracking server and of the other hosts that the user allows.
#[derive(Debug)]
pub(crate) struct ArtifactProxy {
    transport: Arc<Transport>,
    allowed_hosts: Vec<String>,
}

impl ArtifactProxy {
    /// The proxy of the server behind `store`. `allowed_hosts` contains `host` or `host:port`, in lower case.
    pub(crate) fn new(store: &RestStore, allowed_hosts: Vec<String>) -> Self {
        Self { transport: store.transport.clone(), allowed_hosts }
    }

    /// Opens the root at `path`. An `authority` other than the tracking server's is `Untrusted` unless it is allowed,
    /// and then receives no credentials.
    pub(crate) fn open(
        &self,
        uri: &ArtifactUri,
        authority: Option<&str>,
        path: &str,
    ) -> Result<ProxiedArtifacts> {
        let config = self.transport.config();
        let transport = match authority {
            Some(authority) if !config.is_at(authority) => {
                if !self.allowed_hosts.iter().any(|allowed| allowed == authority) {
                    return Err(Error::new(
                        ErrorKind::Untrusted,
                        "the artifact URI names another host than the tracking server's",
                    )
                    .with_context("uri", uri)
                    .with_hint("if you trust that host, add it to HYDRA_ALLOWED_ARTIFACT_HOSTS"));
                }
                Arc::new(Transport::new(config.without_credentials_at(authority)?))
            }
            _ => self.transport.clone(),
        };
        let root = segments(path)?.into_iter().map(str::to_owned).collect();
        let allowed_hosts = self.allowed_hosts.clone();
        Ok(ProxiedArtifacts { transport, uri: uri.as_str().to_owned(), root, allowed_hosts })
    }
}

/// An artifact root behind a server's proxy.
///
/// Uploads stream from the file with their length announced; downloads stream to the reader with their length checked.
/// The proxy has no checksums: [`verify_sizes`](crate::artifacts::verify_sizes) compares sizes afterwards. A server that
/// passes no bytes on itself signs addresses in its store instead: see `signed`.
#[derive(Debug)]
pub(crate) struct ProxiedArtifacts {
    transport: Arc<Transport>,
    uri: String,
    root: Vec<String>,
    /// The hosts of stores that may be reached without TLS although the server is reached with it.
    allowed_hosts: Vec<String>,
}

#[async_trait]
impl ArtifactStore for ProxiedArtifacts {
    fn uri(&self) -> &str {
        &self.uri
    }

    async fn list(&self, path: &str) -> Result<Vec<ArtifactInfo>> {
        let mut infos = self.list_within(path, &mut self.transport.budget()).await?;
        infos.sort_by(|a, b| a.path.cmp(&b.path));
        for info in &infos {
            segments(&info.path)?;
        }
        Ok(infos)
    }

    async fn open(&self, path: &str) -> Result<ArtifactReader> {
        let name = format!("GET {path}");
        let url = self.file_url(path)?;
        let mut budget = self.transport.budget();
        loop {
            let is_signed = self.transport.signs_transfers();
            let answer = async {
                if is_signed {
                    self.get_signed(&name, path).await
                } else {
                    self.get(&name, url.clone()).await
                }
            };
            let answer = timeout_at(budget.deadline(), answer).await;
            match answer.unwrap_or_else(|_| Err(Failure::timed_out(&name))) {
                Ok(answer) => {
                    let asked_for = (name.as_str(), &url);
                    return Ok(
                        download::reader(asked_for, path, answer, self.transport.idle_timeout()).await?
                    );
                }
                Err(failure) if !is_signed && failure.wants_signed_transfers() => {
                    self.transport.sign_transfers();
                }
                Err(failure) => {
                    // Servers before 3.17 answer status 500 for a missing file, and all servers answer other errors for
                    // a directory.
                    let odd = matches!(
                        failure.kind(),
                        ErrorKind::Server | ErrorKind::BadRequest | ErrorKind::InvalidArgument
                    );
                    if failure.kind() == ErrorKind::NotFound
                        || (odd && !self.is_file(path, &mut budget).await?)
                    {
                        let failure = failure.into_kind(ErrorKind::ArtifactNotFound).into_final();
                        return Err(Error::from(failure)
                            .with_context("artifact", path)
                            .with_context("root", redact(&self.uri)));
                    }
                    budget.wait_after(failure).await?;
                }
            }
        }
    }

    async fn put_file(&self, path: &str, file: &Path, progress: OnProgress<'_>) -> Result<()> {
        // A repeated attempt starts from the beginning; report progress only beyond the furthest point reached.
        let mut reported = 0;
        let on_sent = |sent: u64| {
            if sent > reported {
                progress(sent - reported);
                reported = sent;
            }
        };
        self.upload(path, Source::File(file), self.transport.idle_timeout(), on_sent).await
    }

    async fn put_bytes(&self, path: &str, bytes: Vec<u8>) -> Result<()> {
        // A proxy answers after it has stored the body. That takes long only for files.
        self.upload(path, Source::Bytes(bytes.into()), self.transport.attempt_timeout(), |_| ()).await
    }
}

impl ProxiedArtifacts {
    async fn get(&self, name: &str, url: Url) -> Result<Response, Failure> {
        let request = self.transport.request(name, &Method::GET, url)?;
        self.transport.send(name, request.header(ACCEPT_ENCODING, IDENTITY)).await
    }

    async fn list_within(&self, path: &str, budget: &mut RetryBudget) -> Result<Vec<ArtifactInfo>> {
        let mut below = self.root.clone();
        below.extend(segments(path)?.into_iter().map(str::to_owned));
        let answer: FilesAnswer = self.transport.json(&Call::list_artifacts(below.join("/")), budget).await?;
        Ok(answer.files.into_iter().map(|file| file.into_entity(path)).collect())
    }

    async fn is_file(&self, path: &str, budget: &mut RetryBudget) -> Result<bool> {
        let siblings = self.list_within(parent(path), budget).await?;
        Ok(siblings.iter().any(|info| info.path == path && !info.is_dir))
    }

    /// The URL of a file.
    fn file_url(&self, path: &str) -> Result<Url> {
        let segments = segments(path)?;
        if segments.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "an artifact needs a file name"));
        }
        let root = self.root.iter().map(String::as_str);
        Ok(self.transport.url(ARTIFACTS.into_iter().chain(root).chain(segments)))
    }

    /// The URL for uploading a file. The server decodes names repeatedly, so some names cannot be uploaded.
    fn upload_url(&self, path: &str) -> Result<Url> {
        if path.contains(['#', '%', '?']) {
            return Err(Error::new(
                ErrorKind::InvalidName,
                "MLflow's proxy cannot store an artifact with this name",
            )
            .with_context("artifact", path)
            .with_hint("use a name without `#`, `%` and `?`"));
        }
        self.file_url(path)
    }

    /// Uploads until success or a final failure. Calls `on_sent` with the number of bytes that the current attempt has
    /// sent.
    async fn upload(
        &self,
        path: &str,
        source: Source<'_>,
        idle: Duration,
        mut on_sent: impl FnMut(u64) + Send,
    ) -> Result<()> {
        let (name, url) = (format!("PUT {path}"), self.upload_url(path)?);
        let mut budget = self.transport.budget();
        loop {
            let started = Instant::now();
            let mut last_move = started;
            let mut moved = |sent| {
                last_move = Instant::now();
                on_sent(sent);
            };
            let is_signed = self.transport.signs_transfers();
            let uploaded = if is_signed {
                self.put_signed(&name, path, &source, idle, &mut moved).await
            } else {
                self.put(&name, url.clone(), &source, idle, &mut moved).await
            };
            match uploaded {
                Ok(()) => return Ok(()),
                Err(failure) if !is_signed && failure.wants_signed_transfers() => {
                    self.transport.sign_transfers();
                }
                Err(failure) => {
                    budget.forgive(last_move - started);
                    budget.wait_after(failure).await?;
                }
            }
        }
    }

    /// Streams a body through the proxy once. Fails with a timeout if no byte moves for `idle`.
    async fn put(
        &self,
        name: &str,
        url: Url,
        source: &Source<'_>,
        idle: Duration,
        moved: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Failure> {
        let setup = |error: &Error| Failure::of_setup(name, error);
        let size = source.size().await.map_err(|error| setup(&error))?;
        let chunks = source.part(0, size).await.map_err(|error| setup(&error))?;
        let request = self.transport.request(name, &Method::PUT, url)?.header(CONTENT_LENGTH, size);
        upload::streamed(name, chunks, idle, moved, async |body| {
            let answer = self.transport.send(name, request.body(body)).await?;
            let (status, headers) = (answer.status(), answer.headers().clone());
            let body = read_up_to(name, answer, MAX_ANSWER_BYTES).await?;
            match Page::of(&headers, &body) {
                Some(page) => Err(Failure::page(name, status, &page, "JSON")),
                None => Ok(()),
            }
        })
        .await
    }
}
