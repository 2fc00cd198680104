//! A ledger at a glance: what its newest entries, its tags and its standing show, without a look at each file.

use futures_util::TryStreamExt as _;
use futures_util::future::join;

use crate::ledger::archive::standing_path;
use crate::ledger::chain::Record;
use crate::ledger::diagnosis::quarantined;
use crate::ledger::doctor::LedgerFinding;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::errors::is_lost;
use crate::ledger::history::Fate;
use crate::ledger::look::Snapshot;
use crate::ledger::policy_doctor::policy_at_first_sight;
use crate::ledger::{Ledger, Standing};
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::Number;
use hydra_policy::OverrideKind;

/// What is seen of a ledger.
#[derive(Debug, Default)]
pub(crate) struct Glance {
    /// What is wrong.
    pub(crate) findings: Vec<LedgerFinding>,
    /// Since when the champion is that, by the store's clock.
    pub(crate) since: Option<Timestamp>,
    /// The entry that made it champion, if its request set aside that the model cannot be loaded.
    pub(crate) unloadable: Option<Number>,
}

impl Ledger {
    /// What the newest entries, the aliases, the standing and the run of the archive show of a model whose champion is `champion`.
    pub(crate) async fn glance(&self, champion: Option<Version>) -> Result<Glance> {
        let mut snapshot = match self.take_opened().await {
            Some(opened) => opened,
            None => self.look(None).await?,
        };
        let mut seen = Glance { findings: Self::at_first_sight(&snapshot), ..Glance::default() };
        let is_unset = |found: &LedgerFinding| {
            matches!(found, LedgerFinding::Drift { actual: None, .. } | LedgerFinding::RemovedChampion { .. })
        };
        if seen.findings.iter().any(is_unset)
            && let Some(confirmed) = self.confirm(&snapshot, None).await?
        {
            // Only the second look finds out whether the version was deleted, and its aliases with it.
            snapshot = confirmed;
            seen.findings = Self::at_first_sight(&snapshot);
        }
        if self.renamed {
            seen.findings.push(LedgerFinding::Renamed { ledger: self.name.clone() });
        }
        let Some(head) = snapshot.readable_head().filter(|_| snapshot.window.newer().is_none()) else {
            return Ok(seen);
        };
        let (archive, standing) = join(self.archive_finding(), self.standing(head)).await;
        match archive {
            Ok(found) => seen.findings.extend(found),
            Err(error) => seen.findings.push(unreadable(&error)),
        }
        match standing {
            Ok(standing) => {
                seen.findings
                    .extend(self.standing_at_first_sight(&snapshot, head, champion, &standing).await?);
            }
            Err(error) => seen.findings.push(lost_standing(head, &error)),
        }
        // A champion that the ledger does not know yet is one since a move that no entry shows.
        let known = champion.filter(|champion| head.entry.after.get(&Alias::CHAMPION) == Some(*champion));
        let Some(champion) = known else { return Ok(seen) };
        if let Some(crowned) = self.crowning(&snapshot, head, champion).await? {
            seen.since = Some(crowned.created_at);
            let is_overridden = crowned.entry.overrides.contains(&OverrideKind::UnloadableModel);
            seen.unloadable = is_overridden.then_some(crowned.number);
        }
        Ok(seen)
    }

    async fn standing_at_first_sight(
        &self,
        snapshot: &Snapshot,
        head: &Record,
        champion: Option<Version>,
        standing: &Standing,
    ) -> Result<Vec<LedgerFinding>> {
        let mut findings = Vec::new();
        if let Some(champion) = champion {
            findings.extend(quarantined(champion, standing));
            findings.extend(self.mirror_finding(champion, standing).await?);
        }
        findings.extend(policy_at_first_sight(snapshot, head, standing));
        Ok(findings)
    }

    /// The entry by which the version became the champion that it is.
    async fn crowning(
        &self,
        snapshot: &Snapshot,
        head: &Record,
        champion: Version,
    ) -> Result<Option<Record>> {
        let made = |entry: &Entry| {
            entry.after.get(&Alias::CHAMPION) == Some(champion)
                && (entry.operation == EntryKind::Genesis
                    || entry.before.get(&Alias::CHAMPION) != Some(champion))
        };
        // An entry that restores the champion after an aborted one did not make it champion.
        let made = |entry: &Entry| entry.operation != EntryKind::Aborted && made(entry);
        if let Some(record) = snapshot.window.valid_from(head.number).find(|record| made(&record.entry)) {
            return Ok(Some(record.clone()));
        }
        let mut older = self.entries(None, None);
        while snapshot.window.lowest() > 1
            && let Some((record, fate)) = older.try_next().await?
        {
            if fate != Fate::Aborted && made(&record.entry) {
                return Ok(Some(record));
            }
        }
        Ok(None)
    }
}

/// The registry has answered, so that this is about the tracking server or the archive.
fn unreadable(error: &Error) -> LedgerFinding {
    LedgerFinding::UnreadableArchive { why: error.to_string() }
}

fn lost_standing(head: &Record, error: &Error) -> LedgerFinding {
    match head.entry.standing {
        Some(reference) if is_lost(error) || error.kind() == ErrorKind::StandingLost => {
            LedgerFinding::MissingStanding { entry: head.number, path: standing_path(reference.sha256) }
        }
        _ => unreadable(error),
    }
}
