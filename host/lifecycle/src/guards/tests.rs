use super::*;
use crate::ledger::entry::tests::sample;
use crate::ledger::entry::{Entry, EntryKind};
use hydra_base::testing::{alias, set, unset, version};
use proptest::prelude::*;

/// The aliases that a policy may move.
const MANAGED: [&str; 4] = ["champion", "archived", "candidate", "challenger"];

/// Versions 1 to 6 exist, 4 is not READY, 6 is in quarantine. Version 2 is champion, 1 archived, 3 candidate.
struct World {
    aliases: AliasState,
    managed: Vec<Alias>,
    versions: BTreeMap<Version, bool>,
    standing: Standing,
}

impl World {
    fn new() -> Self {
        let state = [("champion", 2), ("archived", 1), ("candidate", 3), ("prod", 2)];
        Self {
            aliases: state.map(|(name, number)| (alias(name), version(number))).into_iter().collect(),
            managed: MANAGED.map(alias).to_vec(),
            versions: (1..=6).map(|number| (version(number), number != 4)).collect(),
            standing: quarantine([version(6)]),
        }
    }

    fn facts(&self, operation: Operation, target: Option<u64>) -> Facts<'_> {
        let target = target.map(version);
        Facts {
            operation,
            target,
            aliases: &self.aliases,
            managed: &self.managed,
            standing: &self.standing,
            versions: &self.versions,
        }
    }

    fn promote(&self, moves: Vec<AliasMove>) -> Result<Plan> {
        review(&approve(moves), &self.facts(Operation::Promote, Some(3)))
    }
}

/// A standing with these versions in quarantine.
fn quarantine(versions: impl IntoIterator<Item = Version>) -> Standing {
    versions.into_iter().fold(Standing::none("00ff"), |standing, version| {
        let (operation, target) = (EntryKind::Quarantine, Some(version));
        let reason = Some("calls in sick".into());
        let entry = Entry { operation, target, reason, decided: None, ..sample() };
        standing.after(&entry).unwrap_or(standing)
    })
}

fn approve(moves: Vec<AliasMove>) -> Verdict {
    Verdict::approve(moves, "because")
}

fn refused(result: Result<Plan>) -> String {
    let error = result.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Guard);
    error.to_string()
}

#[test]
fn a_promotion_is_planned_with_the_champion_first() {
    let moves = vec![unset("candidate"), set("archived", 2), set("champion", 3)];
    let plan = World::new().promote(moves).unwrap();
    let expected = [set("champion", 3), unset("candidate"), set("archived", 2)];
    assert_eq!(plan.moves, expected);
    assert_eq!(plan.after.to_string(), "archived -> 2, champion -> 3, prod -> 2");
    assert!(!plan.staged);
}

#[test]
fn moves_that_change_nothing_are_left_out() {
    let plan = World::new().promote(vec![set("archived", 1), unset("challenger")]).unwrap();
    assert_eq!(plan.moves, []);
}

#[test]
fn a_promotion_without_a_champion_move_is_staged() {
    let world = World::new();
    let plan = world.promote(vec![set("challenger", 3)]).unwrap();
    assert!(plan.staged);
    assert_eq!(plan.after.get(&alias("challenger")), Some(version(3)));
    assert!(world.promote(Vec::new()).unwrap().staged);
}

#[test]
fn nothing_moves_on_reject_and_hold() {
    let world = World::new();
    for verdict in [Verdict::reject("no"), Verdict::hold("not yet")] {
        let plan = review(&verdict, &world.facts(Operation::Promote, Some(3))).unwrap();
        assert_eq!(plan, Plan { moves: Vec::new(), after: world.aliases.clone(), staged: false });
    }
}

#[test]
fn an_alias_that_is_not_managed_is_refused() {
    let error = World::new().promote(vec![set("prod", 3)]).unwrap_err();
    assert_eq!(error.to_string(), "the policy moves the alias `prod`, which is not managed");
    assert!(error.hint().unwrap().contains("challenger"));
}

#[test]
fn an_alias_moved_twice_is_refused() {
    let moves = vec![set("champion", 3), set("champion", 3)];
    assert_eq!(refused(World::new().promote(moves)), "the policy moves the alias `champion` twice");
}

#[test]
fn a_version_that_does_not_exist_is_refused() {
    let moves = vec![set("archived", 99)];
    assert_eq!(
        refused(World::new().promote(moves)),
        "the policy moves `archived` to version 99, which does not exist"
    );
}

#[test]
fn a_version_that_is_not_ready_is_refused() {
    let moves = vec![set("challenger", 4)];
    assert_eq!(
        refused(World::new().promote(moves)),
        "the policy moves `challenger` to version 4, which is not READY"
    );
}

#[test]
fn a_champion_other_than_the_target_is_refused() {
    let world = World::new();
    let moves = vec![set("champion", 5)];
    let message = "the policy moves `champion` to version 5, but the request was for version 3";
    assert_eq!(refused(world.promote(moves.clone())), message);
    let facts = world.facts(Operation::Rollback, Some(3));
    assert_eq!(refused(review(&approve(moves.clone()), &facts)), message);
    let free_choice = world.facts(Operation::Rollback, None);
    assert_eq!(review(&approve(moves.clone()), &free_choice).unwrap().moves, moves);
}

#[test]
fn removing_the_champion_is_refused() {
    let world = World::new();
    for operation in [Operation::Promote, Operation::Rollback] {
        let verdict = approve(vec![unset("champion")]);
        let result = review(&verdict, &world.facts(operation, None));
        assert_eq!(refused(result), "the policy removes the alias `champion`");
    }
}

#[test]
fn a_champion_in_quarantine_is_refused() {
    let world = World::new();
    let moves = vec![set("champion", 6)];
    for facts in [world.facts(Operation::Promote, Some(6)), world.facts(Operation::Rollback, None)] {
        let error = review(&approve(moves.clone()), &facts).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Quarantined);
        assert_eq!(error.to_string(), "version 6 is in quarantine (reason: calls in sick, by: ann)");
    }
    // It is a matter of the champion alone, and only of where that moves to.
    assert!(world.promote(vec![set("challenger", 6)]).is_ok());
    let already = World { aliases: [(alias("champion"), version(6))].into_iter().collect(), ..world };
    assert!(already.promote(vec![set("champion", 6), set("archived", 2)]).is_err(), "not the target");
    let facts = already.facts(Operation::Rollback, None);
    assert!(review(&approve(vec![set("champion", 6), set("archived", 2)]), &facts).is_ok());
}

#[test]
fn a_champion_that_is_archived_is_refused() {
    let world = World::new();
    let swap_half = vec![set("champion", 1)];
    let result = review(&approve(swap_half), &world.facts(Operation::Rollback, None));
    assert_eq!(refused(result), "the policy would leave version 1 both `champion` and `archived`");
    let swap = vec![set("champion", 1), set("archived", 2)];
    assert!(review(&approve(swap), &world.facts(Operation::Rollback, None)).is_ok());
}

fn any_alias() -> impl Strategy<Value = Alias> {
    prop_oneof![
        6 => prop::sample::select(MANAGED.to_vec()).prop_map(alias),
        1 => prop::sample::select(vec!["prod", "Champion", "champion-"]).prop_map(alias),
    ]
}

fn any_number(end: u64) -> impl Strategy<Value = Version> {
    (1..end).prop_map(version)
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    let any_move = (any_alias(), prop::option::of(any_number(7)))
        .prop_map(|(alias, version)| AliasMove { alias, version });
    prop_oneof![
        8 => prop::collection::vec(any_move, 0..5).prop_map(approve),
        1 => Just(Verdict::reject("no")),
        1 => Just(Verdict::hold("not yet")),
    ]
}

fn any_state() -> impl Strategy<Value = AliasState> {
    let aliases = prop::collection::btree_map(
        prop::sample::select([&MANAGED[..], &["prod"]].concat()).prop_map(alias),
        any_number(6),
        0..5,
    );
    aliases.prop_map(|aliases| aliases.into_iter().collect::<AliasState>()).prop_filter(
        "the invariant holds before",
        |state| {
            state.get(&Alias::CHAMPION).is_none()
                || state.get(&Alias::CHAMPION) != state.get(&Alias::ARCHIVED)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn no_answer_of_a_policy_makes_the_aliases_unsound(
        verdict in any_verdict(),
        before in any_state(),
        ready in prop::collection::btree_map(any_number(6), any::<bool>(), 0..6),
        operation in prop::sample::select(vec![Operation::Promote, Operation::Rollback]),
        target in any_number(6),
        named in any::<bool>(),
        quarantined in prop::collection::btree_set(any_number(6), 0..3),
    ) {
        let managed = MANAGED.map(alias);
        let target = (named || operation == Operation::Promote).then_some(target);
        let standing = quarantine(quarantined.clone());
        let facts =
            Facts { operation, target, aliases: &before, managed: &managed, standing: &standing, versions: &ready };
        let Ok(Plan { moves, after, staged }) = review(&verdict, &facts) else { return Ok(()) };

        let mut replayed = before.clone();
        for step in &moves {
            replayed.apply(step);
        }
        prop_assert_eq!(&replayed, &after);
        prop_assert!(after.get(&Alias::CHAMPION).is_none() || after.get(&Alias::CHAMPION) != after.get(&Alias::ARCHIVED));
        prop_assert_eq!(after.get(&alias("prod")), before.get(&alias("prod")));
        prop_assert!(before.get(&Alias::CHAMPION).is_none() || after.get(&Alias::CHAMPION).is_some());
        if !matches!(verdict, Verdict::Approve(_)) {
            prop_assert_eq!(&after, &before);
        }
        for (alias, version) in after.iter_set().filter(|(alias, version)| before.get(alias) != Some(*version)) {
            prop_assert!(managed.contains(alias));
            prop_assert_eq!(ready.get(&version), Some(&true));
            if let Some(target) = target.filter(|_| *alias == Alias::CHAMPION) {
                prop_assert_eq!(version, target);
            }
        }
        if after.get(&Alias::CHAMPION) != before.get(&Alias::CHAMPION) {
            prop_assert!(!staged);
            prop_assert!(after.get(&Alias::CHAMPION).is_none_or(|champion| !quarantined.contains(&champion)));
            prop_assert_eq!(&moves[0].alias, &Alias::CHAMPION);
        }
    }
}
