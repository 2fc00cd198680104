//! Settling: bringing ledger and aliases together before anything new is decided, and after.
//!
//! What to do is decided by [`rules`]; here it is done. The loop is the one that the model check explores: look, assess,
//! act, look again.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, sleep, timeout};

use crate::ledger::Ledger;
use crate::ledger::chain::{APPLIED_TAG, Record};
use crate::ledger::entry::{Kind, tracked};
use crate::ledger::look::Snapshot;
use hydra_base::aliases::{AliasMove, AliasState};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::{self, failpoint};
use hydra_base::jitter;
use hydra_base::names::{Alias, Key, Version};
use hydra_base::time::now;
use hydra_ledger_rules::{AbortReason, Number, Situation, Standing, Windows};

/// One writer at work.
#[derive(Debug)]
pub(super) struct Settler<'a> {
    ledger: &'a Ledger,
    deadline: Instant,
    attempts: u32,
    /// The lowest number that an entry of this writer may have been appended above: down to there it looks for its own.
    pub reach: Number,
    /// The alias states that this writer may have written, until it saw that all is well: should one of them turn up
    /// after its entry was superseded, this writer was the slow one.
    wrote: Vec<(Number, AliasState)>,
}

/// A moment at which aliases and ledger agree.
#[derive(Debug)]
pub(super) struct Quiet {
    /// What was read.
    pub snapshot: Snapshot,
    /// The head.
    pub head: Record,
    /// Whether this writer itself carried the head out.
    pub own_work: bool,
}

/// What the alias slices of a [`Standing`] are made of.
struct Assessed {
    situation: Situation,
    /// The aliases to write, `champion` first, and where to.
    writes: Vec<AliasMove>,
    /// Where the ledger's aliases are, versions that are gone taken out.
    actual: AliasState,
}

impl<'a> Settler<'a> {
    pub fn new(ledger: &'a Ledger) -> Self {
        let deadline = Instant::now() + ledger.settings.deadline;
        Self { ledger, deadline, attempts: 0, reach: Number::MAX, wrote: Vec::new() }
    }

    /// Repairs until aliases and ledger agree. `first` is what was read already.
    pub async fn settle(&mut self, mut first: Option<Snapshot>) -> Result<Quiet> {
        loop {
            let snapshot = match first.take() {
                Some(snapshot) => snapshot,
                None => self.ledger.look(self.reach).await?,
            };
            let head = snapshot.head()?.clone();
            let assessed = self.assess(&snapshot, &head);
            let (snapshot, assessed) = if assessed.situation == Situation::Confirm {
                let Some(confirmed) = self.ledger.confirm(&snapshot).await? else {
                    self.pause().await?;
                    continue;
                };
                let assessed = self.assess(&confirmed, &head);
                (confirmed, assessed)
            } else {
                (snapshot, assessed)
            };
            match assessed.situation {
                Situation::Quiet => {
                    let own_work = self.wrote.last().is_some_and(|(number, _)| *number == head.number);
                    self.wrote.clear();
                    return Ok(Quiet { snapshot, head, own_work });
                }
                Situation::RollForward => first = self.carry_out(&snapshot, &head, &assessed).await?,
                situation => self.repair(situation, &snapshot, &head, assessed).await?,
            }
        }
    }

    /// Waits a little, longer each time and never as long as somebody else. `Contention` at the deadline.
    pub async fn pause(&mut self) -> Result<()> {
        self.attempts += 1;
        let least = Duration::from_millis(10);
        let wait = jitter(least..least + Duration::from_millis(50 << self.attempts.min(5)));
        if Instant::now() + wait > self.deadline {
            return Err(Error::new(
                ErrorKind::Contention,
                "the ledger did not become stable before the deadline",
            )
            .with_context("model", &self.ledger.model)
            .with_context("attempts", self.attempts)
            .with_retryable(true)
            .with_hint("try again; other writers were faster, or a transition is about to expire"));
        }
        sleep(wait).await;
        Ok(())
    }

    /// Goes on after an error that time may heal, gives up on any other.
    pub async fn bear(&mut self, error: Error) -> Result<()> {
        let passing = error.retryable()
            || matches!(
                error.kind(),
                ErrorKind::Timeout | ErrorKind::Unreachable | ErrorKind::Server | ErrorKind::Locked
            );
        if !passing {
            return Err(error);
        }
        tracing::debug!(%error, "a request failed; reading the ledger to see its effect");
        self.pause().await.map_err(|_| error)
    }

    fn assess(&self, snapshot: &Snapshot, head: &Record) -> Assessed {
        let (before, after) = (snapshot.existing(&head.entry.before), snapshot.existing(&head.entry.after));
        let recent: Vec<AliasState> = self.recent(snapshot, head);
        let names = names(&[&before, &after]);
        let actual: AliasState = names
            .iter()
            .map(|alias| (alias.clone(), snapshot.registered.aliases.get(alias).copied()))
            .collect();
        let actual = snapshot.existing(&actual);
        let row = |aliases: &AliasState| -> Vec<hydra_ledger_rules::Target> {
            names.iter().map(|alias| aliases.get(alias).map(Version::get)).collect()
        };
        let recent_rows: Vec<Vec<hydra_ledger_rules::Target>> = recent.iter().map(row).collect();
        let recent_slices: Vec<&[hydra_ledger_rules::Target]> =
            recent_rows.iter().map(Vec::as_slice).collect();
        let (before, after_row, actual_row) = (row(&before), row(&after), row(&actual));
        let standing = Standing {
            before: &before,
            after: &after_row,
            actual: &actual_row,
            confirmed: snapshot.confirmed,
            observation: head.entry.is_observation(),
            settled: head.is_settled(),
            timeliness: self.timeliness(snapshot, head),
            target_gone: head.entry.target.is_some_and(|target| snapshot.gone.contains(&target)),
            recent: &recent_slices,
        };
        let situation = hydra_ledger_rules::assess(&standing);
        let writes = (0..names.len()).filter(|&index| hydra_ledger_rules::is_written(&standing, index));
        let writes = writes
            .map(|index| AliasMove { alias: names[index].clone(), version: after.get(&names[index]) })
            .collect();
        Assessed { situation, writes, actual }
    }

    fn timeliness(&self, snapshot: &Snapshot, head: &Record) -> hydra_ledger_rules::Timeliness {
        let entry = &head.entry;
        let life = u64::try_from(entry.expires.saturating_sub(entry.at)).unwrap_or(0);
        let age = snapshot.age(entry.at).max(snapshot.age(head.created_at));
        Windows { expiry: life, ..self.ledger.settings.windows }.timeliness(age)
    }

    fn recent(&self, snapshot: &Snapshot, head: &Record) -> Vec<AliasState> {
        let chain: Vec<&Record> = snapshot.window.valid_from(head.number).collect();
        let superseded = chain
            .windows(2)
            .take_while(|pair| self.ledger.settings.windows.may_be_slow(snapshot.age(pair[0].created_at)));
        let own = self.wrote.iter().filter(|(number, _)| *number != head.number);
        superseded
            // A local store's transaction leaves no writer behind who could be slow.
            .filter(|pair| !pair[1].atomic)
            .map(|pair| snapshot.existing(pair[1].state()))
            .chain(own.map(|(_, state)| snapshot.existing(state)))
            .collect()
    }

    /// Writes the aliases side by side, `champion` sent first, then marks the entry while looking again. No write is sent
    /// after the lease, which counts from before the head was asked for.
    async fn carry_out(
        &mut self,
        snapshot: &Snapshot,
        head: &Record,
        assessed: &Assessed,
    ) -> Result<Option<Snapshot>> {
        let windows = self.ledger.settings.windows;
        let elapsed = u64::try_from(snapshot.asked_at.elapsed().as_millis()).unwrap_or(u64::MAX);
        if !windows.may_write(elapsed) {
            self.pause().await?;
            return Ok(None);
        }
        let mut writes = assessed.writes.clone();
        for (alias, side) in &head.entry.side {
            if snapshot.registered.aliases.get(alias).copied() == side.from && side.from != side.to {
                writes.push(AliasMove { alias: alias.clone(), version: side.to });
            }
        }
        failpoint("ledger.before-aliases");
        if !writes.is_empty() {
            self.wrote.push((head.number, head.state().clone()));
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
                        return self.ledger.confirm(snapshot).await;
                    }
                    Err(error) => {
                        self.bear(error).await?;
                        return Ok(None);
                    }
                }
            }
        }
        failpoint("ledger.before-mark");
        let registry = &self.ledger.backend.registry;
        let key = Key::new(APPLIED_TAG)?;
        // Never the moment at which the entry was made: that is how entries are marked that took effect at once.
        let moment = now().max(head.entry.at.saturating_add(1)).to_string();
        let mark = registry.set_version_tag(&self.ledger.name, Version::new(head.number)?, &key, &moment);
        let (marked, looked) = join(mark, self.ledger.look(self.reach)).await;
        match marked {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::VersionNotFound => {
                self.pause().await?;
                return Ok(None);
            }
            Err(error) => {
                self.bear(error).await?;
                return Ok(None);
            }
        }
        failpoint("ledger.marked");
        let mut snapshot = looked?;
        // The look may have been answered before the mark was there.
        snapshot.window.mark_applied(head.number);
        Ok(Some(snapshot))
    }

    async fn write(&self, AliasMove { alias, version }: &AliasMove) -> Result<()> {
        let registry = &self.ledger.backend.registry;
        match version {
            Some(version) => registry.set_alias(&self.ledger.model, alias, *version).await,
            None => registry.delete_alias(&self.ledger.model, alias).await,
        }
    }

    /// Appends the entry that the situation asks for. Whether it is valid shows at the next look.
    async fn repair(
        &mut self,
        situation: Situation,
        snapshot: &Snapshot,
        head: &Record,
        assessed: Assessed,
    ) -> Result<()> {
        let (before, after) = (snapshot.existing(&head.entry.before), snapshot.existing(&head.entry.after));
        // What the head never moved stays as it is when the head is undone.
        let restored = || {
            after
                .iter()
                .map(|(alias, version)| {
                    (alias.clone(), if before.contains(alias) { before.get(alias) } else { version })
                })
                .collect()
        };
        let (kind, from, to, why) = match situation {
            Situation::Abort(reason) => (Kind::Aborted, after.clone(), restored(), abort_text(reason, head)),
            Situation::Reassert => {
                let why = format!("a slow writer overwrote the aliases of entry {}", head.number);
                (Kind::Reassert, assessed.actual, after, why)
            }
            Situation::Adopt => {
                let why = "aliases were moved without the ledger".to_owned();
                (Kind::External, after, assessed.actual, why)
            }
            Situation::Quiet | Situation::Confirm | Situation::RollForward | Situation::Wait => {
                return self.pause().await;
            }
        };
        tracing::warn!(model = %self.ledger.model, head = head.number, repair = %kind, "{why}");
        let mut entry = self.ledger.entry(kind, head.number, Some(head.digest), from, to, why);
        entry.target = if kind == Kind::Aborted { head.entry.target } else { None };
        match self.ledger.append(&mut entry).await {
            Ok(_) => {
                failpoint("ledger.repair-appended");
                Ok(())
            }
            Err(error) => self.bear(error).await,
        }
    }
}

fn names(states: &[&AliasState]) -> Vec<Alias> {
    let mut names: BTreeSet<Alias> =
        states.iter().flat_map(|state| tracked(state).aliases().cloned().collect::<Vec<_>>()).collect();
    names.remove(&Alias::CHAMPION);
    std::iter::once(Alias::CHAMPION).chain(names).collect()
}

fn abort_text(reason: AbortReason, head: &Record) -> String {
    let number = head.number;
    match reason {
        AbortReason::Expired => format!("entry {number} was interrupted and not completed in time"),
        AbortReason::TargetDeleted => {
            format!("the version of entry {number} was deleted before it took effect")
        }
        AbortReason::Outdated => {
            format!("the aliases found in entry {number} were moved back before it was appended")
        }
    }
}
