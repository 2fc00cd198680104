//! What a decision would be based on now, if the next command settled the ledger first. Nothing is written.

use crate::ledger::chain::{Reading, Record};
use crate::ledger::decide::LedgerView;
use crate::ledger::history::Fate;
use crate::ledger::look::Snapshot;
use crate::ledger::mirror::POLICY_TAG;
use crate::ledger::settle::{assess, restored};
use crate::ledger::view::Basis;
use crate::ledger::{Ledger, errors};
use hydra_base::aliases::AliasState;
use hydra_base::error::Result;
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::{Situation, Windows};

impl Ledger {
    /// What a decision would be based on now. Nothing is written, not even the repairs that a command makes first: the view
    /// shows the aliases and the standing that these will leave. A move without the ledger shows as it was found, with the
    /// approvals that recording it will use up.
    pub async fn view(&self) -> Result<LedgerView> {
        let mut snapshot = match self.take_opened().await {
            Some(opened) => opened,
            None => self.look(None).await?,
        };
        let head = snapshot.head()?.clone();
        let windows = Windows::MILLISECONDS;
        let mut situation = assess(&snapshot, &head, windows, &[]).situation;
        if situation == Situation::Confirm
            && let Some(confirmed) = self.confirm(&snapshot, None).await?
        {
            snapshot = confirmed;
            situation = assess(&snapshot, &head, windows, &[]).situation;
        }
        let found = snapshot.registered.aliases.get(&Alias::CHAMPION).copied();
        let view = match situation {
            Situation::Abort(_) => {
                let state = restored(&snapshot, &head);
                put(&mut snapshot, &state);
                let below = self.below(&snapshot, &head).await?;
                let bearer = below.as_ref().unwrap_or(&head);
                let basis = Basis { snapshot: &snapshot, head: &head, bearer, fate: Fate::Aborted };
                LedgerView { state, ..self.view_of(&basis).await? }
            }
            Situation::RollForward | Situation::Reassert => {
                let state = snapshot.existing(head.state());
                put(&mut snapshot, &state);
                if situation == Situation::RollForward {
                    for step in head.entry.side_moves(&snapshot.registered.aliases) {
                        set(&mut snapshot, &step.alias, step.version);
                    }
                    let policy = head.entry.policy_mirror();
                    snapshot.registered.tags.extend(policy.map(|value| (POLICY_TAG.to_owned(), value)));
                }
                self.view_of(&Basis::settled(&snapshot, &head)).await?
            }
            Situation::Quiet | Situation::Confirm | Situation::Wait | Situation::Adopt => {
                self.view_of(&Basis::settled(&snapshot, &head)).await?
            }
        };
        let restores = situation == Situation::Reassert
            && found != snapshot.registered.aliases.get(&Alias::CHAMPION).copied();
        Ok(LedgerView { champion_was_restored: restores || view.champion_was_restored, ..view })
    }

    /// The entry that the head follows, if it follows one.
    pub(super) async fn below(&self, snapshot: &Snapshot, head: &Record) -> Result<Option<Record>> {
        let trusted = head.entry.bridge.as_ref().map(|bridge| bridge.trusted);
        let below = trusted.unwrap_or(head.entry.base);
        if below == 0 {
            return Ok(None);
        }
        if let Some(record) = snapshot.window.record(below) {
            return Ok(Some(record.clone()));
        }
        let stored = self.backend.registry.model_version(&self.name, Version::new(below)?).await?;
        match Reading::of(&stored, &self.id) {
            Reading::Record(record) => Ok(Some(*record)),
            Reading::Newer(entry) => Err(errors::newer(below, &entry)),
            Reading::Damaged(flaw) => Err(errors::broken(below, &flaw)),
        }
    }
}

/// Sets the aliases of `state` in what was read.
fn put(snapshot: &mut Snapshot, state: &AliasState) {
    for (alias, version) in state.iter() {
        set(snapshot, alias, version);
    }
}

fn set(snapshot: &mut Snapshot, alias: &Alias, version: Option<Version>) {
    match version {
        Some(version) => snapshot.registered.aliases.insert(alias.clone(), version),
        None => snapshot.registered.aliases.remove(alias),
    };
}
