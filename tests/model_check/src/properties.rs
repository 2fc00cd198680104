//! The properties, checked on every transition of the state machine.

use crate::deciding::own_outcome;
use crate::explore::Action;
use crate::rules::{Found, Validity};
use crate::standing::{crowns_quarantined, expected, is_by_another_policy, is_unapproved_activation};
use crate::world::{Cause, Entry, Kind, Setup, WINDOWS, World, find_head};
use crate::writer::{Choice, Outcome, Phase, Task, Writer, step};

/// A named property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Property {
    /// The valid entries form one chain, and a full scan and the search from the newest entries find the same one.
    OneChain,
    /// An operation has at most one valid entry.
    NoDecisionDoubled,
    /// If a writer's outcome is "committed", its entry stays valid and is never aborted. Every decision starts from the
    /// state that its predecessor decided.
    NoDecisionLost,
    /// After a promotion, `archived` is the previous champion. A rollback swaps the two. An aborted transition restores
    /// the previous state.
    ArchivedIsFormerChampion,
    /// The aliases equal those of the head, unless a transition is under way, an outside client moved them, or a slow
    /// writer overwrote them and has not read them again.
    ChampionIsExplained,
    /// After its expiry, a transition that is still the head does not move the champion.
    NoSurpriseDeploy,
    /// Writers record only real outside moves as such. Within the window, every writer recognises the alias writes of a
    /// slow writer; the slow writer itself always recognises them.
    NothingInvented,
    /// Writers undo only values that an entry moved an alias to. A move outside the ledger to any other value stands, even
    /// if an entry found that value before.
    OutsideMovesStand,
    /// No alias write takes effect for an entry that was superseded longer ago than the window in which other writers
    /// recognise the write.
    LateWritesAreRecognised,
    /// No writer moves aliases by an entry whose number another entry has, too.
    NumbersAreUnique,
    /// Carrying out a promotion does not leave the model without a champion.
    ChampionSurvives,
    /// No decision makes a version champion that is in quarantine by the entry that the decision is based on.
    QuarantineHolds,
    /// Decisions that need an approval use no more approvals than were given.
    ApprovalUsedOnce,
    /// Every decision is by the policy that was active when its author decided.
    ActivePolicyDecides,
    /// A policy that asks for approvals before it changes changes only with them.
    ActivationApproved,
    /// Every valid entry carries the standing that follows from the entry before it. After an abort, that is the standing
    /// from before the aborted entry.
    StandingCarried,
    /// If all writers die, one repair restores the ledger: aliases equal to the head, the head marked and without a
    /// deleted version, no damage.
    Recoverable,
}

/// Checks one transition.
pub fn check(before: &World, action: Action, after: &World) -> Result<(), Property> {
    one_chain(after)?;
    if let Some(entry) = appended(before, after) {
        check_append(before, after, entry)?;
    }
    if let Action::Step(who, _) = action {
        check_step(before, usize::from(who), after)?;
    }
    explained(after)
}

/// Kills every writer and runs one repair alone.
pub fn recoverable(setup: &Setup, world: &World) -> Result<(), Property> {
    let mut world = *world;
    for writer in &mut world.writers {
        writer.phase = Phase::Dead;
        writer.pending = None;
    }
    // Slow writers are dead now. The repair uses the last writer's slot, so attribute late writes to the first writer.
    let seat = world.writers.len() - 1;
    for cause in &mut world.causes {
        if let Cause::SlowWriter(slow, _) = cause {
            *slow = 0;
        }
    }
    for last in &mut world.wrote_last {
        *last = (*last).min(1);
    }
    world.writers[seat] = Writer::new(Task::Repair);
    world.appends = 4;
    for round in 0..160 {
        if matches!(world.writers[seat].phase, Phase::Done(_) | Phase::Stopped) {
            break;
        }
        if round % 12 == 11 {
            world.tick();
            world.canonicalise();
        }
        let Some(mut next) = step(setup, &world, seat, Choice::Plain) else {
            return Err(Property::Recoverable);
        };
        if let Some(entry) = appended(&world, &next) {
            check_append(&world, &next, entry)?;
        }
        check_step(&world, seat, &next)?;
        next.canonicalise();
        world = next;
    }
    let Found::Head { number, damage: 0 } = find_head(&world) else { return Err(Property::Recoverable) };
    let head = world.entry(number as u8);
    let in_line = head.after == world.existing(world.aliases) && head.settled();
    let ended = matches!(world.writers[seat].phase, Phase::Done(_));
    if in_line && ended { Ok(()) } else { Err(Property::Recoverable) }
}

fn appended<'a>(before: &World, after: &'a World) -> Option<(u8, &'a Entry)> {
    let overwritten = after.twins < before.twins;
    (after.len > before.len || overwritten).then(|| (after.len, after.entry(after.len)))
}

fn one_chain(world: &World) -> Result<(), Property> {
    let (head, validity) = world.scan();
    let found = match find_head(world) {
        Found::Head { number, .. } | Found::Lost { number, .. } => number as u8,
        _ => 0,
    };
    if found != head {
        return Err(Property::OneChain);
    }
    let entries = &world.log[..usize::from(world.len)];
    if entries.iter().any(|entry| entry.deleted || entry.kind == Kind::Checkpoint) {
        return Ok(());
    }
    // The definition: an entry is valid unless a valid entry lies between its base and itself.
    for (index, entry) in entries.iter().enumerate() {
        let between = usize::from(entry.base)..index;
        let lost_race = between.into_iter().any(|other| validity[other] == Validity::Valid);
        let expected = if lost_race { Validity::Void } else { Validity::Valid };
        if validity[index] != expected {
            return Err(Property::OneChain);
        }
    }
    Ok(())
}

fn check_append(earlier: &World, world: &World, (number, entry): (u8, &Entry)) -> Result<(), Property> {
    let (_, validity) = world.scan();
    if validity[usize::from(number) - 1] != Validity::Valid {
        return Ok(());
    }
    let recorded_before = || {
        if world.keep_all {
            let twin = |n: u8| !world.entry(n).deleted && world.entry(n).operation == entry.operation;
            (1..number).any(|n| validity[usize::from(n) - 1] == Validity::Valid && twin(n))
        } else {
            earlier.recorded[usize::from(entry.operation) - 1].is_some()
        }
    };
    let doubled = entry.operation != 0 && recorded_before();
    if doubled {
        return Err(Property::NoDecisionDoubled);
    }
    check_standing(world, entry)?;
    let base = (entry.base != 0).then(|| world.entry(entry.base));
    match (entry.kind, base) {
        (Kind::External, _) if !entry.justified => return Err(Property::NothingInvented),
        (Kind::Reassert, _) => {
            let undone = (0..2).filter(|&alias| entry.before[alias] != entry.after[alias]);
            for alias in undone {
                // With a deleted version goes its alias.
                let gone = if entry.before[alias] == 0 { world.gone } else { 0 };
                if world.decided[alias] & (gone | 1 << entry.before[alias]) == 0 {
                    return Err(Property::OutsideMovesStand);
                }
            }
        }
        (Kind::Aborted, Some(base)) => {
            let owner = base.operation;
            let told = |writer: &Writer| writer.phase == Phase::Done(Outcome::Committed);
            if owner != 0 && told(&world.writers[usize::from(owner) - 1]) {
                return Err(Property::NoDecisionLost);
            }
            if world.existing(entry.after) != world.existing(base.before) {
                return Err(Property::ArchivedIsFormerChampion);
            }
        }
        (Kind::Operation, Some(base)) => {
            if world.existing(entry.before) != world.existing(base.after) {
                return Err(Property::NoDecisionLost);
            }
            let (old, new) = (world.existing(entry.before), world.existing(entry.after));
            let former = if old[0] == 0 { old[1] } else { old[0] };
            let promoted = new[1] == former || new[0] == former || world.is_gone(entry.after[1]);
            if old[0] != new[0] && !promoted {
                return Err(Property::ArchivedIsFormerChampion);
            }
        }
        _ => {}
    }
    Ok(())
}

fn check_standing(world: &World, entry: &Entry) -> Result<(), Property> {
    if world.approvals.iter().any(|unused| *unused < 0) {
        return Err(Property::ApprovalUsedOnce);
    }
    if entry.predecessor() == 0 {
        return Ok(());
    }
    let base = world.entry(entry.predecessor());
    if crowns_quarantined(entry, base) {
        return Err(Property::QuarantineHolds);
    }
    if is_by_another_policy(entry, base) {
        return Err(Property::ActivePolicyDecides);
    }
    if is_unapproved_activation(entry, base) {
        return Err(Property::ActivationApproved);
    }
    if entry.standing != expected(entry, base) {
        return Err(Property::StandingCarried);
    }
    Ok(())
}

fn check_step(before: &World, who: usize, after: &World) -> Result<(), Property> {
    let (was, is) = (&before.writers[who], &after.writers[who]);
    if let Phase::Write(_) = was.phase {
        let entry = before.entry(was.head);
        let moves_champion = before.aliases[0] != after.aliases[0];
        let expired = u64::from(entry.decided) >= WINDOWS.expiry;
        let is_head = before.scan().0 == was.head;
        if is_head && entry.operation != was.operation {
            return Err(Property::NumbersAreUnique);
        }
        if moves_champion && expired && is_head && entry.kind == Kind::Operation {
            return Err(Property::NoSurpriseDeploy);
        }
        let wrote = before.aliases != after.aliases;
        if wrote && before.superseded(was.head).is_some_and(|age| !WINDOWS.may_be_slow(age.into())) {
            return Err(Property::LateWritesAreRecognised);
        }
        if moves_champion && entry.after[0] != 0 && after.aliases[0] == 0 {
            return Err(Property::ChampionSurvives);
        }
    }
    if was.phase != is.phase
        && is.phase == Phase::Done(Outcome::Committed)
        && own_outcome(after, who) != Some(Outcome::Committed)
    {
        return Err(Property::NoDecisionLost);
    }
    Ok(())
}

fn explained(world: &World) -> Result<(), Property> {
    let Found::Head { number, damage: 0 } = find_head(world) else { return Ok(()) };
    let head = world.entry(number as u8);
    let (before, after) = (world.existing(head.before), world.existing(head.after));
    let actual = world.existing(world.aliases);
    for alias in 0..2 {
        let under_way = !head.settled() && actual[alias] == before[alias];
        if actual[alias] == after[alias] || under_way {
            continue;
        }
        let excused = match world.causes[alias] {
            Cause::Ledger => false,
            Cause::Outside => true,
            Cause::SlowWriter(slow, _) => !matches!(world.writers[usize::from(slow)].phase, Phase::Done(_)),
        };
        if !excused {
            return Err(Property::ChampionIsExplained);
        }
    }
    Ok(())
}
