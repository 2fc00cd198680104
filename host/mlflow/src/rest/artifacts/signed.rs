//! Transfers between this machine and the server's store, for a server that passes no bytes on itself: it was started with
//! `--artifacts-presigned-only` (MLflow 3.18), refuses other transfers, and signs addresses in its store.
//!
//! An upload has parts. If one of them fails for good, the server is asked to discard the others.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{ACCEPT_ENCODING, CONTENT_LENGTH, ETAG};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};
use url::Url;

use super::super::body::read_beginning;
use super::super::failure::Failure;
use super::super::transport::{Call, Transport};
use super::super::wire::{Empty, Signed, SignedParts};
use super::upload::{Source, streamed};
use super::{IDENTITY, ProxiedArtifacts};
use crate::artifacts::segments;
use hydra_base::error::{Error, ErrorKind};

/// The size of a part, as in MLflow's client. S3 takes at most [`MAX_PARTS`] parts.
const PART_BYTES: u64 = 10 << 20;
const MAX_PARTS: u64 = 10_000;
const MAX_ERROR_BYTES: usize = 64 * 1024;

impl ProxiedArtifacts {
    /// Asks the server for the address of a file, and the store for the file.
    pub(super) async fn get_signed(&self, name: &str, path: &str) -> Result<Response, Failure> {
        let call = Call::artifacts(Method::GET, &["presigned"], self.below(name, path)?, None);
        let signed: Signed = self.transport.json(&call, &mut self.transport.budget()).await?;
        let request = self.to_store(name, &Method::GET, &signed)?;
        from_store(name, request.header(ACCEPT_ENCODING, IDENTITY)).await
    }

    /// Uploads once, in parts. `moved` receives the number of bytes that were sent so far.
    pub(super) async fn put_signed(
        &self,
        name: &str,
        path: &str,
        source: &Source<'_>,
        idle: Duration,
        moved: &mut (dyn FnMut(u64) + Send),
    ) -> Result<(), Failure> {
        let size = source.size().await.map_err(|error| Failure::of_setup(name, &error))?;
        let part_bytes = PART_BYTES.max(size.div_ceil(MAX_PARTS));
        // An empty file is one empty part.
        let number = size.div_ceil(part_bytes).max(1);
        let mut directory = self.below(name, path)?;
        let file = directory.pop().unwrap_or_default();
        let call = |verb: &str, body: Value| {
            Call::artifacts(Method::POST, &["mpu", verb], directory.clone(), Some(body))
        };
        let create = call("create", json!({ "path": file, "num_parts": number }));
        let created: SignedParts = self.transport.json(&create, &mut self.transport.budget()).await?;
        let abort = call("abort", json!({ "path": file, "upload_id": created.upload_id }));
        let unfinished = Unfinished { transport: Arc::clone(&self.transport), abort: Some(abort) };
        let parts = async {
            if created.credentials.len() as u64 != number {
                return Err(Failure::protocol(
                    name,
                    "it signed another number of parts than it was asked for",
                ));
            }
            let mut parts = Vec::new();
            for (index, signed) in created.credentials.iter().enumerate() {
                let start = index as u64 * part_bytes;
                let range = (start, part_bytes.min(size - start));
                let tag = self.put_part(name, signed, source, range, idle, moved).await?;
                parts.push(json!({ "part_number": signed.part_number, "etag": tag, "url": signed.url }));
            }
            let complete = json!({ "path": file, "upload_id": created.upload_id, "parts": parts });
            let deadline = self.transport.budget().deadline();
            self.transport.attempt::<Empty>(&call("complete", complete), deadline).await.map(drop)
        };
        let uploaded = parts.await;
        unfinished.end(uploaded.is_ok()).await;
        uploaded
    }

    /// Sends `size` bytes from `start` on, again after a passing failure, and returns the store's tag of them.
    async fn put_part(
        &self,
        name: &str,
        signed: &Signed,
        source: &Source<'_>,
        (start, size): (u64, u64),
        idle: Duration,
        moved: &mut (dyn FnMut(u64) + Send),
    ) -> Result<String, Failure> {
        let mut budget = self.transport.budget();
        loop {
            let chunks = source.part(start, size).await;
            let chunks = chunks.map_err(|error| Failure::of_setup(name, &error))?;
            let request = self.to_store(name, &Method::PUT, signed)?.header(CONTENT_LENGTH, size);
            let mut moved = |sent| moved(start + sent);
            let answer = streamed(name, chunks, idle, &mut moved, async |body| {
                from_store(name, request.body(body)).await
            });
            match answer.await {
                Ok(answer) => {
                    let tag = answer.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
                    return Ok(tag.unwrap_or_default().to_owned());
                }
                Err(failure) => budget.wait_after(failure).await?,
            }
        }
    }

    /// The path of a file below the proxy's own root.
    fn below(&self, name: &str, path: &str) -> Result<Vec<String>, Failure> {
        let segments = segments(path).map_err(|error| Failure::of_setup(name, &error))?;
        Ok(self.root.iter().cloned().chain(segments.into_iter().map(str::to_owned)).collect())
    }

    /// A request to the store, without credentials: the address contains what the store needs.
    fn to_store(&self, name: &str, method: &Method, signed: &Signed) -> Result<RequestBuilder, Failure> {
        let config = self.transport.config();
        let url = Url::parse(&signed.url);
        let url = url.map_err(|_| Failure::protocol(name, "the signed address is not a URL"))?;
        let host = url.host_str().unwrap_or_default();
        let authority = url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
        let is_allowed = |allowed: &String| *allowed == authority || allowed == host;
        let is_as_safe = match url.scheme() {
            "https" => true,
            "http" => config.base.scheme() == "http" || self.allowed_hosts.iter().any(is_allowed),
            _ => false,
        };
        if !is_as_safe {
            let error = Error::new(
                ErrorKind::Untrusted,
                format!(
                    "the server sends this client to `{}://{authority}`, which does not use TLS",
                    url.scheme()
                ),
            )
            .with_hint("if you trust that host and the network, add it to HYDRA_ALLOWED_ARTIFACT_HOSTS");
            return Err(Failure::of_setup(name, &error));
        }
        let client = self.transport.store_client(name, url.scheme())?;
        let mut request = client.request(method.clone(), url);
        for (header, value) in &signed.headers {
            request = request.header(header, value);
        }
        Ok(request)
    }
}

/// An upload whose parts are discarded unless it ends well. A caller that is interrupted drops it, and the parts are discarded in the
/// background.
struct Unfinished {
    transport: Arc<Transport>,
    /// The request that discards the parts.
    abort: Option<Call>,
}

impl Unfinished {
    async fn end(mut self, is_complete: bool) {
        if let Some(abort) = self.abort.take().filter(|_| !is_complete) {
            discard(&self.transport, &abort).await;
        }
    }
}

impl Drop for Unfinished {
    fn drop(&mut self) {
        if let Some(abort) = self.abort.take()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let transport = Arc::clone(&self.transport);
            runtime.spawn(async move { discard(&transport, &abort).await });
        }
    }
}

async fn discard(transport: &Transport, abort: &Call) {
    if let Err(failure) = transport.attempt::<Empty>(abort, transport.budget().attempt_deadline()).await {
        tracing::warn!(%failure, "cannot discard the parts of an upload that failed");
    }
}

/// Sends a request to the store once, and returns a successful answer.
async fn from_store(name: &str, request: RequestBuilder) -> Result<Response, Failure> {
    let answer = request.send().await.map_err(|error| Failure::of_transport(name, error).at_the_store())?;
    let (status, headers) = (answer.status(), answer.headers().clone());
    if status.is_success() {
        return Ok(answer);
    }
    Err(Failure::of_store(name, status, &headers, &read_beginning(answer, MAX_ERROR_BYTES).await))
}
