//! The steps of a writer: read and assess; then repair, append or write aliases; then read again.

use crate::deciding::{new_entry, on_top, own_outcome, proceed};
use crate::mutation::Mutation;
use crate::rules::{self, AliasView, Found, Situation, Target};
use crate::standing::Standing;
use crate::world::{Aliases, CAPACITY, Cause, Entry, Kind, Setup, WINDOWS, World, find_head, targets};

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
    /// Append this entry.
    Append(Entry),
    /// Read the ledger after an append of the writer's own operation. If that is the head now, the writer carries it out from
    /// the aliases that it was decided on, without reading them again.
    ReadBack,
    /// Write the aliases of this bit mask.
    Write(u8),
    /// Mark the head as applied.
    Mark,
    /// Mark the head as applied, after the aliases were read for the verification.
    LateMark,
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
            Phase::Confirm | Phase::Recheck | Phase::Write(_) | Phase::Mark | Phase::LateMark
        );
        if !uses_head {
            self.head = 0;
            self.settled = false;
        }
        if !matches!(self.phase, Phase::ReadHead | Phase::Recheck | Phase::LateMark) {
            self.seen = [0; 2];
            self.justified = false;
            self.judged = Situation::Quiet;
            self.confirmed = false;
            self.mask = 0;
        }
        self.lease =
            if matches!(self.phase, Phase::Write(_) | Phase::ReadHead | Phase::LateMark | Phase::Recheck) {
                self.lease.min(WINDOWS.lease as u8 + 1)
            } else {
                0
            };
        if let Phase::Append(entry) = &mut self.phase {
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
    /// Reads the aliases for the verification before the mark.
    ReadBeforeMark,
    /// Loses the answer of the append; the store handles the request later or never.
    LoseAnswer,
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
        Choice::ReadBeforeMark => setup.split_reads && phase == Phase::Mark,
        Choice::LoseAnswer => world.lost_answers > 0 && matches!(phase, Phase::Append(_)),
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
                next.append(entry);
                if entry.kind == Kind::Operation {
                    next.writers[who].phase = Phase::ReadBack;
                }
            }
        }
        Phase::ReadBack => {
            let head = match find_head(world) {
                Found::Head { number, damage: 0 } => Some(world.entry(number as u8)),
                _ => None,
            };
            match head.filter(|entry| entry.operation == who as u8 + 1) {
                Some(own) => {
                    next.writers[who].seen = own.before;
                    next.writers[who].lease = 0;
                    read_head(setup, &mut next, who);
                }
                None => next.writers[who].phase = Phase::ReadAliases,
            }
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
        // The mark and the next reads are concurrent, so the aliases may be read before the mark is set.
        Phase::Mark if choice == Choice::ReadBeforeMark => {
            next.writers[who].seen = world.aliases;
            next.writers[who].lease = 0;
            next.writers[who].phase = Phase::LateMark;
        }
        Phase::LateMark => {
            let head = world.writers[who].head;
            next.log[usize::from(head) - 1].applied = true;
            next.writers[who].phase = Phase::ReadHead;
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

fn ignores_damage(mutation: Option<Mutation>) -> bool {
    mutation == Some(Mutation::IgnoreDamage)
}

/// A number that no entry has.
const NOWHERE: u8 = u8::MAX;

fn recheck(setup: &Setup, world: &mut World, who: usize) {
    let writer = world.writers[who];
    let repairs = writer.task == Task::Repair;
    let head = match find_head(world) {
        Found::Head { number, damage } if damage == 0 || repairs || ignores_damage(setup.mutation) => {
            number as u8
        }
        Found::Lost { number, .. } if repairs => number as u8,
        _ => NOWHERE,
    };
    let in_time = WINDOWS.may_write(writer.lease.into());
    if in_time && head == writer.head && world.entry(writer.head).settled() == writer.settled {
        act(setup, world, who);
    } else {
        world.writers[who].phase = Phase::ReadAliases;
    }
}

fn read_head(setup: &Setup, world: &mut World, who: usize) {
    let repairs = world.writers[who].task == Task::Repair;
    let head = match find_head(world) {
        Found::Head { number, damage } if damage == 0 || ignores_damage(setup.mutation) => number as u8,
        Found::Head { number, .. } | Found::Lost { number, .. } if repairs => {
            let settled = world.entry(number as u8).settled();
            let writer = &mut world.writers[who];
            writer.head = number as u8;
            writer.settled = settled;
            writer.phase = Phase::Confirm;
            return;
        }
        _ => {
            world.writers[who].phase = Phase::Stopped;
            return;
        }
    };
    let head = if setup.mutation == Some(Mutation::VoidEntriesCount) { world.len } else { head };
    let writer = &mut world.writers[who];
    writer.head = head;
    writer.settled = world.log[usize::from(head) - 1].settled();
    judge(setup, world, who, false);
    act(setup, world, who);
}

/// Sets the next phase according to the assessment.
fn act(setup: &Setup, world: &mut World, who: usize) {
    let writer = world.writers[who];
    let head = writer.head;
    let entry = *world.entry(head);
    let (before, after) = (world.existing(entry.before), world.existing(entry.after));
    let seen = world.existing(writer.seen);
    let damaged = !matches!(find_head(world), Found::Head { damage: 0, .. });
    if damaged && writer.task == Task::Repair {
        world.writers[who].phase = if writer.confirmed {
            let checkpoint =
                Entry { trusted: head, ..new_entry(Kind::Checkpoint, world.len, entry.after, seen) };
            Phase::Append(on_top(world, setup.mutation, checkpoint))
        } else {
            Phase::Confirm
        };
        return;
    }
    let unsettled = setup.mutation == Some(Mutation::QuarantineUnsettled);
    if unsettled && matches!(writer.task, Task::Quarantine(_)) {
        world.writers[who].phase = proceed(setup, world, who);
        return;
    }
    let repair = |kind, before, after| on_top(world, setup.mutation, new_entry(kind, head, before, after));
    world.writers[who].phase = match writer.judged {
        // Another writer carried out this writer's operation; only aliases that were read after the mark prove it.
        Situation::Quiet
            if !writer.confirmed && writer.wrote != head && own_outcome(world, who).is_some() =>
        {
            Phase::Confirm
        }
        Situation::Quiet => {
            world.writers[who].wrote = 0;
            world.writers[who].wrote_before = 0;
            proceed(setup, world, who)
        }
        Situation::Confirm => Phase::Confirm,
        Situation::RollForward => match writer.mask {
            0 => Phase::Mark,
            mask => Phase::Write(mask),
        },
        Situation::Wait => Phase::ReadAliases,
        Situation::Abort(_) => {
            let unrestored = setup.mutation == Some(Mutation::AbortWithoutRestore);
            let restored = if unrestored { seen } else { before };
            Phase::Append(repair(Kind::Aborted, after, restored))
        }
        Situation::Reassert => Phase::Append(repair(Kind::Reassert, seen, after)),
        Situation::Adopt => {
            let justified = writer.justified;
            let applied = setup.mutation == Some(Mutation::TrustObservations);
            // The state before names deleted versions, so that the entry shows which alias lost its version.
            Phase::Append(Entry { applied, justified, ..repair(Kind::External, entry.after, seen) })
        }
    };
}

/// The values that writers of a superseded entry may still give the aliases.
fn late_writes(mutation: Option<Mutation>, world: &World, entry: &Entry) -> [Option<Target>; 2] {
    let (before, after) = (targets(entry.before), targets(entry.after));
    // A writer that knows of the deletion of a version removes the alias instead.
    let existing = targets(world.existing(entry.after));
    let observation = entry.is_observation() && mutation != Some(Mutation::ObservationsHaveWriters);
    [0, 1].map(|alias| match mutation {
        Some(Mutation::UnmovedAliasesHaveWriters) if !entry.is_observation() => Some(existing[alias]),
        _ => rules::late_write(observation, before[alias], after[alias]).map(|_| existing[alias]),
    })
}

/// Assesses the last reads with the shared rules, changed by the mutation if there is one.
fn judge(setup: &Setup, world: &mut World, who: usize, confirmed: bool) {
    let mutation = setup.mutation;
    let writer = world.writers[who];
    let entry = *world.entry(writer.head);
    let (slots, len) = world.slots();
    let mut recent = [[None; 2]; CAPACITY + 2];
    let mut recents = 0;
    let mut newer_age: Option<u8> = None;
    for (number, _) in rules::valid_entries(1, &slots[..len], writer.head.into()) {
        let candidate = world.entry(number as u8);
        if newer_age.is_some_and(|age| WINDOWS.may_be_slow(age.into())) {
            recent[recents] = late_writes(mutation, world, candidate);
            recents += 1;
        }
        newer_age = Some(candidate.created);
    }
    for wrote in [writer.wrote, writer.wrote_before] {
        if wrote != 0 && wrote != writer.head && mutation != Some(Mutation::NoOwnMemory) {
            recent[recents] = late_writes(mutation, world, world.entry(wrote));
            recents += 1;
        }
    }
    match mutation {
        Some(Mutation::NoReassert) => recents = 0,
        Some(Mutation::SlowWriterOneEntryBack) => recents = recents.min(1),
        Some(Mutation::SlowWriterWholeState) => {
            let seen = targets(world.existing(writer.seen)).map(Some);
            let whole = recent[..recents].contains(&seen);
            recent[0] = seen;
            recents = usize::from(whole);
        }
        _ => {}
    }
    let mut recent_slices = [[].as_slice(); CAPACITY + 2];
    for (slice, state) in recent_slices.iter_mut().zip(&recent) {
        *slice = state;
    }
    let windows = match mutation {
        Some(Mutation::NoExpiry) => rules::Windows { expiry: 99, ..WINDOWS },
        Some(Mutation::NoGuard) => rules::Windows { guard: 0, ..WINDOWS },
        _ => WINDOWS,
    };
    let moves_champion = entry.after[0] != entry.before[0] && entry.after[0] != 0;
    let target_gone = moves_champion && world.is_gone(entry.after[0]);
    let view = AliasView {
        before: &targets(world.existing(entry.before)),
        after: &targets(world.existing(entry.after)),
        actual: &targets(world.existing(writer.seen)),
        confirmed: confirmed || mutation == Some(Mutation::NoConfirmation),
        observation: entry.is_observation(),
        settled: writer.settled,
        timeliness: windows.timeliness(entry.decided.into()),
        target_gone: target_gone && mutation != Some(Mutation::IgnoreDeletedTarget),
        leaves_gone: world.existing(entry.after) != entry.after
            && mutation != Some(Mutation::IgnoreDeletedChampion),
        recent: &recent_slices[..recents],
    };
    let mut judged = rules::assess(&view);
    let expired = view.timeliness == rules::Timeliness::Expired;
    if mutation == Some(Mutation::AbortStarted) && judged == Situation::RollForward && expired {
        judged = Situation::Abort(rules::AbortReason::Expired);
    }
    let writer = &mut world.writers[who];
    writer.judged = judged;
    writer.confirmed = confirmed;
    writer.mask = (0..2).filter(|&i| rules::is_written(&view, i)).fold(0, |mask, i| mask | 1 << i);
}
