//! Whole artifacts in memory.

use tokio::io::AsyncReadExt as _;

use crate::artifacts::{ArtifactReader, ArtifactStore, read_error};
use hydra_base::error::{ErrorKind, Result};

/// The number of times that a download is started before its failure is returned.
pub(super) const DOWNLOADS: u32 = 3;

/// Reads a whole artifact; `None` if it is larger than `limit` bytes, of which nothing is read if the store says so. A failed download starts again, at most twice.
pub async fn read_whole(artifacts: &dyn ArtifactStore, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut started = 1;
    loop {
        // `open` has repeated a failed request already.
        let reader = artifacts.open(path).await?;
        match read_once(reader, limit).await {
            // A stalled download has used up the timeout.
            Err(error) if error.retryable() && error.kind() != ErrorKind::Timeout && started < DOWNLOADS => {
                started += 1;
                tracing::warn!(%error, started, of = DOWNLOADS, "a download failed; starting again");
            }
            result => return result,
        }
    }
}

async fn read_once(reader: ArtifactReader, limit: u64) -> Result<Option<Vec<u8>>> {
    if reader.size().is_some_and(|size| size > limit) {
        return Ok(None);
    }
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).await.map_err(read_error)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
