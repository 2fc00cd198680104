//! The state: ledger, aliases, versions, writers, and what the environment may still do.

use crate::mutation::Mutation;
use crate::rules::{self, Chain, Link, Slot, Target, Validity, Windows};
use crate::writer::{Outcome, Phase, Task, Writer};

/// The longest ledger the state can hold; recovery runs may go beyond [`Setup::appends`] up to here.
pub const CAPACITY: usize = 12;
/// The base of an append that is void in every case.
const NEVER: u8 = 0;
/// The number of concurrent writers.
pub const WRITERS: usize = 3;
/// The protocol's limits in ticks. One tick is longer than the lease allows, so that each limit can be met or missed.
pub const WINDOWS: Windows = Windows { lease: 1, slow_writer: 1, expiry: 3, guard: 2 };

/// What `champion` and `archived` point to; zero is none.
pub type Aliases = [u8; 2];

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// Nothing that counts.
    #[default]
    Void,
    /// The first entry.
    Genesis,
    /// A decision of a writer.
    Operation,
    /// The base never took effect.
    Aborted,
    /// Aliases were moved outside.
    External,
    /// The base's aliases, restored.
    Reassert,
    /// Damage is bridged.
    Checkpoint,
}

/// An entry of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// The writer whose operation it is, from 1; zero for other kinds.
    pub operation: u8,
    /// The head that its author saw.
    pub base: u8,
    /// For a checkpoint: the last entry that it vouches for.
    pub trusted: u8,
    /// The aliases it starts from.
    pub before: Aliases,
    /// The aliases it decides.
    pub after: Aliases,
    /// Ticks since the store took it.
    pub created: u8,
    /// Ticks since its author decided it.
    pub decided: u8,
    /// Carried out in full.
    pub applied: bool,
    /// Whether it was deleted.
    pub deleted: bool,
    /// Ghost: an observation that was true when it was made.
    pub justified: bool,
}

impl Entry {
    /// Whether nothing remains to be done for it: it is marked, or moves nothing.
    #[must_use]
    pub fn settled(&self) -> bool {
        self.applied || (self.before == self.after && !self.is_observation())
    }

    /// Whether it records what was found.
    #[must_use]
    pub fn is_observation(&self) -> bool {
        matches!(self.kind, Kind::External | Kind::Checkpoint)
    }
}

/// Who last wrote an alias against the head's will; a ghost that the properties use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cause {
    /// The head's own transition.
    #[default]
    Ledger,
    /// A writer that was carrying out an entry superseded meanwhile, and for how many ticks.
    SlowWriter(u8, u8),
    /// A move without the ledger.
    Outside,
}

/// What is explored.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// What each writer wants.
    pub tasks: [Task; WRITERS],
    /// No more appends than this; an append that is void from the start does not count.
    pub appends: u8,
    /// How many ticks of time pass; `None` for any number.
    pub ticks: Option<u8>,
    /// How many writers may crash.
    pub crashes: u8,
    /// How many creates may lose their answer and land later.
    pub lost_answers: u8,
    /// How many times aliases are moved from outside.
    pub outside_moves: u8,
    /// How many model versions are deleted.
    pub deleted_versions: u8,
    /// How many ledger entries are deleted.
    pub deleted_entries: u8,
    /// Whether a writer's alias writes are steps of their own, in any order, rather than one step.
    pub split_writes: bool,
    /// Whether the requests of one round of reads are answered at different moments.
    pub split_reads: bool,
    /// A deliberately broken rule.
    pub mutation: Option<Mutation>,
}

/// One state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// The ledger; entry number `n` is at index `n - 1`.
    pub log: [Entry; CAPACITY],
    /// Its length.
    pub len: u8,
    /// Where the aliases point.
    pub aliases: Aliases,
    /// Ghost: why.
    pub causes: [Cause; 2],
    /// Ghost: which writer set them last, from 1.
    pub wrote_last: [u8; 2],
    /// Bit `v` is set when version `v` was deleted.
    pub gone: u8,
    /// The writers.
    pub writers: [Writer; WRITERS],
    /// What became of each writer's operation. A writer finds it out by its operation id.
    pub recorded: [Option<Outcome>; WRITERS],
    /// The deliberately broken rule.
    pub mutation: Option<Mutation>,
    /// Whether the whole ledger is kept, as deletions of entries need it.
    pub keep_all: bool,
    /// Appends left.
    pub appends: u8,
    /// Ticks left.
    pub ticks: Option<u8>,
    /// Crashes left.
    pub crashes: u8,
    /// Lost answers left.
    pub lost_answers: u8,
    /// Outside moves left.
    pub outside_moves: u8,
    /// Version deletions left.
    pub deleted_versions: u8,
    /// Entry deletions left.
    pub deleted_entries: u8,
}

impl World {
    /// Version 1 is champion, nothing is archived, versions 2 and 3 wait.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        let genesis =
            Entry { kind: Kind::Genesis, after: [1, 0], before: [1, 0], created: 9, ..Entry::default() };
        let mut log = [Entry::default(); CAPACITY];
        log[0] = genesis;
        let mut world = Self {
            log,
            len: 1,
            aliases: [1, 0],
            causes: [Cause::Ledger; 2],
            wrote_last: [0; 2],
            gone: 0,
            writers: setup.tasks.map(Writer::new),
            recorded: [None; WRITERS],
            mutation: setup.mutation,
            keep_all: setup.deleted_entries > 0 || setup.mutation == Some(Mutation::VoidEntriesCount),
            appends: setup.appends,
            ticks: setup.ticks,
            crashes: setup.crashes,
            lost_answers: setup.lost_answers,
            outside_moves: setup.outside_moves,
            deleted_versions: setup.deleted_versions,
            deleted_entries: setup.deleted_entries,
        };
        world.canonicalise();
        world
    }

    /// The entry of that number; an empty one for zero, which stands for a beginning that is lost.
    #[must_use]
    pub fn entry(&self, number: u8) -> &Entry {
        const LOST: Entry = Entry {
            kind: Kind::Void,
            operation: 0,
            base: 0,
            trusted: 0,
            before: [0; 2],
            after: [0; 2],
            created: 0,
            decided: 0,
            applied: false,
            deleted: false,
            justified: false,
        };
        usize::from(number).checked_sub(1).map_or(&LOST, |index| &self.log[index])
    }

    /// What the chain rules see. The digest of an entry is its number: entries never change. A deleted entry shows once
    /// there is a later one.
    #[must_use]
    pub fn slots(&self) -> ([Slot<u64>; CAPACITY], usize) {
        let mut slots = [Slot::Damaged; CAPACITY];
        let mut len = 0;
        for (index, entry) in self.log[..usize::from(self.len)].iter().enumerate() {
            if !entry.deleted {
                len = index + 1;
                slots[index] = Slot::Entry(Link {
                    base: entry.base.into(),
                    previous: entry.base.into(),
                    digest: index as u64 + 1,
                    checkpoint: (entry.kind == Kind::Checkpoint).then_some(entry.trusted.into()),
                });
            }
        }
        (slots, len)
    }

    /// A full scan: the head (zero when unknown) and what each number is.
    #[must_use]
    pub fn scan(&self) -> (u8, [Validity; CAPACITY]) {
        let (slots, len) = self.slots();
        let mut chain = Chain::from_start();
        let mut validity = [Validity::Damaged; CAPACITY];
        for (index, slot) in slots[..len].iter().enumerate() {
            validity[index] = chain.step(index as u64 + 1, slot);
        }
        (chain.head() as u8, validity)
    }

    /// For how many ticks that entry has been superseded, if it has.
    #[must_use]
    pub fn superseded(&self, number: u8) -> Option<u8> {
        let (head, validity) = self.scan();
        let newer = (number + 1..=head).find(|&newer| validity[usize::from(newer) - 1] == Validity::Valid)?;
        Some(self.entry(newer).created)
    }

    /// `aliases` with deleted versions taken out.
    #[must_use]
    pub fn existing(&self, aliases: Aliases) -> Aliases {
        aliases.map(|version| if self.is_gone(version) { 0 } else { version })
    }

    /// Whether the version was deleted.
    #[must_use]
    pub fn is_gone(&self, version: u8) -> bool {
        self.gone & (1 << version) != 0
    }

    /// Whether an entry was deleted.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        self.log[..usize::from(self.len)].iter().any(|entry| entry.deleted)
    }

    /// Appends an entry and keeps the ghosts.
    pub fn append(&mut self, entry: Entry) {
        self.log[usize::from(self.len)] = entry;
        self.len += 1;
        self.appends -= 1;
        if self.scan().0 != self.len {
            return;
        }
        if entry.operation != 0 {
            self.recorded[usize::from(entry.operation) - 1] = Some(Outcome::Committed);
        }
        if entry.kind == Kind::Aborted {
            let operation = self.entry(entry.base).operation;
            if operation != 0 {
                self.recorded[usize::from(operation) - 1] = Some(Outcome::Aborted);
            }
        }
        for alias in 0..2 {
            let actual = self.aliases[alias];
            let under_way = !entry.settled() && actual == entry.before[alias];
            if actual == entry.after[alias] {
                self.causes[alias] = Cause::Ledger;
            } else if !under_way && self.causes[alias] == Cause::Ledger && self.wrote_last[alias] != 0 {
                let slow = Cause::SlowWriter(self.wrote_last[alias] - 1, 0);
                self.causes[alias] = if self.is_damaged() { Cause::Outside } else { slow };
            }
        }
    }

    /// One tick of time for all writers.
    pub fn tick(&mut self) {
        let len = usize::from(self.len);
        for entry in &mut self.log[..len] {
            entry.created += 1;
            entry.decided += 1;
        }
        for cause in &mut self.causes {
            if let Cause::SlowWriter(_, age) = cause {
                *age += 1;
            }
        }
        for writer in &mut self.writers {
            writer.lease += 1;
            if let Some(pending) = &mut writer.pending {
                pending.decided += 1;
            }
        }
    }

    /// Forgets what no rule and no property can see any more, so that equal situations are equal states.
    ///
    /// Without deletions the ledger is cut down to the entries that still matter: the head, those superseded recently, and
    /// those that some writer holds on to. So neither time nor the number of appends needs a bound.
    pub fn canonicalise(&mut self) {
        for entry in &mut self.log[..usize::from(self.len)] {
            entry.created = entry.created.min(WINDOWS.slow_writer as u8 + 1);
            entry.decided = entry.decided.min(WINDOWS.expiry as u8);
            entry.justified = true;
        }
        for writer in &mut self.writers {
            writer.canonicalise();
        }
        for alias in 0..2 {
            if let Cause::SlowWriter(slow, age) = &mut self.causes[alias] {
                *age = (*age).min(WINDOWS.slow_writer as u8 + 1);
                let dead = self.writers[usize::from(*slow)].phase == Phase::Dead;
                if dead && !WINDOWS.may_be_slow((*age).into()) {
                    self.causes[alias] = Cause::Outside;
                }
            }
            let last = self.wrote_last[alias];
            let told = last != 0 && matches!(self.writers[usize::from(last) - 1].phase, Phase::Done(_));
            if told || self.causes[alias] != Cause::Ledger {
                self.wrote_last[alias] = 0;
            }
        }
        if !self.keep_all {
            self.skip_idle_steps();
            self.compact();
        }
    }

    /// Puts a writer whose next step is bound to send it back to reading, without a trace, at that reading at once.
    fn skip_idle_steps(&mut self) {
        let (head, _) = self.scan();
        let entry = *self.entry(head);
        let leases_end = self.mutation != Some(Mutation::NoLease);
        for writer in &mut self.writers {
            let current = writer.head == head && writer.settled == entry.settled();
            let idle = match writer.phase {
                Phase::Write(_) => leases_end && !WINDOWS.may_write(writer.lease.into()),
                Phase::Mark => writer.head != head || entry.applied,
                Phase::Confirm | Phase::Recheck => !current,
                Phase::Append(payload) => payload.base != head,
                _ => false,
            };
            if idle {
                writer.phase = Phase::ReadAliases;
                writer.canonicalise();
            }
        }
    }

    fn compact(&mut self) {
        let len = usize::from(self.len);
        let (head, validity) = self.scan();
        let mut renumbered = [0_u8; CAPACITY + 1];
        let mut kept = [Entry::default(); CAPACITY];
        let mut count = 0_u8;
        for index in 0..len {
            let number = index as u8 + 1;
            if validity[index] != Validity::Valid {
                continue;
            }
            let newer = (index + 1..len).find(|&newer| validity[newer] == Validity::Valid);
            let recent = newer.is_some_and(|newer| WINDOWS.may_be_slow(self.log[newer].created.into()));
            let watched = self.writers.iter().any(|writer| writer.looks_at(number));
            if number != head && !recent && !watched {
                continue;
            }
            let mut entry = Entry { base: count, operation: self.log[index].operation, ..self.log[index] };
            if number != head {
                entry = Entry { after: entry.after, created: entry.created, base: count, ..Entry::default() };
            }
            if entry.settled() {
                entry.decided = 0;
            }
            if count == 0 {
                entry.created = 0;
            }
            kept[usize::from(count)] = entry;
            count += 1;
            renumbered[usize::from(number)] = count;
        }
        self.log = kept;
        self.len = count;
        for writer in &mut self.writers {
            writer.head = renumbered[usize::from(writer.head)];
            writer.wrote = renumbered[usize::from(writer.wrote)];
            writer.wrote_before = renumbered[usize::from(writer.wrote_before)];
            let payload = match &mut writer.phase {
                Phase::Append(entry) => Some(entry),
                _ => None,
            };
            for entry in payload.into_iter().chain(&mut writer.pending) {
                // An append whose base is no longer the head will be void, whatever it holds.
                *entry = if entry.base == head {
                    Entry { base: count, ..*entry }
                } else {
                    Entry { kind: Kind::Void, base: NEVER, ..Entry::default() }
                };
            }
        }
    }

    /// Whether every writer is at its end and nothing is on its way.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.writers.iter().all(|writer| {
            matches!(writer.phase, Phase::Done(_) | Phase::Dead | Phase::Stopped) && writer.pending.is_none()
        })
    }
}

/// An alias state as the rules take it.
#[must_use]
pub fn targets(aliases: Aliases) -> [Target; 2] {
    aliases.map(|version| (version != 0).then_some(u64::from(version)))
}

/// The head as a writer finds it.
#[must_use]
pub fn find_head(world: &World) -> rules::Found {
    let (slots, len) = world.slots();
    rules::find_head(1, &slots[..len])
}
