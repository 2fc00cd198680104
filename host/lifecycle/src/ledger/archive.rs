//! The archive: what each decision rested on, as artifacts of the ledger's run.

use futures_util::future::try_join;

use crate::ledger::chain::Record;
use crate::ledger::decide::Proposal;
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_mlflow::artifacts::{ArtifactStore, read_whole};

/// The most bytes that are read of an archived input or policy.
const MAX_BYTES: u64 = 256 << 20;

impl Ledger {
    /// The archived input of a decision. `ArtifactNotFound` when it is missing, `Integrity` when it is not what was
    /// decided upon.
    pub async fn input(&self, record: &Record) -> Result<Vec<u8>> {
        let decided = record.entry.decided.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::InvalidArgument, format!("{record} is not a decision of a policy"))
        })?;
        self.read_checked(&input_path(&record.entry.operation_id, decided.input_sha256), decided.input_sha256)
            .await
    }

    /// The archived component of that digest. `ArtifactNotFound` when it is missing, `Integrity` when it is another.
    pub async fn component(&self, sha256: Sha256) -> Result<Vec<u8>> {
        self.read_checked(&component_path(sha256), sha256).await
    }

    /// The archived files by name: whether inputs and policies are there.
    pub(super) async fn archived(&self, directory: &str) -> Result<Vec<String>> {
        let listed = self.artifacts().await?.list(directory).await?;
        Ok(listed.into_iter().map(|info| info.path).collect())
    }

    async fn artifacts(&self) -> Result<Box<dyn ArtifactStore>> {
        self.backend.artifact_store(&self.artifact_uri().await?.parse()?).await
    }

    /// Finds out where the archive is, which takes a request the first time.
    pub async fn locate_archive(&self) -> Result<()> {
        self.artifact_uri().await.map(drop)
    }

    pub(super) async fn artifact_uri(&self) -> Result<&str> {
        let run = || async { self.backend.tracking.run(&self.run_id).await.map(|run| run.artifact_uri) };
        self.artifact_uri.get_or_try_init(run).await.map(String::as_str)
    }

    async fn read_checked(&self, path: &str, sha256: Sha256) -> Result<Vec<u8>> {
        let read = read_whole(self.artifacts().await?.as_ref(), path, MAX_BYTES).await?;
        if let Some(bytes) = read.filter(|bytes| Sha256::of(bytes) == sha256) {
            return Ok(bytes);
        }
        Err(Error::new(
            ErrorKind::Integrity,
            "an archived file does not have the digest that the ledger recorded",
        )
        .with_context("artifact", path)
        .with_context("expected sha256", sha256))
    }
}

impl LedgerWriter {
    /// Stores the input and the policy of a decision.
    pub(super) async fn archive(&self, operation_id: &str, proposal: &Proposal) -> Result<()> {
        let store = self.ledger.artifacts().await?;
        let path = input_path(operation_id, Sha256::of(&proposal.input));
        let input = store.put_bytes(&path, proposal.input.clone());
        try_join(input, archive_component(store.as_ref(), proposal)).await.map(drop)
    }
}

async fn archive_component(store: &dyn ArtifactStore, proposal: &Proposal) -> Result<()> {
    let path = component_path(proposal.decided.policy.sha256);
    let stored = store.list("policies").await?;
    let complete =
        stored.iter().any(|info| info.path == path && info.size == Some(proposal.component.len() as u64));
    if complete {
        return Ok(());
    }
    store.put_bytes(&path, proposal.component.to_vec()).await
}

/// Each attempt of an operation stores its own input, because only later reads show which attempt was recorded.
pub(super) fn input_path(operation_id: &str, sha256: Sha256) -> String {
    format!("decisions/{operation_id}-{sha256}.json")
}

pub(super) fn component_path(sha256: Sha256) -> String {
    format!("policies/{sha256}.wasm")
}
