//! Whether each entry carries the standing that follows from the entry before it.

use super::Standing;
use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::entry::{EntryKind, StandingRef};
use crate::ledger::errors::is_lost;
use hydra_base::error::{ErrorKind, Result};
use hydra_ledger_rules::Number;
use hydra_ledger_rules::standing::Act;

/// What is wrong with the standing of an entry: the entry's number, and the reason for people.
pub(in crate::ledger) type StandingFlaw = (Number, String);

/// An audit of the chain from the newest entry down, in constant memory.
#[derive(Debug)]
pub(in crate::ledger) struct StandingAudit<'a> {
    ledger: &'a Ledger,
    /// The document that was read last.
    last: Option<(StandingRef, Option<Standing>)>,
    /// An entry that aborted another one, and the standing that it restored: to be found one entry further down.
    restored: Option<(Number, Option<StandingRef>)>,
}

impl<'a> StandingAudit<'a> {
    pub fn new(ledger: &'a Ledger) -> Self {
        Self { ledger, last: None, restored: None }
    }

    /// Checks that the document that the head names is in the archive.
    pub async fn head(&mut self, head: &Record) -> Result<Option<StandingFlaw>> {
        match head.entry.standing {
            Some(reference) => self.document(head.number, reference).await.map(Result::err),
            None => Ok(None),
        }
    }

    /// Forgets what it has seen: the next pair of entries is not adjacent in the chain.
    pub fn skip(&mut self) {
        self.restored = None;
    }

    /// Checks `newer`, which follows `older`.
    pub async fn pair(&mut self, newer: &Record, older: &Record) -> Result<Option<StandingFlaw>> {
        let misfit =
            |number| Some((number, "its standing does not follow from the entry before it".to_owned()));
        if let Some((number, restored)) = self.restored.take()
            && restored != older.entry.standing
        {
            return Ok(misfit(number));
        }
        let (found, start) = (newer.entry.standing, older.entry.standing);
        let expected = match newer.entry.operation {
            EntryKind::Aborted => {
                self.restored = Some((newer.number, found));
                return Ok(None);
            }
            // A checkpoint takes the newest standing that can be read, also from above the damage.
            EntryKind::Checkpoint
                if start.is_none_or(|start| found.is_some_and(|found| found.number > start.number)) =>
            {
                return Ok(None);
            }
            _ => newer.entry.with_act(|act| carries(&act, start)).then_some(start),
        };
        let expected = match (expected, start) {
            (Some(expected), _) => expected,
            (None, None) => next(&Standing::none(&self.ledger.id), newer, None)?,
            (None, Some(reference)) => match self.document(older.number, reference).await? {
                Ok(standing) => next(&standing, newer, start)?,
                Err(flaw) => return Ok(Some(flaw)),
            },
        };
        Ok(if expected == found { None } else { misfit(newer.number) })
    }

    /// The document that entry `number` names, or what is wrong with it.
    async fn document(
        &mut self,
        number: Number,
        reference: StandingRef,
    ) -> Result<Result<Standing, StandingFlaw>> {
        let missing = || (number, "its standing document is not in the archive".to_owned());
        if let Some((last, standing)) = &self.last
            && *last == reference
        {
            return Ok(standing.clone().ok_or_else(missing));
        }
        let standing = match self.ledger.archived_standing(reference).await {
            Ok(bytes) => match Standing::decode(&bytes) {
                Ok(standing) => Some(standing),
                Err(error) if error.kind() == ErrorKind::LedgerBroken => {
                    return Ok(Err((number, error.to_string())));
                }
                Err(error) => return Err(error),
            },
            Err(error) if is_lost(&error) => None,
            Err(error) => return Err(error),
        };
        self.last = Some((reference, standing.clone()));
        Ok(standing.ok_or_else(missing))
    }
}

/// Whether the act cannot change the standing, so that the document need not be read.
fn carries(act: &Act<'_>, start: Option<StandingRef>) -> bool {
    match act {
        Act::Carry | Act::Abort => true,
        Act::Found { crowned } => crowned.is_none() || start.is_none(),
        Act::Decision { crowned, quarantines } => {
            quarantines.is_empty() && (crowned.is_none() || start.is_none())
        }
        Act::Quarantine(_) | Act::Release(_) | Act::Approve(_) | Act::Activate(_) | Act::ApprovePolicy(_) => {
            false
        }
    }
}

/// What `newer` must carry when it starts from `standing`.
fn next(standing: &Standing, newer: &Record, start: Option<StandingRef>) -> Result<Option<StandingRef>> {
    match standing.after(&newer.entry) {
        Some(changed) => changed.encode().map(|(_, reference)| Some(reference)),
        None => Ok(start),
    }
}
