//! What is left of the standing when files or writers are lost.

use super::*;

/// The next writer finishes what a dead writer began, tags included.
#[tokio::test]
async fn a_death_before_any_write_of_a_statement_is_repaired() {
    for verb in [Verb::Quarantine, Verb::Release, Verb::Approve, Verb::Nominate] {
        for at in 0.. {
            let world = World::new().await;
            promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
            world.approve(Place::Remote, 2).await;
            if verb == Verb::Release {
                world.quarantine(Place::Remote, 2).await;
            }
            let before = world.assert_sound().await.len();
            let dying = Remote::new(&world.store, &[(at, Fault::Dead)]);
            let reason = Some("leaked labels".to_owned());
            let statement = Statement { reason, ..Statement::new(verb, version(2)) };
            let stated = world.state_with(dying.clone(), statement).await;
            if !dying.is_dead() {
                stated.expect("a statement");
                break;
            }
            promote(&world, Place::Remote, "c", 3).await.expect("the next promotion");
            let appended = world.assert_sound().await.len() == before + 2;
            let quarantined = match verb {
                Verb::Quarantine => appended,
                _ => verb == Verb::Release && !appended,
            };
            assert_eq!(world.stands().await.0.contains(&2), quarantined, "{verb} before write {at}");
            assert_eq!(world.tag(2).await.is_some(), quarantined, "{verb} before write {at}");
            // A quarantine that was asked for and is not in force.
            let missing = verb == Verb::Quarantine && !appended;
            let found: &[&str] = if missing { &["unrecorded-decisions"] } else { &[] };
            assert_eq!(findings(&world).await, found, "{verb} before write {at}");
        }
    }
}

/// A promotion that never took effect has used no approval, and a rollback that never did has put nothing in quarantine.
#[tokio::test]
async fn an_abort_restores_the_standing() {
    let brief = Windows { lease: 50, slow_writer: 100, expiry: 300, guard: 100 };
    for wish in [Wish::Promote(3), Wish::RollbackAndQuarantine] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2)] {
            promote(&world, Place::Remote, id, version).await.expect("a promotion");
        }
        world.approve(Place::Remote, 3).await;
        world.approve(Place::Remote, 1).await;
        let before = world.standing().await;
        let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
        let ledger = world.open_with(dying, brief).await.expect("the ledger");
        run(&world, &ledger, "c", wish).await.expect_err("death");
        assert_ne!(world.standing().await, before, "the head carries what the decision did");
        // Its quarantine does not hold yet.
        assert_eq!(findings(&world).await, ["interrupted-transition"]);
        tokio::time::sleep(Duration::from_millis(350)).await;
        let ledger = world.open_with(world.at(Place::Remote), brief).await.expect("the ledger");
        ledger.repair().await.expect("a repair");
        let history = world.assert_sound().await;
        assert_eq!(history[0].0.entry.operation, EntryKind::Aborted);
        assert_eq!(world.standing().await, before);
        assert_eq!(world.tag(2).await, None);
        assert_eq!(findings(&world).await, [] as [&str; 0]);
    }
}

#[tokio::test]
async fn a_standing_document_that_is_lost_is_rebuilt_from_the_ledger() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    for number in [3, 4] {
        world.quarantine(Place::Remote, number).await;
        world.approve(Place::Remote, number).await;
    }
    promote(&world, Place::Remote, "c", 5).await.expect("a promotion");
    world.state(Place::Remote, Statement::new(Verb::Release, version(3))).await.expect("a release");
    let standing = world.standing().await;
    let archive = world.archive().await;
    let documents = archive.list("standing").await.expect("the documents");
    assert_eq!(documents.len(), 5, "one for each change");
    let newest = {
        let (record, _) = world.assert_sound().await.remove(0);
        format!("standing/{}.json", record.entry.standing.expect("a standing").sha256)
    };
    for document in &documents {
        archive.put_bytes(&document.path, b"{}".to_vec()).await.expect("damage");
    }
    assert_eq!(world.standing().await, standing);
    assert_eq!(findings(&world).await, ["missing-standing"]);
    let verified = world.ledger().await.verify(None).await.expect("a verification");
    let flaw = |entry| Flaw { entry, what: "its standing document is not in the archive".into() };
    assert_eq!(verified.flaws, [9, 8, 7, 6, 5, 4].map(flaw));
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(findings(&world).await, [] as [&str; 0]);
    let verified = world.ledger().await.verify(None).await.expect("a verification");
    assert_eq!(verified.flaws, [], "those of older entries are rebuilt, too");
    let stored =
        hydra_mlflow::artifacts::read_whole(archive.as_ref(), &newest, 1 << 20).await.expect("a file");
    assert_eq!(Standing::decode(&stored.expect("a document")).expect("a standing"), standing);
}

#[tokio::test]
async fn a_cached_standing_needs_no_archive() {
    let world = World::new().await;
    world.quarantine(Place::Local, 3).await;
    let directory = tempfile::tempdir().expect("a directory");
    let cache = DocumentCache::new(directory.path().join("standing"), "standing documents");
    let cached = world.ledger().await.with_cache(Some(cache));
    let view = cached.view().await.expect("a view");
    let archive = world.archive().await;
    let path = archive.list("standing").await.expect("the documents").remove(0).path;
    archive.put_bytes(&path, b"{}".to_vec()).await.expect("damage");
    // Below this number there is no chain to rebuild it from.
    let head = Record { number: 0, ..view.head };
    assert_eq!(cached.standing(&head).await.expect("the standing"), view.standing);
    let error = world.ledger().await.standing(&head).await.expect_err("it is lost");
    assert_eq!(error.kind(), ErrorKind::StandingLost);
    let file = std::fs::read_dir(directory.path().join("standing")).expect("the cache").next();
    std::fs::write(file.expect("a document").expect("a document").path(), "{}").expect("damage");
    let error = cached.standing(&head).await.expect_err("a damaged cache is not used");
    assert_eq!(error.kind(), ErrorKind::StandingLost);
}

/// An entry whose author forgot the standing, or has the wrong one, is found.
#[tokio::test]
async fn verification_finds_a_standing_that_does_not_follow() {
    for wrong in [None, Some(crate::ledger::entry::StandingRef { number: 2, sha256: Sha256::NONE })] {
        let world = World::new().await;
        world.quarantine(Place::Local, 3).await;
        let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
        let head = ledger.ledger().view().await.expect("a view").head;
        let (state, why) = (head.state().clone(), "forgotten".to_owned());
        let mut entry = ledger.entry(
            EntryKind::Promote,
            ledger.moment_after(None),
            (head.number, Some(head.digest)),
            (state.clone(), state),
            why,
        );
        entry.standing = wrong;
        ledger.append(&mut entry).await.expect("an entry");
        let verified = ledger.ledger().verify(None).await.expect("a verification");
        let what = "its standing does not follow from the entry before it".to_owned();
        assert!(verified.flaws.contains(&Flaw { entry: 3, what }), "{verified:?}");
    }
}

/// The tag is for readers. Decisions do not trust it, and a person decides about one that is wrong.
#[tokio::test]
async fn a_tag_that_is_wrong_is_found() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    world.quarantine(Place::Remote, 3).await;
    let key = Key::new(QUARANTINE_TAG).expect("a key");
    world.store.delete_version_tag(&world.model, version(3), &key).await.expect("deleted");
    world.store.set_version_tag(&world.model, version(1), &key, "by hand").await.expect("a tag");
    assert_eq!(findings(&world).await, ["missing-quarantine-tag", "stray-quarantine-tag"]);
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert!(world.tag(3).await.is_some());
    assert_eq!(findings(&world).await, ["stray-quarantine-tag"]);
    let stated =
        world.state(Place::Remote, Statement::new(Verb::Release, version(1))).await.expect("a release");
    assert!(stated.recorded);
    assert_eq!(findings(&world).await, [] as [&str; 0]);
    assert_eq!(world.stands().await.0, [3]);
    world.assert_sound().await;
}

/// Damage ends no quarantine: the entries above it name the standing, and so does the checkpoint.
#[tokio::test]
async fn damage_ends_no_quarantine() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    world.quarantine(Place::Remote, 3).await;
    world.quarantine(Place::Remote, 4).await;
    promote(&world, Place::Remote, "b", 2).await.expect("a promotion");
    let name = ledger_name(&world.model).expect("a name");
    for number in [3, 4] {
        world.store.delete_model_version(&name, version(number)).await.expect("a deletion");
    }
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a checkpoint");
    assert_eq!(world.stands().await.0, [3, 4]);
    promote(&world, Place::Remote, "c", 3).await.expect_err("in quarantine");
    promote(&world, Place::Remote, "d", 5).await.expect("a promotion");
    assert!(ledger.ledger().verify(None).await.expect("a verification").is_sound());
}
