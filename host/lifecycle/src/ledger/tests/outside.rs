//! Moves of aliases and losses of entries that no command caused: which of them stand, and what is left of a quarantine.

use super::*;
use crate::ledger::QUARANTINE_TAG;
use crate::statement::{self, Statement, Verb};
use hydra_base::names::Key;

async fn kinds_after_repair(world: &World, place: Place) -> Vec<EntryKind> {
    let ledger = world.open(world.at(place)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    let verified = ledger.ledger().verify(None).await.expect("a verification");
    assert_eq!(verified.flaws, []);
    kinds(&ledger.ledger().history(None, None).await.expect("a history"))
}

async fn quarantine(world: &World, place: Place, number: u64) {
    let ledger = world.open(world.at(place)).await.expect("the ledger");
    let reason = Some("leaked".to_owned());
    let statement = Statement { reason, ..Statement::new(Verb::Quarantine, version(number)) };
    statement::record(&world.backend(world.store.clone()), None, &ledger, &statement)
        .await
        .expect("an entry");
}

/// What was found and recorded, no writer carries out: the same move once more is a move from outside again.
#[tokio::test]
async fn an_outside_move_that_is_repeated_stands() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        world.set(Alias::CHAMPION, 3).await;
        promote(&world, place, "c", 2).await.expect("back");
        assert_eq!(world.aliases().await, (Some(2), Some(3)));
        // Neither the entry that recorded the move nor one that left it alone is a writer's.
        quarantine(&world, place, 5).await;
        world.set(Alias::CHAMPION, 3).await;
        let kinds = kinds_after_repair(&world, place).await;
        assert_eq!(kinds.last(), Some(&EntryKind::External), "{place:?}: {kinds:?}");
        assert_eq!(world.aliases().await.0, Some(3), "{place:?}");
    }
}

/// A statement about an alias that it does not move is not carried out there, either.
#[tokio::test]
async fn entries_that_leave_an_alias_alone_do_not_write_it() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        world.set(Alias::CHAMPION, 3).await;
        quarantine(&world, place, 5).await;
        promote(&world, place, "b", 2).await.expect("a promotion");
        world.set(Alias::CHAMPION, 3).await;
        let kinds = kinds_after_repair(&world, place).await;
        assert_eq!(kinds.last(), Some(&EntryKind::External), "{place:?}: {kinds:?}");
    }
}

/// The champion that the ledger found when it began: removed by hand right after the first promotion.
#[tokio::test]
async fn the_aliases_of_the_beginning_have_no_slow_writers() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 4).await.expect("a promotion");
        world.store.delete_alias(&world.model, &Alias::CHAMPION).await.expect("removed by hand");
        let kinds = kinds_after_repair(&world, place).await;
        assert_eq!(kinds, [EntryKind::Genesis, EntryKind::Promote, EntryKind::External], "{place:?}");
        assert_eq!(world.aliases().await.0, None);
    }
}

/// What a decision moved an alias to within the last seconds may come from its slow writer, on a server.
#[tokio::test]
async fn a_move_back_within_the_window_counts_as_a_slow_writers_on_a_server_only() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        world.set(Alias::CHAMPION, 1).await;
        let seen = world.ledger().await.view().await.expect("a view");
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        ledger.repair().await.expect("a repair");
        let after = world.ledger().await.view().await.expect("a view");
        let undone = place == Place::Remote;
        assert_eq!(world.aliases().await.0, Some(if undone { 2 } else { 1 }), "{place:?}");
        assert_eq!((seen.champion_was_restored, after.champion_was_restored), (undone, undone), "{place:?}");
        let foreseen = seen.registered.aliases.get(&Alias::CHAMPION).map(|version| version.get());
        assert_eq!(foreseen, world.aliases().await.0, "a dry run sees what the repair leaves");
    }
}

/// On a local store, the newest number shows that an entry was deleted; a server does not report it.
#[tokio::test]
async fn a_deleted_newest_entry_is_damage_that_can_be_bridged() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        quarantine(&world, place, 3).await;
        let name = ledger_name(&world.model).expect("a name");
        world.store.delete_model_version(&name, version(4)).await.expect("a deletion");
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let codes: Vec<_> =
            ledger.ledger().diagnose().await.expect("findings").iter().map(LedgerFinding::code).collect();
        match place {
            Place::Local => assert_eq!(codes[0], "unknown-entry", "{codes:?}"),
            Place::Remote => assert_eq!(codes, ["stray-quarantine-tag", "unrecorded-decisions"]),
        }
        let error = run(&world, &ledger, "c", Wish::Promote(4)).await.expect_err("damage");
        assert_eq!(error.kind(), ErrorKind::LedgerBroken, "{place:?}: {error:?}");
        assert!(error.hint().is_some_and(|hint| hint.contains("doctor --fix")), "{error:?}");
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        assert!(ledger.repair().await.expect("a repair").is_some(), "{place:?}");
        assert_eq!(ledger.ledger().diagnose().await.expect("findings"), [], "{place:?}");
        let view = world.ledger().await.view().await.expect("a view");
        let quarantine = view.standing.quarantine(version(3)).expect("it outlasts the entry");
        assert!(quarantine.reason.contains("leaked"), "{quarantine:?}");
        let error = promote(&world, place, "d", 3).await.expect_err("in quarantine");
        assert_eq!(error.kind(), ErrorKind::Quarantined);
        promote(&world, place, "e", 4).await.expect("it goes on");
        assert_eq!(world.aliases().await, (Some(4), Some(2)));
        assert!(ledger.ledger().verify(None).await.expect("a verification").is_sound());
    }
}

/// The repair of damage may die at any write: the next one restores the quarantines all the same.
#[tokio::test]
async fn a_repair_that_dies_ends_no_quarantine() {
    for at in 0.. {
        let world = World::new().await;
        promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
        quarantine(&world, Place::Remote, 3).await;
        let name = ledger_name(&world.model).expect("a name");
        world.store.delete_model_version(&name, version(3)).await.expect("a deletion");
        // The entry after the gap shows the damage.
        promote(&world, Place::Remote, "b", 2).await.expect_err("damage");
        let dying = Remote::new(&world.store, &[(at, Fault::Dead)]);
        let repaired = world.open(dying.clone()).await.expect("the ledger").repair().await;
        assert_eq!(repaired.is_err(), dying.is_dead(), "write {at}: {repaired:?}");
        let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
        ledger.repair().await.expect("the next repair");
        let view = world.ledger().await.view().await.expect("a view");
        assert!(view.standing.quarantine(version(3)).is_some(), "after a death before write {at}");
        assert_eq!(ledger.ledger().diagnose().await.expect("findings"), [], "write {at}");
        if !dying.is_dead() {
            break;
        }
    }
}

/// A new ledger in the place of a lost one keeps the quarantines.
#[tokio::test]
async fn the_loss_of_a_ledger_ends_no_quarantine() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        for number in [3, 5] {
            quarantine(&world, place, number).await;
        }
        let name = ledger_name(&world.model).expect("a name");
        world.store.delete_registered_model(&name).await.expect("a deletion");
        let experiment = ExperimentId::new("0").expect("an id");
        let backend = world.backend(world.at(place));
        let settings = WriterSettings::new("doctor");
        let ledger = LedgerWriter::found_again(&backend, &world.model, &experiment, settings).await;
        assert_eq!(ledger.expect("a ledger").ledger().diagnose().await.expect("findings"), []);
        for number in [3, 5] {
            let error = promote(&world, place, "b", number).await.expect_err("in quarantine");
            assert_eq!(error.kind(), ErrorKind::Quarantined, "{place:?}");
        }
        let kinds = kinds(&world.assert_sound().await);
        assert_eq!(kinds, [EntryKind::Genesis, EntryKind::Quarantine, EntryKind::Quarantine]);
        let key = Key::new(QUARANTINE_TAG).expect("a key");
        world.store.delete_version_tag(&world.model, version(3), &key).await.expect("deleted");
        let error = promote(&world, place, "c", 3).await.expect_err("the ledger holds it");
        assert_eq!(error.kind(), ErrorKind::Quarantined);
    }
}

/// A writer that lost a race and looked again knows that its decision is not recorded.
#[tokio::test]
async fn a_lost_race_leaves_no_doubt() {
    struct Loses<'a>(Decider<'a>);

    #[async_trait]
    impl Decide for Loses<'_> {
        async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
            let Decider { world, asked, .. } = self.0;
            if asked > 0 {
                return Err(hydra_base::Error::new(ErrorKind::Rejected, "not any more").with_hint("its own"));
            }
            let answer = self.0.decide(view).await?;
            promote(world, Place::Remote, "faster", 3).await?;
            Ok(answer)
        }
    }

    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let mut decider = Loses(Decider { world: &world, wish: Wish::Promote(2), asked: 0 });
        let error = ledger.transition("b", &mut decider).await.expect_err("refused");
        assert_eq!((error.kind(), error.hint()), (ErrorKind::Rejected, Some("its own")), "{place:?}");
    }
}
