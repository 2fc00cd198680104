//! The canonical form of a state: equivalent states become equal, so that the search visits one of them.

use crate::mutation::Mutation;
use crate::rules::Validity;
use crate::standing::Statement;
use crate::world::{CAPACITY, Cause, Entry, Kind, WINDOWS, World};
use crate::writer::Phase;

/// The base of an append that is void in every continuation.
const NEVER: u8 = 0;

/// What matters of an entry that is not the head: which values its writers may still give the aliases.
fn superseded(entry: &Entry, base: u8) -> Entry {
    let kind = if entry.is_observation() { Kind::External } else { Kind::Void };
    let moved = |alias: usize| entry.before[alias] != entry.after[alias];
    let before = [0, 1].map(|alias| match entry.after[alias] {
        after if !moved(alias) => after,
        0 => 1,
        _ => 0,
    });
    Entry { kind, before, after: entry.after, created: entry.created, base, ..Entry::default() }
}

impl World {
    /// Erases everything that no rule or property depends on, so that equivalent states become equal.
    ///
    /// Without deletions, the ledger keeps only the relevant entries: the head, recently superseded entries, and those
    /// that a writer refers to. So neither time nor the number of appends needs a bound.
    pub fn canonicalise(&mut self) {
        self.newest_is_final |= self.twins == 0;
        for entry in &mut self.log[..usize::from(self.len)] {
            entry.created = entry.created.min(WINDOWS.slow_writer as u8 + 1);
            entry.decided = entry.decided.min(WINDOWS.expiry as u8);
            entry.justified = true;
            // It is checked when the entry is appended.
            entry.policy = 0;
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

    /// Returns a writer directly to reading if its next step would do only that.
    fn skip_idle_steps(&mut self) {
        let (head, _) = self.scan();
        let entry = *self.entry(head);
        let leases_end = self.mutation != Some(Mutation::NoLease);
        let twins = (self.twins > 0).then_some(*self);
        let can_overwrite = |payload: &Entry| twins.is_some_and(|world| world.can_overwrite(payload));
        for (operation, writer) in (1..).zip(&mut self.writers) {
            let current = writer.head == head && writer.settled == entry.settled();
            let idle = match writer.phase {
                Phase::Write(_) => leases_end && !WINDOWS.may_write(writer.lease.into()),
                Phase::Mark => writer.head != head || entry.applied,
                Phase::Confirm | Phase::Recheck => !current,
                Phase::Final(_) => writer.head != head,
                Phase::FinalAppend(payload) => payload.base != head,
                Phase::Append(payload) => payload.base != head && !can_overwrite(&payload),
                Phase::ReadBack => entry.operation != operation,
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
        let twins = (self.twins > 0).then_some(*self);
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
                entry = superseded(&entry, count);
            }
            if entry.settled() {
                entry.decided = 0;
                entry.statement = Statement::None;
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
                Phase::Append(entry) | Phase::FinalAppend(entry) => Some(entry),
                _ => None,
            };
            for entry in payload.into_iter().chain(&mut writer.pending) {
                // An append whose base is no longer the head will be void, regardless of its content.
                *entry = if entry.base == head {
                    Entry { base: count, ..*entry }
                } else if twins.is_some_and(|world| world.can_overwrite(entry)) {
                    Entry { base: kept[usize::from(count) - 1].base, ..*entry }
                } else {
                    Entry { kind: Kind::Void, base: NEVER, ..Entry::default() }
                };
            }
        }
    }
}
