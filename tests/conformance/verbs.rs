//! What the verbs leave in a store is the same in every backend: aliases, tags, entries, and what MLflow's pages show.

use hydra_mlflow::entities::{ModelVersion, Tags};
use hydra_registry::{ErrorKind, ModelName, ModelRegistry, Outcome, PanelOptions, PanelPolicy, Target};
use serde_json::{Value, json};

use crate::ledger::activation::component;
use crate::ledger::{ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::server::ON_MARIADB;
use crate::support::version;

/// Every verb once, with what each refuses.
async fn state_everything(registry: &ModelRegistry, host: &ModelRegistry) {
    registry.promote(version(1)).await.expect("a promotion");
    registry.nominate(version(2)).reason("from a notebook").await.expect("a nomination");
    registry.approve(version(2)).reason("reviewed").await.expect("an approval");
    registry.promote(Target::Candidate).await.expect("a promotion");
    registry.approve(version(3)).await.expect("an approval");
    registry.quarantine(version(3), "leaked labels").await.expect("a quarantine");
    for error in [registry.promote(version(3)).await.map(drop), registry.nominate(version(3)).await.map(drop)]
    {
        assert_eq!(error.expect_err("in quarantine").kind(), ErrorKind::Quarantined);
    }
    registry.quarantine(version(4), "for now").await.expect("a quarantine");
    registry.release(version(4)).await.expect("a release");
    assert_eq!(registry.release(version(4)).await.expect_err("again").kind(), ErrorKind::NotQuarantined);
    let activated = host.activate_policy().reason("for all").await.expect("an activation");
    host.approve_policy(None).await.expect("an approval");
    let rolled_back = registry.rollback(Target::PolicyChoice).quarantine().await.expect("a rollback");
    assert_eq!((rolled_back.outcome, rolled_back.active_policy), (Outcome::Done, activated.sha256));
    registry.deactivate_policy().reason("too strict").await.expect("an end");
    assert_eq!(registry.approve(version(9)).await.expect_err("none").kind(), ErrorKind::VersionNotFound);
}

/// A tag as far as it does not depend on time and place.
fn plain_tags(tags: &Tags) -> Value {
    let plain = |(key, value): (&String, &String)| {
        let value = match key.as_str() {
            // `<time> <actor>: <reason>`, and `<digest> <approvals> <time> <actor>: <reason>`.
            "hydra.quarantine" => value.split_once(' ').map_or("", |(_, rest)| rest),
            "hydra.policy" => value
                .split_once(' ')
                .map_or(value.as_str(), |(_, rest)| rest.rsplit(": ").next().unwrap_or("")),
            _ => "",
        };
        (key.clone(), json!(value))
    };
    tags.iter().map(plain).collect::<serde_json::Map<_, _>>().into()
}

/// What is in the store, without ids, digests and times.
async fn left_behind(registry: &ModelRegistry) -> Value {
    let stores = &registry.backend().registry;
    let (model, ledger) = (registry.model(), ledger(registry).await);
    let versions = async |name: &ModelName| -> Vec<ModelVersion> {
        let page = stores.model_versions(name, None, 100, None).await.expect("the versions");
        page.items.into_iter().rev().collect()
    };
    let registered = stores.registered_model(model).await.expect("the model");
    let of_ledger = stores.registered_model(ledger.name()).await.expect("the ledger");
    let entries = versions(ledger.name()).await;
    let mut told: Vec<Value> = Vec::new();
    for (record, fate) in ledger.history(None, None).await.expect("a history").iter().rev() {
        let entry = &record.entry;
        told.push(json!({
            "number": record.number,
            "operation": entry.operation.to_string(),
            "fate": format!("{fate:?}"),
            "target": entry.target,
            "before": entry.before.to_string(),
            "after": entry.after.to_string(),
            "side": entry.side.keys().map(ToString::to_string).collect::<Vec<_>>(),
            "quarantined": entry.quarantined(),
            "reason": entry.reason,
            "explanation": entry.explanation.replace(model.as_str(), "MODEL"),
        }));
    }
    let standing = ledger.view().await.expect("a view").standing;
    json!({
        "aliases": registered.aliases.iter().map(|(alias, on)| format!("{alias}: {on}")).collect::<Vec<_>>(),
        "tags": plain_tags(&registered.tags),
        "of ledger": [of_ledger.description, plain_tags(&of_ledger.tags)],
        "versions": versions(model).await.iter().map(|one| plain_tags(&one.tags)).collect::<Vec<_>>(),
        "pages": entries.iter().map(|one| one.description.replace(model.as_str(), "MODEL")).collect::<Vec<_>>(),
        "entries": told,
        "quarantines": standing.quarantines().map(|(version, _)| version).collect::<Vec<_>>(),
        "approvals": standing.approvals().iter().map(|one| one.version).collect::<Vec<_>>(),
        "of policies": standing.panel_approvals().len(),
    })
}

async fn after_everything(backend: &Backend) -> Value {
    let registry = registry(backend, &fresh_name("verbs")).await;
    let files = tempfile::tempdir().expect("a directory");
    let panel = PanelOptions::led_by(PanelPolicy::new(component(files.path(), "default")));
    let host = backend.options(registry.model().as_str()).with_panel(panel);
    let host = ModelRegistry::connect(host).await.expect("a registry");
    state_everything(&registry, &host).await;
    left_behind(&registry).await
}

/// The store in memory has what the verbs say, and every other backend has the same.
async fn every_verb_leaves_the_same(backend: &Backend) {
    let expected = after_everything(&Backend::memory()).await;
    let operations: Vec<&Value> =
        expected["entries"].as_array().expect("entries").iter().map(|entry| &entry["operation"]).collect();
    assert_eq!(
        operations,
        [
            "genesis",
            "promote",
            "nominate",
            "approve",
            "promote",
            "approve",
            "quarantine",
            "quarantine",
            "release",
            "activate",
            "approve",
            "rollback",
            "deactivate"
        ]
    );
    assert_eq!(expected["aliases"], json!(["archived: 2", "champion: 1"]));
    assert_eq!((&expected["quarantines"], &expected["approvals"]), (&json!([2, 3]), &json!([3])));
    let quarantine = |at: usize| &expected["versions"][at]["hydra.quarantine"];
    assert_eq!(quarantine(1), "tester: left by a rollback");
    assert_eq!((quarantine(2), quarantine(3)), (&json!("tester: leaked labels"), &json!(null)));
    assert_eq!(expected["tags"]["hydra.policy"], "too strict");
    assert_eq!(after_everything(backend).await, expected);
}

macro_rules! verbs {
    ($($(#[$attribute:meta])* $test:ident: $backend:expr;)+) => {$(
        $(#[$attribute])*
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            Box::pin(every_verb_leaves_the_same(&$backend)).await;
        }
    )+};
}

verbs! {
    on_memory: Backend::memory();
    on_file: Backend::file();
    on_sqlite: Backend::sqlite();
    on_rest: Backend::rest();
    #[ignore = "one more server; `cargo xtask test --all` runs it"]
    on_postgres: Backend::postgres();
    #[ignore = "one more server; `cargo xtask test --all` runs it"]
    on_mariadb: Backend::server(ON_MARIADB);
    #[ignore = "older releases; `cargo xtask test --all` runs it"]
    on_mlflow_2_9_2: Backend::server("mlflow-2.9.2");
    #[ignore = "older releases; `cargo xtask test --all` runs it"]
    on_mlflow_2_22_5: Backend::server("mlflow-2.22.5");
    #[ignore = "older releases; `cargo xtask test --all` runs it"]
    on_mlflow_3_1_4: Backend::server("mlflow-3.1.4");
    #[ignore = "one more server; `cargo xtask test --all` runs it"]
    on_mlflow_3_18_0: Backend::server("mlflow-3.18.0");
}
