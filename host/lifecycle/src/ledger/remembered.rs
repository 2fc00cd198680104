//! The past of a long ledger in the private cache, by the digest of an entry.
//!
//! The digest of an entry names the one before it, and so everything below: what lies there never changes. So a decision that
//! finds one of the newest entries here reads nothing but these, however long the ledger is and however much was stated in it.

use serde::{Deserialize, Serialize};

use crate::ledger::Ledger;
use crate::ledger::chain::Record;
use crate::ledger::view::{Basis, Known, is_transition, transition};
use crate::past::crownings;
use hydra_base::Sha256;
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_policy::{Context, Operation, Transition};

/// What took effect below an entry.
#[derive(Debug, Serialize, Deserialize)]
struct Below {
    /// The newest transitions, newest first.
    transitions: Vec<Transition>,
    /// Whether there are no older ones.
    all: bool,
    /// The decisions that moved the champion within the last month before it was written.
    crownings: Vec<(Operation, u64)>,
}

impl Ledger {
    /// The newest transitions and changes of the champion, if they are known below one of the newest entries.
    pub(super) async fn remembered(
        &self,
        basis: &Basis<'_>,
    ) -> Result<Option<(Known, Vec<(Operation, u64)>)>> {
        if self.cache.is_none() || basis.snapshot.window.lowest() <= 1 {
            return Ok(None);
        }
        let mut newer = Vec::new();
        for record in basis.effective() {
            if is_transition(record) {
                newer.push(transition(record)?);
            }
            let Some(below) = self.below_in_cache(record).await? else { continue };
            let crownings = [crownings(&newer), below.crownings].concat();
            let transitions = [newer, below.transitions].concat();
            let reaches = below.all || transitions.len() >= Context::HISTORY;
            return Ok(reaches.then_some((Known { transitions, all: below.all }, crownings)));
        }
        Ok(None)
    }

    /// Keeps what took effect below the head.
    pub(super) async fn remember(
        &self,
        basis: &Basis<'_>,
        known: &Known,
        crownings: &[(Operation, u64)],
    ) -> Result<()> {
        let head = basis.head;
        let Some(cache) = self.cache.clone().filter(|_| basis.snapshot.window.lowest() > 1) else {
            return Ok(());
        };
        let own = basis
            .effective()
            .next()
            .is_some_and(|newest| newest.number == head.number && is_transition(head));
        let own_crowning = usize::from(own && head.moves_champion() && head.entry.is_decision());
        let older = known.transitions.iter().skip(usize::from(own)).take(Context::HISTORY);
        let below = Below {
            transitions: older.cloned().collect(),
            all: known.all && known.transitions.len() <= Context::HISTORY,
            crownings: crownings.iter().skip(own_crowning).copied().collect(),
        };
        let bytes = serde_json::to_vec(&below).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the past of a ledger as JSON").with_source(error)
        })?;
        let digest = head.digest;
        blocking(move || {
            cache.put_past(digest, &bytes);
            Ok(())
        })
        .await
    }

    async fn below_in_cache(&self, record: &Record) -> Result<Option<Below>> {
        let (Some(cache), digest): (_, Sha256) = (self.cache.clone(), record.digest) else { return Ok(None) };
        let bytes = blocking(move || Ok(cache.past(digest))).await?;
        Ok(bytes.and_then(|bytes| serde_json::from_slice(&bytes).ok()))
    }
}
