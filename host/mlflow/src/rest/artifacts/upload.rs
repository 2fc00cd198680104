//! The bodies of uploads, streamed from their source, with an end if no byte moves.

use std::io::{self, SeekFrom};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use reqwest::Body;
use tokio::fs::File;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};
use tokio_util::io::ReaderStream;

use super::super::failure::Failure;
use hydra_base::error::{Error, ErrorKind, Result};

const CHUNK: usize = 256 * 1024;

/// The source of an upload; each attempt reads it from the start.
pub(super) enum Source<'a> {
    File(&'a Path),
    Bytes(Bytes),
}

impl Source<'_> {
    /// The number of bytes.
    pub(super) async fn size(&self) -> Result<u64> {
        match self {
            Self::File(path) => Ok(tokio::fs::metadata(path).await.map_err(failed(path))?.len()),
            Self::Bytes(bytes) => Ok(bytes.len() as u64),
        }
    }

    /// `size` bytes from `start` on, which must be in the source.
    pub(super) async fn part(&self, start: u64, size: u64) -> Result<BoxStream<'static, io::Result<Bytes>>> {
        match self {
            Self::File(path) => {
                let mut file = File::open(path).await.map_err(failed(path))?;
                file.seek(SeekFrom::Start(start)).await.map_err(failed(path))?;
                Ok(ReaderStream::with_capacity(file.take(size), CHUNK).boxed())
            }
            Self::Bytes(bytes) => {
                let part = bytes.slice(start as usize..(start + size) as usize);
                let chunk = |start: usize| Ok(part.slice(start..part.len().min(start + CHUNK)));
                let chunks: Vec<_> = (0..part.len()).step_by(CHUNK).map(chunk).collect();
                Ok(stream::iter(chunks).boxed())
            }
        }
    }
}

fn failed(path: &Path) -> impl FnOnce(io::Error) -> Error {
    move |error| {
        Error::new(ErrorKind::Storage, "cannot read the file to upload")
            .with_context("path", path.display())
            .with_source(error)
    }
}

/// Runs `exchange` with `chunks` as its body, and calls `moved` with the number of bytes that were sent so far. Fails with a timeout
/// if no byte moves for `idle`.
pub(super) async fn streamed<T>(
    name: &str,
    chunks: BoxStream<'static, io::Result<Bytes>>,
    idle: Duration,
    moved: &mut (dyn FnMut(u64) + Send),
    exchange: impl AsyncFnOnce(Body) -> Result<T, Failure>,
) -> Result<T, Failure> {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let chunks = chunks.inspect(move |chunk| {
        // The receiver is dropped only when the upload has been abandoned.
        let _ = sender.send(chunk.as_ref().map_or(0, |chunk| chunk.len() as u64));
    });
    let exchange = exchange(Body::wrap_stream(chunks));
    tokio::pin!(exchange);
    let idle_deadline = sleep(idle);
    tokio::pin!(idle_deadline);
    let mut sent = 0;
    loop {
        tokio::select! {
            biased;
            Some(bytes) = receiver.recv() => {
                sent += bytes;
                moved(sent);
                idle_deadline.as_mut().reset(Instant::now() + idle);
            }
            answer = &mut exchange => return answer,
            () = &mut idle_deadline => return Err(Failure::timed_out(name)),
        }
    }
}
