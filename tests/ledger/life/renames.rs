//! Names that change: of a model, of its ledger, of several in turn, and two ledgers of one model.

use futures_util::TryStreamExt as _;
use hydra_lifecycle::ledger::ledger_name;
use hydra_registry::{ErrorKind, ModelRegistry, Target};

use super::{Shared, diagnose, findings};
use crate::ledger::{aliases, assert_sound, ledger, registry};
use crate::support::backends::fresh_name;
use crate::support::version;

async fn a_renamed_model_keeps_its_ledger(shared: &Shared) {
    let before = shared.promoted().await;
    let id = ledger(&before).await.id().to_owned();
    let (old, new) = (before.model().to_string(), fresh_name("renamed"));
    shared.ask(&["rename-model", &old, &new]);
    let missing = shared.open(&old).await.promote_to_champion(version(3)).await.expect_err("no such model");
    assert_eq!(missing.kind(), ErrorKind::ModelNotFound);
    assert!(missing.hint().is_some_and(|hint| hint.contains(&format!("--model {new}"))), "{missing:?}");
    let renamed = shared.open(&new).await;
    assert_eq!(findings(&renamed).await, ["renamed-ledger"]);
    renamed.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&renamed).await, (Some(1), Some(2)));
    // The new place was noted, and the history goes on.
    assert_eq!(assert_sound(&renamed).await.len(), 4);
    assert_eq!(ledger(&renamed).await.id(), id);
    // The old name leads to the new one, so that no second history begins by mistake.
    let options = shared.backend.options(&old);
    let refused = ModelRegistry::connect_or_create(options).await.expect_err("a renamed model");
    assert!(refused.hint().is_some_and(|hint| hint.contains(&format!("--model {new}"))), "{refused:?}");
    let unknown = shared.open(&old).await;
    for error in [unknown.champion_info().await.err(), unknown.list_versions().try_next().await.err()] {
        let hint = error.as_ref().and_then(hydra_registry::Error::hint).unwrap_or_default().to_owned();
        assert!(hint.contains(&format!("--model {new}")), "{error:?}");
    }
    // A new model that is created under the old name is another model, and gets a ledger of its own.
    let models = &unknown.backend().registry;
    models.create_registered_model(unknown.model(), &Default::default(), "").await.expect("a model");
    let successor = registry(&shared.backend, &old).await;
    assert!(findings(&successor).await.is_empty());
    successor.promote_to_champion(version(3)).await.expect("a promotion");
    let its_ledger = ledger(&successor).await;
    assert_ne!(its_ledger.id(), id);
    assert_eq!(its_ledger.name().as_str(), format!("{old}_ledger_2"));
    assert_sound(&successor).await;
    assert_sound(&renamed).await;
}
on!(a_renamed_model_keeps_its_ledger: renamed_on_rest = Shared::rest(), renamed_on_sqlite = Shared::sqlite());

/// Names go round: each ledger says in the end whose it is, and so does its run.
async fn names_that_were_given_away_are_noted(shared: &Shared) {
    let first = shared.promoted().await;
    let (name, second, third) = (first.model().to_string(), fresh_name("second"), fresh_name("third"));
    let (id, run_id) = (ledger(&first).await.id().to_owned(), ledger(&first).await.run_id().clone());
    shared.ask(&["rename-model", &name, &second]);
    shared.open(&second).await.rollback(Target::PolicyChoice).await.expect("a rollback");
    // A new model under the old name, which is renamed as well, and the first one gets its name back.
    let models = &first.backend().registry;
    models.create_registered_model(first.model(), &Default::default(), "").await.expect("a model");
    let successor = registry(&shared.backend, &name).await;
    successor.promote_to_champion(version(3)).await.expect("a promotion");
    shared.ask(&["rename-model", &name, &third]);
    shared.ask(&["rename-model", &second, &name]);
    for model in [&name, &third] {
        let registry = shared.open(model).await;
        assert_eq!(findings(&registry).await, ["renamed-ledger"], "{model}");
        registry.repair().await.expect("a repair");
        assert!(findings(&registry).await.is_empty(), "{model}");
        let own = ledger(&registry).await;
        let registered = registry.backend().registry.registered_model(own.name()).await.expect("the ledger");
        assert_eq!(registered.tags["hydra.ledger.model"], *model);
        let run = shared.ask(&["run-note", own.run_id().as_str()]);
        assert!(run["note"].as_str().expect("a note").contains(model.as_str()), "{run}");
        assert_sound(&registry).await;
    }
    let first = ledger(&shared.open(&name).await).await;
    assert_eq!((first.id(), first.run_id()), (id.as_str(), &run_id));
}
on!(names_that_were_given_away_are_noted: names_on_rest = Shared::rest(), names_on_sqlite = Shared::sqlite());

async fn a_renamed_ledger_is_found(shared: &Shared) {
    let registry = shared.promoted().await;
    let id = ledger(&registry).await.id().to_owned();
    let (usual, new) = (ledger_name(registry.model()).expect("a name"), fresh_name("kept"));
    shared.ask(&["rename-model", usual.as_str(), &new]);
    assert_eq!(findings(&registry).await, ["renamed-ledger"]);
    registry.repair().await.expect("a repair");
    assert!(findings(&registry).await.is_empty());
    // Removing the tags afterwards loses nothing: the ledger itself names its model.
    for tag in ["hydra.ledger.id", "hydra.ledger.run", "hydra.ledger.name"] {
        shared.ask(&["delete-model-tag", registry.model().as_str(), tag]);
    }
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    assert_eq!(ledger(&registry).await.id(), id);
    assert_eq!(assert_sound(&registry).await.len(), 4);
}
on!(a_renamed_ledger_is_found: renamed_ledger_on_rest = Shared::rest(), renamed_ledger_on_sqlite = Shared::sqlite());

async fn a_second_ledger_is_found(shared: &Shared) {
    let registry = shared.promoted().await;
    let (first, usual) = (ledger(&registry).await, ledger_name(registry.model()).expect("a name"));
    let kept = fresh_name("kept");
    let stores = &registry.backend().registry;
    let tag = hydra_base::testing::key("hydra.ledger.model");
    stores.set_registered_model_tag(&usual, &tag, "former").await.expect("a tag");
    shared.ask(&["rename-model", usual.as_str(), &kept]);
    for tag in ["hydra.ledger.id", "hydra.ledger.run"] {
        shared.ask(&["delete-model-tag", registry.model().as_str(), tag]);
    }
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    assert_ne!(ledger(&registry).await.id(), first.id());
    assert_sound(&registry).await;
    let kept = hydra_base::testing::model_name(&kept);
    stores.set_registered_model_tag(&kept, &tag, registry.model().as_str()).await.expect("a tag");
    let found = diagnose(&registry).await;
    let [second] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(second.code(), "second-ledger");
    assert!(second.remedy().contains(first.id()), "{}", second.remedy());
    // The finding says how to go on with the other one, also if that has lost its own id.
    shared.ask(&["delete-model-tag", kept.as_str(), "hydra.ledger.id"]);
    for (tag, value) in [("hydra.ledger.id", first.id()), ("hydra.ledger.run", first.run_id().as_str())] {
        let tag = hydra_base::testing::key(tag);
        stores.set_registered_model_tag(registry.model(), &tag, value).await.expect("a tag");
    }
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!(ledger(&registry).await.id(), first.id());
    let registered = stores.registered_model(&kept).await.expect("the ledger");
    assert_eq!(registered.tags["hydra.ledger.id"], first.id());
}
on!(a_second_ledger_is_found: second_on_rest = Shared::rest(), second_on_sqlite = Shared::sqlite());
