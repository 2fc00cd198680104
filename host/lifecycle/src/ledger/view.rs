//! What a decision may rest on: where the ledger is, and what it has seen.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::TryStreamExt as _;

use crate::evidence::timestamp;
use crate::ledger::Ledger;
use crate::ledger::archive::is_lost;
use crate::ledger::chain::Record;
use crate::ledger::entry::{Kind, tracked};
use crate::ledger::history::{Fate, Step};
use crate::ledger::settle::Quiet;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::{Alias, Version};
use hydra_ledger_rules::Number;
use hydra_policy::{Context, Input, Operation, Transition};

/// The ledger at a moment when the aliases agreed with it.
#[derive(Debug, Clone)]
pub struct View {
    /// The head.
    pub head: Record,
    /// Every alias of the model, as read together with the head.
    pub aliases: BTreeMap<Alias, Version>,
    /// The newest transitions, newest first, as a policy is shown them; those that were aborted did not take place.
    pub history: Vec<Transition>,
    /// Where the ledger has its aliases, versions that are gone taken out.
    state: AliasState,
    gone: BTreeSet<Version>,
}

impl View {
    /// Whether evidence with these aliases is of the state that the ledger is in, and of the same candidate.
    #[must_use]
    pub fn agrees(&self, aliases: &BTreeMap<Alias, Version>) -> bool {
        let seen = |alias: &Alias| aliases.get(alias).copied().filter(|version| !self.gone.contains(version));
        let candidate = Alias::CANDIDATE;
        tracked(&self.state).iter().all(|(alias, version)| seen(alias) == version)
            && aliases.get(&candidate) == self.aliases.get(&candidate)
    }
}

impl Ledger {
    /// What a decision would rest on now. Nothing is written, not even repairs.
    pub async fn view(&self) -> Result<View> {
        let snapshot = self.look(Number::MAX).await?;
        let head = snapshot.head()?.clone();
        self.view_of(&Quiet { snapshot, head, own_work: false }).await
    }

    pub(super) async fn view_of(&self, quiet: &Quiet) -> Result<View> {
        let snapshot = &quiet.snapshot;
        Ok(View {
            head: quiet.head.clone(),
            aliases: snapshot.registered.aliases.clone(),
            history: self.newest_transitions(quiet).await?,
            state: snapshot.existing(quiet.head.state()),
            gone: snapshot.gone.clone(),
        })
    }

    /// What was read of the ledger holds its newest entries, of which any number may be refusals. What came before them is in
    /// the input of each decision among them: one more request, however long ago the last transition was.
    async fn newest_transitions(&self, quiet: &Quiet) -> Result<Vec<Transition>> {
        let window = &quiet.snapshot.window;
        let mut aborted = false;
        let mut transitions = Vec::new();
        let mut newest_decision = None;
        for record in window.valid_from(quiet.head.number) {
            let undone = std::mem::replace(&mut aborted, record.entry.operation == Kind::Aborted);
            if !undone && is_transition(record) {
                transitions.push(transition(record)?);
            }
            if newest_decision.is_none() && record.entry.decided.is_some() {
                newest_decision = Some((record, transitions.len()));
            }
        }
        if transitions.len() < Context::HISTORY && window.lowest() > 1 {
            let before = match newest_decision {
                Some((record, _)) => self.history_before(record).await?,
                None => None,
            };
            match (before, newest_decision) {
                (Some(before), Some((_, since))) => {
                    transitions.truncate(since);
                    transitions.extend(before);
                }
                // The archive is incomplete.
                _ => transitions = self.read_transitions(quiet.head.number).await?,
            }
        }
        transitions.truncate(Context::HISTORY);
        Ok(transitions)
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
                tracing::warn!(%error, entry = decision.number, "the input of a decision is lost; reading the ledger instead");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// The newest transitions up to the entry `head`, read entry by entry.
    async fn read_transitions(&self, head: Number) -> Result<Vec<Transition>> {
        let mut steps = self.read(None);
        let mut transitions = Vec::new();
        while transitions.len() < Context::HISTORY
            && let Some(step) = steps.try_next().await?
        {
            // What was appended since `head` is not of the moment that is decided upon.
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

/// Whether an entry is a change of the aliases that policies are told of.
fn is_transition(record: &Record) -> bool {
    let entry = &record.entry;
    entry.before != entry.after && (entry.is_decision() || entry.operation == Kind::External)
}

/// An entry as a policy is shown it.
fn transition(record: &Record) -> Result<Transition> {
    let entry = &record.entry;
    let operation = match entry.operation {
        Kind::Promote => Operation::Promote,
        Kind::Rollback => Operation::Rollback,
        _ => Operation::External,
    };
    // As the ledger moves them: `champion` before the others, and what it keeps no record of last.
    let mut moves = entry.before.moves_to(&entry.after);
    let aside = entry.side.iter().filter(|(_, side)| side.from != side.to);
    moves.extend(aside.map(|(alias, side)| AliasMove { alias: alias.clone(), version: side.to }));
    // Nobody's policy explained what others moved.
    let explanation = if operation == Operation::External { "" } else { &entry.explanation };
    Ok(Transition {
        operation,
        target: entry.target,
        moves,
        at: timestamp(entry.at)?,
        actor: entry.actor.clone(),
        reason: entry.reason.clone(),
        explanation: explanation.to_owned(),
    })
}
