//! The driver over the in-memory store, used as a local store and as a remote one.

mod past;
pub(in crate::lifecycle) mod remote;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::chain::{ENTRY_TAG, Record};
use super::doctor::Finding;
use super::entry::{Decided, Digest, Kind, PolicyId};
use super::history::Fate;
use super::rules::Windows;
use super::{Answer, Decide, Ledger, Proposal, Recorded, Settings, View, ledger_name};
use crate::mlflow::artifacts::ArtifactResolver;
use crate::mlflow::connect::Backend;
use crate::mlflow::entities::{NewModelVersion, Tags};
use crate::mlflow::memory::MemoryStore;
use crate::mlflow::names::{Alias, ExperimentId, ModelName, Version};
use crate::mlflow::store::{AliasMove, RegistryStore};
use crate::policy::{Budget, Usage, VerdictKind};
use crate::{ErrorKind, Result};
use remote::{Fault, Remote};

/// A store with a model of five versions.
struct World {
    store: Arc<MemoryStore>,
    model: ModelName,
}

/// Whether the store offers atomic transitions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Local,
    Remote,
}

/// What a test's policy wants.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Promote(u64),
    Rollback,
    Reject(u64),
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = ModelName::new("m").expect("a name");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        for _ in 0..5 {
            let version = NewModelVersion {
                name: model.clone(),
                source: "s3://bucket/model".into(),
                run_id: None,
                model_id: None,
                tags: Tags::new(),
                description: String::new(),
            };
            store.create_model_version(&version).await.expect("a version");
        }
        Self { store, model }
    }

    fn backend(&self, registry: Arc<dyn RegistryStore>) -> Backend {
        Backend { tracking: self.store.clone(), registry, artifacts: ArtifactResolver::local() }
    }

    fn at(&self, place: Place) -> Arc<dyn RegistryStore> {
        match place {
            Place::Local => self.store.clone(),
            Place::Remote => Remote::new(&self.store, &[]),
        }
    }

    async fn open(&self, registry: Arc<dyn RegistryStore>) -> Result<Ledger> {
        self.open_with(registry, Windows::MILLISECONDS).await
    }

    async fn open_with(&self, registry: Arc<dyn RegistryStore>, windows: Windows) -> Result<Ledger> {
        let settings = Settings { windows, deadline: Duration::from_secs(20), ..Settings::new("tester") };
        let experiment = ExperimentId::new("0").expect("an id");
        Ledger::found(&self.backend(registry), &self.model, &experiment, settings).await
    }

    async fn aliases(&self) -> (Option<u64>, Option<u64>) {
        let aliases = self.store.registered_model(&self.model).await.expect("the model").aliases;
        let on = |alias: Alias| aliases.get(&alias).map(|version| version.0);
        (on(Alias::champion()), on(Alias::archived()))
    }

    async fn set(&self, alias: Alias, version: u64) {
        self.store.set_alias(&self.model, &alias, Version(version)).await.expect("an alias");
    }

    /// The invariants: a sound ledger, and aliases that it explains.
    async fn assert_sound(&self) -> Vec<(Record, Fate)> {
        let ledger = self.open(self.store.clone()).await.expect("the ledger");
        let verified = ledger.verify(None).await.expect("a verification");
        assert_eq!(verified.flaws, [], "{verified:?}");
        let (champion, archived) = self.aliases().await;
        assert!(champion.is_none() || champion != archived, "{champion:?} is champion and archived");
        ledger.history(None, None).await.expect("a history")
    }
}

/// The default policy's rules, without the sandbox.
struct Decider<'a> {
    world: &'a World,
    wish: Wish,
    asked: u32,
}

#[async_trait]
impl Decide for Decider<'_> {
    async fn decide(&mut self, view: &View) -> Result<Answer> {
        self.asked += 1;
        let evidence = self.world.store.registered_model(&self.world.model).await?.aliases;
        if !view.agrees(&evidence) {
            return Ok(Answer::Stale);
        }
        let on = |alias: Alias| evidence.get(&alias).copied();
        let (champion, archived) = (on(Alias::champion()), on(Alias::archived()));
        let step = |alias: Alias, version: Option<Version>| AliasMove { alias, version };
        let (operation, target, moves) = match self.wish {
            Wish::Promote(version) if champion == Some(Version(version)) => return Ok(Answer::Nothing),
            Wish::Promote(version) => {
                let archived = champion.or(archived.filter(|archived| archived.0 != version));
                let mut moves =
                    vec![step(Alias::champion(), Some(Version(version))), step(Alias::archived(), archived)];
                if on(Alias::candidate()) == Some(Version(version)) {
                    moves.push(step(Alias::candidate(), None));
                }
                (Kind::Promote, Some(Version(version)), moves)
            }
            Wish::Rollback if archived.is_none() => return Ok(Answer::Nothing),
            Wish::Rollback => (
                Kind::Rollback,
                archived,
                vec![step(Alias::champion(), archived), step(Alias::archived(), champion)],
            ),
            Wish::Reject(version) => (Kind::Promote, Some(Version(version)), Vec::new()),
        };
        let verdict = if moves.is_empty() { VerdictKind::Reject } else { VerdictKind::Approve };
        let component: Arc<[u8]> = Arc::from(&b"component"[..]);
        Ok(Answer::Propose(Box::new(Proposal {
            operation,
            target,
            reason: None,
            explanation: format!("because {:?} on {}", self.wish, view.head.number),
            decided: Decided {
                policy: PolicyId { name: "p".into(), version: "1".into(), sha256: Digest::of(&component) },
                verdict,
                usage: Usage { fuel: 7, elapsed: Duration::ZERO, memory: 0 },
                budget: Budget::default(),
                input_sha256: Digest::NONE,
                evidence_sha256: Digest::of(format!("{:?} {evidence:?}", self.wish).as_bytes()),
                model_sha256: None,
            },
            moves,
            input: format!("{{\"wish\":\"{:?}\"}}", self.wish).into_bytes(),
            component,
        })))
    }
}

async fn run(world: &World, ledger: &Ledger, id: &str, wish: Wish) -> Result<Recorded> {
    ledger.transition(id, &mut Decider { world, wish, asked: 0 }).await
}

async fn promote(world: &World, place: Place, id: &str, version: u64) -> Result<Recorded> {
    let ledger = world.open(world.at(place)).await?;
    run(world, &ledger, id, Wish::Promote(version)).await
}

fn kinds(history: &[(Record, Fate)]) -> Vec<Kind> {
    history.iter().rev().map(|(record, _)| record.entry.operation).collect()
}

#[tokio::test]
async fn promotions_and_rollbacks_move_the_aliases_and_are_recorded() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        world.set(Alias::candidate(), 2).await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(1), None));
        promote(&world, place, "b", 2).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(2), Some(1)));
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let candidate =
            world.store.version_by_alias(&world.model, &Alias::candidate()).await.expect("an answer");
        assert_eq!(candidate, None, "the candidate leaves the version");
        run(&world, &ledger, "c", Wish::Rollback).await.expect("a rollback");
        assert_eq!(world.aliases().await, (Some(1), Some(2)));
        assert_eq!(promote(&world, place, "d", 1).await.expect("nothing to do"), Recorded::Nothing);
        let history = world.assert_sound().await;
        assert_eq!(kinds(&history), [Kind::Genesis, Kind::Promote, Kind::Promote, Kind::Rollback]);
        assert!(history.iter().all(|(_, fate)| *fate == Fate::Done));
        assert_eq!(ledger.diagnose().await.expect("findings"), []);
        let before = history[1].0.created_at - 1;
        assert!(ledger.as_of(before).await.expect("an answer").is_none_or(|(record, _)| record.number < 3));
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

/// Proposes once what it holds, with the explanation that the head has.
struct Same(Option<Proposal>);
#[async_trait]
impl Decide for Same {
    async fn decide(&mut self, view: &View) -> Result<Answer> {
        let Some(proposal) = self.0.take() else { return Ok(Answer::Nothing) };
        let explanation = view.head.entry.explanation.clone();
        Ok(Answer::Propose(Box::new(Proposal { explanation, ..proposal })))
    }
}

#[tokio::test]
async fn a_refusal_is_recorded_once_for_equal_evidence() {
    let world = World::new().await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let mut decider = Decider { world: &world, wish: Wish::Reject(2), asked: 0 };
    assert!(matches!(ledger.transition("a", &mut decider).await, Ok(Recorded::Now(_))));
    // The explanation names the head, so the first repetition is another one.
    assert!(matches!(ledger.transition("b", &mut decider).await, Ok(Recorded::Now(_))));
    let before = world.assert_sound().await.len();
    let view = ledger.view().await.expect("a view");
    let Ok(Answer::Propose(again)) = decider.decide(&view).await else { panic!("a proposal") };
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
    let settings = Settings::new("tester");
    let ledger = Ledger::existing(&world.backend(remote.clone()), &world.model, settings).await;
    let ledger = ledger.expect("an answer").expect("a ledger");
    assert_eq!(remote.rounds(), 1, "opening");
    remote.reset_rounds();
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect("a promotion");
    // Append, read back, aliases, mark and verify. The evidence's runs and the archive, not counted here, add one each.
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
async fn aliases_moved_outside_are_adopted() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        promote(&world, place, "a", 1).await.expect("a promotion");
        world.set(Alias::champion(), 4).await;
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let findings = ledger.diagnose().await.expect("findings");
        assert!(matches!(&findings[..], [Finding::Drift { actual: Some(Version(4)), .. }]), "{findings:?}");
        promote(&world, place, "b", 2).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(2), Some(4)));
        assert_eq!(
            kinds(&world.assert_sound().await),
            [Kind::Genesis, Kind::Promote, Kind::External, Kind::Promote]
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
    world.set(Alias::champion(), 1).await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(world.aliases().await, (Some(3), Some(2)));
    let history = world.assert_sound().await;
    assert_eq!(history[0].0.entry.operation, Kind::Reassert);
    let impatient = Windows { lease: 1_000, slow_writer: 1, ..Windows::MILLISECONDS };
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.set(Alias::champion(), 1).await;
    let ledger = world.open_with(world.at(Place::Remote), impatient).await.expect("the ledger");
    ledger.repair().await.expect("a repair");
    assert_eq!(world.aliases().await, (Some(1), Some(2)));
    assert_eq!(world.assert_sound().await[0].0.entry.operation, Kind::External);
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
    assert_eq!(history[0].0.entry.operation, Kind::Aborted);
    assert_eq!(history[1].1, Fate::Aborted);
    // The dying process may have got as far as `archived`, which is sent side by side.
    assert_eq!(world.aliases().await, (Some(1), None));
}

#[tokio::test]
async fn a_target_deleted_meanwhile_aborts_the_transition() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    let dying = Remote::new(&world.store, &[(1, Fault::Dead)]);
    let ledger = world.open(dying).await.expect("the ledger");
    run(&world, &ledger, "b", Wish::Promote(2)).await.expect_err("death");
    world.store.delete_model_version(&world.model, Version(2)).await.expect("a deletion");
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    assert_eq!(world.aliases().await, (Some(3), Some(1)));
    let kinds = kinds(&world.assert_sound().await);
    assert_eq!(kinds, [Kind::Genesis, Kind::Promote, Kind::Promote, Kind::Aborted, Kind::Promote]);
}

/// The decision was made, and what it was about is gone when it is carried out: that is known, not doubtful.
#[tokio::test]
async fn a_decision_that_never_took_effect_is_told_as_such() {
    struct Deletes<'a>(Decider<'a>);

    #[async_trait]
    impl Decide for Deletes<'_> {
        async fn decide(&mut self, view: &View) -> Result<Answer> {
            let Decider { world, .. } = self.0;
            let answer = self.0.decide(view).await?;
            world.store.delete_model_version(&world.model, Version(2)).await?;
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
    assert_eq!(kinds, [Kind::Genesis, Kind::Promote, Kind::Promote, Kind::Aborted]);
}

#[tokio::test]
async fn damage_stops_writers_until_a_checkpoint_bridges_it() {
    for place in [Place::Local, Place::Remote] {
        let world = World::new().await;
        for (id, version) in [("a", 1), ("b", 2), ("c", 3)] {
            promote(&world, place, id, version).await.expect("a promotion");
        }
        let name = ledger_name(&world.model).expect("a name");
        world.store.delete_model_version(&name, Version(3)).await.expect("a deletion");
        let error = promote(&world, place, "d", 4).await.expect_err("damage");
        assert_eq!(error.kind(), ErrorKind::LedgerBroken);
        assert_eq!(world.aliases().await, (Some(3), Some(2)));
        let ledger = world.open(world.at(place)).await.expect("the ledger");
        let findings = ledger.diagnose().await.expect("findings");
        assert!(matches!(&findings[..], [Finding::Damaged { entry: 3, .. }]), "{findings:?}");
        assert_eq!(ledger.repair().await.expect("a repair"), Some(5));
        promote(&world, place, "e", 4).await.expect("a promotion");
        assert_eq!(world.aliases().await, (Some(4), Some(3)));
        // What lies below the damage is history as well.
        let history = ledger.history(None, None).await.expect("a history");
        let expected = [Kind::Genesis, Kind::Promote, Kind::Promote, Kind::Checkpoint, Kind::Promote];
        assert_eq!(kinds(&history), expected);
        assert!(ledger.was_champion(Version(1)).await.expect("an answer"));
        let verified = ledger.verify(None).await.expect("a verification");
        assert!(verified.is_sound() && verified.valid == 5 && verified.bridged.len() == 1, "{verified:?}");
    }
}

/// MLflow deletes a version's aliases with it: nothing needs to be repaired.
#[tokio::test]
async fn a_deleted_version_leaves_its_aliases_and_that_is_no_drift() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    world.store.delete_model_version(&world.model, Version(1)).await.expect("a deletion");
    world.store.delete_alias(&world.model, &Alias::archived()).await.expect("its alias goes with it");
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    assert_eq!(ledger.diagnose().await.expect("findings"), []);
    assert!(ledger.verify(None).await.expect("a verification").is_sound());
    assert!(!ledger.was_champion(Version(3)).await.expect("an answer"));
}

/// MLflow takes a deleted version's aliases away: the ledger agrees with what is left, but there is no champion.
#[tokio::test]
async fn a_deleted_champion_is_found() {
    let world = World::new().await;
    for (id, version) in [("a", 1), ("b", 2)] {
        promote(&world, Place::Remote, id, version).await.expect("a promotion");
    }
    world.store.delete_model_version(&world.model, Version(2)).await.expect("a deletion");
    world.store.delete_alias(&world.model, &Alias::champion()).await.expect("its alias goes with it");
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let findings = ledger.diagnose().await.expect("findings");
    assert_eq!(findings, [Finding::DeletedChampion { version: Version(2) }]);
    promote(&world, Place::Remote, "c", 3).await.expect("a promotion");
    assert_eq!(ledger.diagnose().await.expect("findings"), []);
}

/// `archived` belongs to the ledger also before an entry moved it.
#[tokio::test]
async fn an_alias_that_no_entry_moved_can_drift() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    world.set(Alias::archived(), 3).await;
    let ledger = world.open(world.at(Place::Remote)).await.expect("the ledger");
    let findings = ledger.diagnose().await.expect("findings");
    assert!(matches!(&findings[..], [Finding::Drift { recorded: None, .. }]), "{findings:?}");
    assert!(!ledger.verify(None).await.expect("a verification").is_sound());
    // Set by hand, it was never the champion.
    ledger.repair().await.expect("a repair");
    assert!(!ledger.was_champion(Version(3)).await.expect("an answer"));
}

/// A number far away costs one finding, not memory for each number in between.
#[test]
fn a_wide_gap_is_damage_and_takes_no_memory() {
    use super::chain::{Reading, Window};
    let reading = || Reading::Damaged("strange".into());
    let window = Window::of_readings(vec![(u64::MAX / 2, reading()), (2, reading()), (1, reading())], true);
    assert_eq!((window.lowest(), window.newest()), (u64::MAX / 2, u64::MAX / 2));
    let window = Window::of_readings(vec![(u64::MAX / 2, reading())], true);
    assert_eq!(window.lowest(), u64::MAX / 2);
}

#[tokio::test]
async fn an_archived_input_is_what_was_decided_upon() {
    let world = World::new().await;
    let recorded = promote(&world, Place::Local, "a", 1).await.expect("a promotion");
    let Recorded::Now(record) = recorded else { panic!("{recorded:?}") };
    let ledger = world.open(world.at(Place::Local)).await.expect("the ledger");
    assert_eq!(ledger.input(&record).await.expect("the input"), br#"{"wish":"Promote(1)"}"#);
    let policy = record.entry.decided.as_ref().expect("a decision").policy.sha256;
    assert_eq!(ledger.component(policy).await.expect("the component"), b"component");
}

#[tokio::test]
async fn a_ledger_of_another_model_is_refused() {
    let world = World::new().await;
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    world.store.delete_registered_model(&world.model).await.expect("a deletion");
    tokio::time::sleep(Duration::from_millis(5)).await;
    world.store.create_registered_model(&world.model, &Tags::new(), "").await.expect("a model");
    let error = world.open(world.at(Place::Remote)).await.expect_err("another model");
    assert_eq!(error.kind(), ErrorKind::LedgerIdentity);
    let squatted = World::new().await;
    let name = ledger_name(&squatted.model).expect("a name");
    squatted.store.create_registered_model(&name, &Tags::new(), "somebody's").await.expect("a model");
    let error = squatted.open(squatted.at(Place::Remote)).await.expect_err("taken");
    assert_eq!(error.kind(), ErrorKind::LedgerIdentity);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn founders_agree_on_one_ledger() {
    let world = World::new().await;
    world.set(Alias::champion(), 5).await;
    let founders = join_all((0..6).map(|_| world.open(world.at(Place::Remote)))).await;
    let ids: Vec<String> =
        founders.into_iter().map(|ledger| ledger.expect("a ledger").id().to_owned()).collect();
    assert!(ids.iter().all(|id| *id == ids[0]), "{ids:?}");
    promote(&world, Place::Remote, "a", 1).await.expect("a promotion");
    assert_eq!(world.aliases().await, (Some(1), Some(5)));
    world.assert_sound().await;
    let name = ledger_name(&world.model).expect("a name");
    let first = world.store.model_version(&name, Version(1)).await.expect("the genesis");
    assert!(first.tags[ENTRY_TAG].contains("genesis"));
}
