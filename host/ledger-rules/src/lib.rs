//! The rules of the ledger protocol, as pure functions.
//!
//! They are the only place where the protocol is decided: the driver calls them with what it read from a store, and the
//! model check in `tests/model_check` calls them from every reachable state of three
//! concurrent writers. So this crate uses nothing but `core`, holds no I/O and knows neither JSON nor clocks: entries are
//! [`Link`]s, alias states are slices of version numbers, times are ages.
//!
//! Three questions are answered here. *Which entries count?* ([`Chain`], [`find_head`]): MLflow hands out increasing entry
//! numbers but lets every client append, so an append whose author had not seen the newest valid entry is void. *What do the
//! aliases mean?* ([`assess`]): they are a view of the head entry's `after` state, which may be behind (a transition was
//! interrupted) or moved without the ledger. *Which version may become champion?* ([`standing`]): none in quarantine.

pub mod standing;

/// The number of an entry: the version number MLflow gave it. Zero stands for "before the first entry".
pub type Number = u64;

/// What one alias points to; `None` when it is not set.
pub type Target = Option<u64>;

/// What the chain rules see of a readable entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link<D> {
    /// The entry that its author saw as the head.
    pub base: Number,
    /// The digest of that entry, as the author saw it.
    pub previous: D,
    /// The digest of this entry.
    pub digest: D,
    /// For a checkpoint, the one kind of entry that may follow damage: the last entry below it that it vouches for, zero
    /// when there is none. Its `base` is the newest number that its author saw, valid or not.
    pub checkpoint: Option<Number>,
}

/// What was found at one number of the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Slot<D> {
    /// A readable entry of this ledger.
    Entry(Link<D>),
    /// Nothing (deleted), or something that is not a readable entry of this ledger.
    Damaged,
}

/// What a number of the ledger turned out to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Validity {
    /// Part of the chain.
    Valid,
    /// It lost a race: a valid entry lies between its base and itself.
    Void,
    /// It follows damage that could hide a valid entry, so its validity is unknown; a checkpoint leaves it out of the chain.
    Undecidable,
    /// Missing, unreadable, or not what its successor's digest says.
    Damaged,
}

/// A scan of the ledger in ascending order that keeps the head and nothing else.
#[derive(Debug, Clone)]
pub struct Chain<D> {
    head: Number,
    digest: Option<D>,
    damage: Number,
}

impl<D: Copy + PartialEq> Chain<D> {
    /// A scan that starts before the first entry.
    #[must_use]
    pub fn from_start() -> Self {
        Self { head: 0, digest: None, damage: 0 }
    }

    /// A scan that starts right after `head`, which is known to be valid.
    #[must_use]
    pub fn from_head(head: Number, digest: Option<D>) -> Self {
        Self { head, digest, damage: 0 }
    }

    /// The newest valid entry so far; zero when there is none.
    #[must_use]
    pub fn head(&self) -> Number {
        self.head
    }

    /// Whether damage lies above the head, so that no entry but a checkpoint can follow it.
    #[must_use]
    pub fn is_stuck(&self) -> bool {
        self.damage > self.head
    }

    /// Takes in the next number and says what is there.
    ///
    /// Writers only ever name a valid entry as base. That is what lets a scan find its footing again above damage: an
    /// entry whose base is a damaged or undecidable number proves that number valid. A checkpoint decides what the
    /// entries cannot show, so it only counts directly after the newest number that its author saw: nothing may slip in between.
    pub fn step(&mut self, number: Number, slot: &Slot<D>) -> Validity {
        let Slot::Entry(link) = slot else {
            self.damage = number;
            return Validity::Damaged;
        };
        if link.checkpoint.is_some() {
            if link.base.checked_add(1) != Some(number) {
                return Validity::Void;
            }
            self.accept(number, link);
            return Validity::Valid;
        }
        let names_unseen_head = link.base > self.head;
        if link.base >= number || (names_unseen_head && !self.is_stuck()) {
            self.damage = number;
            return Validity::Damaged;
        }
        if names_unseen_head {
            self.head = link.base;
            self.digest = None;
        }
        if link.base < self.head {
            return Validity::Void;
        }
        if self.digest.is_some_and(|digest| digest != link.previous) {
            self.damage = number;
            return Validity::Damaged;
        }
        if self.is_stuck() {
            return Validity::Undecidable;
        }
        self.accept(number, link);
        Validity::Valid
    }

    fn accept(&mut self, number: Number, link: &Link<D>) {
        self.head = number;
        self.digest = Some(link.digest);
        self.damage = 0;
    }
}

/// The outcome of [`find_head`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// The ledger has no entries.
    Empty,
    /// The newest valid entry, and the newest unrepaired damage in the window: zero when there is none.
    Head {
        /// The entry's number.
        number: Number,
        /// A damaged number that no checkpoint vouches for. Writers stop; readers may go on.
        damage: Number,
    },
    /// The window is too short: it has to reach down to this number.
    ReadFrom(Number),
    /// Damage hides the head itself.
    Lost {
        /// The number of the entry that cannot be read; zero when not even that is known.
        number: Number,
        /// The newest damaged number.
        damage: Number,
    },
}

/// Finds the head among the newest entries. The cost does not depend on the length of the ledger.
///
/// `slots[i]` is what was found at number `lowest + i`, gaps included, up to the newest number. The greatest base in the
/// window is valid, because writers only name valid bases, and no later entry can have a greater one; the head is that
/// entry or the one after it that follows it.
#[must_use]
pub fn find_head<D: Copy + PartialEq>(lowest: Number, slots: &[Slot<D>]) -> Found {
    if slots.is_empty() {
        return Found::Empty;
    }
    let anchor = numbered(lowest, slots)
        .filter_map(|(number, slot)| match slot {
            Slot::Entry(link) if link.checkpoint.is_some() => {
                (link.base.checked_add(1) == Some(number)).then_some(link.base)
            }
            Slot::Entry(link) => (link.base < number).then_some(link.base),
            Slot::Damaged => None,
        })
        .max();
    let Some(anchor) = anchor else {
        let newest = lowest + slots.len() as Number - 1;
        return if lowest > 1 {
            Found::ReadFrom((lowest / 2).max(1))
        } else {
            Found::Lost { number: 0, damage: newest }
        };
    };
    if anchor != 0 && anchor < lowest {
        return Found::ReadFrom(anchor);
    }
    if anchor == 0 && lowest > 1 {
        return Found::ReadFrom(1);
    }
    let anchor_slot = if anchor == 0 { None } else { slots.get((anchor - lowest) as usize) };
    let digest = match anchor_slot {
        Some(Slot::Entry(link)) => Some(link.digest),
        _ => None,
    };
    let mut chain = Chain::from_head(anchor, digest);
    for (number, slot) in numbered(lowest, slots).filter(|(number, _)| *number > anchor) {
        chain.step(number, slot);
    }
    let head = chain.head();
    let unreadable_head = head < lowest || matches!(slots[(head - lowest) as usize], Slot::Damaged);
    let damage = unrepaired_damage(lowest, slots, head).max(chain.damage);
    if unreadable_head { Found::Lost { number: head, damage } } else { Found::Head { number: head, damage } }
}

/// The valid entries of a window from `head` down, head first, as far as the window is readable.
pub fn valid_entries<D: Copy>(
    lowest: Number,
    slots: &[Slot<D>],
    head: Number,
) -> impl Iterator<Item = (Number, Link<D>)> + use<'_, D> {
    let link_at = move |number: Number| match slots.get(number.checked_sub(lowest)? as usize)? {
        Slot::Entry(link) => Some((number, *link)),
        Slot::Damaged => None,
    };
    core::iter::successors(link_at(head), move |(number, link)| {
        let older = link.checkpoint.unwrap_or(link.base);
        if older < *number { link_at(older) } else { None }
    })
}

/// The newest damaged number that no valid checkpoint vouches for; zero when there is none.
fn unrepaired_damage<D: Copy + PartialEq>(lowest: Number, slots: &[Slot<D>], head: Number) -> Number {
    let mut damage = 0;
    let mut newer: Option<Link<D>> = None;
    for (number, link) in valid_entries(lowest, slots, head) {
        if newer.is_some_and(|newer| newer.previous != link.digest) {
            damage = damage.max(number);
        }
        if link.checkpoint.is_some() {
            let above = numbered(lowest, slots).filter(|(above, _)| *above > number);
            return newest_damaged(above).max(damage);
        }
        newer = Some(link);
    }
    newest_damaged(numbered(lowest, slots)).max(damage)
}

fn newest_damaged<'a, D: 'a>(slots: impl Iterator<Item = (Number, &'a Slot<D>)>) -> Number {
    slots.filter(|(_, slot)| matches!(slot, Slot::Damaged)).map(|(number, _)| number).max().unwrap_or(0)
}

fn numbered<D>(lowest: Number, slots: &[Slot<D>]) -> impl Iterator<Item = (Number, &Slot<D>)> {
    (lowest..).zip(slots)
}

/// The time limits of the protocol, in the unit in which the caller measures ages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// How long after the head was read (or appended) an alias write may still be sent on the strength of that read.
    pub lease: u64,
    /// How long after an entry was superseded its alias values are taken for a slow writer's. Longer than the lease by
    /// what a request may spend on its way.
    pub slow_writer: u64,
    /// The age at which an interrupted transition may no longer take effect.
    pub expiry: u64,
    /// How long before its expiry no writer starts to carry it out any more. Longer than the lease, so that all alias writes have
    /// landed when a writer declares it aborted.
    pub guard: u64,
}

impl Windows {
    /// The limits in use, in milliseconds.
    pub const MILLISECONDS: Self =
        Self { lease: 10_000, slow_writer: 30_000, expiry: 600_000, guard: 30_000 };

    /// Whether an alias write may be sent when the head was last seen `age` ago.
    #[must_use]
    pub fn may_write(&self, age: u64) -> bool {
        age <= self.lease
    }

    /// Whether an entry superseded `age` ago may still have an alias write on its way.
    #[must_use]
    pub fn may_be_slow(&self, age: u64) -> bool {
        age <= self.slow_writer
    }

    /// Where in its life a transition of that age is.
    #[must_use]
    pub fn timeliness(&self, age: u64) -> Timeliness {
        if age >= self.expiry {
            Timeliness::Expired
        } else if age + self.guard >= self.expiry {
            Timeliness::Closing
        } else {
            Timeliness::Open
        }
    }
}

/// Where in its life a transition that has not been carried out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timeliness {
    /// It is carried out.
    Open,
    /// Too late to start, too early to declare it aborted: a writer that started in time may still be writing.
    Closing,
    /// It must not take effect any more.
    Expired,
}

/// The head entry and the aliases, as read. All slices name the same aliases in the same order, `champion` first, and a
/// version that no longer exists counts as none.
#[derive(Debug, Clone, Copy)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "five independent facts, each read from a different source"
)]
pub struct AliasView<'a> {
    /// The alias state that the head entry starts from.
    pub before: &'a [Target],
    /// The alias state that the head entry decides, or found.
    pub after: &'a [Target],
    /// Where the aliases are.
    pub actual: &'a [Target],
    /// Whether the aliases were read after the head, and the head has not changed since. A first look reads both side by
    /// side, so that the aliases may be older than the head.
    pub confirmed: bool,
    /// Whether the head entry records what was found rather than what was decided.
    pub observation: bool,
    /// Whether the head entry is marked as applied, or moves nothing.
    pub settled: bool,
    /// The head entry's age when the aliases were read.
    pub timeliness: Timeliness,
    /// Whether the version that the head entry is about no longer exists.
    pub target_gone: bool,
    /// Whether the head entry leaves an alias on a version that no longer exists. In `after`, that alias has none.
    pub leaves_gone: bool,
    /// The values that a slow writer may still give the aliases, for each entry that was superseded so recently:
    /// [`late_write`].
    pub recent: &'a [&'a [Option<Target>]],
}

/// What the aliases mean, and so what a writer does before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Situation {
    /// The aliases are what the head says. A new decision may follow.
    Quiet,
    /// Something is unusual: read the aliases again, then the head, and assess both once more.
    Confirm,
    /// The head's transition is under way or was interrupted: write the aliases for which [`is_written`] holds and mark
    /// the head as applied.
    RollForward,
    /// The head's transition is about to expire: wait until it has, or until another writer has carried it out.
    Wait,
    /// The head can or may not take effect any more: append an entry that says so and restores what was before.
    Abort(AbortReason),
    /// A slow writer overwrote the head's aliases: append an entry that restores them.
    Reassert,
    /// Aliases were moved without the ledger, or disappeared with a deleted version: append an entry that records where
    /// they are now.
    Adopt,
}

/// Why a recorded entry never took effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum AbortReason {
    /// It was interrupted, and no writer carried it out in time.
    Expired,
    /// The version it is about was deleted.
    TargetDeleted,
    /// The aliases that it found were back where they had been before it was appended.
    Outdated,
}

/// Compares the aliases with the head entry.
///
/// A first look only ever leads to harmless steps: a new decision where both agree (its append is void if the head has
/// moved on), or carrying out a young transition. Everything else must not rest on aliases that are older than the head.
#[must_use]
pub fn assess(view: &AliasView<'_>) -> Situation {
    let situation = assess_confirmed(view);
    let harmless = match situation {
        Situation::Quiet | Situation::Wait => true,
        Situation::RollForward => !view.observation && view.timeliness == Timeliness::Open,
        _ => false,
    };
    if harmless || view.confirmed { situation } else { Situation::Confirm }
}

/// Whether carrying out the head entry writes alias `index`: only one that the entry moves, so that the values of late writes
/// are known ([`late_write`]). What a slow writer overwrote besides, an entry of its own restores once the head is settled.
///
/// On a first look, what seems in place may be from before the entry was there; so everything that the entry moves is
/// written.
#[must_use]
pub fn is_written(view: &AliasView<'_>, index: usize) -> bool {
    let after = view.after[index];
    let moves = !view.observation && view.before[index] != after;
    moves && (view.actual[index] != after || !view.confirmed)
}

/// The value that a writer of an entry may give an alias late, after the entry was superseded; none if no writer of the entry
/// writes the alias. An observation records what its author found, and has no writers; any other entry moves an alias, or it
/// leaves the alias alone.
#[must_use]
pub fn late_write(observation: bool, before: Target, after: Target) -> Option<Target> {
    (!observation && before != after).then_some(after)
}

/// Values are judged alias by alias, since a slow writer may have overwritten one of them and not another. An interrupted
/// transition has *started* when the champion is where it decides (or, if it leaves the champion alone, any alias is):
/// from then on it is finished, however late. So is an entry that moves no alias: a quarantine must not expire.
fn assess_confirmed(view: &AliasView<'_>) -> Situation {
    let AliasView { before, after, actual, recent, .. } = *view;
    let differing = || (0..actual.len()).filter(|&i| actual[i] != after[i]);
    let slow = |i: usize| recent.iter().any(|late| late[i] == Some(actual[i]));
    if differing().next().is_none() {
        return match view.settled {
            false => Situation::RollForward,
            true if view.leaves_gone => Situation::Adopt,
            true => Situation::Quiet,
        };
    }
    if view.settled {
        return if differing().all(slow) { Situation::Reassert } else { Situation::Adopt };
    }
    if !differing().all(|i| actual[i] == before[i] || slow(i)) {
        return Situation::Adopt;
    }
    if view.observation {
        let moved_back = differing().all(|i| actual[i] == before[i]);
        return if moved_back { Situation::Abort(AbortReason::Outdated) } else { Situation::Reassert };
    }
    if before == after {
        return Situation::RollForward;
    }
    if view.target_gone {
        return Situation::Abort(AbortReason::TargetDeleted);
    }
    let moved = |i: usize| before[i] != after[i] && actual[i] == after[i];
    let moves_champion = before.first() != after.first();
    let started = if moves_champion { moved(0) } else { (0..actual.len()).any(moved) };
    match view.timeliness {
        _ if started => Situation::RollForward,
        Timeliness::Open => Situation::RollForward,
        Timeliness::Closing => Situation::Wait,
        Timeliness::Expired => Situation::Abort(AbortReason::Expired),
    }
}

#[cfg(test)]
mod tests;
