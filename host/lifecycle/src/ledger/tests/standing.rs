//! Quarantines and approvals: what they keep from happening, how they end, and what is left when files or writers are lost.

mod damage;

use super::*;
use crate::document_cache::DocumentCache;
use crate::ledger::mark::Mark;
use crate::ledger::standing::MAX_APPROVALS_OF_VERSION;
use crate::ledger::verify::Flaw;
use crate::ledger::{QUARANTINE_TAG, Standing};
use crate::statement::{self, Stated, Statement, Verb};
use hydra_base::names::Key;
use hydra_mlflow::artifacts::ArtifactStore;

/// The digest of the model file of every version.
fn digest() -> Sha256 {
    Sha256::of(&std::fs::read(format!("{MODEL}/model.lgb")).expect("a model"))
}

impl World {
    async fn state(&self, place: Place, statement: Statement) -> Result<Stated> {
        self.state_with(self.at(place), statement).await
    }

    async fn state_with(&self, registry: Arc<dyn RegistryStore>, statement: Statement) -> Result<Stated> {
        let ledger = self.open(registry).await?;
        statement::record(&self.backend(self.store.clone()), None, &ledger, &statement).await
    }

    async fn quarantine(&self, place: Place, number: u64) -> Stated {
        let reason = Some("calls in sick".to_owned());
        let statement = Statement { reason, ..Statement::new(Verb::Quarantine, version(number)) };
        self.state(place, statement).await.expect("a quarantine")
    }

    async fn approve(&self, place: Place, number: u64) -> Stated {
        self.state(place, Statement::new(Verb::Approve, version(number))).await.expect("an approval")
    }

    async fn approve_as(&self, actor: &str, number: u64) -> Result<Stated> {
        let ledger = self.open_as(actor, self.at(Place::Local), Windows::MILLISECONDS).await?;
        let statement = Statement::new(Verb::Approve, version(number));
        statement::record(&self.backend(self.store.clone()), None, &ledger, &statement).await
    }

    async fn standing(&self) -> Standing {
        self.ledger().await.view().await.expect("a view").standing
    }

    /// The versions in quarantine, and those of the approvals.
    async fn stands(&self) -> (Vec<u64>, Vec<u64>) {
        let standing = self.standing().await;
        let quarantined = standing.quarantines().map(|(version, _)| version.get()).collect();
        let approved = standing.approvals().iter().map(|approval| approval.version.get()).collect();
        (quarantined, approved)
    }

    async fn tag(&self, number: u64) -> Option<String> {
        let mut found = self.store.model_version(&self.model, version(number)).await.expect("a version");
        found.tags.remove(QUARANTINE_TAG)
    }

    async fn archive(&self) -> Box<dyn ArtifactStore> {
        let ledger = self.ledger().await;
        let uri = ledger.artifact_uri().await.expect("an archive").parse().expect("a URI");
        self.backend(self.store.clone()).artifact_store(&uri).await.expect("the archive")
    }
}

async fn findings(world: &World) -> Vec<&'static str> {
    let findings = world.ledger().await.diagnose().await.expect("findings");
    findings.iter().map(LedgerFinding::code).collect()
}

#[tokio::test]
async fn a_version_in_quarantine_does_not_become_champion_until_it_is_released() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        let stated = world.quarantine(place, 2).await;
        assert!(stated.recorded && !stated.is_champion, "{stated:?}");
        let tag = world.tag(2).await.expect("a tag");
        assert!(tag.ends_with("Z tester: calls in sick"), "{tag}");
        let error = promote(&world, place, "b", 2).await.expect_err("in quarantine");
        assert_eq!(error.kind(), ErrorKind::Quarantined);
        assert_eq!(error.context(), [("reason", "calls in sick".into()), ("by", "tester".into())]);
        assert!(error.hint().is_some_and(|hint| hint.contains("hydra-registry release 2")), "{error:?}");
        assert_eq!(world.aliases().await, (Some(1), None));
        promote(&world, place, "c", 3).await.expect("another version");
        let release = || Statement::new(Verb::Release, version(2));
        assert!(world.state(place, release()).await.expect("a release").recorded);
        assert_eq!(world.tag(2).await, None);
        promote(&world, place, "d", 2).await.expect("a promotion");
        let error = world.state(place, release()).await.expect_err("not in quarantine");
        assert_eq!(error.kind(), ErrorKind::NotQuarantined);
        let history = world.assert_sound().await;
        let expected = [
            EntryKind::Genesis,
            EntryKind::Promote,
            EntryKind::Quarantine,
            EntryKind::Promote,
            EntryKind::Release,
            EntryKind::Promote,
        ];
        assert_eq!(kinds(&history), expected);
        assert!(history.iter().all(|(_, fate)| *fate == Fate::Done));
        let numbers: Vec<Option<u64>> = history
            .iter()
            .rev()
            .map(|(record, _)| record.entry.standing.map(|standing| standing.number))
            .collect();
        assert_eq!(numbers, [None, None, Some(1), Some(1), Some(2), Some(2)]);
        assert_eq!(findings(&world).await, [] as [&str; 0]);
        let mark = if place == Place::Local { Mark::Atomic } else { Mark::Later };
        assert_eq!(history[3].0.applied, Some(mark));
    }
}

/// A quarantine of the champion moves nothing, and every command shows it.
#[tokio::test]
async fn the_champion_can_go_into_quarantine() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    let stated = world.quarantine(Place::Remote, 2).await;
    assert!(stated.is_champion && stated.explanation.contains("stays the champion"), "{stated:?}");
    assert_eq!(world.aliases().await, (Some(2), Some(1)));
    assert_eq!(findings(&world).await, ["quarantined-champion"]);
    let again = world.quarantine(Place::Remote, 2).await;
    assert!(!again.recorded && again.explanation.contains("already"), "{again:?}");
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    assert_eq!(findings(&world).await, [] as [&str; 0]);
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let error = run(&world, &ledger, "d", Wish::Rollback).await.expect_err("archived, and in quarantine");
    assert_eq!(error.kind(), ErrorKind::Quarantined);
    assert_eq!(world.aliases().await, (Some(3), Some(2)));
}

#[tokio::test]
async fn a_rollback_can_put_the_version_that_it_leaves_in_quarantine() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        run(&world, &ledger, "c", Wish::RollbackAndQuarantine).await.expect("a rollback");
        assert_eq!(world.aliases().await, (Some(1), Some(2)));
        assert_eq!(world.stands().await.0, [2]);
        assert!(world.tag(2).await.is_some_and(|tag| tag.ends_with("tester: left by a rollback")));
        let error = run(&world, &ledger, "d", Wish::Rollback).await.expect_err("in quarantine");
        assert_eq!(error.kind(), ErrorKind::Quarantined);
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn an_approval_ends_with_its_use() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        let stated = world.approve(place, 2).await;
        assert_eq!(stated.sha256, Some(digest().to_string()));
        world.approve(place, 3).await;
        world.approve(place, 2).await;
        assert_eq!(world.stands().await.1, [3, 2], "the same approver's earlier one is replaced");
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        run(&world, &ledger, "b", Wish::Reject(2)).await.expect("a rejection");
        assert_eq!(world.stands().await.1, [3, 2], "a rejection uses none up");
        promote(&world, place, "c", 2).await.expect("a promotion");
        assert_eq!(world.stands().await.1, [3]);
        run(&world, &ledger, "d", Wish::Rollback).await.expect("a rollback");
        assert_eq!(world.stands().await.1, [3]);
        world.assert_sound().await;
    }
}

#[tokio::test]
async fn an_approval_counts_for_its_bytes_until_it_expires() {
    let world = World::new().await;
    world.approve(Place::Local, 2).await;
    let brief =
        Statement { expires: Some(Duration::from_millis(5)), ..Statement::new(Verb::Approve, version(2)) };
    let brief = world.state(Place::Local, brief).await.expect("an approval");
    let standing = world.standing().await;
    let counts = |sha256: Sha256, now| standing.counting_approvals(version(2), sha256, now).count();
    let (model, ends) = (digest(), brief.expires.expect("an end"));
    assert_eq!((counts(model, ends - 1), counts(model, ends)), (1, 0));
    assert_eq!(counts(Sha256::of(b"another"), ends - 1), 0);
    assert_eq!(standing.counting_approvals(version(3), model, ends - 1).count(), 0);
    tokio::time::sleep(Duration::from_millis(20)).await;
    // The next change of the document drops what has expired.
    world.quarantine(Place::Local, 4).await;
    assert_eq!(world.stands().await, (vec![4], vec![]));
    let none =
        world.state(Place::Local, Statement::new(Verb::Approve, version(99))).await.expect_err("no version");
    assert_eq!(none.kind(), ErrorKind::VersionNotFound);
}

/// A tag says nothing about the bytes that are there.
#[tokio::test]
async fn an_approval_is_about_the_bytes_and_not_about_their_tag() {
    let world = World::new().await;
    let key = Key::new("hydra.model.sha256").expect("a key");
    let other = Sha256::of(b"another model").to_string();
    world.store.set_version_tag(&world.model, version(2), &key, &other).await.expect("a tag");
    let refused = world.approve_as("bob", 2).await.expect_err("the bytes are others");
    assert_eq!(refused.kind(), ErrorKind::Unloadable);
    let tag = digest().to_string();
    world.store.set_version_tag(&world.model, version(2), &key, &tag).await.expect("a tag");
    assert_eq!(world.approve_as("bob", 2).await.expect("an approval").sha256, Some(tag));
}

/// A version that becomes champion uses its approvals up, also if another program moved the alias.
#[tokio::test]
async fn an_approval_ends_when_its_version_becomes_champion_without_the_ledger() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        world.approve(place, 2).await;
        world.approve(place, 3).await;
        world.set(Alias::CHAMPION, 2).await;
        promote(&world, place, "b", 4).await.expect("the next decision");
        assert_eq!(world.stands().await.1, [3]);
        let expected = [
            EntryKind::Genesis,
            EntryKind::Promote,
            EntryKind::Approve,
            EntryKind::Approve,
            EntryKind::External,
            EntryKind::Promote,
        ];
        assert_eq!(kinds(&world.assert_sound().await), expected);
        // Other moves use none up.
        world.set(Alias::ARCHIVED, 3).await;
        promote(&world, place, "c", 1).await.expect("the next decision");
        assert_eq!(world.stands().await.1, [3]);
        world.assert_sound().await;
    }
}

/// A name in another case is that of the same person.
#[tokio::test]
async fn approvals_of_one_person_are_one() {
    let world = World::new().await;
    for actor in ["Ann", "ann", " ANN "] {
        world.approve_as(actor, 2).await.expect("an approval");
    }
    let standing = world.standing().await;
    let by: Vec<&str> = standing.approvals().iter().map(|approval| approval.by.as_str()).collect();
    assert_eq!(by, [" ANN "]);
    world.assert_sound().await;
}

#[tokio::test]
async fn the_number_of_approvals_has_limits() {
    let world = World::new().await;
    let most = MAX_APPROVALS_OF_VERSION;
    for number in 0..most {
        world.approve_as(&format!("reviewer {number}"), 2).await.expect("an approval");
    }
    let refused = world.approve_as("one more", 2).await.expect_err("one too many");
    assert_eq!(refused.kind(), ErrorKind::TooManyApprovals);
    assert_eq!(
        refused.to_string(),
        format!("version 2 has {most} live approvals, the most that a version can have")
    );
    assert!(refused.hint().is_some_and(|hint| hint.contains("`hydra-registry promote 2`")), "{refused:?}");
    // The same person's later one takes the place of the earlier, and other versions have room.
    world.approve_as("Reviewer 0", 2).await.expect("an approval");
    world.approve_as("one more", 3).await.expect("an approval");
    assert_eq!(world.standing().await.approvals().len(), most + 1);
    promote(&world, Place::Local, "a", 2).await.expect("a promotion");
    assert_eq!(world.stands().await.1, [3]);
    world.assert_sound().await;
}

#[tokio::test]
async fn a_reason_that_the_standing_would_repeat_has_a_limit() {
    let world = World::new().await;
    for (chars, is_recorded) in
        [(statement::MAX_REASON_CHARS, true), (statement::MAX_REASON_CHARS + 1, false)]
    {
        let reason = Some("é".repeat(chars));
        let statement = Statement { reason, ..Statement::new(Verb::Quarantine, version(2)) };
        let stated = world.state(Place::Local, statement).await;
        assert_eq!(
            stated.as_ref().err().map(|error| error.kind()),
            (!is_recorded).then_some(ErrorKind::TextTooLong)
        );
    }
    assert_eq!(world.stands().await.0, [2]);
}

/// A name that was cut would not be recognised as that of the same person.
#[tokio::test]
async fn the_longest_name_of_an_approver_is_kept_whole() {
    let world = World::new().await;
    let (name, reason) =
        ("🦀".repeat(hydra_base::actor::MAX_CHARS), Some("🐙".repeat(statement::MAX_REASON_CHARS)));
    let ledger = world.open_as(&name, world.at(Place::Local), Windows::MILLISECONDS).await.expect("a ledger");
    let statement = Statement { reason, ..Statement::new(Verb::Approve, version(2)) };
    statement::record(&world.backend(world.store.clone()), None, &ledger, &statement)
        .await
        .expect("recorded");
    assert_eq!(world.standing().await.approvals()[0].by, name);
}

#[tokio::test]
async fn a_nomination_makes_a_version_the_candidate() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        world.set(Alias::CANDIDATE, 2).await;
        let nominate = |number| Statement::new(Verb::Nominate, version(number));
        let stated = world.state(place, nominate(3)).await.expect("a nomination");
        assert_eq!((stated.recorded, stated.former_candidate), (true, Some(version(2))));
        let candidate =
            world.store.version_by_alias(&world.model, &Alias::CANDIDATE).await.expect("an answer");
        assert_eq!(candidate.map(|candidate| candidate.version), Some(version(3)));
        assert!(!world.state(place, nominate(3)).await.expect("nothing to do").recorded);
        world.quarantine(place, 4).await;
        let error = world.state(place, nominate(4)).await.expect_err("in quarantine");
        assert_eq!(error.kind(), ErrorKind::Quarantined);
        promote(&world, place, "a", 3).await.expect("a promotion");
        let expected = [EntryKind::Genesis, EntryKind::Nominate, EntryKind::Quarantine, EntryKind::Promote];
        assert_eq!(kinds(&world.assert_sound().await), expected);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn quarantines_and_promotions_race() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        let writers = (0..6_u64).map(|writer| {
            let world = &world;
            async move {
                for operation in 0..4_u64 {
                    let number = (writer + operation) % 3 + 1;
                    let result = match writer % 3 {
                        0 => {
                            let reason = Some("a race".to_owned());
                            let statement =
                                Statement { reason, ..Statement::new(Verb::Quarantine, version(number)) };
                            world.state(place, statement).await.map(drop)
                        }
                        1 => {
                            world.state(place, Statement::new(Verb::Release, version(number))).await.map(drop)
                        }
                        _ => promote(world, place, &format!("{writer}-{operation}"), number).await.map(drop),
                    };
                    let kind = result.err().map(|error| error.kind());
                    let expected = [
                        None,
                        Some(ErrorKind::Contention),
                        Some(ErrorKind::Quarantined),
                        Some(ErrorKind::NotQuarantined),
                    ];
                    assert!(expected.contains(&kind), "{kind:?}");
                }
            }
        });
        join_all(writers).await;
        let mut quarantined = std::collections::BTreeSet::new();
        for (record, _) in world.assert_sound().await.iter().rev() {
            let target = record.entry.target;
            match record.entry.operation {
                EntryKind::Quarantine => drop(quarantined.insert(target)),
                EntryKind::Release => drop(quarantined.remove(&target)),
                EntryKind::Promote => assert!(!quarantined.contains(&record.entry.crowned()), "{record}"),
                _ => {}
            }
        }
        let now: Vec<u64> = quarantined.into_iter().flatten().map(Version::get).collect();
        assert_eq!(world.stands().await.0, now);
        for number in 1..=3 {
            assert_eq!(world.tag(number).await.is_some(), now.contains(&number), "{place:?} {number}");
        }
    }
}
