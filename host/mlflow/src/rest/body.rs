//! Reads the bodies of answers within limits that keep memory small, whatever a server sends.
//!
//! The number of bytes does not bound the memory of what is parsed from them, so the [values](json::values) in a body are
//! counted before it is parsed, and only one large body is in memory at a time.

use futures_util::StreamExt;
use reqwest::Response;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::failure::Failure;
use hydra_base::json;

/// The most that an answer may contain.
#[derive(Debug, Clone, Copy)]
pub(super) struct Most {
    /// Bytes, after decompression.
    bytes: usize,
    /// Values: the members of objects and the items of lists, at any depth.
    values: usize,
}

/// The limits of an answer with entities. A page that exceeds them is requested again with fewer items.
pub(super) const JSON: Most = Most { bytes: 8 << 20, values: 250_000 };
/// The limits of a listing of artifacts, which has no pages.
pub(super) const LISTING: Most = Most { bytes: 32 << 20, values: 1_000_000 };

/// The size from which a body is large.
const LARGE_BYTES: usize = 512 << 10;

/// Admits large bodies one after the other.
#[derive(Debug)]
pub(super) struct Bodies {
    large: Semaphore,
}

impl Default for Bodies {
    fn default() -> Self {
        Self { large: Semaphore::new(1) }
    }
}

/// The bytes of a body. Drop it after parsing: other large bodies wait for it.
pub(super) struct Body<'a> {
    pub(super) bytes: Vec<u8>,
    _turn: Option<SemaphorePermit<'a>>,
}

impl Bodies {
    /// Reads a body of JSON that has at most `most` bytes and values.
    pub(super) async fn read(&self, name: &str, answer: Response, most: Most) -> Result<Body<'_>, Failure> {
        let mut turn = None;
        let mut bytes = Vec::new();
        let mut body = answer.bytes_stream();
        while let Some(chunk) = body.next().await {
            let chunk = chunk.map_err(|error| Failure::of_transport(name, error))?;
            append(name, &mut bytes, &chunk, most.bytes)?;
            if bytes.len() > LARGE_BYTES && turn.is_none() {
                // Closing is an error, and this semaphore is never closed.
                turn = self.large.acquire().await.ok();
            }
        }
        if json::values(&bytes) > most.values {
            return Err(Failure::too_large(name, most.values, "values"));
        }
        Ok(Body { bytes, _turn: turn })
    }
}

/// Reads a body of at most `limit` bytes.
pub(super) async fn read_up_to(name: &str, answer: Response, limit: usize) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut body = answer.bytes_stream();
    while let Some(chunk) = body.next().await {
        let chunk = chunk.map_err(|error| Failure::of_transport(name, error))?;
        append(name, &mut bytes, &chunk, limit)?;
    }
    Ok(bytes)
}

/// The first `limit` bytes of a body, or those before its connection broke.
pub(super) async fn read_beginning(answer: Response, limit: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut body = answer.bytes_stream();
    while let Some(Ok(chunk)) = body.next().await {
        bytes.extend_from_slice(&chunk[..chunk.len().min(limit - bytes.len())]);
        if bytes.len() == limit {
            break;
        }
    }
    bytes
}

fn append(name: &str, bytes: &mut Vec<u8>, chunk: &[u8], limit: usize) -> Result<(), Failure> {
    if bytes.len() + chunk.len() > limit {
        return Err(Failure::too_large(name, limit, "bytes"));
    }
    bytes.extend_from_slice(chunk);
    Ok(())
}
