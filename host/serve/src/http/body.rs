//! Bodies, which take room as they arrive.

use axum::body::{Body, HttpBody as _};
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use tokio::time::timeout;

use crate::clients::Running;
use crate::options::ServeLimits;
use crate::protocol::{Cause, Refusal};

/// The whole body.
pub(crate) async fn collect(
    limits: &ServeLimits,
    headers: &HeaderMap,
    body: Body,
    running: &Running,
) -> Result<Bytes, Refusal> {
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > limits.body) {
        return Err(too_large(limits));
    }
    timeout(limits.body_time, arriving(limits, body, running))
        .await
        .unwrap_or_else(|_| Err(Refusal::new(Cause::SlowBody)))
}

async fn arriving(limits: &ServeLimits, mut body: Body, running: &Running) -> Result<Bytes, Refusal> {
    // Parts are copied: one of a few bytes can keep a buffer of thousands.
    let mut collected = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::because(Cause::BrokenBody, error))?;
        let Ok(part) = frame.into_data() else { continue };
        let length = collected.len().saturating_add(part.len());
        if length > limits.body {
            return Err(too_large(limits));
        }
        running.hold(length)?;
        if collected.is_empty() && body.is_end_stream() {
            return Ok(part);
        }
        collected.extend_from_slice(&part);
    }
    Ok(collected.into())
}

fn too_large(limits: &ServeLimits) -> Refusal {
    Refusal::because(Cause::BodySize, format_args!("the limit is {} bytes", limits.body))
}
