//! The history that policies receive.

use std::time::Duration;

use super::{Alias, EntryKind, Fault, Ledger, Place, Remote, Sha256, Windows, Wish, World, promote, run};
use crate::ledger::{DocumentCache, LedgerView};
use hydra_base::names::Version;
use hydra_policy::{Operation, Transition};

/// The history that a policy would receive now.
async fn shown(world: &World) -> Vec<Transition> {
    world.ledger().await.view().await.expect("a view").history
}

fn targets(past: &[Transition]) -> Vec<Option<u64>> {
    past.iter().map(|transition| transition.target.map(Version::get)).collect()
}

/// Appends entries without moves, like rejections.
async fn refuse(world: &World, times: u32) {
    let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
    let head = ledger.ledger().view().await.expect("a view").head;
    let (mut base, mut previous) = (head.number, head.digest);
    for _ in 0..times {
        let state = head.state().clone();
        let why = "not good enough".to_owned();
        let (moment, on) = (ledger.moment_after(None), (base, Some(previous)));
        let mut entry = ledger.entry(EntryKind::Promote, moment, on, (state.clone(), state), why);
        base = ledger.append(&mut entry).await.expect("an entry").version.get();
        previous = Sha256::of(entry.encode().expect("a text").as_bytes());
    }
}

/// The archive contains no valid input, so every entry is read.
#[tokio::test]
async fn refusals_do_not_push_transitions_out_of_sight() {
    let world = World::new().await;
    for version in 1..=3 {
        promote(&world, Place::Local, &format!("p{version}"), version).await.expect("a promotion");
    }
    refuse(&world, 100).await;
    assert_eq!(targets(&shown(&world).await), [Some(3), Some(2), Some(1)]);
    // The same holds for a real decision, which reads the history from the archive.
    promote(&world, Place::Remote, "p4", 4).await.expect("a promotion");
    assert_eq!(targets(&shown(&world).await), [Some(4), Some(3), Some(2), Some(1)]);
    refuse(&world, 600).await;
    assert_eq!(targets(&shown(&world).await), [Some(4), Some(3), Some(2), Some(1)]);
}

#[tokio::test]
async fn the_newest_twenty_transitions_are_shown() {
    let world = World::new().await;
    for number in 0..45_u64 {
        promote(&world, Place::Local, &format!("p{number}"), number % 5 + 1).await.expect("a promotion");
    }
    let newest_first: Vec<_> = (25..45_u64).rev().map(|number| Some(number % 5 + 1)).collect();
    assert_eq!(targets(&shown(&world).await), newest_first);
    let view = world.ledger().await.view().await.expect("a view");
    assert_eq!(view.crownings.len(), 45, "all of the last month are counted");
    let newest = &view.head.entry;
    assert_eq!(view.champion_since, u64::try_from(newest.at).ok());
    refuse(&world, 5).await;
    let later = world.ledger().await.view().await.expect("a view");
    assert_eq!((later.champion_since, later.crownings.len()), (view.champion_since, 45));
}

/// A ledger whose newest entries were seen before is not read any further, and shows the same.
#[tokio::test]
async fn the_past_of_a_long_ledger_is_remembered() {
    let directory = tempfile::tempdir().expect("a directory");
    let cache = DocumentCache::new(directory.path().join("standing"), "standing documents");
    let world = World::new().await;
    for number in 0..45_u64 {
        promote(&world, Place::Local, &format!("p{number}"), number % 5 + 1).await.expect("a promotion");
    }
    refuse(&world, 40).await;
    let view = async |cache: Option<&DocumentCache>| {
        let remote = Remote::new(&world.store, &[]);
        let ledger = Ledger::existing(&world.backend(remote.clone()), &world.model).await;
        let ledger = ledger.expect("an answer").expect("a ledger").with_cache(cache.cloned());
        remote.reset_rounds();
        (ledger.view().await.expect("a view"), remote.rounds())
    };
    let (cold, rounds) = view(Some(&cache)).await;
    assert!(rounds > 0, "the cache is empty");
    for more in [0, 10] {
        refuse(&world, more).await;
        let (warm, rounds) = view(Some(&cache)).await;
        assert_eq!(rounds, 0, "what was read at opening is enough");
        let (again, _) = view(None).await;
        assert_eq!(past(&warm), past(&again));
        assert_eq!((&warm.history, warm.crownings.len()), (&cold.history, 45));
    }
    promote(&world, Place::Local, "later", 2).await.expect("a promotion");
    let ((warm, rounds), (again, _)) = (view(Some(&cache)).await, view(None).await);
    assert_eq!((rounds, past(&warm)), (0, past(&again)));
    assert_eq!(warm.crownings.len(), 46);
    // A move without the ledger, and a transition that never took effect.
    world.set(Alias::CHAMPION, 3).await;
    world
        .open(world.at(Place::Remote))
        .await
        .expect("the ledger")
        .repair()
        .await
        .expect("a record of the move");
    let brief = Windows { lease: 50, slow_writer: 100, expiry: 300, guard: 100 };
    let dying =
        world.open_with(Remote::new(&world.store, &[(1, Fault::Dead)]), brief).await.expect("the ledger");
    run(&world, &dying, "dies", Wish::Promote(5)).await.expect_err("death");
    tokio::time::sleep(Duration::from_millis(350)).await;
    for _ in 0..2 {
        let ((warm, _), (again, _)) = (view(Some(&cache)).await, view(None).await);
        assert_eq!(past(&warm), past(&again));
        let ledger = world.open_with(world.at(Place::Remote), brief).await.expect("the ledger");
        ledger.repair().await.expect("a repair");
    }
    // What is damaged is not used.
    for file in std::fs::read_dir(directory.path().join("standing-past")).expect("files") {
        std::fs::write(file.expect("a file").path(), "[]").expect("damaged");
    }
    let ((read, rounds), (again, _)) = (view(Some(&cache)).await, view(None).await);
    assert!(rounds > 0);
    assert_eq!(past(&read), past(&again));
}

/// What a view shows of the past.
fn past(view: &LedgerView) -> (&[Transition], &[(Operation, u64)], Option<u64>) {
    (&view.history, &view.crownings, view.champion_since)
}

/// The archive contains no valid input, so every entry is read.
#[tokio::test]
async fn refusals_do_not_hide_when_the_champion_began() {
    let world = World::new().await;
    world.set(Alias::CHAMPION, 1).await;
    world.open(world.at(Place::Local)).await.expect("a ledger");
    let began = world.ledger().await.view().await.expect("a view").champion_since;
    assert!(began.is_some());
    refuse(&world, 100).await;
    assert_eq!(world.ledger().await.view().await.expect("a view").champion_since, began);
    promote(&world, Place::Local, "p", 2).await.expect("a promotion");
    let promoted = world.ledger().await.view().await.expect("a view").champion_since;
    refuse(&world, 600).await;
    assert_eq!(world.ledger().await.view().await.expect("a view").champion_since, promoted);
}

/// A champion that the ledger found when it began has been champion since then, as far as the ledger knows.
#[tokio::test]
async fn the_first_champion_dates_from_the_beginning() {
    let world = World::new().await;
    world.set(Alias::CHAMPION, 1).await;
    world.open(world.at(Place::Local)).await.expect("a ledger");
    let view = world.ledger().await.view().await.expect("a view");
    assert_eq!((view.champion_since, view.crownings), (u64::try_from(view.head.entry.at).ok(), Vec::new()));
}

#[tokio::test]
async fn moves_begin_with_champion_and_include_the_candidates() {
    let world = World::new().await;
    promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    world.set(Alias::CANDIDATE, 2).await;
    promote(&world, Place::Local, "b", 2).await.expect("a promotion");
    let past = shown(&world).await;
    let moves: Vec<(&str, Option<u64>)> =
        past[0].moves.iter().map(|step| (step.alias.as_str(), step.version.map(Version::get))).collect();
    assert_eq!(moves, [("champion", Some(2)), ("archived", Some(1)), ("candidate", None)]);
    assert!(past[0].explanation.starts_with("because"), "{past:?}");
}

#[tokio::test]
async fn moves_by_other_programs_have_no_explanation() {
    let world = World::new().await;
    promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    world.set(Alias::CHAMPION, 4).await;
    promote(&world, Place::Local, "b", 2).await.expect("a promotion");
    let past = shown(&world).await;
    let outside = past.iter().find(|transition| transition.operation == Operation::External);
    let outside = outside.expect("the move by others");
    assert_eq!(outside.explanation, "");
    assert_eq!(outside.moves[0].to_string(), "champion -> 4");
}
