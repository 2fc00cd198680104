//! The ledger on every backend: its records, kills at every step, concurrent writers, faulty networks, outside moves of
//! aliases, and costs.

pub(crate) mod activation;
mod clocks;
mod commands;
mod cost;
pub(crate) mod crash;
pub(crate) mod evaluations;
mod evidence;
mod faults;
mod hints;
mod hostile;
mod life;
mod newer;
mod old;
mod outside;
mod panel;
mod past;
mod pruning;
mod race;
mod show;
mod soak;
mod statements;
mod status;
mod witness;

use std::collections::BTreeMap;

use hydra_base::names::Alias;
use hydra_lifecycle::ledger::Ledger;
use hydra_lifecycle::ledger::chain::Record;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::history::Fate;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_lifecycle::transition::Outcome;
use hydra_policy::{EngineOptions, PolicyEngine};
use hydra_registry::{ModelRegistry, Target};

use crate::support::backends::{Backend, fresh_name};
use crate::support::version;
pub(crate) use commands::lines;
pub use commands::walk;

/// A model of five versions of the same files.
pub(crate) async fn registry(backend: &Backend, model: &str) -> ModelRegistry {
    let registry = ModelRegistry::connect_or_create(backend.options(model)).await.expect("an open registry");
    let version = backend.sound_version(registry.backend(), registry.model()).await;
    for _ in 0..5 {
        registry.backend().registry.create_model_version(&version).await.expect("a version");
    }
    registry
}

/// The versions behind `champion` and `archived`.
async fn aliases(registry: &ModelRegistry) -> (Option<u64>, Option<u64>) {
    let found =
        registry.backend().registry.registered_model(registry.model()).await.expect("the model").aliases;
    let on = |alias: Alias| found.get(&alias).map(|version| version.get());
    (on(Alias::CHAMPION), on(Alias::ARCHIVED))
}

pub(crate) async fn ledger(registry: &ModelRegistry) -> Ledger {
    registry.existing_ledger().await.expect("an answer").expect("a ledger")
}

/// Asserts the invariants: one sound chain, aliases as in the chain, reproducible decisions, and at most one entry per
/// operation. Returns the chain, oldest first.
pub(crate) async fn assert_sound(registry: &ModelRegistry) -> Vec<(Record, Fate)> {
    assert_sound_but_for(registry, &[]).await
}

/// [`assert_sound`], where `doctor` has findings.
pub(crate) async fn assert_sound_but_for(
    registry: &ModelRegistry,
    findings: &[LedgerFinding],
) -> Vec<(Record, Fate)> {
    let ledger = ledger(registry).await;
    let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
    let verified = ledger.verify(Some(&replay)).await.expect("a verification");
    assert!(verified.is_sound(), "{verified:?}");
    assert_eq!(ledger.diagnose().await.expect("findings"), findings);
    let (champion, archived) = aliases(registry).await;
    assert!(champion.is_none() || champion != archived);
    let mut history = ledger.history(None, None).await.expect("a history");
    history.reverse();
    let decisions = history.iter().filter(|(record, _)| record.entry.is_decision()).count() as u64;
    assert_eq!(verified.rerun, decisions);
    let mut operations = BTreeMap::new();
    for (record, fate) in &history {
        assert_ne!(*fate, Fate::Pending);
        *operations.entry(&record.entry.operation_id).or_insert(0) += 1;
    }
    assert!(operations.values().all(|count| *count == 1), "{operations:?}");
    history
}

async fn a_decision_is_recorded_and_comes_out_the_same_again(backend: &Backend) {
    let registry = registry(backend, &fresh_name("ledger")).await;
    let first = registry.promote_to_champion(version(1)).await.expect("a promotion");
    assert_eq!((first.outcome, first.sequence), (Outcome::Done, Some(2)));
    let second = registry.promote_to_champion(version(2)).await.expect("a promotion");
    assert_eq!(second.sequence, Some(3));
    assert_eq!(aliases(&registry).await, (Some(2), Some(1)));
    let unchanged = registry.promote_to_champion(version(2)).await.expect("nothing to do");
    assert_eq!((unchanged.outcome, unchanged.sequence), (Outcome::Unchanged, None));
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
    let history = assert_sound(&registry).await;
    assert_eq!(history.len(), 4);
    let decided = history[3].0.entry.decided.as_ref().expect("a decision");
    assert!(decided.usage.fuel > 0 && decided.usage.fuel < decided.budget.fuel);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_recorded_on_rest() {
    a_decision_is_recorded_and_comes_out_the_same_again(&Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn decisions_are_recorded_on_postgres() {
    a_decision_is_recorded_and_comes_out_the_same_again(&Backend::postgres()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_are_recorded_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        a_decision_is_recorded_and_comes_out_the_same_again(&backend).await;
    }
}
