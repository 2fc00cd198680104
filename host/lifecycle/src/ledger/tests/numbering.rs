//! Stores that give two entries one number, as MLflow's file store does behind a server.

use hydra_base::aliases::AliasState;
use hydra_base::names::Key;
use hydra_mlflow::testing::remote::Twin;

use super::*;

/// A ledger in which version 1 is champion, and the text of an entry that makes version 3 champion, written for the next number.
async fn prepared() -> (World, String) {
    let world = World::new().await;
    promote(&world, Place::Remote, "first", 1).await.expect("a promotion");
    let other = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let head = world.assert_sound().await.remove(0).0;
    let state = |champion, archived: Option<u64>| -> AliasState {
        [(Alias::CHAMPION, Some(version(champion))), (Alias::ARCHIVED, archived.map(version))]
            .into_iter()
            .collect()
    };
    let moves = (state(1, None), state(3, Some(1)));
    let on = (head.number, Some(head.digest));
    let mut twin = other.entry(EntryKind::Promote, other.moment_after(None), on, moves, "the twin".into());
    twin.target = Some(version(3));
    twin.standing = head.entry.standing;
    let text = twin.encode().expect("an entry");
    (world, text)
}

fn twin(value: &str, later: Duration) -> Twin {
    Twin { key: Key::new(ENTRY_TAG).expect("a key"), value: value.to_owned(), later }
}

/// The versions that a client made champion.
fn crowned(client: &Remote) -> Vec<u64> {
    let moves = client.moves().into_iter();
    moves
        .filter(|(alias, _)| *alias == Alias::CHAMPION)
        .filter_map(|(_, version)| version.map(Version::get))
        .collect()
}

/// The operations that the chain has, and the versions that they made champion.
async fn chain(world: &World) -> Vec<(Option<u64>, bool)> {
    let history = world.assert_sound().await;
    history.iter().map(|(record, _)| (record.entry.target.map(Version::get), record.is_settled())).collect()
}

/// Whether it is known that the store is a file store, or not: no alias is moved by an entry whose number another one has. The
/// writer finds the other one, completes it, and decides again.
#[tokio::test]
async fn an_entry_whose_number_another_one_has_moves_nothing() {
    for (is_known, later) in
        [(false, Duration::ZERO), (true, Duration::ZERO), (true, Duration::from_millis(150))]
    {
        let (world, text) = prepared().await;
        let client = Remote::new(&world.store, &[]);
        if is_known {
            client.list_aliases();
        }
        let ledger = world.open(client.clone()).await.expect("the ledger");
        client.overwrite_next(twin(&text, later));
        run(&world, &ledger, "own", Wish::Promote(2)).await.expect("a promotion");
        assert_eq!(crowned(&client), [3, 2], "{is_known} {later:?}");
        assert_eq!(world.aliases().await, (Some(2), Some(3)));
        assert_eq!(chain(&world).await, [(Some(2), true), (Some(3), true), (Some(1), true), (None, true)]);
    }
}

/// So it is for a writer that finds the entry of another one, which died before it moved anything.
#[tokio::test]
async fn another_writers_entry_is_completed_only_when_nothing_can_overwrite_it() {
    let (world, text) = prepared().await;
    // The writes of a promotion: the entry, the aliases, the mark.
    let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
    let ledger = world.open(dying.clone()).await.expect("the ledger");
    dying.overwrite_next(twin(&text, Duration::from_millis(150)));
    run(&world, &ledger, "dying", Wish::Promote(2)).await.expect_err("it died");
    assert!(dying.is_dead());
    let client = Remote::new(&world.store, &[]);
    client.list_aliases();
    let ledger = world.open(client.clone()).await.expect("the ledger");
    run(&world, &ledger, "next", Wish::Promote(4)).await.expect("a promotion");
    assert_eq!(crowned(&client), [3, 4], "the entry that was overwritten moved nothing");
    assert_eq!(world.aliases().await, (Some(4), Some(3)));
}

/// An entry is appended only above one that nothing can overwrite, so that no digest names one that is gone.
#[tokio::test]
async fn an_entry_follows_only_one_that_nothing_can_overwrite() {
    let (world, text) = prepared().await;
    let client = Remote::new(&world.store, &[]);
    client.list_aliases();
    let ledger = world.open(client.clone()).await.expect("the ledger");
    client.overwrite_next(twin(&text, Duration::from_millis(150)));
    // A rejection moves nothing: what follows it would follow it at once.
    run(&world, &ledger, "own", Wish::Reject(2)).await.expect("a rejection");
    run(&world, &ledger, "next", Wish::Promote(4)).await.expect("a promotion");
    assert_eq!(world.aliases().await, (Some(4), Some(3)));
    world.assert_sound().await;
}

/// What listings showed is remembered, unless they show the contrary.
#[tokio::test]
async fn what_listings_show_of_the_numbers_is_remembered() {
    use crate::document_cache::DocumentCache;
    use crate::ledger::numbering::Numbering;

    let (world, _) = prepared().await;
    let home = tempfile::tempdir().expect("a directory");
    let cache = || Some(DocumentCache::new(home.path().join("documents"), "documents"));
    let open = async |client: &Arc<Remote>| {
        let opened = Ledger::existing(&world.backend(client.clone()), &world.model).await;
        opened.expect("an answer").expect("a ledger").with_cache(cache())
    };
    let client = Remote::new(&world.store, &[]);
    let ledger = open(&client).await;
    assert_eq!(ledger.numbering().await.expect("an answer"), Numbering::Unknown);
    let registered = world.store.registered_model(&world.model).await.expect("the model");
    let listed = world.store.model_versions(&world.model, None, 10, None).await.expect("versions").items;
    let others = listed.iter().filter(|listed| listed.version != version(1));
    ledger.note_listed(&registered, others);
    assert_eq!(ledger.numbering().await.expect("an answer"), Numbering::Unknown, "no alias is on these");
    ledger.note_listed(&registered, &listed);
    for again in [ledger, open(&client).await] {
        assert_eq!(again.numbering().await.expect("an answer"), Numbering::Unique);
    }
    client.list_aliases();
    assert_eq!(open(&client).await.numbering().await.expect("an answer"), Numbering::Ambiguous);
    let local = Ledger::existing(&world.backend(world.store.clone()), &world.model).await;
    let local = local.expect("an answer").expect("a ledger");
    assert_eq!(local.numbering().await.expect("an answer"), Numbering::Unique, "a transaction numbers them");
}
