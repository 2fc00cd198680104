//! Random ledgers: after any races and deletions, the newest entries show the same head as the whole ledger.

use proptest::prelude::*;

use super::{Chain, Found, Link, Number, Slot, Validity, find_head, valid_entries};

/// What happens to a ledger, one number at a time.
#[derive(Debug, Clone)]
enum Event {
    /// An append by a writer who saw the head as it was this many entries ago.
    Append { behind: usize },
    /// A repair, if there is anything to repair.
    Checkpoint,
    /// The entry this far from the newest is deleted.
    Delete { back: usize },
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        8 => (0_usize..4).prop_map(|behind| Event::Append { behind }),
        1 => Just(Event::Checkpoint),
        1 => (1_usize..5).prop_map(|back| Event::Delete { back }),
    ];
    prop::collection::vec(event, 1..60)
}

/// Plays the events with honest writers: they name the head they saw, and append nothing on top of damage they saw.
fn play(events: &[Event]) -> Vec<Slot<u64>> {
    let mut slots: Vec<Slot<u64>> = vec![entry(1, 0, None)];
    let mut seen = vec![1];
    for event in events {
        let number = slots.len() as Number + 1;
        match event {
            Event::Append { behind } => {
                let base = seen[seen.len().saturating_sub(1 + behind)];
                slots.push(entry(number, base, None));
            }
            Event::Checkpoint => {
                let trusted = match find_head(1, &slots) {
                    Found::Head { damage: 0, .. } => continue,
                    Found::Head { number, .. } | Found::Lost { number, .. } => number,
                    Found::Empty | Found::ReadFrom(_) => unreachable!("the whole ledger was given"),
                };
                slots.push(entry(number, number - 1, Some(trusted)));
            }
            Event::Delete { back } => {
                // The newest entry stays: that it was deleted shows only later.
                if slots.len() > back + 1 {
                    let index = slots.len() - 1 - back;
                    slots[index] = Slot::Damaged;
                }
            }
        }
        if let Found::Head { number, damage: 0 } = find_head(1, &slots) {
            seen.push(number);
        }
    }
    slots
}

fn entry(number: Number, base: Number, trusted: Option<Number>) -> Slot<u64> {
    Slot::Entry(Link { base, previous: base, digest: number, checkpoint: trusted })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn every_window_shows_the_head_of_the_whole_ledger(events in events()) {
        let slots = play(&events);
        let mut chain = Chain::from_start();
        for (number, slot) in (1..).zip(&slots) {
            chain.step(number, slot);
        }
        for size in 1..=slots.len() {
            let mut lowest = (slots.len() - size) as Number + 1;
            let found = loop {
                match find_head(lowest, &slots[lowest as usize - 1..]) {
                    Found::ReadFrom(further) => {
                        prop_assert!(further < lowest, "each answer asks for more");
                        lowest = further;
                    }
                    found => break found,
                }
            };
            let (Found::Head { number: head, .. } | Found::Lost { number: head, .. }) = found else {
                return Err(TestCaseError::fail(format!("{found:?}")));
            };
            prop_assert_eq!(head, chain.head(), "from {}", lowest);
        }
    }

    #[test]
    fn without_damage_an_entry_is_valid_iff_no_valid_one_lies_between(behinds in prop::collection::vec(0_usize..6, 1..60)) {
        let events: Vec<Event> = behinds.into_iter().map(|behind| Event::Append { behind }).collect();
        let slots = play(&events);
        let mut chain = Chain::from_start();
        let validity: Vec<Validity> = (1..).zip(&slots).map(|(number, slot)| chain.step(number, slot)).collect();
        for (index, slot) in slots.iter().enumerate() {
            let Slot::Entry(link) = slot else { unreachable!("nothing was deleted") };
            let between = &validity[link.base as usize..index];
            let expected = if between.contains(&Validity::Valid) { Validity::Void } else { Validity::Valid };
            prop_assert_eq!(validity[index], expected);
        }
    }

    #[test]
    fn another_text_in_the_chain_shows_as_damage(events in prop::collection::vec(0_usize..3, 3..30), which in 0_usize..30) {
        let events: Vec<Event> = events.into_iter().map(|behind| Event::Append { behind }).collect();
        let mut slots = play(&events);
        let Found::Head { number: head, .. } = find_head(1, &slots) else { unreachable!("nothing was deleted") };
        let chain: Vec<Number> = valid_entries(1, &slots, head).map(|(number, _)| number).collect();
        // A changed head shows only once a later entry names its digest.
        prop_assume!(chain.len() > 1);
        let victim = chain[1 + which % (chain.len() - 1)] as usize - 1;
        if let Slot::Entry(link) = &mut slots[victim] {
            link.digest = 999;
        }
        let shown = matches!(find_head(1, &slots), Found::Head { damage: 1.., .. } | Found::Lost { .. });
        prop_assert!(shown, "{:?}", find_head(1, &slots));
    }
}

#[test]
fn the_active_policy_decides_unless_that_is_set_aside() {
    use crate::standing::{approvals_needed, may_decide};
    let (one, other) = (Some([1; 32]), Some([2; 32]));
    assert!(may_decide(one, one, false) && may_decide(one, one, true));
    assert!(!may_decide(one, other, false) && !may_decide(one, None, false));
    assert!(may_decide(one, other, true) && may_decide(one, None, true));
    assert!(may_decide(None, None, false) && !may_decide(None, one, false));
    assert_eq!(
        [(0, 0), (2, 0), (2, 1), (2, 3)].map(|(asked, given)| approvals_needed(asked, given)),
        [0, 2, 1, 0]
    );
}
