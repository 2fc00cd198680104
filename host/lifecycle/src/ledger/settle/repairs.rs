//! The entries that settling appends, and the tags that it writes.

use super::{Assessed, Settler};
use crate::ledger::chain::{Reading, Record};
use crate::ledger::entry::{Entry, EntryKind, StandingRef};
use crate::ledger::look::Snapshot;
use crate::ledger::{draft, errors};
use hydra_base::error::Result;
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{AbortReason, Situation};

impl Settler<'_> {
    /// Sets and deletes the tags of the head's versions.
    pub(super) async fn mirror(&mut self, head: &Record) -> Result<()> {
        let mirrors = head.entry.mirrors();
        if mirrors.is_empty() {
            return Ok(());
        }
        let (number, versions) = self.mirrored.get_or_insert_default();
        *number = head.number;
        versions.extend(mirrors.iter().map(|mirror| mirror.version));
        self.writer.mirror(&mirrors).await
    }

    /// Whether the tags that this writer wrote may be older than what the head says.
    pub(super) fn has_to_mirror_again(&self, head: &Record) -> bool {
        self.mirrored.as_ref().is_some_and(|(number, _)| *number != head.number)
    }

    /// Writes the tags that this writer wrote before once more, as the head's standing has them.
    pub(super) async fn mirror_again(&mut self, head: &Record) -> Result<()> {
        let standing = self.writer.ledger.standing(head).await?;
        let (number, versions) = self.mirrored.get_or_insert_default();
        *number = head.number;
        let mirrors = standing.mirrors_of(versions);
        match self.writer.mirror(&mirrors).await {
            Err(error) => self.pause_if_transient(error).await,
            written => written,
        }
    }

    /// The standing of the entry that the head follows.
    async fn standing_below(&self, snapshot: &Snapshot, head: &Record) -> Result<Option<StandingRef>> {
        let trusted = head.entry.bridge.as_ref().map(|bridge| bridge.trusted);
        let below = trusted.unwrap_or(head.entry.base);
        if head.entry.standing.is_none() || below == 0 {
            return Ok(head.entry.standing);
        }
        if let Some(record) = snapshot.window.record(below) {
            return Ok(record.entry.standing);
        }
        let ledger = &self.writer.ledger;
        let stored = ledger.backend.registry.model_version(&ledger.name, Version::new(below)?).await?;
        match Reading::of(&stored, &ledger.id) {
            Reading::Record(record) => Ok(record.entry.standing),
            Reading::Newer(entry) => Err(errors::newer(below, &entry)),
            Reading::Damaged(flaw) => Err(errors::broken(below, &flaw)),
        }
    }

    /// Names the standing after `entry`, which follows the head. A version that was made champion without the ledger has used
    /// its approvals.
    async fn carry_standing(&self, entry: &mut Entry, head: &Record) -> Result<()> {
        entry.standing = head.entry.standing;
        if entry.operation != EntryKind::External || entry.crowned().is_none() || entry.standing.is_none() {
            return Ok(());
        }
        let standing = self.writer.ledger.standing(head).await?;
        if let Some((reference, bytes)) = draft::carry_standing(entry, &standing, head.entry.standing)? {
            self.writer.archive_standing(reference.sha256, bytes).await?;
        }
        Ok(())
    }

    /// Appends the entry that the situation asks for. Whether it is valid shows at the next look.
    pub(super) async fn append_repair(
        &mut self,
        situation: Situation,
        snapshot: &Snapshot,
        head: &Record,
        assessed: Assessed,
    ) -> Result<()> {
        let (before, after) = (snapshot.existing(&head.entry.before), snapshot.existing(&head.entry.after));
        // What the head never moved stays as it is when the head is undone.
        let restored = || {
            after
                .iter()
                .map(|(alias, version)| {
                    (alias.clone(), if before.contains(alias) { before.get(alias) } else { version })
                })
                .collect()
        };
        let (kind, from, to, why) = match situation {
            Situation::Abort(reason) => {
                (EntryKind::Aborted, after.clone(), restored(), abort_text(reason, head))
            }
            Situation::Reassert => {
                let why = format!("a slow writer overwrote the aliases of entry {}", head.number);
                (EntryKind::Reassert, assessed.actual, after, why)
            }
            // The state before names deleted versions, so that the entry shows which alias lost its version.
            Situation::Adopt => {
                (EntryKind::External, head.state().clone(), assessed.actual, adopt_text(snapshot, head))
            }
            Situation::Quiet | Situation::Confirm | Situation::RollForward | Situation::Wait => {
                return self.pause().await;
            }
        };
        tracing::warn!(model = %self.writer.ledger.model, head = head.number, repair = %kind, "{why}");
        let mut entry = self.writer.entry(kind, head.number, Some(head.digest), from, to, why);
        if kind == EntryKind::Aborted {
            entry.target = head.entry.target;
            entry.standing = self.standing_below(snapshot, head).await?;
        } else {
            if !head.is_settled() {
                // No writer comes back to a head that is superseded.
                if let Err(error) = self.mirror(head).await {
                    return self.pause_if_transient(error).await;
                }
            }
            self.carry_standing(&mut entry, head).await?;
        }
        match self.writer.append(&mut entry).await {
            Ok(_) => {
                failpoint("ledger.repair-appended");
                Ok(())
            }
            Err(error) => self.pause_if_transient(error).await,
        }
    }
}

fn adopt_text(snapshot: &Snapshot, head: &Record) -> String {
    let gone = |(_, version): &(&Alias, Version)| snapshot.gone.contains(version);
    let lost: Vec<String> = head
        .state()
        .iter_set()
        .filter(gone)
        .map(|(alias, version)| format!("version {version}, which was `{alias}`, was deleted"))
        .collect();
    if lost.is_empty() { "aliases were moved without the ledger".to_owned() } else { lost.join("; ") }
}

fn abort_text(reason: AbortReason, head: &Record) -> String {
    let number = head.number;
    match reason {
        AbortReason::Expired => format!("entry {number} was interrupted and not completed in time"),
        AbortReason::TargetDeleted => {
            format!("the version of entry {number} was deleted before it took effect")
        }
        AbortReason::Outdated => {
            format!("the aliases found in entry {number} were moved back before it was appended")
        }
    }
}
