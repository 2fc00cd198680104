//! The entries that settling appends, and the tags that it writes.

use tokio::time::Instant;

use super::{Assessed, Settler, restored};
use crate::ledger::chain::Record;
use crate::ledger::draft;
use crate::ledger::entry::{Entry, EntryKind};
use crate::ledger::errors::is_lost;
use crate::ledger::look::Snapshot;
use hydra_base::error::Result;
use hydra_base::failpoint::failpoint;
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{AbortReason, Situation};

impl Settler<'_> {
    /// Sets and deletes the tags that the head asks for.
    pub(super) async fn mirror(&mut self, head: &Record) -> Result<()> {
        let (mirrors, policy) = (head.entry.mirrors(), head.entry.policy_mirror());
        if mirrors.is_empty() && policy.is_none() {
            return Ok(());
        }
        let mirrored = self.mirrored.get_or_insert_default();
        mirrored.head = head.number;
        mirrored.versions.extend(mirrors.iter().map(|mirror| mirror.version));
        mirrored.policy |= policy.is_some();
        self.writer.mirror(&mirrors).await?;
        match policy {
            Some(value) => self.writer.mirror_policy(&value).await,
            None => Ok(()),
        }
    }

    /// Whether the tags that this writer wrote may be older than what the head says.
    pub(super) fn has_to_mirror_again(&self, head: &Record) -> bool {
        self.mirrored.as_ref().is_some_and(|mirrored| mirrored.head != head.number)
    }

    /// Writes the tags that this writer wrote before once more, as the head's standing has them.
    pub(super) async fn mirror_again(&mut self, head: &Record) -> Result<()> {
        let standing = self.writer.ledger.standing(head).await?;
        let mirrored = self.mirrored.get_or_insert_default();
        mirrored.head = head.number;
        let (mirrors, policy) = (standing.mirrors_of(&mirrored.versions), mirrored.policy);
        let written = async {
            self.writer.mirror(&mirrors).await?;
            if policy { self.writer.mirror_policy(&standing.policy_mirror()).await } else { Ok(()) }
        };
        match written.await {
            Err(error) => self.pause_if_transient(error).await,
            written => written,
        }
    }

    /// Names the standing after `entry`, which follows the head. A version that was made champion without the ledger has used
    /// its approvals. An archive that is gone does not stop a repair: the document can be rebuilt from the entries.
    async fn carry_standing(&self, entry: &mut Entry, head: &Record) -> Result<()> {
        entry.standing = head.entry.standing;
        if entry.operation != EntryKind::External || entry.crowned().is_none() || entry.standing.is_none() {
            return Ok(());
        }
        let standing = self.writer.ledger.standing(head).await?;
        if let Some((reference, bytes)) = draft::carry_standing(entry, &standing, head.entry.standing)? {
            match self.writer.archive_standing(reference.sha256, bytes.clone()).await {
                Err(error) if is_lost(&error) => {
                    tracing::warn!(%error, "cannot store a standing document; it can be rebuilt from the ledger");
                }
                stored => stored?,
            }
            self.writer.ledger.keep(reference, bytes).await?;
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
        let after = snapshot.existing(&head.entry.after);
        let (kind, from, to, why) = match situation {
            Situation::Abort(reason) => {
                (EntryKind::Aborted, after, restored(snapshot, head), abort_text(reason, head))
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
        let (moment, base) = (self.writer.moment_after(Some(head)), (head.number, Some(head.digest)));
        let mut entry = self.writer.entry(kind, moment, base, (from, to), why);
        if kind == EntryKind::Aborted {
            entry.target = head.entry.target;
            entry.standing = match head.entry.standing {
                Some(_) => {
                    self.writer.ledger.below(snapshot, head).await?.and_then(|below| below.entry.standing)
                }
                None => None,
            };
        } else {
            if !head.is_settled() {
                // No writer comes back to a head that is superseded.
                if let Err(error) = self.mirror(head).await {
                    return self.pause_if_transient(error).await;
                }
            }
            if let Err(error) = self.carry_standing(&mut entry, head).await {
                return self.pause_if_transient(error).await;
            }
        }
        match self.writer.may_append_above(head, Instant::now()).await {
            Ok(true) => {}
            Ok(false) => return self.pause().await,
            Err(error) => return self.pause_if_transient(error).await,
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
