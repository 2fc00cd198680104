//! Settling: bringing ledger and aliases together before anything new is decided, and after.
//!
//! [`hydra_ledger_rules`] decides what to do; here it is done. The loop is the one that the model check explores: look, assess,
//! act, look again.

mod assessing;
mod repairs;

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::{Instant, sleep, timeout};

use crate::ledger::LedgerWriter;
use crate::ledger::chain::Record;
use crate::ledger::look::Snapshot;
use crate::ledger::mark::{APPLIED_TAG, Mark};
use crate::ledger::numbering::Numbering;
use hydra_base::aliases::AliasMove;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::{self, failpoint};
use hydra_base::jitter;
use hydra_base::names::{Key, Version};
use hydra_base::time::now;
use hydra_ledger_rules::{Number, Situation};

pub(super) use assessing::{Assessed, assess, restored};

/// One writer at work.
#[derive(Debug)]
pub(super) struct Settler<'a> {
    writer: &'a LedgerWriter,
    deadline: Instant,
    attempts: u32,
    /// The lowest number that this writer may have appended an entry above; `None` until it sends one. Looks go down to it.
    reach: Option<Number>,
    /// The base of the newest entry that this writer sent and that may still turn up in the chain; `None` when it is known
    /// what became of all.
    unclear: Option<Number>,
    /// Whether a look found damage.
    seen_damage: bool,
    /// The entries whose aliases this writer may have written, until it saw that all is well: should one of their values
    /// turn up after its entry was superseded, this writer was the slow one.
    wrote: Vec<Record>,
    /// The tags that this writer may have written, until it saw that the head for which it wrote them is still the head. Otherwise
    /// another writer may have written a tag before, and this one after.
    mirrored: Option<Mirrored>,
}

/// The tags that a writer may have written.
#[derive(Debug, Default)]
struct Mirrored {
    /// The head for which it wrote them last.
    head: Number,
    /// The versions.
    versions: BTreeSet<Version>,
    /// Whether the one of the model that names its active policy is among them.
    policy: bool,
}

/// Aliases and ledger, read when they agreed.
#[derive(Debug)]
pub(super) struct Quiet {
    /// What was read.
    pub snapshot: Snapshot,
    /// The head.
    pub head: Record,
    /// Whether this writer itself carried the head out.
    pub own_work: bool,
}

impl<'a> Settler<'a> {
    pub fn new(writer: &'a LedgerWriter) -> Self {
        let deadline = Instant::now() + writer.settings.deadline;
        Self {
            writer,
            deadline,
            attempts: 0,
            reach: None,
            unclear: None,
            seen_damage: false,
            wrote: Vec::new(),
            mirrored: None,
        }
    }

    /// Notes that an entry is about to be appended on top of `head`.
    pub fn will_append_above(&mut self, head: Number) {
        self.reach = Some(self.reach.map_or(head, |reach| reach.min(head)));
        self.unclear = Some(head);
    }

    /// Notes that the store refused the entry that was sent on top of the head.
    pub fn was_refused(&mut self) {
        self.unclear = None;
    }

    /// Notes that the chain up to `head` has no entry of this writer. What it sent on top of an older head is void, even if
    /// the store takes it later.
    pub fn is_not_recorded(&mut self, head: Number) {
        self.unclear = self.unclear.filter(|base| *base >= head);
    }

    /// Whether an entry that this writer sent may be in the chain, or come there.
    pub fn may_be_recorded(&self) -> bool {
        self.unclear.is_some()
    }

    /// [`Ledger::confirm`](crate::ledger::Ledger), down to this writer's own entries and to those that may still have slow
    /// writers.
    pub async fn confirm(&self, snapshot: &Snapshot) -> Result<Option<Snapshot>> {
        let reach = self.reach.into_iter().chain(self.reach_of_slow_writers(snapshot)).min();
        self.writer.ledger.confirm(snapshot, reach).await
    }

    /// Repairs until aliases and ledger agree. `first` is what was read already.
    pub async fn settle(&mut self, mut first: Option<Snapshot>) -> Result<Quiet> {
        loop {
            let snapshot = match first.take() {
                Some(snapshot) => snapshot,
                None => self.writer.ledger.look(self.reach).await?,
            };
            let head = match snapshot.head() {
                // The remedy gives up what is damaged, so it is not named after one observation.
                Err(error) if error.kind() == ErrorKind::LedgerBroken && !self.seen_damage => {
                    self.seen_damage = true;
                    self.pause().await?;
                    continue;
                }
                head => head?.clone(),
            };
            let assessed = self.assess(&snapshot, &head);
            let (snapshot, assessed) = if assessed.situation == Situation::Confirm {
                let Some(confirmed) = self.confirm(&snapshot).await? else {
                    self.pause().await?;
                    continue;
                };
                let assessed = self.assess(&confirmed, &head);
                (confirmed, assessed)
            } else {
                (snapshot, assessed)
            };
            match assessed.situation {
                Situation::Quiet if self.has_to_mirror_again(&head) => self.mirror_again(&head).await?,
                Situation::Quiet => {
                    let own_work = self.wrote.last().is_some_and(|wrote| wrote.digest == head.digest);
                    self.wrote.clear();
                    self.mirrored = None;
                    return Ok(Quiet { snapshot, head, own_work });
                }
                Situation::RollForward => first = self.carry_out(&snapshot, &head, &assessed).await?,
                situation => self.append_repair(situation, &snapshot, &head, assessed).await?,
            }
        }
    }

    /// Waits for 10 to 60 ms, up to 1.6 s in later attempts, at random: writers must not keep in step. `Contention` at the
    /// deadline.
    pub async fn pause(&mut self) -> Result<()> {
        self.attempts += 1;
        let least = Duration::from_millis(10);
        let wait = jitter(least..least + Duration::from_millis(50 << self.attempts.min(5)));
        if Instant::now() + wait > self.deadline {
            return Err(Error::new(
                ErrorKind::Contention,
                "the ledger did not become stable before the deadline",
            )
            .with_context("model", &self.writer.ledger.model)
            .with_context("attempts", self.attempts)
            .with_retryable(true)
            .with_hint("try again; other writers were faster, or a transition is about to expire"));
        }
        sleep(wait).await;
        Ok(())
    }

    /// Pauses after an error that may be gone at the next attempt, and returns every other error.
    pub async fn pause_if_transient(&mut self, error: Error) -> Result<()> {
        let transient = error.retryable()
            || matches!(
                error.kind(),
                ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Server | ErrorKind::Locked
            );
        if !transient {
            return Err(error);
        }
        tracing::debug!(%error, "a request failed; reading the ledger to see its effect");
        self.pause().await.map_err(|_| error)
    }

    fn assess(&self, snapshot: &Snapshot, head: &Record) -> Assessed {
        assess(snapshot, head, self.writer.settings.windows, &self.wrote)
    }

    /// The number down to which entries were superseded so recently that they may still have slow writers.
    fn reach_of_slow_writers(&self, snapshot: &Snapshot) -> Option<Number> {
        let head = snapshot.readable_head()?;
        let windows = self.writer.settings.windows;
        let recent = |record: &&Record| windows.may_be_slow(snapshot.age(record.created_at));
        let oldest = snapshot.window.valid_from(head.number).take_while(recent).last()?;
        if oldest.entry.base < snapshot.window.lowest() {
            // Every entry that was read is recent, and older ones may be: read twice as far down.
            return Some(oldest.number / 2);
        }
        Some(oldest.entry.base)
    }

    /// Writes the aliases side by side, `champion` sent first, then the tags of versions, then marks the entry, and looks again:
    /// what was written counts as done only if it stands after the mark. No alias is written after the lease, which counts from
    /// before the head was asked for. The tags come after the champion, so that a transition whose tags are there has started and is
    /// never aborted.
    async fn carry_out(
        &mut self,
        snapshot: &Snapshot,
        head: &Record,
        assessed: &Assessed,
    ) -> Result<Option<Snapshot>> {
        if !self.is_final(snapshot, head).await? {
            self.pause().await?;
            return Ok(None);
        }
        let windows = self.writer.settings.windows;
        let elapsed = u64::try_from(snapshot.asked_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !windows.may_write(elapsed) {
            self.pause().await?;
            return Ok(None);
        }
        let mut writes = assessed.writes.clone();
        writes.extend(head.entry.side_moves(&snapshot.registered.aliases));
        failpoint("ledger.before-aliases");
        if !writes.is_empty() {
            self.wrote.push(head.clone());
            if failpoint::is_set("ledger.between-aliases") {
                self.write(&writes[0]).await?;
                failpoint("ledger.between-aliases");
            }
            let lease = Duration::from_millis(windows.lease - elapsed);
            let sent = join_all(writes.iter().map(|write| self.write(write)));
            let Ok(results) = timeout(lease, sent).await else {
                self.pause().await?;
                return Ok(None);
            };
            for result in results {
                match result {
                    Ok(()) => {}
                    // A version was deleted meanwhile: the next look finds out which.
                    Err(error) if error.kind() == ErrorKind::VersionNotFound => {
                        self.pause().await?;
                        return self.confirm(snapshot).await;
                    }
                    Err(error) => {
                        self.pause_if_transient(error).await?;
                        return Ok(None);
                    }
                }
            }
        }
        if let Err(error) = self.mirror(head).await {
            self.pause_if_transient(error).await?;
            return Ok(None);
        }
        failpoint("ledger.before-mark");
        let registry = &self.writer.ledger.backend.registry;
        let key = Key::new(APPLIED_TAG)?;
        let later = Mark::later(now());
        let number = Version::new(head.number)?;
        match registry.set_version_tag(&self.writer.ledger.name, number, &key, &later).await {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::VersionNotFound => {
                self.pause().await?;
                return Ok(None);
            }
            Err(error) => {
                self.pause_if_transient(error).await?;
                return Ok(None);
            }
        }
        failpoint("ledger.marked");
        self.writer.ledger.look(self.reach).await.map(Some)
    }

    /// Whether no other entry can turn out to have the number of the head: aliases must not be moved by one of two.
    async fn is_final(&self, snapshot: &Snapshot, head: &Record) -> Result<bool> {
        let (ledger, then) = (&self.writer.ledger, Instant::now());
        let numbering = ledger.numbering().await?;
        if snapshot.is_final || numbering == Numbering::Unique {
            return Ok(true);
        }
        Ok(ledger.read_back(head, then, numbering).await?.is_some())
    }

    async fn write(&self, AliasMove { alias, version }: &AliasMove) -> Result<()> {
        let registry = &self.writer.ledger.backend.registry;
        match version {
            Some(version) => registry.set_alias(&self.writer.ledger.model, alias, *version).await,
            None => registry.delete_alias(&self.writer.ledger.model, alias).await,
        }
    }
}
