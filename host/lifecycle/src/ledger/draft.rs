//! The entry that a proposal becomes, with the files that the archive must hold before the entry is appended.

use std::collections::BTreeMap;

use crate::clock::{self, Moment};
use crate::guards::quarantined;
use crate::ledger::chain::Record;
use crate::ledger::decide::{ActiveFiles, Proposal, ProposedDecision};
use crate::ledger::entry::{Decided, Entry, EntryKind, SideMove, StandingRef};
use crate::ledger::settle::Quiet;
use crate::ledger::standing::Standing;
use crate::ledger::{LedgerWriter, WriterSettings};
use hydra_base::Sha256;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_base::time::now;
use hydra_ledger_rules::Number;
use hydra_ledger_rules::standing::may_decide;
use hydra_mlflow::clock::ClockDifference;
use hydra_policy::OverrideKind;

/// An entry to append.
#[derive(Debug)]
pub(super) struct Draft {
    /// The entry.
    pub entry: Entry,
    /// The policy's part, whose files go to the archive.
    pub decision: Option<ProposedDecision>,
    /// The files of a policy that becomes the active one.
    pub files: Option<ActiveFiles>,
    /// The standing document that the entry names, if it is a new one.
    pub standing: Option<(StandingRef, Vec<u8>)>,
}

impl LedgerWriter {
    /// An entry of this writer on top of `base`, made at `moment`, which carries no standing yet.
    pub(super) fn entry(
        &self,
        operation: EntryKind,
        moment: Moment,
        base: (Number, Option<Sha256>),
        (before, after): (AliasState, AliasState),
        why: String,
    ) -> Entry {
        let expiry = self.settings.windows.expiry;
        let mut entry = Entry::new(&self.ledger.id, operation, base, before, moment.now, expiry);
        self.settings.sign(&mut entry, moment);
        entry.after = after;
        entry.explanation = why;
        entry
    }

    /// The moment of an entry that repairs what it finds, which no clock keeps from being written: after the time of `head`, where
    /// the store has no clock of its own.
    pub(super) fn moment_after(&self, head: Option<&Record>) -> Moment {
        let difference = self.ledger.backend.registry.clock().map(ClockDifference::estimate);
        let not_before = head.filter(|_| difference.is_none()).map_or(0, clock::time_of);
        Moment { now: now().max(not_before), difference }
    }

    /// The entry of a proposal on top of the head, whose standing is `standing`.
    pub(super) fn draft(
        &self,
        operation_id: &str,
        proposal: Proposal,
        quiet: &Quiet,
        (standing, moment): (&Standing, Moment),
    ) -> Result<Draft> {
        let head = &quiet.head;
        let mut before = quiet.snapshot.existing(head.state());
        let mut after = before.clone();
        let mut side = BTreeMap::new();
        for AliasMove { alias, version } in proposal.moves {
            let from = quiet.snapshot.registered.aliases.get(&alias).copied();
            if alias == Alias::CANDIDATE {
                side.insert(alias, SideMove { from, to: version });
            } else {
                before.set_if_missing(alias.clone(), from);
                after.set(alias, version);
            }
        }
        for (alias, version) in before.iter() {
            after.set_if_missing(alias.clone(), version);
        }
        let base = (head.number, Some(head.digest));
        let mut entry = self.entry(proposal.operation, moment, base, (before, after), proposal.explanation);
        operation_id.clone_into(&mut entry.operation_id);
        entry.target = proposal.target;
        entry.reason = proposal.reason;
        entry.side = side;
        entry.overrides = proposal.overrides;
        entry.subject = proposal.subject;
        entry.quarantines = proposal.quarantines;
        entry.activation = proposal.activation;
        entry.decided = proposal.decision.as_ref().map(|decision| Decided {
            input_sha256: Sha256::of(&decision.input),
            decision_sha256: decision.document.as_deref().map(Sha256::of),
            ..decision.decided.clone()
        });
        let barred =
            |version| Version::new(version).is_ok_and(|version| standing.quarantine(version).is_some());
        if let Some(version) = entry.with_act(|act| act.forbidden(barred)) {
            return Err(quarantined(Version::new(version)?, standing));
        }
        standing.ensure_approved(&entry)?;
        if let Some(decision) = &proposal.decision {
            let policy = |sha256: &Sha256| *sha256.as_bytes();
            let active = standing.panel().map(|panel| policy(&panel.sha256));
            let is_set_aside = entry.overrides.contains(&OverrideKind::InactivePolicy);
            if !may_decide(active, decision.active.as_ref().map(policy), is_set_aside) {
                return Err(Error::new(
                    ErrorKind::Internal,
                    "the policy that decided is not the one that is active",
                ));
            }
        }
        let standing = carry_standing(&mut entry, standing, head.entry.standing)?;
        Ok(Draft { entry, decision: proposal.decision, files: proposal.files, standing })
    }
}

impl WriterSettings {
    /// Names who wrote an entry, and how the clocks were.
    pub(super) fn sign(&self, entry: &mut Entry, moment: Moment) {
        entry.actor.clone_from(&self.actor);
        entry.user.clone_from(&self.user);
        entry.clock_ms = moment.difference;
    }
}

/// Names the standing in `entry`, which starts from `start`. Returns the document if the entry changes it.
pub(super) fn carry_standing(
    entry: &mut Entry,
    start: &Standing,
    reference: Option<StandingRef>,
) -> Result<Option<(StandingRef, Vec<u8>)>> {
    if start.after(entry).is_none() {
        entry.standing = reference;
        return Ok(None);
    }
    // The document repeats texts of the entry, so these are cut first; the name of the document takes room, too.
    entry.standing = Some(StandingRef { number: start.number() + 1, sha256: Sha256::NONE });
    entry.encode()?;
    let Some(changed) = start.after(entry) else { return Ok(None) };
    let (bytes, reference) = changed.encode()?;
    entry.standing = Some(reference);
    Ok(Some((reference, bytes)))
}
