//! Files that are read again when they change.

use std::fs::Metadata;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::time::sleep;

use hydra_base::blocking;
use hydra_base::error::Result;

use crate::served::described;

/// How often the files are looked at.
const PAUSE: Duration = Duration::from_secs(5);

/// What changes when files are written or replaced: their times, sizes and numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Stamp(Vec<Option<(SystemTime, u64, u64)>>);

impl Stamp {
    /// The stamp of these files.
    pub(crate) fn of(paths: &[&Path]) -> Self {
        let stamp = |path: &&Path| {
            let metadata = std::fs::metadata(path).ok()?;
            Some((metadata.modified().ok()?, metadata.len(), number(&metadata)))
        };
        Self(paths.iter().map(stamp).collect())
    }
}

/// The number of a file, which a file that takes the place of another one does not share.
#[cfg(unix)]
fn number(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(metadata)
}

#[cfg(not(unix))]
fn number(_: &Metadata) -> u64 {
    0
}

/// Something that is read from files.
pub(crate) trait FromFiles: Send + Sync + 'static {
    /// What it is, for messages.
    const WHAT: &'static str;

    /// What changes with the files.
    fn stamp(&self) -> Stamp;

    /// Reads the files again.
    fn reload(&self) -> Result<()>;
}

/// Reads the files again whenever they change, until `stop`. What was read before stays if that fails.
pub(crate) async fn keep_fresh<T: FromFiles>(what: Arc<T>, mut stop: watch::Receiver<bool>) {
    let mut known = what.stamp();
    loop {
        tokio::select! {
            _ = stop.wait_for(|stop| *stop) => return,
            () = sleep(PAUSE) => {}
        }
        let what = what.clone();
        let former = known.clone();
        let looked = blocking(move || {
            let stamp = what.stamp();
            let reloaded = (stamp != former).then(|| what.reload());
            Ok((stamp, reloaded))
        });
        match looked.await {
            Ok((stamp, Some(reloaded))) => {
                known = stamp;
                match reloaded {
                    Ok(()) => tracing::info!("read {} again", T::WHAT),
                    Err(error) => {
                        tracing::warn!(
                            error = described(&error),
                            "cannot read {} again; the former one stays",
                            T::WHAT
                        );
                    }
                }
            }
            Ok((_, None)) => {}
            Err(error) => tracing::warn!(%error, "cannot look at {}", T::WHAT),
        }
    }
}
