//! Breadth-first search over all states, which finds a shortest path to a violation.

use std::collections::HashSet;
use std::fmt;
use std::hash::{BuildHasherDefault, Hash, Hasher};

use crate::properties::{Property, check, recoverable};
use crate::world::{Cause, Kind, Setup, WRITERS, World};
use crate::writer::{self, Choice, Phase};

/// One transition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// The next step of the writer with this index.
    Step(u8, Choice),
    /// The writer with this index dies. Not explored directly after a read, which changes no shared state.
    Crash(u8),
    /// The store handles the pending create of the writer with this index, which no longer waits for the answer.
    Land(u8),
    /// One tick of time passes.
    Tick,
    /// An outside client sets the alias with the first index to a version (zero: deletes it).
    Outside(u8, u8),
    /// An outside client deletes a model version, and with it the version's aliases.
    DeleteVersion(u8),
    /// An outside client deletes the ledger entry with this number.
    DeleteEntry(u8),
}

/// The result of a search.
#[derive(Debug)]
pub struct Report {
    /// The number of distinct states.
    pub states: usize,
    /// The number of transitions between states.
    pub transitions: usize,
    /// The greatest distance of a state from the start, in transitions.
    pub depth: usize,
    /// The first violation, with a shortest sequence of actions that leads to it.
    pub violation: Option<(Property, Vec<Action>)>,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} states, {} transitions, depth {}", self.states, self.transitions, self.depth)?;
        if let Some((property, actions)) = &self.violation {
            write!(f, "\n{property:?} violated by")?;
            for action in actions {
                write!(f, "\n  {action:?}")?;
            }
        }
        Ok(())
    }
}

/// Visits every state reachable within the setup's bounds, or stops at the first violation.
#[must_use]
pub fn explore(setup: &Setup) -> Report {
    let start = World::start(setup);
    let mut seen: HashSet<u128, BuildHasherDefault<TakeFirst>> = HashSet::default();
    seen.insert(fingerprint(&start));
    // The states without their writers, which recovery starts from. Many states share one.
    let mut survivable: HashSet<u128, BuildHasherDefault<TakeFirst>> = HashSet::default();
    // For each state the index of its parent and the action between them, to reconstruct paths.
    let mut origins: Vec<(u32, Action)> = vec![(0, Action::Tick)];
    let mut frontier = vec![(start, 0_u32)];
    let mut report = Report { states: 1, transitions: 0, depth: 0, violation: None };
    let mut actions = Vec::new();
    while !frontier.is_empty() {
        let mut next_frontier = Vec::new();
        for (world, index) in &frontier {
            possible(world, &mut actions);
            for &action in &actions {
                let Some(mut next) = take(setup, world, action) else { continue };
                report.transitions += 1;
                let mut violation = check(world, action, &next).err();
                next.canonicalise();
                let is_new = violation.is_some() || seen.insert(fingerprint(&next));
                if is_new && violation.is_none() && survivable.insert(fingerprint(&what_remains(&next))) {
                    violation = recoverable(setup, &next).err();
                }
                if let Some(property) = violation {
                    report.violation = Some((property, path(&origins, *index, action)));
                    return report;
                }
                if is_new {
                    next_frontier.push((next, origins.len() as u32));
                    origins.push((*index, action));
                }
            }
        }
        report.depth += usize::from(!next_frontier.is_empty());
        report.states = origins.len();
        frontier = next_frontier;
    }
    report
}

/// Replays actions from the start and describes each state, to explain a counterexample.
#[must_use]
pub fn replay(setup: &Setup, actions: &[Action]) -> String {
    let mut world = World::start(setup);
    let mut lines = Vec::new();
    for &action in actions {
        let Some(mut next) = take(setup, &world, action) else { break };
        next.canonicalise();
        world = next;
        lines.push(format!("{action:?}\n  aliases {:?}", world.aliases));
        let entries = &world.log[..usize::from(world.len)];
        lines.extend((1..).zip(entries).map(|(number, entry)| format!("  {number}: {entry:?}")));
        lines.extend(world.writers.iter().map(|writer| format!("  {:?}: {:?}", writer.task, writer.phase)));
    }
    lines.push(String::new());
    lines.join("\n")
}

fn what_remains(world: &World) -> impl Hash {
    let told = world.writers.map(|writer| writer.phase == Phase::Done(writer::Outcome::Committed));
    (world.log, world.len, world.aliases, world.gone, world.causes, world.recorded, world.approvals, told)
}

fn possible(world: &World, actions: &mut Vec<Action>) {
    actions.clear();
    for who in 0..WRITERS as u8 {
        let writer = &world.writers[usize::from(who)];
        if writer.is_live() {
            for choice in [Choice::Plain, Choice::SecondAlias, Choice::LoseAnswer, Choice::Overwrite] {
                actions.push(Action::Step(who, choice));
            }
            let leaves_a_trace =
                matches!(writer.phase, Phase::ReadAliases | Phase::ReadBack | Phase::Write(_) | Phase::Mark);
            if world.crashes > 0 && leaves_a_trace {
                actions.push(Action::Crash(who));
            }
        }
        if writer.pending.is_some() {
            actions.push(Action::Land(who));
        }
    }
    if world.ticks != Some(0) {
        actions.push(Action::Tick);
    }
    if world.outside_moves > 0 {
        for alias in 0..2 {
            actions.extend((0..=3).map(|version| Action::Outside(alias, version)));
        }
    }
    if world.deleted_versions > 0 {
        actions.extend((1..=3).map(Action::DeleteVersion));
    }
    if world.deleted_entries > 0 {
        actions.extend((1..=world.len).map(Action::DeleteEntry));
    }
}

fn take(setup: &Setup, world: &World, action: Action) -> Option<World> {
    let mut next = *world;
    match action {
        Action::Step(who, choice) => return writer::step(setup, world, usize::from(who), choice),
        Action::Crash(who) => {
            next.crashes -= 1;
            next.writers[usize::from(who)].phase = Phase::Dead;
        }
        Action::Land(who) => {
            let entry = next.writers[usize::from(who)].pending.take()?;
            if entry.kind != Kind::Void {
                if world.appends == 0 {
                    return None;
                }
                next.append(entry);
            }
        }
        Action::Tick => {
            next.ticks = world.ticks.map(|ticks| ticks - 1);
            next.tick();
        }
        Action::Outside(alias, version) => {
            let alias = usize::from(alias);
            if world.aliases[alias] == version || world.is_gone(version) {
                return None;
            }
            next.outside_moves -= 1;
            next.aliases[alias] = version;
            next.causes[alias] = Cause::Outside;
            next.wrote_last[alias] = 0;
        }
        Action::DeleteVersion(version) => {
            if world.is_gone(version) {
                return None;
            }
            next.deleted_versions -= 1;
            next.gone |= 1 << version;
            next.aliases = next.existing(next.aliases);
        }
        Action::DeleteEntry(number) => {
            // The identity rules, not the chain rules, handle an empty ledger.
            if world.entry(number).deleted || world.len == 1 {
                return None;
            }
            next.deleted_entries -= 1;
            next.log[usize::from(number) - 1].deleted = true;
            // Without the entry, its alias moves look like outside moves.
            next.causes = [Cause::Outside; 2];
        }
    }
    Some(next)
}

fn path(origins: &[(u32, Action)], mut index: u32, last: Action) -> Vec<Action> {
    let mut actions = vec![last];
    while index != 0 {
        let (parent, action) = origins[index as usize];
        actions.push(action);
        index = parent;
    }
    actions.reverse();
    actions
}

/// The 128-bit hash that represents a state. Among ten million states, two equal hashes have a chance below 1e-24.
fn fingerprint(value: &impl Hash) -> u128 {
    let mut hasher = Mix { low: 0x243f_6a88_85a3_08d3, high: 0x1319_8a2e_0370_7344 };
    value.hash(&mut hasher);
    (u128::from(hasher.high) << 64) | u128::from(hasher.low)
}

struct Mix {
    low: u64,
    high: u64,
}

impl Hasher for Mix {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.write_u64(byte.into());
        }
    }
    fn write_u8(&mut self, value: u8) {
        self.write_u64(value.into());
    }
    fn write_isize(&mut self, value: isize) {
        self.write_u64(value as u64);
    }
    fn write_u64(&mut self, value: u64) {
        self.low = (self.low.rotate_left(5) ^ value).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.high = (self.high.rotate_left(23) ^ value).wrapping_mul(0xd6e8_feb8_6659_fd93);
    }
    fn finish(&self) -> u64 {
        self.low
    }
}

#[derive(Default)]
struct TakeFirst(u64);

impl Hasher for TakeFirst {
    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            self.0 ^= chunk.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte));
        }
    }
    fn finish(&self) -> u64 {
        self.0 ^ (self.0 >> 32)
    }
}
