//! What a decision is based on: the ledger's state and its newest transitions.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join;

use crate::evidence::timestamp;
use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::decide::LedgerView;
use crate::ledger::entry::EntryKind;
use crate::ledger::errors::is_lost;
use crate::ledger::history::{Fate, Step};
use crate::ledger::look::Snapshot;
use crate::ledger::remembered::Remembered;
use crate::past::{MONTH_MS, crownings};
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_base::time::now;
use hydra_ledger_rules::Number;
use hydra_policy::{Context, Input, Operation, Transition};

/// What a view shows.
#[derive(Debug, Clone, Copy)]
pub(super) struct Basis<'a> {
    /// What was read.
    pub snapshot: &'a Snapshot,
    /// The head.
    pub head: &'a Record,
    /// The entry whose standing holds: the head, unless that is undone.
    pub bearer: &'a Record,
    /// Whether the head is undone.
    pub fate: Fate,
}

impl<'a> Basis<'a> {
    /// A head that took effect.
    pub fn settled(snapshot: &'a Snapshot, head: &'a Record) -> Self {
        Self { snapshot, head, bearer: head, fate: Fate::Done }
    }

    /// The newest entries that took effect, newest first.
    pub fn effective(&self) -> impl Iterator<Item = &'a Record> {
        let mut undone = self.fate == Fate::Aborted;
        self.snapshot.window.valid_from(self.head.number).filter(move |record| {
            !std::mem::replace(&mut undone, record.entry.operation == EntryKind::Aborted)
        })
    }
}

impl Ledger {
    pub(super) async fn view_of(&self, basis: &Basis<'_>) -> Result<LedgerView> {
        let Basis { snapshot, head, bearer, .. } = *basis;
        let (past, standing) = try_join(self.past(basis), self.standing(bearer)).await?;
        let Remembered { known, crownings, policies } = past;
        let mut history = known.transitions;
        history.truncate(Context::HISTORY);
        Ok(LedgerView {
            head: head.clone(),
            registered: snapshot.registered.clone(),
            champion_before_outside_move: champion_before_outside_move(basis, &history),
            champion_since: champion_since(snapshot, head, &history)?,
            champion_was_restored: champion_was_restored(basis),
            crownings,
            policies,
            history,
            standing,
            state: snapshot.existing(head.state()),
            deleted: snapshot.gone.clone(),
        })
    }

    /// The newest transitions, the decisions that moved the champion within the last month, and the policies in the archive.
    async fn past(&self, basis: &Basis<'_>) -> Result<Remembered> {
        let mut past = match self.remembered(basis).await? {
            Some(remembered) => remembered,
            None => {
                let known = self.newest_transitions(basis).await?;
                let crownings = self.crownings(&known, basis.head).await?;
                let policies = Self::policies_above(basis, 0, BTreeSet::new());
                Remembered { known, crownings, policies }
            }
        };
        let since = timestamp(now())?.saturating_sub(MONTH_MS);
        past.crownings.retain(|(_, at)| *at >= since);
        self.remember(basis, &past).await?;
        Ok(past)
    }

    /// What was read of the ledger holds its newest entries, of which any number may be refusals. What came before them is in
    /// the input of each decision among them: one more request, however long ago the last transition was.
    async fn newest_transitions(&self, basis: &Basis<'_>) -> Result<Known> {
        let Basis { snapshot: Snapshot { window, .. }, head, .. } = *basis;
        let mut transitions = Vec::new();
        let mut newest_decision = None;
        for record in basis.effective() {
            if is_transition(record) {
                transitions.push(transition(record)?);
            }
            if newest_decision.is_none() && record.entry.decided.is_some() {
                newest_decision = Some((record, transitions.len()));
            }
        }
        if window.lowest() <= 1 {
            return Ok(Known { transitions, all: true });
        }
        if transitions.len() >= Context::HISTORY {
            return Ok(Known { transitions, all: false });
        }
        let before = match newest_decision {
            Some((record, _)) => self.history_before(record).await?,
            None => None,
        };
        let (transitions, rest) = match (before, newest_decision) {
            (Some(before), Some((_, since))) => {
                transitions.truncate(since);
                (transitions, before)
            }
            // The archive is incomplete.
            _ => (Vec::new(), self.read_transitions(head.number, None).await?),
        };
        let all = rest.len() < Context::HISTORY;
        Ok(Known { transitions: [transitions, rest].concat(), all })
    }

    /// The decisions that moved the champion within the last month. More entries are read only if the champion changed more
    /// often than policies get to see.
    async fn crownings(&self, known: &Known, head: &Record) -> Result<Vec<(Operation, u64)>> {
        let since = timestamp(now())?.saturating_sub(MONTH_MS);
        let reaches = known.all || known.transitions.last().is_some_and(|oldest| oldest.at < since);
        Ok(if reaches {
            crownings(&known.transitions)
        } else {
            crownings(&self.read_transitions(head.number, Some(since)).await?)
        })
    }

    /// The history that a decision rested on, if its input can be read.
    async fn history_before(&self, decision: &Record) -> Result<Option<Vec<Transition>>> {
        let input = match self.input(decision).await {
            Ok(bytes) => Input::from_json(&bytes),
            Err(error) => Err(error),
        };
        match input {
            Ok(input) => Ok(Some(input.context().history.clone())),
            Err(error) if is_lost(&error) || error.kind() == ErrorKind::InvalidArgument => {
                tracing::warn!(%error, entry = decision.number, "the archived input of a decision is lost; reading the ledger instead");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest transitions up to the entry `head`, read entry by entry: as many as policies get to see, or all since a time.
    async fn read_transitions(&self, head: Number, since: Option<u64>) -> Result<Vec<Transition>> {
        let mut steps = self.read(None);
        let mut transitions: Vec<Transition> = Vec::new();
        let enough = |transitions: &[Transition]| match since {
            Some(since) => transitions.last().is_some_and(|oldest| oldest.at < since),
            None => transitions.len() >= Context::HISTORY,
        };
        while !enough(&transitions)
            && let Some(step) = steps.try_next().await?
        {
            // Entries above `head` are newer than the state that the decision is about.
            if let Step::Valid { record, fate } = step
                && record.number <= head
                && fate != Fate::Aborted
                && is_transition(&record)
            {
                transitions.push(transition(&record)?);
            }
        }
        Ok(transitions)
    }
}

/// The newest transitions, newest first.
pub(super) struct Known {
    pub transitions: Vec<Transition>,
    /// Whether there are no older ones.
    pub all: bool,
}

/// Whether an entry is a change of aliases that policies see in their history.
pub(super) fn is_transition(record: &Record) -> bool {
    let entry = &record.entry;
    entry.before != entry.after && (entry.is_decision() || entry.operation == EntryKind::External)
}

/// The version that was champion before the champion was last moved without the ledger. One of the newest entries tells, or
/// else the history of the newest decision, which does not reach the champion that the ledger found at its beginning.
fn champion_before_outside_move(basis: &Basis<'_>, history: &[Transition]) -> Option<Version> {
    let Basis { snapshot, head, .. } = *basis;
    let recorded = snapshot.existing(head.state()).get(&Alias::CHAMPION);
    if head.is_settled() && snapshot.registered.aliases.get(&Alias::CHAMPION).copied() != recorded {
        // The move is not recorded yet.
        return recorded;
    }
    if let Some(moved) = basis.effective().find(|record| record.moves_champion()) {
        let before = moved.entry.before.get(&Alias::CHAMPION);
        return before.filter(|_| moved.entry.is_observation());
    }
    let mut champions = history.iter().filter_map(|transition| {
        let step = transition.moves.iter().find(|step| step.alias == Alias::CHAMPION)?;
        Some((transition.operation, step.version))
    });
    match champions.next()? {
        (Operation::External, _) => champions.next()?.1,
        _ => None,
    }
}

/// Whether the newest entry that moved the champion undid the move of a slow writer.
fn champion_was_restored(basis: &Basis<'_>) -> bool {
    let on = |state: &AliasState| state.get(&Alias::CHAMPION);
    let mut effective = basis.effective();
    let moved = effective.find(|record| on(&record.entry.before) != on(&record.entry.after));
    moved.is_some_and(|record| record.entry.operation == EntryKind::Reassert)
}

/// Since when the champion has been champion: since the newest transition that moved it, or since the ledger began.
fn champion_since(snapshot: &Snapshot, head: &Record, history: &[Transition]) -> Result<Option<u64>> {
    let moved = |transition: &&Transition| transition.moves.iter().any(|step| step.alias == Alias::CHAMPION);
    if let Some(transition) = history.iter().find(moved) {
        return Ok(Some(transition.at));
    }
    let began =
        snapshot.window.valid_from(head.number).find(|record| record.entry.operation == EntryKind::Genesis);
    began.map(|genesis| timestamp(genesis.entry.at)).transpose()
}

/// An entry as a policy is shown it.
pub(super) fn transition(record: &Record) -> Result<Transition> {
    let entry = &record.entry;
    let operation = match entry.operation {
        EntryKind::Promote => Operation::Promote,
        EntryKind::Rollback => Operation::Rollback,
        _ => Operation::External,
    };
    // In the order of the ledger: `champion` first, then the other aliases of its state, then the side moves.
    let mut moves = entry.before.moves_to(&entry.after);
    let aside = entry.side.iter().filter(|(_, side)| side.from != side.to);
    moves.extend(aside.map(|(alias, side)| AliasMove { alias: alias.clone(), version: side.to }));
    // No policy explained a move without the ledger.
    let explanation = if operation == Operation::External { "" } else { &entry.explanation };
    let mut transition = Transition::new(operation, timestamp(entry.at)?, entry.actor.clone());
    transition.target = entry.target;
    transition.moves = moves;
    transition.reason.clone_from(&entry.reason);
    transition.user.clone_from(&entry.user);
    transition.overrides.clone_from(&entry.overrides);
    explanation.clone_into(&mut transition.explanation);
    Ok(transition)
}
