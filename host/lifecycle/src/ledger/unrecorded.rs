//! What the archive holds and no entry names: the ledger was restored from a backup that is older than the archive, a copy of it
//! uses the same archive, or a command was interrupted.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;

use crate::ledger::archive::{MAX_DOCUMENT_BYTES, MAX_DOCUMENT_VALUES, standing_path};
use crate::ledger::chain::Record;
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::errors::is_lost;
use crate::ledger::history::Step;
use crate::ledger::look::Snapshot;
use crate::ledger::{Ledger, Standing};
use hydra_base::Sha256;
use hydra_base::error::Result;
use hydra_base::json;
use hydra_base::names::Version;
use hydra_mlflow::artifacts::read_whole;
use hydra_policy::Input;

/// The most unknown files of a kind that one diagnosis reads.
const MOST_READ: usize = 32;

/// What the entries of a ledger name in the archive, those that lost a race included.
#[derive(Default)]
struct Named {
    /// How the paths of the inputs begin.
    inputs: BTreeSet<String>,
    /// The paths of the standing documents.
    standings: BTreeSet<String>,
}

impl Named {
    fn add(&mut self, record: &Record) {
        self.inputs.insert(format!("decisions/{}-", record.entry.operation_id));
        self.standings.extend(record.entry.standing.map(|standing| standing_path(standing.sha256)));
    }
}

impl Ledger {
    /// The decisions that are newer than the head and not in the ledger, and the quarantines and active policies in newer standing
    /// documents that it does not know. `inputs` are the paths of the archived inputs. Reads a long ledger to its beginning.
    ///
    /// Approvals that are not in the ledger do not count: without them, a decision asks for more, not for less.
    pub(super) async fn unrecorded(
        &self,
        snapshot: &Snapshot,
        head: &Record,
        inputs: &BTreeSet<String>,
    ) -> Result<Option<LedgerFinding>> {
        let named = self.named(snapshot).await?;
        let is_named =
            |path: &&String| path.rfind('-').is_some_and(|end| named.inputs.contains(&path[..=end]));
        let mut decisions = 0;
        for path in inputs.iter().filter(|path| !is_named(path)).take(MOST_READ) {
            let input = self.unnamed(path).await?.and_then(|bytes| Input::from_json(&bytes).ok());
            let now = input.and_then(|input| i64::try_from(input.context().now).ok());
            decisions += usize::from(now.is_some_and(|now| now > head.entry.at));
        }
        let now = self.standing(head).await?;
        let mut quarantined: BTreeSet<Version> = BTreeSet::new();
        let mut policies: BTreeSet<Sha256> = BTreeSet::new();
        let documents = self.archived("standing").await?;
        for path in documents.difference(&named.standings).take(MOST_READ) {
            let document = self.unnamed(path).await?.and_then(|bytes| Standing::decode(&bytes).ok());
            let newer = document.filter(|found| found.is_of(&self.id) && found.number() > now.number());
            quarantined.extend(newer.iter().flat_map(Standing::quarantines).map(|(version, _)| version));
            policies.extend(newer.iter().filter_map(Standing::panel).map(|active| active.sha256));
        }
        quarantined.retain(|version| now.quarantine(*version).is_none());
        policies.retain(|policy| now.panel().is_none_or(|active| active.sha256 != *policy));
        let is_sound = decisions == 0 && quarantined.is_empty() && policies.is_empty();
        let entry = head.number;
        Ok((!is_sound).then_some(LedgerFinding::Unrecorded { decisions, quarantined, policies, entry }))
    }

    async fn named(&self, snapshot: &Snapshot) -> Result<Named> {
        let mut named = Named::default();
        snapshot.window.records().for_each(|record| named.add(record));
        if snapshot.window.lowest() > 1 {
            let mut steps = self.read(None);
            while let Some(step) = steps.try_next().await? {
                if let Step::Valid { record, .. } | Step::Void(record) = step {
                    named.add(&record);
                }
            }
        }
        Ok(named)
    }

    /// The bytes of a file in the archive; `None` if it is gone.
    async fn unnamed(&self, path: &str) -> Result<Option<Vec<u8>>> {
        match read_whole(self.artifacts().await?.as_ref(), path, MAX_DOCUMENT_BYTES).await {
            Err(error) if is_lost(&error) => Ok(None),
            read => Ok(read?.filter(|bytes| json::values(bytes) <= MAX_DOCUMENT_VALUES)),
        }
    }
}
