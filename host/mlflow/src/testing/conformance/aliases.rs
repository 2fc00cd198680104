//! The documented behavior of the aliases of `RegistryStore`.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use std::collections::BTreeMap;

use hydra_base::ErrorKind;
use hydra_base::names::Alias;
use hydra_base::testing::{alias, kind, model_name, version};

use super::{Stores, fresh};

pub async fn an_alias_is_set_moved_and_deleted(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    let champion = Alias::CHAMPION;
    for version in [version(1), version(2), version(2), version(1)] {
        stores.backend.registry.set_alias(&name, &champion, version).await.expect("an alias");
        let behind = stores.backend.registry.version_by_alias(&name, &champion).await.expect("an answer");
        assert_eq!(behind.expect("it is set").version, version);
        let model = stores.backend.registry.registered_model(&name).await.expect("it exists");
        assert_eq!(model.aliases, BTreeMap::from([(champion.clone(), version)]));
    }
    for _ in 0..2 {
        stores.backend.registry.delete_alias(&name, &champion).await.expect("one that is not set is fine");
        assert!(
            stores.backend.registry.version_by_alias(&name, &champion).await.expect("an answer").is_none()
        );
    }
    assert!(stores.backend.registry.registered_model(&name).await.expect("it exists").aliases.is_empty());
}

pub async fn an_alias_that_is_not_set_is_none(stores: &Stores) {
    let name = stores.model_with_versions(1).await;
    let missing = model_name(&fresh("missing"));
    for model in [name, missing] {
        let behind =
            stores.backend.registry.version_by_alias(&model, &Alias::CHAMPION).await.expect("an answer");
        assert!(behind.is_none());
    }
}

pub async fn a_version_has_all_its_aliases_sorted(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    for name_of_alias in ["é", "beta", "alpha-1"] {
        stores.backend.registry.set_alias(&name, &alias(name_of_alias), version(1)).await.expect("an alias");
    }
    stores.backend.registry.set_alias(&name, &alias("other"), version(2)).await.expect("an alias");
    let expected = ["alpha-1", "beta", "é"].map(alias);
    let version = stores.backend.registry.model_version(&name, version(1)).await.expect("it exists");
    assert_eq!(version.aliases, expected);
    let behind = stores.backend.registry.version_by_alias(&name, &alias("é")).await.expect("an answer");
    assert_eq!(behind.expect("it is set").aliases, expected);
}

pub async fn aliases_are_case_sensitive(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version(1)).await.expect("an alias");
    let upper = alias("Champion");
    assert!(stores.backend.registry.version_by_alias(&name, &upper).await.expect("an answer").is_none());
    stores.backend.registry.set_alias(&name, &upper, version(2)).await.expect("an alias");
    let lower = stores.backend.registry.version_by_alias(&name, &Alias::CHAMPION).await.expect("an answer");
    assert_eq!(lower.expect("it is set").version, version(1));
}

pub async fn an_alias_never_points_to_a_missing_version(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.delete_model_version(&name, version(1)).await.expect("a deletion");
    for version in [version(1), version(3)] {
        let set = stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version).await;
        assert_eq!(kind(set), ErrorKind::VersionNotFound);
    }
    assert!(stores.backend.registry.registered_model(&name).await.expect("it exists").aliases.is_empty());
}

pub async fn deleting_a_version_never_moves_its_alias_elsewhere(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version(2)).await.expect("an alias");
    stores.backend.registry.delete_model_version(&name, version(2)).await.expect("a deletion");
    match stores.backend.registry.version_by_alias(&name, &Alias::CHAMPION).await {
        // The store removed the alias with the version.
        Ok(behind) => assert!(behind.is_none()),
        // The alias dangles, as in MLflow up to 3.1.
        Err(error) => assert_eq!(error.kind(), ErrorKind::VersionNotFound),
    }
}
