//! The bodies of downloads, with their length, their rate and their kind checked.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use reqwest::Response;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::io::StreamReader;
use url::Url;

use super::super::failure::Failure;
use super::super::web_page::{BEGINNING, Page, is_html};
use crate::artifacts::ArtifactReader;
use hydra_base::error::{Error, ErrorKind};

/// The least rate of a download after the first idle timeout: a server must not keep a command busy with a byte now and then.
const LEAST_BYTES_PER_SECOND: u64 = 16 << 10;

/// The body as a reader that fails if the body ends early or stalls. `Protocol` for a page in the place of a file that is none.
pub(super) async fn reader(
    (name, asked): (&str, &Url),
    path: &str,
    answer: Response,
    idle: Duration,
) -> Result<ArtifactReader, Failure> {
    let (expected, started) = (answer.content_length(), Instant::now());
    let (status, headers, reached) = (answer.status(), answer.headers().clone(), answer.url().clone());
    let mut body = answer.bytes_stream();
    let mut beginning = Vec::new();
    let is_page_itself = [".html", ".htm"].iter().any(|ending| path.to_ascii_lowercase().ends_with(ending));
    if is_html(&headers) && !is_page_itself {
        let mut read = Vec::new();
        while read.len() < BEGINNING
            && let Ok(Some(chunk)) = timeout_at(started + idle, body.next()).await
        {
            read.extend_from_slice(chunk.as_deref().unwrap_or_default());
            beginning.push(chunk);
        }
        if let Some(page) = Page::of(&headers, &read) {
            return Err(Failure::page(name, status, &page, "the file").reached(asked, &reached));
        }
    }
    let body = Box::pin(stream::iter(beginning).chain(body));
    let checked = checked(path.to_owned(), body, expected, started, idle);
    Ok(ArtifactReader::new(StreamReader::new(Box::pin(checked)), expected))
}

fn checked<S>(
    path: String,
    body: S,
    expected: Option<u64>,
    started: Instant,
    idle: Duration,
) -> impl Stream<Item = io::Result<Bytes>>
where
    S: Stream<Item = reqwest::Result<Bytes>> + Unpin,
{
    stream::try_unfold((body, 0u64), move |(mut body, received)| {
        let path = path.clone();
        async move {
            let fail = |kind, message: &str| {
                let expected = expected.map_or_else(|| "unknown".to_owned(), |expected| expected.to_string());
                Error::new(kind, message)
                    .with_context("artifact", &path)
                    .with_context("received", received)
                    .with_context("expected", expected)
                    .with_retryable(true)
            };
            let patience = idle.saturating_add(Duration::from_secs(received / LEAST_BYTES_PER_SECOND));
            if started.elapsed() > patience {
                return Err(io::Error::other(fail(ErrorKind::Timeout, "the download is too slow")));
            }
            match timeout(idle, body.next()).await {
                Ok(Some(Ok(chunk))) => {
                    let received = received + chunk.len() as u64;
                    Ok(Some((chunk, (body, received))))
                }
                Ok(None) if expected.is_none_or(|expected| expected == received) => Ok(None),
                Ok(None) => Err(io::Error::other(fail(ErrorKind::Integrity, "the download ended early"))),
                Ok(Some(Err(error))) => Err(io::Error::other(
                    fail(ErrorKind::Integrity, "the download ended early").with_source(error.without_url()),
                )),
                Err(_) => Err(io::Error::other(fail(ErrorKind::Timeout, "the download stalled"))),
            }
        }
    })
}
