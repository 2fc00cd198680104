//! Ledgers with entries of other releases: marks of release 0.1, entries of newer schemas.

use super::*;
use crate::ledger::chain::{Reading, source_uri};
use crate::ledger::entry::Bridge;
use crate::ledger::mark::{APPLIED_TAG, Mark};
use hydra_base::names::Key;

impl World {
    /// The entries of the ledger as they are stored, oldest first.
    async fn stored(&self) -> Vec<Record> {
        let ledger = self.ledger().await;
        let page = self.store.model_versions(ledger.name(), None, 100, None).await.expect("the entries");
        let read = |version| match Reading::of(version, ledger.id()) {
            Reading::Record(record) => *record,
            unreadable => panic!("{unreadable:?}"),
        };
        page.items.iter().rev().map(read).collect()
    }

    /// Replaces every mark by that of release 0.1.
    async fn mark_as_release_0_1(&self) {
        let name = ledger_name(&self.model).expect("a name");
        let key = Key::new(APPLIED_TAG).expect("a key");
        for record in self.stored().await {
            let Some(mark) = record.applied else { continue };
            let at = record.entry.at + i64::from(mark == Mark::Later);
            let number = version(record.number);
            self.store.set_version_tag(&name, number, &key, &at.to_string()).await.expect("a mark");
        }
    }

    /// Appends an entry that a newer release could have written.
    async fn append_newer(&self) -> u64 {
        let ledger = self.ledger().await;
        let version = NewModelVersion::new(ledger.name().clone(), source_uri(ledger.id())).tags(Tags::from(
            [(ENTRY_TAG.to_owned(), r#"{"schema":3,"host":"hydra-registry/0.9.1"}"#.to_owned())],
        ));
        self.store.create_model_version(&version).await.expect("an entry").version.get()
    }
}

/// Moves the champion back to its version in a superseded entry, and returns the kind of the resulting entry.
async fn after_a_move_back(world: &World) -> EntryKind {
    world.set(Alias::CHAMPION, 1).await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    world.assert_sound().await[0].0.entry.operation
}

#[tokio::test]
async fn marks_of_release_0_1_mean_what_they_meant() {
    for (place, mark, recorded) in
        [(Place::Local, Mark::Atomic, EntryKind::External), (Place::Remote, Mark::Later, EntryKind::Reassert)]
    {
        for old in [false, true] {
            let world = World::new().await;
            for (id, version) in [("a", 1), ("b", 2), ("c", 3)] {
                promote(&world, place, id, version).await.expect("a promotion");
            }
            if old {
                world.mark_as_release_0_1().await;
            }
            let marks: Vec<_> = world.stored().await.iter().map(|record| record.applied).collect();
            assert_eq!(marks, [None, Some(mark), Some(mark), Some(mark)], "{place:?}, old: {old}");
            assert_eq!(after_a_move_back(&world).await, recorded, "{place:?}, old: {old}");
        }
    }
}

#[tokio::test]
async fn a_ledger_with_marks_of_both_releases_verifies() {
    let world = World::new().await;
    promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    promote(&world, Place::Remote, "b", 2).await.expect("a promotion");
    world.mark_as_release_0_1().await;
    promote(&world, Place::Local, "c", 3).await.expect("a promotion");
    promote(&world, Place::Remote, "d", 4).await.expect("a promotion");
    let marks: Vec<_> = world.stored().await.iter().map(|record| record.applied).collect();
    let (atomic, later) = (Some(Mark::Atomic), Some(Mark::Later));
    assert_eq!(marks, [None, atomic, later, atomic, later]);
    let history = world.assert_sound().await;
    assert!(history.iter().all(|(_, fate)| *fate == Fate::Done), "{history:?}");
    assert_eq!(world.ledger().await.diagnose().await.expect("findings"), []);
}

/// Appends the promotion of a version as release 0.1 would have done on top of entry `base`, and moves no alias: its writer
/// died.
async fn promote_as_release_0_1(world: &World, base: &Record, number: u64) -> u64 {
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let mut after = base.state().clone();
    after.set(Alias::CHAMPION, Some(version(number)));
    after.set(Alias::ARCHIVED, base.state().get(&Alias::CHAMPION));
    let (state, why) = (base.state().clone(), "as release 0.1 does".to_owned());
    let (moment, on) = (ledger.moment_after(None), (base.number, Some(base.digest)));
    let mut entry = ledger.entry(EntryKind::Promote, moment, on, (state, after), why);
    entry.schema = 1;
    entry.host = "hydra-registry/0.1.0".into();
    entry.target = Some(version(number));
    ledger.append(&mut entry).await.expect("an entry").version.get()
}

/// Both releases write to one ledger, for as long as the older one finds no entry of the newer.
#[tokio::test]
async fn releases_of_both_schemas_race() {
    for older_is_faster in [true, false] {
        let world = World::new().await;
        world.open(world.at(Place::Remote)).await.expect("a ledger");
        let genesis = world.stored().await.remove(0);
        if older_is_faster {
            // This release completes the decision of the older one, and goes on with its own.
            promote_as_release_0_1(&world, &genesis, 1).await;
            promote(&world, Place::Remote, "b", 2).await.expect("a promotion");
            assert_eq!(world.aliases().await, (Some(2), Some(1)));
        } else {
            // The older one had read the genesis before: its entry is void.
            promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
            promote_as_release_0_1(&world, &genesis, 2).await;
            promote(&world, Place::Remote, "b", 3).await.expect("a promotion");
            assert_eq!(world.aliases().await, (Some(3), Some(1)));
        }
        let history = world.assert_sound().await;
        assert_eq!(kinds(&history), [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote]);
        let schemas: Vec<u32> = history.iter().rev().map(|(record, _)| record.entry.schema).collect();
        assert_eq!(schemas, [2, if older_is_faster { 1 } else { 2 }, 2]);
        assert_eq!(world.ledger().await.diagnose().await.expect("findings"), []);
    }
}

#[tokio::test]
async fn an_interrupted_transition_below_a_newer_entry_is_left_to_the_newer_release() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
    let ledger = world.open(dying).await.expect("the ledger");
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect_err("death");
    tokio::time::sleep(Duration::from_millis(5)).await;
    let between = hydra_base::time::now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(world.append_newer().await, 4);
    let aliases = world.aliases().await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let error = ledger.repair().await.expect_err("a newer entry");
    assert_eq!(error.kind(), ErrorKind::LedgerNewer);
    assert!(error.message().ends_with("hydra-registry 0.9.1 or newer is needed"), "{error}");
    let error = run(&world, &ledger, "c", Wish::Promote(3)).await.expect_err("a newer entry");
    assert_eq!(error.kind(), ErrorKind::LedgerNewer);
    assert_eq!(world.aliases().await, aliases);
    let findings = ledger.ledger().diagnose().await.expect("findings");
    assert_eq!(findings, [LedgerFinding::Newer { entry: 4, schema: 3, release: Some("0.9.1".into()) }]);
    // The newer entry may say that the interrupted one was aborted.
    let error = ledger.ledger().as_of(between).await.expect_err("not known");
    assert_eq!(error.kind(), ErrorKind::LedgerNewer);
}

/// An older release may have bridged a newer entry, which it reads as damage; then the chain continues after it.
#[tokio::test]
async fn a_newer_entry_that_an_older_release_bridged_stops_nothing() {
    let world = World::new().await;
    promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    let damaged = world.append_newer().await;
    let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
    let name = ledger_name(&world.model).expect("a name");
    let stored = world.store.model_version(&name, version(2)).await.expect("the promotion");
    let Reading::Record(trusted) = Reading::of(&stored, ledger.ledger().id()) else { panic!("a record") };
    let state = trusted.state().clone();
    let why = "as release 0.1 does".to_owned();
    let mut entry = ledger.entry(
        EntryKind::Checkpoint,
        ledger.moment_after(None),
        (damaged, Some(trusted.digest)),
        (state.clone(), state),
        why,
    );
    entry.bridge = Some(Bridge { trusted: trusted.number, damaged });
    ledger.append(&mut entry).await.expect("a checkpoint");
    promote(&world, Place::Local, "b", 2).await.expect("a promotion");
    let history = world.ledger().await.history(None, None).await.expect("a history");
    let expected = [EntryKind::Genesis, EntryKind::Promote, EntryKind::Checkpoint, EntryKind::Promote];
    assert_eq!(kinds(&history), expected);
    let verified = world.ledger().await.verify(None).await.expect("a verification");
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!(verified.bridged.iter().map(|flaw| flaw.entry).collect::<Vec<_>>(), [damaged]);
    assert_eq!(world.ledger().await.diagnose().await.expect("findings"), []);
}
