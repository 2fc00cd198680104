//! The state: ledger, aliases, versions, writers, and the remaining actions of the environment.

use crate::mutation::Mutation;
use crate::rules::{self, Chain, Link, Slot, Target, Validity, Windows};
use crate::standing::{Standing, Statement};
use crate::writer::{Outcome, Phase, Task, Writer};

/// The maximum number of ledger entries. Recovery runs may append more than [`Setup::appends`], up to this limit.
pub const CAPACITY: usize = 12;
/// The number of concurrent writers.
pub const WRITERS: usize = 3;
/// The protocol's limits in ticks. One tick is longer than the lease, so a writer can meet or miss each limit.
pub const WINDOWS: Windows = Windows { lease: 1, slow_writer: 1, expiry: 3, guard: 2 };

/// The versions behind `champion` and `archived`; zero is none.
pub type Aliases = [u8; 2];

/// The kind of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Kind {
    /// An entry without meaning: a free slot, or an append that is void in every continuation.
    #[default]
    Void,
    /// The first entry.
    Genesis,
    /// A decision of a writer.
    Operation,
    /// States that the base never took effect.
    Aborted,
    /// Records aliases that an outside client moved.
    External,
    /// Restores the base's aliases.
    Reassert,
    /// Bridges damage.
    Checkpoint,
}

/// An entry of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Entry {
    /// The kind; determines the meaning of the other fields.
    pub kind: Kind,
    /// The number of the writer whose operation this is, from 1; zero for other kinds.
    pub operation: u8,
    /// The number of the head that the author read.
    pub base: u8,
    /// For a checkpoint, the number of the last trusted entry; otherwise zero.
    pub trusted: u8,
    /// The aliases that the entry starts from.
    pub before: Aliases,
    /// The aliases that the entry decides.
    pub after: Aliases,
    /// What the entry states about versions or policies.
    pub statement: Statement,
    /// The policy that decided; zero is one that is not on record as the active one.
    pub policy: u8,
    /// The standing that the entry carries.
    pub standing: Standing,
    /// The standing of the entry that this one follows, which a writer reads from the chain.
    pub standing_before: Standing,
    /// The age since the store appended the entry, in ticks.
    pub created: u8,
    /// The age since the author's decision, in ticks.
    pub decided: u8,
    /// Whether a writer marked the entry as carried out in full.
    pub applied: bool,
    /// Whether an outside client deleted the entry.
    pub deleted: bool,
    /// Ghost: whether an observation was true when its author made it.
    pub justified: bool,
}

impl Entry {
    /// Whether the entry needs no further work: it is marked, or neither moves an alias nor sets a tag.
    #[must_use]
    pub fn settled(&self) -> bool {
        let still = self.before == self.after && !self.statement.is_mirrored();
        self.applied || (still && !self.is_observation())
    }

    /// The number of the entry that this one follows in the chain.
    #[must_use]
    pub fn predecessor(&self) -> u8 {
        if self.kind == Kind::Checkpoint { self.trusted } else { self.base }
    }

    /// Whether the entry records aliases that its author found.
    #[must_use]
    pub fn is_observation(&self) -> bool {
        matches!(self.kind, Kind::External | Kind::Checkpoint)
    }
}

/// Ghost for the properties: the cause of an alias's current value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Cause {
    /// The head's transition.
    #[default]
    Ledger,
    /// A writer (by index) that carried out a superseded entry, and the ticks since that entry was superseded.
    SlowWriter(u8, u8),
    /// An outside client.
    Outside,
}

/// The bounds of an exploration.
#[derive(Debug, Clone, Copy)]
pub struct Setup {
    /// The task of each writer.
    pub tasks: [Task; WRITERS],
    /// The clock of each writer minus that of the store, in ticks.
    pub skews: [i8; WRITERS],
    /// The standing at the start.
    pub standing: Standing,
    /// The maximum number of appends; appends that are void from the start do not count.
    pub appends: u8,
    /// The maximum number of ticks; `None` for no limit.
    pub ticks: Option<u8>,
    /// The maximum number of crashing writers.
    pub crashes: u8,
    /// The maximum number of creates whose answer is lost; the store may handle them later.
    pub lost_answers: u8,
    /// The maximum number of outside moves of aliases.
    pub outside_moves: u8,
    /// The maximum number of deleted model versions.
    pub deleted_versions: u8,
    /// The maximum number of deleted ledger entries.
    pub deleted_entries: u8,
    /// The maximum number of entries that overwrite the one before, because the store gave both one number. If there are none,
    /// the store gives each number once, and writers know it.
    pub twins: u8,
    /// Whether each alias write is a separate step, in any order; otherwise they form one step.
    pub split_writes: bool,
    /// Whether aliases and head are read in separate steps; otherwise the reads of a round form one step.
    pub split_reads: bool,
    /// The deliberately broken rule; `None` explores the protocol as designed.
    pub mutation: Option<Mutation>,
}

impl Setup {
    /// Whether writers read entries again before they rest on them: where the store may give two entries one number.
    #[must_use]
    pub fn reads_back(&self) -> bool {
        self.twins > 0 && self.mutation != Some(Mutation::NoReadBack)
    }
}

/// One state of the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct World {
    /// The ledger; entry number `n` is at index `n - 1`.
    pub log: [Entry; CAPACITY],
    /// The number of entries in `log`, including deleted ones.
    pub len: u8,
    /// The versions behind the aliases.
    pub aliases: Aliases,
    /// Ghost: the cause of each alias's value.
    pub causes: [Cause; 2],
    /// Ghost: the number of the writer that last set each alias, from 1; zero is none.
    pub wrote_last: [u8; 2],
    /// Ghost: the values that valid entries moved each alias to, apart from those that record what was found: bit `v` is
    /// set for version `v`.
    pub decided: [u8; 2],
    /// The deleted versions: bit `v` is set if version `v` was deleted.
    pub gone: u8,
    /// The state of each writer.
    pub writers: [Writer; WRITERS],
    /// Ghost: for each version, the approvals that were given minus those that decisions used. Not below zero.
    pub approvals: [i8; 4],
    /// The recorded outcome of each writer's operation, which a writer finds by its operation id.
    pub recorded: [Option<Outcome>; WRITERS],
    /// The deliberately broken rule, from the setup.
    pub mutation: Option<Mutation>,
    /// Whether [`canonicalise`](Self::canonicalise) keeps the whole ledger, which deletions of entries require.
    pub keep_all: bool,
    /// The remaining appends.
    pub appends: u8,
    /// The remaining ticks; `None` for no limit.
    pub ticks: Option<u8>,
    /// The remaining crashes.
    pub crashes: u8,
    /// The remaining lost answers.
    pub lost_answers: u8,
    /// The remaining outside moves.
    pub outside_moves: u8,
    /// The remaining deletions of versions.
    pub deleted_versions: u8,
    /// The remaining deletions of entries.
    pub deleted_entries: u8,
    /// The remaining entries that overwrite the one before.
    pub twins: u8,
    /// Whether nothing can overwrite the newest entry any more: a writer read it after everything that could.
    pub newest_is_final: bool,
}

impl World {
    /// The initial state: version 1 is champion, none is archived, versions 2 and 3 exist.
    #[must_use]
    pub fn start(setup: &Setup) -> Self {
        let genesis = Entry {
            kind: Kind::Genesis,
            after: [1, 0],
            before: [1, 0],
            standing: setup.standing,
            created: 9,
            ..Entry::default()
        };
        let mut log = [Entry::default(); CAPACITY];
        log[0] = genesis;
        let mut world = Self {
            log,
            len: 1,
            aliases: [1, 0],
            causes: [Cause::Ledger; 2],
            wrote_last: [0; 2],
            decided: [0; 2],
            gone: 0,
            writers: setup.tasks.map(Writer::new),
            approvals: [0, 1, 2, 3].map(|version| i8::from(setup.standing.is_approved(version))),
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
            twins: setup.twins,
            newest_is_final: true,
        };
        world.canonicalise();
        world
    }

    /// The entry with this number; an empty one for zero, which means that the start of the ledger is lost.
    #[must_use]
    pub fn entry(&self, number: u8) -> &Entry {
        const LOST: Entry = Entry {
            kind: Kind::Void,
            operation: 0,
            base: 0,
            trusted: 0,
            before: [0; 2],
            after: [0; 2],
            statement: Statement::None,
            policy: 0,
            standing: Standing::NONE,
            standing_before: Standing::NONE,
            created: 0,
            decided: 0,
            applied: false,
            deleted: false,
            justified: false,
        };
        usize::from(number).checked_sub(1).map_or(&LOST, |index| &self.log[index])
    }

    /// The ledger as input of the chain rules. Entries never change, so an entry's number serves as its digest. A
    /// deleted entry is visible only if a later entry exists.
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

    /// A full scan: the head (zero if unknown) and the validity of each number.
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

    /// The ticks since the entry was superseded; `None` if it is the head.
    #[must_use]
    pub fn superseded(&self, number: u8) -> Option<u8> {
        let (head, validity) = self.scan();
        let newer = (number + 1..=head).find(|&newer| validity[usize::from(newer) - 1] == Validity::Valid)?;
        Some(self.entry(newer).created)
    }

    /// `aliases` with deleted versions replaced by zero.
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

    /// Whether `entry` can overwrite the newest one: both follow the same entry, and were sent at the same time.
    #[must_use]
    pub fn can_overwrite(&self, entry: &Entry) -> bool {
        let newest = self.entry(self.len);
        self.twins > 0
            && !self.newest_is_final
            && [newest.kind, entry.kind] == [Kind::Operation; 2]
            && newest.base == entry.base
            && newest.operation != entry.operation
    }

    /// Appends an entry under the number of the newest one, which is gone.
    pub fn overwrite(&mut self, entry: Entry) {
        let lost = self.entry(self.len).operation;
        self.recorded[usize::from(lost) - 1] = None;
        self.twins -= 1;
        self.len -= 1;
        self.append(entry);
    }

    /// Appends an entry and updates the ghosts.
    pub fn append(&mut self, entry: Entry) {
        self.newest_is_final = false;
        self.log[usize::from(self.len)] = entry;
        self.len += 1;
        self.appends -= 1;
        if self.scan().0 != self.len {
            return;
        }
        if entry.operation != 0 {
            self.recorded[usize::from(entry.operation) - 1] = Some(Outcome::Committed);
        }
        self.count_approvals(&entry);
        if entry.kind == Kind::Aborted {
            let operation = self.entry(entry.base).operation;
            if operation != 0 {
                self.recorded[usize::from(operation) - 1] = Some(Outcome::Aborted);
            }
        }
        for alias in 0..2 {
            if !entry.is_observation() && entry.before[alias] != entry.after[alias] {
                self.decided[alias] |= 1 << entry.after[alias];
            }
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

    /// An approval that is given counts up, a decision that needs one counts down, and an abort takes back what its base
    /// did.
    fn count_approvals(&mut self, entry: &Entry) {
        let (counted, sign) =
            if entry.kind == Kind::Aborted { (*self.entry(entry.base), -1) } else { (*entry, 1) };
        if let Statement::Approve(version) = counted.statement {
            self.approvals[usize::from(version)] += sign;
        }
        let needs = counted.operation.checked_sub(1).map(|who| self.writers[usize::from(who)].task);
        if let Some(Task::PromoteApproved(version)) = needs {
            self.approvals[usize::from(version)] -= sign;
        }
    }

    /// Advances every age by one tick.
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

    /// Whether every writer has ended and no request is pending.
    #[must_use]
    pub fn at_rest(&self) -> bool {
        self.writers.iter().all(|writer| {
            matches!(writer.phase, Phase::Done(_) | Phase::Dead | Phase::Stopped) && writer.pending.is_none()
        })
    }
}

/// An alias state as input of the rules.
#[must_use]
pub fn targets(aliases: Aliases) -> [Target; 2] {
    aliases.map(|version| (version != 0).then_some(u64::from(version)))
}

/// The head that a writer finds.
#[must_use]
pub fn find_head(world: &World) -> rules::Found {
    let (slots, len) = world.slots();
    rules::find_head(1, &slots[..len])
}
