//! The archive: what each decision rested on, as artifacts of the ledger's run.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{try_join_all, try_join4};

use crate::ledger::chain::Record;
use crate::ledger::decide::ActiveFiles;
use crate::ledger::draft::Draft;
use crate::ledger::errors::is_lost;
use crate::ledger::{Ledger, LedgerWriter};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::RunId;
use hydra_base::text::shell_word;
use hydra_base::{Sha256, json};
use hydra_mlflow::artifacts::{ArtifactStore, read_whole};
use hydra_mlflow::entities::Run;

/// The most bytes that are read of an archived policy.
pub const MAX_COMPONENT_BYTES: u64 = 64 << 20;

/// The most bytes that are read of an archived input or another document.
pub(super) const MAX_DOCUMENT_BYTES: u64 = 16 << 20;

/// The most values in an archived document, which bound the memory of the parsed one.
pub(super) const MAX_DOCUMENT_VALUES: usize = 400_000;

impl Ledger {
    /// The archived input of a decision. `ArtifactNotFound` when it is missing, `Integrity` when it is not what was
    /// decided upon.
    pub async fn input(&self, record: &Record) -> Result<Vec<u8>> {
        let decided = record.entry.decided.as_ref().ok_or_else(|| {
            Error::new(ErrorKind::NotADecision, format!("{record} is not a decision of a policy"))
        })?;
        let path = input_path(&record.entry.operation_id, decided.input_sha256);
        self.read_document(&path, decided.input_sha256).await
    }

    /// The archived component of that digest. `ArtifactNotFound` when it is missing, `Integrity` when it is another.
    pub async fn component(&self, sha256: Sha256) -> Result<Vec<u8>> {
        self.read_checked(&component_path(sha256), sha256, MAX_COMPONENT_BYTES).await
    }

    /// The archived files by name, in every archive that can be read: whether inputs and policies are there.
    pub(super) async fn archived(&self, directory: &str) -> Result<BTreeSet<String>> {
        let listed = self.artifacts().await?.list(directory).await?;
        let mut paths: BTreeSet<String> = listed.into_iter().map(|info| info.path).collect();
        for run in &self.older_runs {
            let older = async { self.artifacts_of(run).await?.list(directory).await };
            match older.await {
                Ok(listed) => paths.extend(listed.into_iter().map(|info| info.path)),
                Err(error) => tracing::debug!(%error, %run, "cannot read an earlier archive"),
            }
        }
        Ok(paths)
    }

    pub(super) async fn artifacts(&self) -> Result<Box<dyn ArtifactStore>> {
        self.backend.artifact_store(&self.artifact_uri().await?.parse()?).await
    }

    async fn artifacts_of(&self, run: &RunId) -> Result<Box<dyn ArtifactStore>> {
        let uri = self.backend.tracking.run(run).await?.artifact_uri;
        self.backend.artifact_store(&uri.parse()?).await
    }

    /// The run with the archive, until it is known where its artifacts are.
    pub(crate) fn unlocated_archive(&self) -> Option<&RunId> {
        self.artifact_uri.get().is_none().then_some(&self.run_id)
    }

    /// Notes where the archive is, if its run is among `runs`.
    pub(crate) fn locate_archive_in(&self, runs: &BTreeMap<RunId, Run>) {
        if let Some(run) = runs.get(&self.run_id) {
            // Known already: the same.
            self.artifact_uri.set(run.artifact_uri.clone()).ok();
        }
    }

    /// Finds out where the archive is, which takes a request the first time.
    pub async fn locate_archive(&self) -> Result<()> {
        self.artifact_uri().await.map(drop)
    }

    pub(super) async fn artifact_uri(&self) -> Result<&str> {
        let run = || async {
            match self.backend.tracking.run(&self.run_id).await {
                // Said only after a second observation, because the remedy gives up the archive.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    match self.backend.tracking.run(&self.run_id).await {
                        Err(error) if error.kind() == ErrorKind::NotFound => {
                            Err(self.archive_gone().with_source(error))
                        }
                        found => Ok(found?.artifact_uri),
                    }
                }
                found => Ok(found?.artifact_uri),
            }
        };
        self.artifact_uri.get_or_try_init(run).await.map(String::as_str)
    }

    fn archive_gone(&self) -> Error {
        let (model, word) = (&self.model, shell_word(self.model.as_str()));
        Error::new(ErrorKind::ArchiveGone, format!("the run with the archive of the ledger of `{model}` does not exist"))
            .with_context("run", &self.run_id)
            .with_hint(format!(
                "if the tracking URI names another server than usual, correct it; if the run was purged, run \
                 `hydra-registry --model {word} doctor --fix` to begin a new archive: the ledger keeps every entry"
            ))
    }

    /// Reads a JSON document of the newest archive that has it with these bytes.
    pub(super) async fn read_document(&self, path: &str, sha256: Sha256) -> Result<Vec<u8>> {
        let bytes = self.read_checked(path, sha256, MAX_DOCUMENT_BYTES).await?;
        let values = json::values(&bytes);
        if values > MAX_DOCUMENT_VALUES {
            return Err(Error::new(ErrorKind::AnswerSize, "an archived document has too many values")
                .with_context("artifact", path)
                .with_context("values", values)
                .with_context("limit", MAX_DOCUMENT_VALUES));
        }
        Ok(bytes)
    }

    /// Reads a file of at most `most` bytes of the newest archive that has it with these bytes.
    async fn read_checked(&self, path: &str, sha256: Sha256, most: u64) -> Result<Vec<u8>> {
        self.read_if(path, most, Some(sha256)).await
    }

    /// Reads a file of at most `most` bytes of the newest archive that has it, whatever its digest is.
    pub(super) async fn read_newest(&self, path: &str, most: u64) -> Result<Vec<u8>> {
        self.read_if(path, most, None).await
    }

    async fn read_if(&self, path: &str, most: u64, wanted: Option<Sha256>) -> Result<Vec<u8>> {
        let mut lost = None;
        for run in std::iter::once(None).chain(self.older_runs.iter().map(Some)) {
            let read = async {
                let archive = match run {
                    None => self.artifacts().await?,
                    Some(older) => self.artifacts_of(older).await?,
                };
                read_whole(archive.as_ref(), path, most).await
            };
            let error = match read.await {
                Ok(Some(bytes)) if wanted.is_none_or(|wanted| Sha256::of(&bytes) == wanted) => {
                    return Ok(bytes);
                }
                Ok(_) => Error::new(
                    ErrorKind::Integrity,
                    "an archived file does not have the digest that the ledger recorded",
                )
                .with_context("artifact", path)
                .with_context("expected sha256", wanted.unwrap_or(Sha256::NONE)),
                Err(error) if is_lost(&error) => error,
                Err(error) => return Err(error),
            };
            lost.get_or_insert(error);
        }
        Err(lost.unwrap_or_else(|| self.archive_gone()))
    }
}

impl LedgerWriter {
    /// Stores policies that are missing in the archive, which may have been restored from a backup.
    pub async fn archive_policies(&self, components: &BTreeMap<Sha256, &[u8]>) -> Result<()> {
        archive_components(self.ledger.artifacts().await?.as_ref(), components).await
    }

    /// Stores what an entry names, side by side: the input and the policies of a decision, the answers of several policies,
    /// and the standing document, if it is a new one. The policies `stored` are there already: a policy was stored before an
    /// entry that names it was appended.
    pub(super) async fn archive(&self, draft: &Draft, stored: &BTreeSet<Sha256>) -> Result<()> {
        if draft.decision.is_none() && draft.standing.is_none() && draft.files.is_none() {
            return Ok(());
        }
        let artifacts = self.ledger.artifacts().await?;
        let store = artifacts.as_ref();
        if let Some(files) = &draft.files {
            archive_active(store, files).await?;
            self.ledger.keep_active(files).await?;
        }
        let standing = async {
            let Some((reference, bytes)) = &draft.standing else { return Ok(()) };
            store.put_bytes(&standing_path(reference.sha256), bytes.clone()).await?;
            self.ledger.keep(*reference, bytes.clone()).await
        };
        let input = async {
            let Some(decision) = &draft.decision else { return Ok(()) };
            let path = input_path(&draft.entry.operation_id, Sha256::of(&decision.input));
            store.put_bytes(&path, decision.input.clone()).await?;
            failpoint("archive.input-stored");
            Ok(())
        };
        let document = async {
            let Some(document) = draft.decision.as_ref().and_then(|decision| decision.document.as_ref())
            else {
                return Ok(());
            };
            let path = decision_path(&draft.entry.operation_id, Sha256::of(document));
            store.put_bytes(&path, document.clone()).await?;
            failpoint("archive.decision-stored");
            Ok(())
        };
        let components = async {
            let Some(decision) = &draft.decision else { return Ok(()) };
            let missing: BTreeMap<Sha256, &[u8]> = decision
                .components
                .iter()
                .filter(|(sha256, _)| !stored.contains(sha256))
                .map(|(sha256, bytes)| (*sha256, bytes.as_ref()))
                .collect();
            if missing.is_empty() {
                return Ok(());
            }
            archive_components(store, &missing).await
        };
        try_join4(standing, input, document, components).await.map(drop)
    }

    /// Stores a standing document again.
    pub(super) async fn archive_standing(&self, sha256: Sha256, bytes: Vec<u8>) -> Result<()> {
        self.ledger.artifacts().await?.put_bytes(&standing_path(sha256), bytes).await
    }
}

/// Stores the document, the components and the signatures of a policy that becomes the active one.
pub(super) async fn archive_active(store: &dyn ArtifactStore, files: &ActiveFiles) -> Result<()> {
    let components = files.components.iter().map(|(sha256, bytes)| (*sha256, bytes.as_ref())).collect();
    archive_components(store, &components).await?;
    if let Some(signatures) = &files.signatures {
        store.put_bytes(&signatures_path(Sha256::of(&files.document)), signatures.clone()).await?;
        failpoint("archive.signatures-stored");
    }
    store.put_bytes(&active_path(Sha256::of(&files.document)), files.document.clone()).await?;
    failpoint("archive.activation-stored");
    Ok(())
}

/// Stores the components that are not there yet, side by side.
async fn archive_components(store: &dyn ArtifactStore, components: &BTreeMap<Sha256, &[u8]>) -> Result<()> {
    let stored = store.list("policies").await?;
    let puts = components.iter().filter_map(|(sha256, component)| {
        let (path, size) = (component_path(*sha256), component.len() as u64);
        let there = stored.iter().any(|info| info.path == path && info.size == Some(size));
        (!there).then_some(async move {
            store.put_bytes(&path, component.to_vec()).await?;
            failpoint("archive.policy-stored");
            Ok(())
        })
    });
    try_join_all(puts).await.map(drop)
}

/// Each attempt of an operation stores its own input, because only later reads show which attempt was recorded.
pub(super) fn input_path(operation_id: &str, sha256: Sha256) -> String {
    format!("decisions/{operation_id}-{sha256}.json")
}

/// The path of the answers of several policies.
pub(super) fn decision_path(operation_id: &str, sha256: Sha256) -> String {
    format!("panels/{operation_id}-{sha256}.json")
}

pub(super) fn component_path(sha256: Sha256) -> String {
    format!("policies/{sha256}.wasm")
}

pub(super) fn standing_path(sha256: Sha256) -> String {
    format!("standing/{sha256}.json")
}

/// The path of the document of an active policy.
pub(super) fn active_path(sha256: Sha256) -> String {
    format!("active/{sha256}.json")
}

/// The path of the signatures of an active policy.
pub(super) fn signatures_path(sha256: Sha256) -> String {
    format!("active/{sha256}.signatures.json")
}
