//! The steps of a writer: read and assess; then repair, append or write aliases; then read again.

use crate::judging::{judge, read_head, recheck};
use crate::mutation::Mutation;
use crate::rules::{Found, Situation};
use crate::standing::Standing;
use crate::world::{Aliases, Cause, Entry, Kind, Setup, WINDOWS, World, find_head};

/// The task of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Task {
    /// Move `champion` to this version.
    Promote(u8),
    /// Move `champion` to this version if the version has an approval.
    PromoteApproved(u8),
    /// Swap `champion` and `archived`.
    Rollback,
    /// Swap `champion` and `archived`, and put the former champion in quarantine.
    RollbackAndQuarantine,
    /// Put this version in quarantine.
    Quarantine(u8),
    /// End the quarantine of this version.
    Release(u8),
    /// Approve this version.
    Approve(u8),
    /// Make this policy the active one; zero: none.
    Activate(u8),
    /// Approve this policy as the active one; zero: that none is.
    ApprovePolicy(u8),
    /// Make aliases and ledger consistent, and bridge damage.
    Repair,
}

/// The outcome of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The operation required no change.
    Nothing,
    /// The operation was recorded, and then carried out or superseded by a later entry.
    Committed,
    /// The operation was recorded, but a later entry states that it never took effect.
    Aborted,
}

/// The next step of a writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Read the aliases.
    ReadAliases,
    /// Read the ledger, after the aliases.
    ReadHead,
    /// Read the aliases again, after the head, because the first reads disagree.
    Confirm,
    /// Check that the assessed head is still the head.
    Recheck,
    /// Read the ledger once more, after everything that could overwrite the head, and then append this entry on top of it.
    FinalAppend(Entry),
    /// Append this entry.
    Append(Entry),
    /// Read the ledger after an append of the writer's own operation. If that is the head now, the writer carries it out from
    /// the aliases that it was decided on, without reading them again.
    ReadBack,
    /// Read the ledger once more, after everything that could overwrite the head, and then write the aliases of this bit mask.
    Final(u8),
    /// Write the aliases of this bit mask.
    Write(u8),
    /// Mark the head as applied, and then read again.
    Mark,
    /// The operation ended.
    Done(Outcome),
    /// The writer stopped because the ledger is damaged.
    Stopped,
    /// The writer crashed.
    Dead,
}

/// The state of one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Writer {
    /// The task, constant over the writer's life.
    pub task: Task,
    /// The next step.
    pub phase: Phase,
    /// The number of the head that the writer read last.
    pub head: u8,
    /// The operation of that head.
    pub operation: u8,
    /// Whether that head was settled.
    pub settled: bool,
    /// The aliases that the writer read last.
    pub seen: Aliases,
    /// Ghost: whether a difference between head and aliases had a cause outside the ledger.
    pub justified: bool,
    /// The assessment at the time of the confirming read. A later assessment could see a higher age, and with it an
    /// expiry.
    pub judged: Situation,
    /// Whether the assessment uses aliases that were read after the head.
    pub confirmed: bool,
    /// The aliases to write, as a bit mask.
    pub mask: u8,
    /// The time since the writer read the head, in ticks.
    pub lease: u8,
    /// The number of the entry whose aliases the writer last wrote; zero after it verified them.
    pub wrote: u8,
    /// The number of an entry whose aliases the writer wrote before `wrote`, not yet verified.
    pub wrote_before: u8,
    /// A create whose answer was lost; the store may still handle it.
    pub pending: Option<Entry>,
    /// The decision to repeat, for [`Mutation::NoRedecision`].
    pub repeat: Option<Aliases>,
    /// The standing that the writer saw first, for [`Mutation::StaleStanding`].
    pub first_standing: Option<Standing>,
}

impl Writer {
    /// A writer before its first step.
    #[must_use]
    pub fn new(task: Task) -> Self {
        Self {
            task,
            phase: Phase::ReadAliases,
            head: 0,
            operation: 0,
            settled: false,
            seen: [0; 2],
            justified: false,
            judged: Situation::Quiet,
            confirmed: false,
            mask: 0,
            lease: 0,
            wrote: 0,
            wrote_before: 0,
            pending: None,
            repeat: None,
            first_standing: None,
        }
    }

    /// Whether the writer still takes steps.
    #[must_use]
    pub fn is_live(&self) -> bool {
        !matches!(self.phase, Phase::Done(_) | Phase::Stopped | Phase::Dead)
    }

    /// Whether the writer's next step depends on the details of entry `number`.
    #[must_use]
    pub fn looks_at(&self, number: u8) -> bool {
        self.is_live() && (self.head == number || self.wrote == number || self.wrote_before == number)
    }

    /// Resets everything that the next step does not use.
    pub fn canonicalise(&mut self) {
        let uses_head = matches!(
            self.phase,
            Phase::Confirm
                | Phase::Recheck
                | Phase::FinalAppend(_)
                | Phase::Final(_)
                | Phase::Write(_)
                | Phase::Mark
        );
        if !uses_head {
            self.head = 0;
            self.operation = 0;
            self.settled = false;
        }
        if !matches!(self.phase, Phase::ReadHead | Phase::Recheck) {
            self.seen = [0; 2];
            self.justified = false;
            self.judged = Situation::Quiet;
            self.confirmed = false;
            self.mask = 0;
        }
        let is_leased =
            matches!(self.phase, Phase::Final(_) | Phase::Write(_) | Phase::ReadHead | Phase::Recheck);
        self.lease = if is_leased { self.lease.min(WINDOWS.lease as u8 + 1) } else { 0 };
        if let Phase::Append(entry) | Phase::FinalAppend(entry) = &mut self.phase {
            entry.decided = entry.decided.min(WINDOWS.expiry as u8);
        }
        if let Some(entry) = &mut self.pending {
            entry.decided = entry.decided.min(WINDOWS.expiry as u8);
        }
        if !self.is_live() {
            self.wrote = 0;
            self.wrote_before = 0;
            self.repeat = None;
            self.first_standing = None;
        }
    }
}

/// The variants of a writer's step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Choice {
    /// The normal step; for alias writes, the first outstanding alias.
    Plain,
    /// Writes the second alias before the first.
    SecondAlias,
    /// Loses the answer of the append; the store handles the request later or never.
    LoseAnswer,
    /// Appends under the number of the newest entry, and overwrites it.
    Overwrite,
}

/// The next step of writer `who`; `None` if the step does not have this variant.
#[must_use]
pub fn step(setup: &Setup, world: &World, who: usize, choice: Choice) -> Option<World> {
    let mut next = *world;
    let mutation = setup.mutation;
    let phase = world.writers[who].phase;
    let exists = match choice {
        Choice::Plain => true,
        Choice::SecondAlias => setup.split_writes && phase == Phase::Write(3),
        Choice::LoseAnswer => world.lost_answers > 0 && matches!(phase, Phase::Append(_)),
        Choice::Overwrite => matches!(phase, Phase::Append(entry) if world.can_overwrite(&entry)),
    };
    if !exists {
        return None;
    }
    match phase {
        Phase::ReadAliases => {
            next.writers[who].seen = world.aliases;
            next.writers[who].lease = 0;
            next.writers[who].phase = Phase::ReadHead;
            if !setup.split_reads {
                read_head(setup, &mut next, who);
            }
        }
        // Two reads too far apart are not evidence.
        Phase::ReadHead if !WINDOWS.may_write(world.writers[who].lease.into()) => {
            next.writers[who].phase = Phase::ReadAliases;
        }
        Phase::ReadHead => read_head(setup, &mut next, who),
        Phase::Confirm => {
            next.writers[who].lease = 0;
            let head_entry = world.entry(world.writers[who].head);
            let head_after = world.existing(head_entry.after);
            next.writers[who].seen = world.aliases;
            judge(setup, &mut next, who, true);
            let writer = &mut next.writers[who];
            let deleted = world.existing(head_entry.after) != head_entry.after;
            writer.justified = deleted
                || (0..2).any(|i| {
                    world.existing(world.aliases)[i] != head_after[i]
                        && match world.causes[i] {
                            Cause::Ledger => false,
                            Cause::Outside => true,
                            Cause::SlowWriter(slow, age) => {
                                let away = !matches!(world.writers[usize::from(slow)].phase, Phase::Done(_));
                                away && usize::from(slow) != who && !WINDOWS.may_be_slow(age.into())
                            }
                        }
                });
            writer.phase = Phase::Recheck;
            if !setup.split_reads {
                recheck(setup, &mut next, who);
            }
        }
        Phase::Recheck => recheck(setup, &mut next, who),
        Phase::Append(entry) => {
            if entry.kind != Kind::Void && world.appends == 0 {
                return None;
            }
            next.writers[who].phase = Phase::ReadAliases;
            if choice == Choice::LoseAnswer {
                if world.writers[who].pending.is_some() {
                    return None;
                }
                next.lost_answers -= 1;
                next.writers[who].pending = Some(entry);
            } else if entry.kind != Kind::Void {
                if choice == Choice::Overwrite {
                    next.overwrite(entry);
                } else {
                    next.append(entry);
                }
                if entry.kind == Kind::Operation {
                    next.writers[who].phase = Phase::ReadBack;
                    if !setup.reads_back() {
                        read_back(setup, &mut next, who);
                    }
                }
            }
        }
        Phase::ReadBack => {
            next.newest_is_final = true;
            read_back(setup, &mut next, who);
        }
        Phase::FinalAppend(_) | Phase::Final(_) => {
            let writer = world.writers[who];
            let same = matches!(find_head(world), Found::Head { number, damage: 0 }
                if number == u64::from(writer.head) && world.entry(writer.head).operation == writer.operation);
            next.newest_is_final = true;
            next.writers[who].phase = match phase {
                _ if !same => Phase::ReadAliases,
                Phase::FinalAppend(entry) => Phase::Append(entry),
                Phase::Final(mask) if mask != 0 => Phase::Write(mask),
                _ => Phase::Mark,
            };
        }
        Phase::Write(mask) => {
            let writer = &world.writers[who];
            let alias = usize::from(mask & 1 == 0 || choice == Choice::SecondAlias);
            let entry = *world.entry(writer.head);
            let in_time = WINDOWS.may_write(writer.lease.into()) || mutation == Some(Mutation::NoLease);
            if !in_time
                || world.is_gone(entry.after[alias]) && mutation != Some(Mutation::IgnoreDeletedTarget)
            {
                next.writers[who].phase = Phase::ReadAliases;
            } else {
                let done = if setup.split_writes { 1 << alias } else { mask };
                for alias in (0..2).filter(|alias| done & (1 << alias) != 0) {
                    next.write_alias(who, alias, world.existing(entry.after)[alias]);
                }
                if writer.wrote != writer.head && writer.wrote_before == 0 {
                    next.writers[who].wrote_before = writer.wrote;
                }
                next.writers[who].wrote = writer.head;
                let rest = mask & !done;
                next.writers[who].phase = if rest == 0 { Phase::Mark } else { Phase::Write(rest) };
                if rest == 0 && mutation == Some(Mutation::NoVerify) && world.recorded[who].is_some() {
                    next.log[usize::from(writer.head) - 1].applied = true;
                    next.writers[who].phase = Phase::Done(Outcome::Committed);
                }
            }
        }
        Phase::Mark => {
            let head = world.writers[who].head;
            next.log[usize::from(head) - 1].applied = true;
            next.writers[who].phase = Phase::ReadAliases;
        }
        Phase::Done(_) | Phase::Stopped | Phase::Dead => return None,
    }
    Some(next)
}

/// Goes on from the writer's own entry, from the aliases that it was decided on, if that is the head.
fn read_back(setup: &Setup, world: &mut World, who: usize) {
    let head = match find_head(world) {
        Found::Head { number, damage: 0 } => Some(*world.entry(number as u8)),
        _ => None,
    };
    match head.filter(|entry| entry.operation == who as u8 + 1) {
        Some(own) => {
            world.writers[who].seen = own.before;
            world.writers[who].lease = 0;
            read_head(setup, world, who);
        }
        None => world.writers[who].phase = Phase::ReadAliases,
    }
}

impl World {
    /// Sets an alias for a writer, and updates the ghost that states whether the head requires the value.
    fn write_alias(&mut self, who: usize, alias: usize, version: u8) {
        let (head, _) = self.scan();
        let writer_head = self.writers[who].head;
        let wanted =
            writer_head == head || head == 0 || self.existing(self.entry(head).after)[alias] == version;
        self.aliases[alias] = version;
        self.wrote_last[alias] = who as u8 + 1;
        self.causes[alias] = match self.superseded(writer_head) {
            _ if wanted => Cause::Ledger,
            Some(age) if !self.is_damaged() => Cause::SlowWriter(who as u8, age),
            // The entries that would identify the writer may be deleted, so the value counts as an outside move.
            _ => Cause::Outside,
        };
    }
}
