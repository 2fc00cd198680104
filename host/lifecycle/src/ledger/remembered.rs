//! The past of a long ledger in the private cache, by the digest of an entry.
//!
//! The digest of an entry names the one before it, and so everything below: what lies there never changes. So a decision that
//! finds one of the newest entries here reads nothing but these, however long the ledger is and however much was stated in it.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ledger::chain::Record;
use crate::ledger::entry::Decided;
use crate::ledger::view::{Basis, Entries, Known};
use crate::ledger::{HOST, Ledger};
use crate::past::crownings;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_ledger_rules::Number;
use hydra_policy::{Context, Operation, Transition};

/// The most policies that are remembered.
const MAX_POLICIES: usize = 64;

/// The past that a decision is based on.
pub(super) struct Remembered {
    pub known: Known,
    /// Whether the cache has what is below the head.
    pub is_kept: bool,
    /// The decisions that moved the champion.
    pub crownings: Vec<(Operation, u64)>,
    /// Policies that are in the archive.
    pub policies: BTreeSet<Sha256>,
}

/// What took effect below an entry.
#[derive(Debug, Serialize, Deserialize)]
struct Below {
    /// The release that wrote it: others may mean something else.
    reader: String,
    /// The newest transitions, newest first.
    transitions: Vec<Transition>,
    /// Whether there are no older ones.
    all: bool,
    /// When the champion became champion, if an entry down to here shows it.
    champion_since: Option<u64>,
    /// The decisions that moved the champion within the last month before it was written.
    crownings: Vec<(Operation, u64)>,
    /// Some of the policies that the entry and those below it name, in the same archive.
    policies: BTreeSet<Sha256>,
}

impl Ledger {
    /// The newest transitions and changes of the champion, if they are known below one of the newest entries.
    pub(super) async fn remembered(&self, basis: &Basis<'_>) -> Result<Option<Remembered>> {
        if self.cache.is_none() || basis.snapshot.window.lowest() <= 1 {
            return Ok(None);
        }
        let mut past = Entries::default();
        for record in basis.effective() {
            past.add(record)?;
            let Some(below) = self.below_in_cache(record).await? else { continue };
            let crownings = [crownings(&past.transitions), below.crownings].concat();
            past.transitions.extend(below.transitions);
            past.champion_since = past.champion_since.or(below.champion_since);
            let reaches = below.all || past.transitions.len() >= Context::HISTORY;
            let known = Known { past, all: below.all };
            let policies = Self::policies_above(basis, record.number, below.policies);
            let is_kept = record.number == basis.head.number;
            return Ok(reaches.then_some(Remembered { known, is_kept, crownings, policies }));
        }
        Ok(None)
    }

    /// The policies that the entries of one archive name: those above entry `number`, and `below` if that is in the same archive.
    pub(super) fn policies_above(
        basis: &Basis<'_>,
        number: Number,
        below: BTreeSet<Sha256>,
    ) -> BTreeSet<Sha256> {
        let mut policies = BTreeSet::new();
        for record in basis.snapshot.window.valid_from(basis.head.number) {
            if record.number <= number {
                policies.extend(below);
                break;
            }
            // What came before a new archive lies in another one.
            if record.entry.archive.is_some() {
                break;
            }
            policies.extend(record.entry.decided.iter().flat_map(Decided::policies));
        }
        policies
    }

    /// Keeps what took effect below the head, unless it is kept already.
    pub(super) async fn remember(&self, basis: &Basis<'_>, found: &Remembered) -> Result<()> {
        let Remembered { known, crownings, policies, .. } = found;
        let head = basis.head;
        let Some(cache) = self.cache.clone().filter(|_| !found.is_kept && basis.snapshot.window.lowest() > 1)
        else {
            return Ok(());
        };
        let transitions = &known.past.transitions;
        let mut own = Entries::default();
        if let Some(newest) = basis.effective().next().filter(|newest| newest.number == head.number) {
            own.add(newest)?;
        }
        let own_transitions = own.transitions.len();
        let own_crowning =
            usize::from(own_transitions > 0 && head.moves_champion() && head.entry.is_decision());
        let older = transitions.iter().skip(own_transitions).take(Context::HISTORY);
        let below = Below {
            reader: HOST.to_owned(),
            transitions: older.cloned().collect(),
            all: known.all && transitions.len() <= Context::HISTORY,
            // If the head moved the champion, its own entry has the time.
            champion_since: known.past.champion_since.filter(|_| own.champion_since.is_none()),
            crownings: crownings.iter().skip(own_crowning).copied().collect(),
            policies: policies.iter().rev().take(MAX_POLICIES).copied().collect(),
        };
        let bytes = serde_json::to_vec(&below).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the past of a ledger as JSON").with_source(error)
        })?;
        cache.put_named(head.digest, bytes).await
    }

    async fn below_in_cache(&self, record: &Record) -> Result<Option<Below>> {
        let Some(cache) = &self.cache else { return Ok(None) };
        let bytes = cache.get_named(record.digest).await?;
        let below: Option<Below> = bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(below.filter(|below| below.reader == HOST))
    }
}
