//! What policies are told of the past, in ledgers that are longer than what is read of them.

use hydra_base::names::Alias;
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};
use hydra_registry::{ModelRegistry, Outcome};

use super::evaluations::newest;
use super::{assert_sound, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::version;

/// More entries than are read with the head.
const MANY: u32 = 40;

/// Another registry of the same model, whose policy holds each version without metrics.
async fn holding(backend: &Backend, model: &str) -> ModelRegistry {
    let engine = PolicyEngine::new(&EngineOptions::default()).expect("an engine");
    let component = hydra_test_guests::policy_of_0_1("metric-gate");
    let policy = Policy::load(&engine, &component, &Budget::default()).expect("a policy");
    let options = backend.options(model).with_policy(policy).with_policy_settings([("metric", "auc")]);
    ModelRegistry::connect(options).await.expect("a registry")
}

async fn hold(registry: &ModelRegistry, times: u32) {
    for time in 0..times {
        // Another reason is other evidence, so each of them is recorded.
        let held = registry.promote(version(5)).reason(format!("try {time}")).await.expect("a verdict");
        assert_eq!(held.outcome, Outcome::Held);
    }
}

/// A champion dates from the beginning of the ledger, and refusals do not make that forgotten.
#[tokio::test(flavor = "multi_thread")]
async fn refusals_do_not_hide_since_when_a_version_is_champion() {
    let backend = Backend::memory();
    let model = fresh_name("since");
    let registry = registry(&backend, &model).await;
    let stores = registry.backend();
    stores.registry.set_alias(registry.model(), &Alias::CHAMPION, version(1)).await.expect("an alias");
    let refusing = holding(&backend, &model).await;
    hold(&refusing, MANY).await;
    let history = assert_sound(&registry).await;
    let began = u64::try_from(history[0].0.entry.at).ok();
    let (_, input) = newest(&registry).await;
    assert_eq!(input.context().champion_since, began);
    registry.promote(version(2)).await.expect("a promotion");
    hold(&refusing, MANY).await;
    let history = assert_sound(&registry).await;
    let promoted = history.iter().find(|(record, _)| record.entry.crowned() == Some(version(2)));
    let (_, input) = newest(&registry).await;
    let at = promoted.and_then(|(record, _)| u64::try_from(record.entry.at).ok());
    assert_eq!(input.context().champion_since, at);
}

/// All promotions of the last month count, although a policy sees only the newest 20 transitions.
#[tokio::test(flavor = "multi_thread")]
async fn promotions_are_counted_beyond_what_policies_see() {
    let backend = Backend::memory();
    let model = fresh_name("counts");
    let registry = registry(&backend, &model).await;
    for number in 0..25_u64 {
        registry.promote(version(number % 4 + 1)).await.expect("a promotion");
    }
    registry.rollback(hydra_registry::Target::PolicyChoice).await.expect("a rollback");
    let refusing = holding(&backend, &model).await;
    hold(&refusing, MANY).await;
    let (_, input) = newest(&registry).await;
    let activity = input.context().activity;
    assert_eq!(input.context().history.len(), 20);
    let promotions =
        [activity.promotions_last_day, activity.promotions_last_week, activity.promotions_last_month];
    assert_eq!((promotions, activity.rollbacks_last_month), ([25; 3], 1));
}
