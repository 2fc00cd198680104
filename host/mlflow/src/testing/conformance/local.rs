//! Cases that modify a local store by other means than its own calls, with a separate store for each case.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use std::collections::BTreeMap;

use hydra_base::ErrorKind;
use hydra_base::names::{Alias, RunId};
use hydra_base::testing::{kind, model_name, version};

use super::{Stores, fresh, new_run};
use crate::entities::{LifecycleStage, ModelFilter, RunInputs, RunStatus, Tags};

pub async fn a_dangling_alias_is_a_missing_version(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    let registry = &stores.backend.registry;
    registry.set_alias(&name, &Alias::CHAMPION, version(1)).await.expect("an alias");
    stores.outside().delete_version_only(&name, version(1));
    assert_eq!(kind(registry.version_by_alias(&name, &Alias::CHAMPION).await), ErrorKind::VersionNotFound);
    let model = registry.registered_model(&name).await.expect("the model");
    assert_eq!(model.aliases, BTreeMap::from([(Alias::CHAMPION, version(1))]));
}

pub async fn a_deleted_experiment_is_found_but_takes_no_runs(stores: &Stores) {
    let tracking = &stores.backend.tracking;
    let name = fresh("old");
    let id = tracking.create_experiment(&name, &Tags::new()).await.expect("a new experiment");
    let run = tracking.create_run(&new_run(id.clone())).await.expect("a new run").id;
    stores.outside().delete_experiment(&id);
    let found = tracking.experiment_by_name(&name).await.expect("an answer").expect("it exists");
    assert_eq!((&found.id, found.lifecycle_stage), (&id, LifecycleStage::Deleted));
    assert_eq!(tracking.experiment(&id).await.expect("it exists"), found);
    tracking.run(&run).await.expect("its runs are readable");
    let taken = tracking.create_experiment(&name, &Tags::new()).await;
    assert_eq!(kind(taken), ErrorKind::AlreadyExists);
    assert_eq!(kind(tracking.create_run(&new_run(id)).await), ErrorKind::InvalidState);
}

pub async fn a_deleted_run_is_found_with_others(stores: &Stores) {
    let tracking = &stores.backend.tracking;
    let ids = [stores.run().await, stores.run().await];
    stores.outside().delete_run(&ids[1]);
    let mut experiments = Vec::new();
    for id in &ids {
        experiments.push(tracking.run(id).await.expect("it exists").experiment_id);
    }
    let mut found = tracking.runs(&experiments, &ids).await.expect("an answer");
    found.sort_by_key(|run| run.lifecycle_stage == LifecycleStage::Deleted);
    let stages = found.iter().map(|run| (&run.id, run.lifecycle_stage)).collect::<Vec<_>>();
    assert_eq!(stages, [(&ids[0], LifecycleStage::Active), (&ids[1], LifecycleStage::Deleted)]);
    let refused = tracking.log_inputs(&ids[1], &RunInputs::default()).await;
    assert_eq!(kind(refused), ErrorKind::InvalidState);
    assert_eq!(tracking.inputs(&ids[1]).await.expect("it is readable"), RunInputs::default());
}

/// On a store that has never been written to, and on one with a model and a run.
pub async fn reads_never_write(stores: &Stores) {
    read_everything(stores).await;
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version(1)).await.expect("an alias");
    stores.run().await;
    read_everything(stores).await;
}

async fn read_everything(stores: &Stores) {
    let (tracking, registry) = (&stores.backend.tracking, &stores.backend.registry);
    let before = stores.outside().image();
    let unknown = model_name(&fresh("missing"));
    assert!(tracking.experiment_by_name(unknown.as_str()).await.expect("an answer").is_none());
    let run = RunId::new(fresh("r").replace('-', "")).expect("a legal id");
    assert_eq!(kind(tracking.run(&run).await), ErrorKind::NotFound);
    assert_eq!(kind(tracking.inputs(&run).await), ErrorKind::NotFound);
    assert_eq!(kind(registry.registered_model(&unknown).await), ErrorKind::ModelNotFound);
    assert!(registry.version_by_alias(&unknown, &Alias::CHAMPION).await.expect("an answer").is_none());
    assert_eq!(kind(registry.download_uri(&unknown, version(1)).await), ErrorKind::VersionNotFound);
    assert!(tracking.runs(&[], &[run]).await.expect("an answer").is_empty());
    let filter = ModelFilter::Name("*".parse().expect("a pattern"));
    registry.registered_models(&filter, 10, None).await.expect("a page");
    registry.versions_between(&unknown, version(1), version(2)).await.expect("versions");
    assert!(registry.model_versions(&unknown, None, 10, None).await.expect("a page").items.is_empty());
    if let Some(default) = tracking.experiment_by_name("Default").await.expect("an answer") {
        for status in [RunStatus::Running, RunStatus::Finished] {
            tracking.runs_by_status(&default.id, status, 10, None).await.expect("a page");
        }
    }
    assert!(stores.outside().image() == before, "a read has written");
}
