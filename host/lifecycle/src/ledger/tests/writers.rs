//! Writers, alone and concurrent, and the state after their death.

use super::*;

#[tokio::test]
async fn promotions_and_rollbacks_move_the_aliases_and_are_recorded() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        world.set(Alias::CANDIDATE, 2).await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(1), None));
        promote(&world, place, "b", 2).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(2), Some(1)));
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let candidate =
            world.store.version_by_alias(&world.model, &Alias::CANDIDATE).await.expect("an answer");
        assert_eq!(candidate, None, "the candidate leaves the version");
        run(&world, &ledger, "c", Wish::Rollback).await.expect("a rollback");
        assert_eq!(world.aliases().await, (Some(1), Some(2)));
        assert_eq!(promote(&world, place, "d", 1).await.expect("nothing to do"), Recorded::Nothing);
        let history = world.assert_sound().await;
        assert_eq!(
            kinds(&history),
            [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::Rollback]
        );
        assert!(history.iter().all(|(_, fate)| *fate == Fate::Done));
        assert_eq!(ledger.ledger().diagnose().await.expect("findings"), []);
        let before = history[1].0.created_at - 1;
        assert!(
            ledger
                .ledger()
                .as_of(before)
                .await
                .expect("an answer")
                .is_none_or(|(record, _)| record.number < 3)
        );
    }
}

#[tokio::test]
async fn an_operation_id_is_carried_out_once() {
    let world = World::new().await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let first = run(&world, &ledger, "same", Wish::Promote(1)).await.expect("a promotion");
    let second = run(&world, &ledger, "same", Wish::Promote(2)).await.expect("the same");
    assert!(matches!((first, second), (Recorded::Now(a), Recorded::Now(b)) if a.number == b.number));
    assert_eq!(world.aliases().await, (Some(1), None));
}

/// Proposes its content once, with the explanation of the head.
struct Same(Option<Proposal>);
#[async_trait]
impl Decide for Same {
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        let Some(proposal) = self.0.take() else { return Ok(DecideOutcome::Nothing) };
        let explanation = view.head.entry.explanation.clone();
        Ok(DecideOutcome::Propose(Box::new(Proposal { explanation, ..proposal })))
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_once_for_equal_evidence() {
    let world = World::new().await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let mut decider = Decider { world: &world, wish: Wish::Reject(2), asked: 0 };
    assert!(matches!(ledger.transition("a", &mut decider).await, Ok(Recorded::Now(_))));
    // The explanation names the head, so the first repetition differs.
    assert!(matches!(ledger.transition("b", &mut decider).await, Ok(Recorded::Now(_))));
    let before = world.assert_sound().await.len();
    let view = ledger.ledger().view().await.expect("a view");
    let Ok(DecideOutcome::Propose(again)) = decider.decide(&view).await else { panic!("a proposal") };
    let repeated = ledger.transition("c", &mut Same(Some(*again))).await.expect("a refusal");
    assert!(matches!(repeated, Recorded::Before(_)), "{repeated:?}");
    assert_eq!(world.assert_sound().await.len(), before);
    assert_eq!(world.aliases().await, (None, None));
}

#[tokio::test]
async fn a_promotion_takes_six_rounds_at_most() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let remote = Remote::new(&world.store, &[]);
    let ledger = Ledger::existing(&world.backend(remote.clone()), &world.model).await;
    let ledger = ledger.expect("an answer").expect("a ledger");
    let ledger = LedgerWriter::new(ledger, WriterSettings::new("tester"));
    assert_eq!(remote.rounds(), 1, "opening");
    // What the evidence of a decision shows: listings without aliases, as those of a database.
    let registered = world.store.registered_model(&world.model).await.expect("the model");
    let listed = world.store.model_versions(&world.model, None, 10, None).await.expect("versions");
    ledger.ledger().note_listed(&registered, &listed.items);
    remote.reset_rounds();
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect("a promotion");
    // Append, aliases, mark and verify. The evidence's runs and the archive, not counted here, add one round
    // each.
    assert_eq!(remote.rounds(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_writers_leave_one_chain_with_every_operation_once() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        let writers = (0..8_u64).map(|writer| {
            let world = &world;
            async move {
                let mut done = Vec::new();
                for operation in 0..5_u64 {
                    let id = format!("{writer}-{operation}");
                    let ledger = world.open(world.at(place)).await.expect("the ledger");
                    let wish = if (writer + operation) % 3 == 0 {
                        Wish::Rollback
                    } else {
                        Wish::Promote((writer + operation) % 5 + 1)
                    };
                    match run(world, &ledger, &id, wish).await {
                        Ok(Recorded::Now(_)) => done.push(id),
                        Ok(Recorded::Nothing | Recorded::Before(_)) => {}
                        Err(error) => assert_eq!(error.kind(), ErrorKind::Contention, "{error:?}"),
                    }
                }
                done
            }
        });
        let done: Vec<String> = join_all(writers).await.into_iter().flatten().collect();
        assert!(done.len() > 8, "{place:?}: {}", done.len());
        let history = world.assert_sound().await;
        let mut counts: BTreeMap<&str, u32> = BTreeMap::new();
        for (record, _) in &history {
            *counts.entry(&record.entry.operation_id).or_default() += 1;
        }
        assert!(counts.values().all(|count| *count == 1), "{place:?}: {counts:?}");
        for id in &done {
            assert!(counts.contains_key(id.as_str()), "{place:?}: {id} is lost");
        }
    }
}

#[tokio::test]
async fn a_death_before_any_write_is_repaired_by_the_next_command() {
    for at in 0.. {
        let world = World::new().await;
        promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
        let dying = Remote::new(&world.store, &[(at, Fault::Dead)]);
        let result = match world.open(dying.clone()).await {
            Ok(ledger) => run(&world, &ledger, "b", Wish::Promote(2)).await,
            Err(error) => Err(error),
        };
        if !dying.is_dead() {
            result.expect("a promotion");
            assert!(at >= 4, "append, two aliases and the mark are writes");
            break;
        }
        promote(&world, Place::Remote, "c", 3).await.expect("the next promotion");
        let history = world.assert_sound().await;
        let appended = history.iter().any(|(record, _)| record.entry.operation_id == "b");
        assert_eq!(
            world.aliases().await,
            (Some(3), Some(if appended { 2 } else { 1 })),
            "death before write {at}"
        );
    }
}

#[tokio::test]
async fn a_lost_answer_or_request_never_doubles_a_decision() {
    for fault in [Fault::Refused, Fault::AnswerLost] {
        for at in 0..12 {
            let world = World::new().await;
            promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
            let flaky = Remote::new(&world.store, &[(at, fault), (at + 2, fault)]);
            let ledger = world.open(flaky).await.expect("the ledger");
            run(&world, &ledger, "b", Wish::Promote(2)).await.expect("a promotion in the end");
            let history = world.assert_sound().await;
            assert_eq!(history.iter().filter(|(record, _)| record.entry.operation_id == "b").count(), 1);
            assert_eq!(world.aliases().await, (Some(2), Some(1)), "{fault:?} at {at}");
        }
    }
}

#[tokio::test]
async fn an_archived_input_is_what_was_decided_upon() {
    let world = World::new().await;
    let recorded = promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    let Recorded::Now(record) = recorded else { panic!("{recorded:?}") };
    let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
    assert_eq!(ledger.ledger().input(&record).await.expect("the input"), br#"{"wish":"Promote(1)"}"#);
    let policy = record.entry.decided.as_ref().expect("a decision").policy.sha256;
    assert_eq!(ledger.ledger().component(policy).await.expect("the component"), b"component");
}

#[tokio::test]
async fn a_ledger_of_another_model_is_left_alone() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let usual = ledger_name(&world.model).expect("a name");
    let of_the_deleted = world.ledger().await.id().to_owned();
    world.store.delete_registered_model(&world.model).await.expect("a deletion");
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.store.create_registered_model(&world.model, &Tags::new(), "").await.expect("a model");
    let existing = Ledger::existing(&world.backend(world.store.clone()), &world.model).await;
    assert!(existing.expect("an answer").is_none(), "readers do not take it for this model's");
    let ledger = world.open(world.at(Place::Remote)).await.expect("a ledger of its own");
    assert_ne!(ledger.ledger().id(), of_the_deleted);
    assert_eq!(ledger.ledger().name().as_str(), format!("{usual}_2"));
    let kept = world.store.model_versions(&usual, None, 10, None).await.expect("entries");
    assert_eq!(kept.items.len(), 2, "the other one keeps its entries");

    let squatted = World::new().await;
    let name = ledger_name(&squatted.model).expect("a name");
    squatted.store.create_registered_model(&name, &Tags::new(), "somebody's").await.expect("a model");
    for _ in 0..2 {
        let ledger = squatted.open(squatted.at(Place::Remote)).await.expect("a ledger");
        assert_eq!(ledger.ledger().name().as_str(), format!("{name}_2"));
        let version = NewModelVersion::new(name.clone(), "s3://bucket/model");
        squatted.store.create_model_version(&version).await.expect("a version");
    }
    promote(&squatted, Place::Remote, "b", 2).await.expect("a promotion");
    squatted.assert_sound().await;
    let untouched = squatted.store.registered_model(&name).await.expect("it exists");
    assert_eq!((untouched.description.as_str(), untouched.tags.len()), ("somebody's", 0));
}

#[tokio::test]
async fn a_ledger_whose_first_entry_is_gone_is_not_begun_again() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let name = ledger_name(&world.model).expect("a name");
    let id = world.ledger().await.id().to_owned();
    world.store.delete_model_version(&name, version(1)).await.expect("a deletion");
    // Only a person can do that; the tags would say which ledger it is.
    world.store.delete_registered_model(&world.model).await.expect("a deletion");
    world.store.create_registered_model(&world.model, &Tags::new(), "").await.expect("a model");
    let error = world.open(world.at(Place::Remote)).await.expect_err("a damaged ledger");
    assert_eq!(error.kind(), ErrorKind::LedgerIdentity);
    assert!(error.hint().is_some_and(|hint| hint.contains(&id)), "{error:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn founders_agree_on_one_ledger() {
    let world = World::new().await;
    world.set(Alias::CHAMPION, 5).await;
    let founders = join_all((0..6).map(|_| world.open(world.at(Place::Remote)))).await;
    let ids: Vec<String> =
        founders.into_iter().map(|ledger| ledger.expect("a ledger").ledger().id().to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    assert_eq!(world.aliases().await, (Some(1), Some(5)));
    world.assert_sound().await;
    let name = ledger_name(&world.model).expect("a name");
    let first = world.store.model_version(&name, version(1)).await.expect("the genesis");
    assert!(first.tags[ENTRY_TAG].contains("genesis"));
}
