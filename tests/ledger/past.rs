//! What policies see of the past, in ledgers that are longer than what is read of them.

use hydra_base::names::{Alias, Key};
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine, TargetOrigin};
use hydra_registry::{ModelRegistry, Outcome, Target};

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

/// The parts of the context that come from the registry and from the ledger.
async fn policies_receive_what_registry_and_ledger_know(backend: &Backend) {
    let challenger = Alias::new("challenger").expect("an alias");
    let model = fresh_name("context");
    let plain = registry(backend, &model).await;
    let options = backend.options(&model).with_managed_aliases([challenger.clone()]);
    let registry = ModelRegistry::connect(options).await.expect("a registry");
    let stores = &registry.backend().registry;
    let team = Key::new("team").expect("a key");
    stores.set_registered_model_tag(registry.model(), &team, "risk").await.expect("a tag");
    stores.set_version_tag(registry.model(), version(3), &team, "growth").await.expect("a tag");
    stores.set_alias(registry.model(), &challenger, version(4)).await.expect("an alias");
    stores.set_alias(registry.model(), &Alias::CANDIDATE, version(3)).await.expect("an alias");
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    registry.promote(Target::Candidate).await.expect("a promotion");
    let history = assert_sound(&registry).await;
    let at = |index: usize| u64::try_from(history[index].0.entry.at).ok();
    let (_, input) = newest(&registry).await;
    let context = input.context();
    assert_eq!(context.model_tags["team"], "risk");
    assert_eq!(input.target().expect("a target").tags["team"], "growth");
    assert_eq!(context.target_origin, Some(TargetOrigin::Candidate));
    assert_eq!(context.champion_since, at(2), "the second promotion");
    assert_eq!((context.activity.promotions_last_day, context.activity.rollbacks_last_month), (2, 0));
    let aliases: Vec<_> =
        context.aliases.iter().map(|(alias, on)| (alias.as_str(), on.map(|on| on.get()))).collect();
    assert_eq!(
        aliases,
        [("archived", Some(1)), ("candidate", Some(3)), ("challenger", Some(4)), ("champion", Some(2))]
    );
    plain.rollback(Target::PolicyChoice).await.expect("a rollback");
    plain.promote(version(5)).await.expect("a promotion");
    let (_, input) = newest(&registry).await;
    let activity = input.context().activity;
    assert_eq!((activity.promotions_last_month, activity.rollbacks_last_month), (3, 1));
    let aliases: Vec<&str> = input.context().aliases.keys().map(Alias::as_str).collect();
    assert_eq!(aliases, ["archived", "candidate", "champion"], "others are not managed there");
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    policies_receive_what_registry_and_ledger_know(&Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        policies_receive_what_registry_and_ledger_know(&backend).await;
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
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    let refusing = holding(&backend, &model).await;
    hold(&refusing, MANY).await;
    let (_, input) = newest(&registry).await;
    let activity = input.context().activity;
    assert_eq!(input.context().history.len(), 20);
    let promotions =
        [activity.promotions_last_day, activity.promotions_last_week, activity.promotions_last_month];
    assert_eq!((promotions, activity.rollbacks_last_month), ([25; 3], 1));
}
