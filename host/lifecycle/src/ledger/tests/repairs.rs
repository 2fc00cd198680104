//! Aliases moved without the ledger, interrupted transitions and damage: findings and repairs.

use super::*;

#[tokio::test]
async fn aliases_moved_outside_are_adopted() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        world.set(Alias::CHAMPION, 4).await;
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let findings = ledger.ledger().diagnose().await.expect("findings");
        let [LedgerFinding::Drift { actual, .. }] = &findings[..] else { panic!("{findings:?}") };
        assert_eq!(*actual, Some(version(4)));
        promote(&world, place, "b", 2).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(2), Some(4)));
        assert_eq!(
            kinds(&world.assert_sound().await),
            [EntryKind::Genesis, EntryKind::Promote, EntryKind::External, EntryKind::Promote]
        );
    }
}

#[tokio::test]
async fn a_slow_writer_is_undone_within_the_window_and_adopted_after() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    promote(&world, Place::Remote, "b", 2).await.expect("a promotion");
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    // The writer of the first promotion wakes up.
    world.set(Alias::CHAMPION, 1).await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(world.aliases().await, (Some(3), Some(2)));
    let history = world.assert_sound().await;
    assert_eq!(history[0].0.entry.operation, EntryKind::Reassert);
    let impatient = Windows { lease: 1_000, slow_writer: 1, ..Windows::MILLISECONDS };
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.set(Alias::CHAMPION, 1).await;
    let ledger = world.open_with(world.at(Place::Remote), impatient).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(world.aliases().await, (Some(1), Some(2)));
    assert_eq!(world.assert_sound().await[0].0.entry.operation, EntryKind::External);
}

/// A local store has no slow writers, so an alias that moves back was moved deliberately.
#[tokio::test]
async fn a_move_back_on_a_local_store_is_adopted_at_once() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2), ("c", 3)] {
        promote(&world, Place::Local, id, version).await.expect("a promotion");
    }
    world.set(Alias::CHAMPION, 1).await;
    let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(world.aliases().await, (Some(1), Some(2)));
    assert_eq!(kinds(&world.assert_sound().await).last(), Some(&EntryKind::External));
}

#[tokio::test]
async fn an_expired_transition_never_takes_place() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let brief = Windows { lease: 50, slow_writer: 100, expiry: 300, guard: 100 };
    // The first write of the transition is the append; the second, an alias, kills the process.
    let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
    let ledger = world.open_with(dying.clone(), brief).await.expect("the ledger");
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect_err("death");
    assert!(dying.is_dead());
    tokio::time::sleep(Duration::from_millis(350)).await;
    let ledger = world.open_with(world.at(Place::Remote), brief).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    let history = world.assert_sound().await;
    assert_eq!(history[0].0.entry.operation, EntryKind::Aborted);
    assert_eq!(history[1].1, Fate::Aborted);
    // The dying process may have moved `archived`, which is sent at the same time.
    assert_eq!(world.aliases().await, (Some(1), None));
}

#[tokio::test]
async fn a_target_deleted_meanwhile_aborts_the_transition() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
    let ledger = world.open(dying).await.expect("the ledger");
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect_err("death");
    world.store.delete_model_version(&world.model, version(2)).await.expect("a deletion");
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    assert_eq!(world.aliases().await, (Some(3), Some(1)));
    let kinds = kinds(&world.assert_sound().await);
    assert_eq!(
        kinds,
        [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::Aborted, EntryKind::Promote]
    );
}

/// The decision was recorded, but its version is deleted before it takes effect: this outcome is certain, not doubtful.
#[tokio::test]
async fn a_decision_that_never_took_effect_is_reported_as_such() {
    struct Deletes<'a>(Decider<'a>);

    #[async_trait]
    impl Decide for Deletes<'_> {
        async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
            let Decider { world, .. } = self.0;
            let answer = self.0.decide(view).await?;
            world.store.delete_model_version(&world.model, version(2)).await?;
            Ok(answer)
        }
    }

    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let mut decider = Deletes(Decider { world: &world, wish: Wish::Promote(2), asked: 0 });
    let error = ledger.transition("b", &mut decider).await.expect_err("aborted");
    assert_eq!((error.kind(), error.hint()), (ErrorKind::Contention, Some("try again")));
    assert_eq!(world.aliases().await, (Some(1), None));
    let kinds = kinds(&world.assert_sound().await);
    assert_eq!(kinds, [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::Aborted]);
}

#[tokio::test]
async fn damage_stops_writers_until_a_checkpoint_bridges_it() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2), ("c", 3)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        let name = ledger_name(&world.model).expect("a name");
        world.store.delete_model_version(&name, version(3)).await.expect("a deletion");
        let error = promote(&world, place, "d", 4).await.expect_err("damage");
        assert_eq!(error.kind(), ErrorKind::LedgerBroken);
        assert_eq!(world.aliases().await, (Some(3), Some(2)));
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let findings = ledger.ledger().diagnose().await.expect("findings");
        assert!(matches!(&findings[..], [LedgerFinding::Damaged { entry: 3, .. }]), "{findings:?}");
        assert_eq!(ledger.repair().await.expect("a repair"), Some(5));
        promote(&world, place, "e", 4).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(4), Some(3)));
        // The history includes the entries below the damage.
        let history = ledger.ledger().history(None, None).await.expect("a history");
        let expected = [
            EntryKind::Genesis,
            EntryKind::Promote,
            EntryKind::Promote,
            EntryKind::Checkpoint,
            EntryKind::Promote,
        ];
        assert_eq!(kinds(&history), expected);
        assert!(ledger.ledger().was_champion(version(1)).await.expect("an answer"));
        let verified = ledger.ledger().verify(None).await.expect("a verification");
        assert!(verified.is_sound() && verified.valid == 5 && verified.bridged.len() == 1, "{verified:?}");
    }
}

/// MLflow deletes a version's aliases with it, so no repair is needed.
#[tokio::test]
async fn a_deleted_version_leaves_its_aliases_and_that_is_no_drift() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    world.store.delete_model_version(&world.model, version(1)).await.expect("a deletion");
    world.store.delete_alias(&world.model, &Alias::ARCHIVED).await.expect("its alias goes with it");
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    assert_eq!(ledger.ledger().diagnose().await.expect("findings"), []);
    assert!(ledger.ledger().verify(None).await.expect("a verification").is_sound());
    assert!(!ledger.ledger().was_champion(version(3)).await.expect("an answer"));
}

/// MLflow deletes the aliases of a deleted version: the ledger agrees with the rest, but there is no champion.
#[tokio::test]
async fn a_deleted_champion_is_found() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    world.store.delete_model_version(&world.model, version(2)).await.expect("a deletion");
    world.store.delete_alias(&world.model, &Alias::CHAMPION).await.expect("its alias goes with it");
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let findings = ledger.ledger().diagnose().await.expect("findings");
    assert_eq!(findings, [LedgerFinding::DeletedChampion { version: version(2) }]);
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    assert_eq!(ledger.ledger().diagnose().await.expect("findings"), []);
}

/// The next writer records that the champion is gone, once, before it does anything else.
#[tokio::test]
async fn a_deleted_champion_leaves_an_entry() {
    for place in [Place::Local, Place::Remote] {
        for alias in [Alias::CHAMPION, Alias::ARCHIVED] {
            let world = World::new().await;
            for (id, version) in [("a", 1), ("b", 2)] {
                promote(&world, place, id, version).await.expect("a promotion");
            }
            let deleted = version(if alias == Alias::CHAMPION { 2 } else { 1 });
            world.store.delete_model_version(&world.model, deleted).await.expect("a deletion");
            world.store.delete_alias(&world.model, &alias).await.expect("its alias goes with it");
            let ledger = world.open(world.at(place)).await.expect("the ledger");
            ledger.repair().await.expect("a repair");
            ledger.repair().await.expect("nothing is left");
            let findings = ledger.ledger().diagnose().await.expect("findings");
            let lost = LedgerFinding::DeletedChampion { version: version(2) };
            let expected = if alias == Alias::CHAMPION { vec![lost] } else { Vec::new() };
            assert_eq!(findings, expected, "that it is on record does not bring it back");
            promote(&world, place, "c", 3).await.expect("a promotion");
            let history = world.assert_sound().await;
            let promotion = EntryKind::Promote;
            let expected = [EntryKind::Genesis, promotion, promotion, EntryKind::External, promotion];
            assert_eq!(kinds(&history), expected, "{place:?} {alias}");
            let external = &history[1].0.entry;
            assert_eq!((external.before.get(&alias), external.after.get(&alias)), (Some(deleted), None));
            assert!(external.after.contains(&alias));
            let why = format!("version {deleted}, which was `{alias}`, was deleted");
            assert_eq!(external.explanation, why);
        }
    }
}

/// `archived` belongs to the ledger also before an entry moved it.
#[tokio::test]
async fn an_alias_that_no_entry_moved_can_drift() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    world.set(Alias::ARCHIVED, 3).await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let findings = ledger.ledger().diagnose().await.expect("findings");
    assert!(matches!(&findings[..], [LedgerFinding::Drift { recorded: None, .. }]), "{findings:?}");
    assert!(!ledger.ledger().verify(None).await.expect("a verification").is_sound());
    // It was set by hand and never was the champion.
    ledger.repair().await.expect("a repair");
    assert!(!ledger.ledger().was_champion(version(3)).await.expect("an answer"));
}

/// A distant number causes one finding and uses no memory for the numbers in between.
#[test]
fn a_wide_gap_is_damage_and_takes_no_memory() {
    use crate::ledger::chain::{Reading, Window};
    let reading = || Reading::Damaged("strange".into());
    let window = Window::of_readings(vec![(u64::MAX / 2, reading()), (2, reading()), (1, reading())], true);
    assert_eq!((window.lowest(), window.newest()), (u64::MAX / 2, u64::MAX / 2));
    let window = Window::of_readings(vec![(u64::MAX / 2, reading())], true);
    assert_eq!(window.lowest(), u64::MAX / 2);
}
