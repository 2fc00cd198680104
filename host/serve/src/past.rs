//! The history of a model for the page of the server: bounded, and kept for a while.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use hydra_page::{Extent, History, Now, read};
use hydra_registry::ModelRegistry;
use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use crate::served::described;

/// How long a history is shown before it is read again.
const KEPT: Duration = Duration::from_secs(30);

/// The longest time that a page waits for the registry.
const PATIENCE: Duration = Duration::from_secs(5);

/// The most entries of a history.
const ENTRIES: usize = 200;

/// Of how many decisions the evidence is read.
const EVIDENCE: usize = 20;

/// The history of a model, as it was read last.
pub(crate) struct Past {
    registry: ModelRegistry,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    read: Option<Arc<(History, Now)>>,
    at: Option<Instant>,
    problem: Option<String>,
}

impl Past {
    /// The history of the registry's model, not yet read.
    pub(crate) fn new(registry: ModelRegistry) -> Self {
        Self { registry, kept: Mutex::default() }
    }

    /// The history, read again if it was read some time ago, and why it is not there or an older one. The registry is asked once
    /// for all requests that come meanwhile.
    pub(crate) async fn look(&self) -> (Option<Arc<(History, Now)>>, Option<String>) {
        let mut kept = self.kept.lock().await;
        if kept.at.is_none_or(|at| at.elapsed() >= KEPT) {
            let extent = Extent { limit: Some(ENTRIES), evidence: EVIDENCE, ..Extent::default() };
            match timeout(PATIENCE, read(&self.registry, &extent)).await {
                Ok(Ok(read)) => *kept = Kept { read: Some(Arc::new(read)), ..Kept::default() },
                Ok(Err(error)) => kept.problem = Some(described(&error)),
                Err(_) => {
                    kept.problem =
                        Some(format!("the registry did not answer within {} seconds", PATIENCE.as_secs()));
                }
            }
            kept.at = Some(Instant::now());
        }
        (kept.read.clone(), kept.problem.clone())
    }
}

impl fmt::Debug for Past {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Past").field("model", self.registry.model()).finish_non_exhaustive()
    }
}
