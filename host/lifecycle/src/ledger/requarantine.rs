//! Quarantines that outlast the entries that began them: a lost ledger, or a lost entry, must not end one.

use async_trait::async_trait;
use uuid::Uuid;

use crate::ledger::decide::{Decide, DecideOutcome, LedgerView, Proposal};
use crate::ledger::entry::{EntryKind, Subject};
use crate::ledger::{LedgerWriter, QUARANTINE_TAG, Standing};
use hydra_base::error::Result;
use hydra_base::text::excerpt;
use hydra_mlflow::entities::ModelVersion;
use hydra_models::candidate::SHA256_TAG;

/// How the reason begins.
const PREFIX: &str = "as before the loss of entries: ";

/// The most characters of the tag in the reason.
const MAX_CHARS: usize = 500;

impl LedgerWriter {
    /// Puts every version in quarantine again whose tag says that it was, after entries were lost. A person can release it.
    pub(super) async fn quarantine_again(&self, standing: &Standing) -> Result<()> {
        let mut stray = self.ledger.stray_mirrors(standing).await?;
        stray.reverse();
        for version in &stray {
            tracing::warn!(model = %self.ledger.model, version = %version.version, "in quarantine again: its tag says that it was");
            let operation_id = Uuid::new_v4().simple().to_string();
            self.transition(&operation_id, &mut Again { version }).await?;
        }
        Ok(())
    }
}

/// The quarantine of a version that has the tag.
struct Again<'a> {
    version: &'a ModelVersion,
}

#[async_trait]
impl Decide for Again<'_> {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        let number = self.version.version;
        if view.standing.quarantine(number).is_some() {
            return Ok(DecideOutcome::Nothing);
        }
        let tag = self.version.tags.get(QUARANTINE_TAG).map(String::as_str).unwrap_or_default();
        let former = tag.rsplit(PREFIX).next().unwrap_or_default();
        let explanation = format!("version {number} goes into quarantine again: its tag says that it was");
        Ok(DecideOutcome::Propose(Box::new(Proposal {
            target: Some(number),
            reason: Some(format!("{PREFIX}{}", excerpt(former, MAX_CHARS))),
            subject: Some(Subject {
                model_sha256: self.version.tags.get(SHA256_TAG).cloned(),
                expires: None,
                own: false,
            }),
            ..Proposal::statement(EntryKind::Quarantine, explanation)
        })))
    }
}
