//! Whole artifacts in memory.

use tokio::io::AsyncReadExt as _;

use crate::artifacts::{ArtifactReader, ArtifactStore, read_error};
use hydra_base::error::{ErrorKind, Result};

/// How often a download is started before its breaking is an error.
const DOWNLOADS: u32 = 3;

/// A whole artifact; `None` when it is larger than `limit` bytes. A download that breaks starts again, twice at most.
pub async fn read_whole(artifacts: &dyn ArtifactStore, path: &str, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut started = 1;
    loop {
        // A request that fails was repeated already.
        let reader = artifacts.open(path).await?;
        match read_once(reader, limit).await {
            // One that stood still has used up the time for waiting.
            Err(error) if error.retryable() && error.kind() != ErrorKind::Timeout && started < DOWNLOADS => {
                started += 1;
                tracing::warn!(%error, started, of = DOWNLOADS, "a download failed; starting again");
            }
            result => return result,
        }
    }
}

async fn read_once(reader: ArtifactReader, limit: u64) -> Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    reader.take(limit.saturating_add(1)).read_to_end(&mut bytes).await.map_err(read_error)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}
