//! What a decision is based on: the ledger's state and its newest transitions.

use std::collections::BTreeSet;

use futures_util::TryStreamExt as _;
use futures_util::future::try_join;

use crate::clock::Moment;
use crate::evidence::timestamp;
use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::decide::{LedgerView, Outside};
use crate::ledger::entry::EntryKind;
use crate::ledger::errors::is_lost;
use crate::ledger::history::{Fate, Step};
use crate::ledger::look::Snapshot;
use crate::ledger::remembered::Remembered;
use crate::past::{MONTH_MS, crownings};
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{ErrorKind, Result};
use hydra_base::names::Alias;
use hydra_base::time::now;
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
        let Remembered { known, crownings, policies, .. } = past;
        let mut history = known.past.transitions;
        history.truncate(Context::HISTORY);
        Ok(LedgerView {
            moment: Moment::of(&self.backend, self.clock_tolerance, Some(head))?,
            head: head.clone(),
            registered: snapshot.registered.clone(),
            outside: outside(basis, &history),
            champion_since: known.past.champion_since,
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
                let known = self.known_past(basis).await?;
                let crownings = self.crownings(&known, basis).await?;
                let policies = Self::policies_above(basis, 0, BTreeSet::new());
                Remembered { known, is_kept: false, crownings, policies }
            }
        };
        let since = timestamp(now())?.saturating_sub(MONTH_MS);
        past.crownings.retain(|(_, at)| *at >= since);
        self.remember(basis, &past).await?;
        Ok(past)
    }

    /// What was read of the ledger holds its newest entries, of which any number may be refusals. What came before them is in
    /// the input of each decision among them: one more request, however long ago the last transition was.
    async fn known_past(&self, basis: &Basis<'_>) -> Result<Known> {
        let window = &basis.snapshot.window;
        let mut past = Entries::default();
        let mut newest_decision = None;
        for record in basis.effective() {
            past.add(record)?;
            if newest_decision.is_none() && record.entry.decided.is_some() {
                newest_decision = Some((record, past.transitions.len()));
            }
        }
        if window.lowest() <= 1 {
            return Ok(Known { past, all: true });
        }
        let enough = past.transitions.len() >= Context::HISTORY;
        if enough && past.champion_since.is_some() {
            return Ok(Known { past, all: false });
        }
        let before = match newest_decision {
            Some((record, newer)) => self.past_before(record).await?.map(|before| (before, newer)),
            None => None,
        };
        let Some((before, newer)) = before else {
            // The archive is incomplete.
            let past = self.read_past(basis, Entries::are_enough).await?;
            let all = past.transitions.len() < Context::HISTORY;
            return Ok(Known { past, all });
        };
        past.champion_since = match past.champion_since.or(before.champion_since) {
            // A release that did not know since when archived the input.
            None if before.has_champion => {
                self.read_past(basis, Entries::date_the_champion).await?.champion_since
            }
            known => known,
        };
        let all = !enough && before.transitions.len() < Context::HISTORY;
        if !enough {
            past.transitions.truncate(newer);
            past.transitions.extend(before.transitions);
        }
        Ok(Known { past, all })
    }

    /// The decisions that moved the champion within the last month. More entries are read only if the champion changed more
    /// often than policies get to see: those of the month, with one request for each 500.
    async fn crownings(&self, known: &Known, basis: &Basis<'_>) -> Result<Vec<(Operation, u64)>> {
        let since = timestamp(now())?.saturating_sub(MONTH_MS);
        let transitions = &known.past.transitions;
        let reaches = known.all || transitions.last().is_some_and(|oldest| oldest.at < since);
        Ok(if reaches {
            crownings(transitions)
        } else {
            crownings(&self.read_past(basis, |past| past.reach_back_to(since)).await?.transitions)
        })
    }

    /// What was known when a decision was made, if its input can be read.
    async fn past_before(&self, decision: &Record) -> Result<Option<Before>> {
        let input = match self.input(decision).await {
            Ok(bytes) => Input::from_json(&bytes),
            Err(error) => Err(error),
        };
        match input {
            Ok(input) => Ok(Some(Before::of(input.context()))),
            Err(error) if is_lost(&error) || error.kind() == ErrorKind::InvalidArgument => {
                tracing::warn!(%error, entry = decision.number, "the archived input of a decision is lost; reading the ledger instead");
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// What the entries up to the head show that took effect, read one by one from the newest down until that is enough.
    async fn read_past(&self, basis: &Basis<'_>, enough: impl Fn(&Entries) -> bool) -> Result<Entries> {
        let Basis { head, fate: of_head, .. } = *basis;
        let mut steps = self.read(None);
        let mut past = Entries::default();
        while !enough(&past)
            && let Some(step) = steps.try_next().await?
        {
            // Entries above `head` are newer than the state that the decision is about.
            if let Step::Valid { record, fate } = step
                && record.number <= head.number
                && fate != Fate::Aborted
                && !(record.number == head.number && of_head == Fate::Aborted)
            {
                past.add(&record)?;
            }
        }
        Ok(past)
    }
}

/// What is known of the past.
pub(super) struct Known {
    pub past: Entries,
    /// Whether there are no older transitions.
    pub all: bool,
}

/// What entries show that are read from the newest down.
#[derive(Default)]
pub(super) struct Entries {
    /// The transitions, newest first.
    pub transitions: Vec<Transition>,
    /// When the champion became champion: by the newest entry that moved it, or when the ledger began.
    pub champion_since: Option<u64>,
    /// The time of the oldest entry, by the clocks of its author and of the store, whichever is later.
    oldest: Option<u64>,
}

impl Entries {
    /// Adds an entry that took effect.
    pub fn add(&mut self, record: &Record) -> Result<()> {
        let entry = &record.entry;
        if is_transition(record) {
            self.transitions.push(transition(record)?);
        }
        if self.champion_since.is_none() && (record.moves_champion() || entry.operation == EntryKind::Genesis)
        {
            self.champion_since = Some(timestamp(entry.at)?);
        }
        self.oldest = Some(timestamp(entry.at.max(record.created_at))?);
        Ok(())
    }

    /// Whether policies get to see no older ones.
    fn are_enough(&self) -> bool {
        self.transitions.len() >= Context::HISTORY && self.date_the_champion()
    }

    fn date_the_champion(&self) -> bool {
        self.champion_since.is_some()
    }

    fn reach_back_to(&self, time: u64) -> bool {
        self.oldest.is_some_and(|oldest| oldest < time)
    }
}

/// What was known when an earlier decision was made.
struct Before {
    transitions: Vec<Transition>,
    champion_since: Option<u64>,
    has_champion: bool,
}

impl Before {
    fn of(context: &Context) -> Self {
        let moved =
            |transition: &&Transition| transition.moves.iter().any(|step| step.alias == Alias::CHAMPION);
        let newest = context.history.iter().find(moved).map(|transition| transition.at);
        Self {
            transitions: context.history.clone(),
            champion_since: context.champion_since.or(newest),
            has_champion: context.champion.is_some(),
        }
    }
}

/// Whether an entry is a change of aliases that policies see in their history.
fn is_transition(record: &Record) -> bool {
    let entry = &record.entry;
    entry.before != entry.after && (entry.is_decision() || entry.operation == EntryKind::External)
}

/// What moves of aliases without the ledger mean for a rollback that names no version.
fn outside(basis: &Basis<'_>, history: &[Transition]) -> Outside {
    let Basis { snapshot, head, .. } = *basis;
    let (aliases, recorded) = (&snapshot.registered.aliases, snapshot.existing(head.state()));
    let steps = |alias: Alias| {
        history.iter().filter_map(move |transition| {
            let step = transition.moves.iter().find(|step| step.alias == alias)?;
            Some((transition.operation, step.version))
        })
    };
    // A move that is not recorded yet, or the newest one that is.
    let was_moved = |alias: Alias| {
        let is_elsewhere = head.is_settled() && aliases.get(&alias).copied() != recorded.get(&alias);
        is_elsewhere || matches!(steps(alias).next(), Some((Operation::External, _)))
    };
    let archived = aliases.contains_key(&Alias::ARCHIVED) && was_moved(Alias::ARCHIVED);
    if !archived && !was_moved(Alias::CHAMPION) {
        return Outside::default();
    }
    // The history does not reach the champion that the ledger found at its beginning; the entries do.
    let entries = basis.effective().filter(|record| record.moves_champion());
    let before = entries.filter_map(|record| record.entry.before.get(&Alias::CHAMPION));
    let older = steps(Alias::CHAMPION).filter_map(|(_, version)| version);
    let mut former_champions = Vec::new();
    for version in recorded.get(&Alias::CHAMPION).into_iter().chain(before).chain(older) {
        if aliases.get(&Alias::CHAMPION) != Some(&version) && !former_champions.contains(&version) {
            former_champions.push(version);
        }
    }
    Outside { former_champions, archived }
}

/// Whether the newest entry that moved the champion undid the move of a slow writer.
fn champion_was_restored(basis: &Basis<'_>) -> bool {
    let on = |state: &AliasState| state.get(&Alias::CHAMPION);
    let mut effective = basis.effective();
    let moved = effective.find(|record| on(&record.entry.before) != on(&record.entry.after));
    moved.is_some_and(|record| record.entry.operation == EntryKind::Reassert)
}

/// An entry as a policy is shown it.
fn transition(record: &Record) -> Result<Transition> {
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
