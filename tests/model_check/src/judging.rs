//! What a writer makes of its reads: the head, the assessment by the shared rules, and the next step.

use crate::deciding::{new_entry, on_top, own_outcome, proceed};
use crate::mutation::Mutation;
use crate::rules::{self, AliasView, Found, Situation, Target};
use crate::world::{CAPACITY, Entry, Kind, Setup, WINDOWS, World, find_head, targets};
use crate::writer::{Phase, Task};

fn ignores_damage(mutation: Option<Mutation>) -> bool {
    mutation == Some(Mutation::IgnoreDamage)
}

/// A number that no entry has.
const NOWHERE: u8 = u8::MAX;

pub(crate) fn recheck(setup: &Setup, world: &mut World, who: usize) {
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
    let entry = world.entry(writer.head);
    let same = entry.operation == writer.operation && entry.settled() == writer.settled;
    if in_time && head == writer.head && same {
        act(setup, world, who);
    } else {
        world.writers[who].phase = Phase::ReadAliases;
    }
}

pub(crate) fn read_head(setup: &Setup, world: &mut World, who: usize) {
    let repairs = world.writers[who].task == Task::Repair;
    let head = match find_head(world) {
        Found::Head { number, damage } if damage == 0 || ignores_damage(setup.mutation) => number as u8,
        Found::Head { number, .. } | Found::Lost { number, .. } if repairs => {
            let entry = *world.entry(number as u8);
            let (settled, operation) = (entry.settled(), entry.operation);
            let writer = &mut world.writers[who];
            writer.head = number as u8;
            writer.operation = operation;
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
    writer.operation = world.log[usize::from(head) - 1].operation;
    writer.settled = world.log[usize::from(head) - 1].settled();
    judge(setup, world, who, false);
    act(setup, world, who);
}

/// Sets the next phase according to the assessment. Where the store may give two entries one number, the head is read again
/// before anything rests on it.
pub(crate) fn act(setup: &Setup, world: &mut World, who: usize) {
    settle(setup, world, who);
    if setup.reads_back() {
        let phase = &mut world.writers[who].phase;
        *phase = match *phase {
            Phase::Append(entry) => Phase::FinalAppend(entry),
            Phase::Write(mask) => Phase::Final(mask),
            Phase::Mark => Phase::Final(0),
            other => other,
        };
    }
}

fn settle(setup: &Setup, world: &mut World, who: usize) {
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

/// The age of an entry as writer `who` sees it: the store's time stamps are compared with the store's clock, which the writer's own
/// clock and the difference that the store's answers show add up to.
fn age(setup: &Setup, who: usize, ticks: u8) -> u64 {
    let skew = i64::from(setup.skews[who]);
    let by_own_clock = i64::from(ticks) + skew;
    let corrected =
        if setup.mutation == Some(Mutation::OwnClock) { by_own_clock } else { by_own_clock - skew };
    u64::try_from(corrected).unwrap_or(0)
}

/// Assesses the last reads with the shared rules, changed by the mutation if there is one.
pub(crate) fn judge(setup: &Setup, world: &mut World, who: usize, confirmed: bool) {
    let mutation = setup.mutation;
    let writer = world.writers[who];
    let entry = *world.entry(writer.head);
    let age = |ticks: u8| age(setup, who, ticks);
    let (slots, len) = world.slots();
    let mut recent = [[None; 2]; CAPACITY + 2];
    let mut recents = 0;
    let mut newer_age: Option<u8> = None;
    for (number, _) in rules::valid_entries(1, &slots[..len], writer.head.into()) {
        let candidate = world.entry(number as u8);
        if newer_age.is_some_and(|newer| WINDOWS.may_be_slow(age(newer))) {
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
        timeliness: windows.timeliness(age(entry.decided)),
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
