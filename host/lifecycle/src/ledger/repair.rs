//! The repair of a ledger and its aliases.

use std::collections::BTreeSet;

use crate::clock;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Bridge, EntryKind, StandingRef, tracked};
use crate::ledger::look::Snapshot;
use crate::ledger::settle::{Quiet, Settler};
use crate::ledger::{LedgerWriter, errors};
use hydra_base::Sha256;
use hydra_base::Timestamp;
use hydra_base::aliases::AliasState;
use hydra_base::error::{ErrorKind, Result};
use hydra_ledger_rules::{Found, Number};

/// Whether nothing was asked for since damage was bridged but quarantines, which [`LedgerWriter::quarantine_again`] may have
/// begun to restore before its process ended.
fn follows_checkpoint(quiet: &Quiet) -> bool {
    let mut chain = quiet.snapshot.window.valid_from(quiet.head.number).map(|record| record.entry.operation);
    let repaired = |kind: &EntryKind| {
        matches!(
            kind,
            EntryKind::Quarantine | EntryKind::Activate | EntryKind::External | EntryKind::Reassert
        )
    };
    chain.find(|kind| !repaired(kind)) == Some(EntryKind::Checkpoint)
}

impl LedgerWriter {
    /// Repairs what can be repaired: bridges damage, completes or aborts an interrupted transition, records or undoes
    /// alias moves. Afterwards aliases and ledger agree. Returns the checkpoint, if one was needed.
    ///
    /// `LedgerNewer` when a newer release wrote an entry: no checkpoint bridges that, because the decision in it would drop
    /// out of the chain.
    pub async fn repair(&self) -> Result<Option<Number>> {
        let mut checkpoint = None;
        let mut settler = Settler::new(self);
        // Older than what is repaired here; nothing may be decided on it afterwards.
        drop(self.ledger.take_opened().await);
        loop {
            let snapshot = self.ledger.look(None).await?;
            if snapshot.head().is_ok() {
                let quiet = settler.settle(Some(snapshot)).await?;
                if let Some(ahead) = self.ledger.ahead(&quiet.head) {
                    match self.bridge_time(&quiet, ahead).await {
                        Ok(number) => checkpoint = Some(number),
                        Err(error) => settler.pause_if_transient(error).await?,
                    }
                    continue;
                }
                self.restore_standing(&quiet).await?;
                if follows_checkpoint(&quiet) {
                    let standing = self.ledger.standing(&quiet.head).await?;
                    self.quarantine_again(&standing).await?;
                    self.activate_again(&quiet.snapshot.registered.tags).await?;
                }
                return Ok(checkpoint);
            }
            match settler.confirm(&snapshot).await? {
                Some(confirmed) => match self.append_checkpoint(&confirmed).await {
                    Ok(number) => checkpoint = Some(number),
                    Err(error) => settler.pause_if_transient(error).await?,
                },
                None => settler.pause().await?,
            }
        }
    }

    /// Stores the standing documents of the newest entries again if they are missing in the archive or altered, and sets the tags
    /// of versions in quarantine that are missing. A tag of a version that is not in quarantine stays: whether it is a mistake, a
    /// person decides.
    async fn restore_standing(&self, quiet: &Quiet) -> Result<()> {
        let mut known = BTreeSet::new();
        for record in quiet.snapshot.window.valid_from(quiet.head.number) {
            let Some(reference) = record.entry.standing else { break };
            if !known.insert(reference.sha256) {
                continue;
            }
            match self.restore_document(record, reference).await {
                Err(error)
                    if error.kind() == ErrorKind::StandingLost && record.number < quiet.head.number =>
                {
                    tracing::warn!(%error, "cannot rebuild a standing document of the past");
                }
                restored => restored?,
            }
        }
        if quiet.head.entry.standing.is_none() {
            return Ok(());
        }
        let standing = self.ledger.standing(&quiet.head).await?;
        self.mirror(&self.ledger.missing_mirrors(&standing).await?).await?;
        let Some(active) = standing.panel() else { return Ok(()) };
        if standing.differs_from_tag(&quiet.snapshot.registered.tags) {
            self.mirror_policy(&standing.policy_mirror()).await?;
        }
        self.restore_active_from_cache(active).await
    }

    async fn restore_document(&self, record: &Record, reference: StandingRef) -> Result<()> {
        match self.ledger.archived_standing(reference).await {
            Err(error) if errors::is_lost(&error) => {
                let (bytes, _) = self.ledger.rebuilt(record, reference).await?.encode()?;
                self.archive_standing(reference.sha256, bytes).await
            }
            archived => archived.map(drop),
        }
    }

    /// Appends a checkpoint on an entry whose time lies in the future, so that honest writers can go on: it vouches for that entry,
    /// and has the present time. Only the first entry above what its author saw counts.
    async fn bridge_time(&self, quiet: &Quiet, ahead: Timestamp) -> Result<Number> {
        let head = &quiet.head;
        let state = quiet.snapshot.existing(head.state());
        let why = format!(
            "this machine's clock is {} entry {}; this checkpoint lets the time go on from here",
            clock::in_words(ahead),
            head.number
        );
        let base = (quiet.snapshot.window.newest(), Some(head.digest));
        let moment = self.moment_after(None);
        let mut entry = self.entry(EntryKind::Checkpoint, moment, base, (state.clone(), state), why);
        entry.standing = head.entry.standing;
        entry.bridge = Some(Bridge { trusted: head.number, damaged: head.number });
        Ok(self.append(&mut entry).await?.version.get())
    }

    async fn append_checkpoint(&self, snapshot: &Snapshot) -> Result<Number> {
        if let Some((number, entry)) = snapshot.window.newer() {
            return Err(errors::newer(number, entry));
        }
        let (trusted, damaged) = match snapshot.window.find_head() {
            Found::Head { number, damage } => (snapshot.window.record(number), damage),
            Found::Lost { damage, .. } => (None, damage),
            Found::Empty | Found::ReadFrom(_) => (None, 0),
        };
        let before = trusted.map_or_else(AliasState::default, |record| record.state().clone());
        let known = if trusted.is_some() { before.clone() } else { tracked(&before) };
        let found = &snapshot.registered.aliases;
        let actual = known.aliases().map(|alias| (alias.clone(), found.get(alias).copied())).collect();
        let actual = snapshot.existing(&actual);
        let why = format!("entry {damaged} is damaged; this checkpoint accepts the aliases as found");
        let number = snapshot.window.newest();
        let previous = Some(trusted.map_or(Sha256::NONE, |record| record.digest));
        let moment = self.moment_after(None);
        let mut entry = self.entry(EntryKind::Checkpoint, moment, (number, previous), (before, actual), why);
        // What can be read above the damage may know of a later quarantine: none must end by damage.
        let trusted_standing = trusted.and_then(|record| record.entry.standing);
        let above = snapshot.window.newest_standing(trusted.map_or(0, |record| record.number));
        entry.standing = trusted_standing.into_iter().chain(above).max_by_key(|standing| standing.number);
        entry.bridge = Some(Bridge { trusted: trusted.map_or(0, |record| record.number), damaged });
        Ok(self.append(&mut entry).await?.version.get())
    }
}
