//! Tests of the driver on the in-memory store, both as a local and as a remote store.

mod numbering;
mod other_releases;
mod outside;
mod past;
mod repairs;
mod standing;
mod writers;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::join_all;

use super::chain::{ENTRY_TAG, Record};
use super::doctor::LedgerFinding;
use super::entry::{Decided, EntryKind};
use super::history::Fate;
use super::{
    Decide, DecideOutcome, Ledger, LedgerView, LedgerWriter, Proposal, ProposedDecision, Recorded,
    WriterSettings, ledger_name,
};
use hydra_base::aliases::AliasMove;
use hydra_base::names::{Alias, ExperimentId, ModelName, Version};
use hydra_base::testing::version;
use hydra_base::{ErrorKind, Result};
use hydra_base::{PolicyIdentity, Sha256};
use hydra_ledger_rules::Windows;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{NewModelVersion, Tags};
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::store::RegistryStore;
use hydra_mlflow::testing::remote::{Fault, Remote};
use hydra_policy::{Budget, Usage, VerdictKind};

/// The files of every version.
const MODEL: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster");

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

/// The wish of a test's policy.
#[derive(Debug, Clone, Copy)]
enum Wish {
    Promote(u64),
    Rollback,
    RollbackAndQuarantine,
    Reject(u64),
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = ModelName::new("m").expect("a name");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        for _ in 0..5 {
            let version = NewModelVersion::new(model.clone(), MODEL);
            store.create_model_version(&version).await.expect("a version");
        }
        Self { store, model }
    }

    fn backend(&self, registry: Arc<dyn RegistryStore>) -> Backend {
        Backend::new(self.store.clone(), registry)
    }

    fn at(&self, place: Place) -> Arc<dyn RegistryStore> {
        match place {
            Place::Local => self.store.clone(),
            Place::Remote => Remote::new(&self.store, &[]),
        }
    }

    async fn open(&self, registry: Arc<dyn RegistryStore>) -> Result<LedgerWriter> {
        self.open_with(registry, Windows::MILLISECONDS).await
    }

    async fn open_with(&self, registry: Arc<dyn RegistryStore>, windows: Windows) -> Result<LedgerWriter> {
        self.open_as("tester", registry, windows).await
    }

    async fn open_as(
        &self,
        actor: &str,
        registry: Arc<dyn RegistryStore>,
        windows: Windows,
    ) -> Result<LedgerWriter> {
        let settings =
            WriterSettings { windows, deadline: Duration::from_secs(20), ..WriterSettings::new(actor) };
        let experiment = ExperimentId::new("0").expect("an id");
        LedgerWriter::found(&self.backend(registry), &self.model, &experiment, settings).await
    }

    /// The ledger, for reading.
    async fn ledger(&self) -> Ledger {
        let ledger = Ledger::existing(&self.backend(self.store.clone()), &self.model).await;
        ledger.expect("an answer").expect("a ledger")
    }

    async fn aliases(&self) -> (Option<u64>, Option<u64>) {
        let aliases = self.store.registered_model(&self.model).await.expect("the model").aliases;
        let on = |alias: Alias| aliases.get(&alias).map(|version| version.get());
        (on(Alias::CHAMPION), on(Alias::ARCHIVED))
    }

    async fn set(&self, alias: Alias, number: u64) {
        self.store.set_alias(&self.model, &alias, version(number)).await.expect("an alias");
    }

    /// Checks the invariants: a sound ledger, and aliases that it explains.
    async fn assert_sound(&self) -> Vec<(Record, Fate)> {
        let ledger = self.ledger().await;
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
    async fn decide(&mut self, view: &LedgerView) -> Result<DecideOutcome> {
        self.asked += 1;
        let evidence = self.world.store.registered_model(&self.world.model).await?.aliases;
        if !view.agrees(&evidence) {
            return Ok(DecideOutcome::Stale);
        }
        let on = |alias: Alias| evidence.get(&alias).copied();
        let (champion, archived) = (on(Alias::CHAMPION), on(Alias::ARCHIVED));
        let step = |alias: Alias, version: Option<Version>| AliasMove { alias, version };
        let (operation, target, moves) = match self.wish {
            Wish::Promote(number) if champion == Some(version(number)) => return Ok(DecideOutcome::Nothing),
            Wish::Promote(number) => {
                let target = Some(version(number));
                let archived = champion.or(archived.filter(|archived| Some(*archived) != target));
                let mut moves = vec![step(Alias::CHAMPION, target), step(Alias::ARCHIVED, archived)];
                if on(Alias::CANDIDATE) == target {
                    moves.push(step(Alias::CANDIDATE, None));
                }
                (EntryKind::Promote, target, moves)
            }
            Wish::Rollback | Wish::RollbackAndQuarantine if archived.is_none() => {
                return Ok(DecideOutcome::Nothing);
            }
            Wish::Rollback | Wish::RollbackAndQuarantine => (
                EntryKind::Rollback,
                archived,
                vec![step(Alias::CHAMPION, archived), step(Alias::ARCHIVED, champion)],
            ),
            Wish::Reject(number) => (EntryKind::Promote, Some(version(number)), Vec::new()),
        };
        let verdict = if moves.is_empty() { VerdictKind::Reject } else { VerdictKind::Approve };
        let component: Arc<[u8]> = Arc::from(&b"component"[..]);
        Ok(DecideOutcome::Propose(Box::new(Proposal {
            target,
            moves,
            quarantines: match self.wish {
                Wish::RollbackAndQuarantine => champion.into_iter().collect(),
                _ => BTreeSet::new(),
            },
            decision: Some(ProposedDecision {
                decided: Decided {
                    policy: PolicyIdentity {
                        name: "p".into(),
                        version: "1".into(),
                        sha256: Sha256::of(&component),
                    },
                    verdict,
                    usage: Usage::new(7, Duration::ZERO, 0),
                    budget: Budget::default(),
                    input_sha256: Sha256::NONE,
                    evidence_sha256: Sha256::of(format!("{:?} {evidence:?}", self.wish).as_bytes()),
                    model_sha256: None,
                    evaluations: Vec::new(),
                    more_evaluations: 0,
                    changes: BTreeSet::new(),
                    panel: Vec::new(),
                    decision_sha256: None,
                    signers: Vec::new(),
                    manifests: Vec::new(),
                },
                input: format!("{{\"wish\":\"{:?}\"}}", self.wish).into_bytes(),
                document: None,
                components: [(Sha256::of(&component), component)].into(),
                active: None,
            }),
            ..Proposal::statement(operation, format!("because {:?} on {}", self.wish, view.head.number))
        })))
    }
}

async fn run(world: &World, ledger: &LedgerWriter, id: &str, wish: Wish) -> Result<Recorded> {
    ledger.transition(id, &mut Decider { world, wish, asked: 0 }).await
}

async fn promote(world: &World, place: Place, id: &str, version: u64) -> Result<Recorded> {
    let ledger = world.open(world.at(place)).await?;
    run(world, &ledger, id, Wish::Promote(version)).await
}

fn kinds(history: &[(Record, Fate)]) -> Vec<EntryKind> {
    history.iter().rev().map(|(record, _)| record.entry.operation).collect()
}
