//! The documented behavior of `AtomicRegistry`.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use std::collections::BTreeMap;

use crate::entities::{ModelVersion, Tags};
use crate::store::{AtomicOutcome, AtomicRegistry, AtomicTransition, ModelTag, VersionTag};
use futures_util::future::join_all;
use hydra_base::ErrorKind;
use hydra_base::aliases::AliasMove;
use hydra_base::names::{Alias, Key, ModelName, Version};
use hydra_base::testing::{alias, kind, model_name, tags, version};

use super::{Stores, fresh, new_version};

pub async fn a_commit_appends_the_entry_and_moves_the_aliases(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let entry = committed(scene.atomic().commit(&scene.transition(2)).await.expect("an outcome"));
    assert_eq!((&entry.name, entry.version), (&scene.ledger, version(1)));
    assert_eq!(entry.tags, tags([("hydra.entry", "{}")]));
    let read = stores.backend.registry.model_version(&scene.ledger, version(1)).await.expect("it exists");
    assert_eq!(read, entry);
    assert_eq!(scene.aliases().await, aliases([("archived", 1), ("champion", 2)]));
}

pub async fn a_commit_removes_aliases(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let moves = vec![move_of("champion", None), move_of("archived", None)];
    let transition = AtomicTransition { moves, ..scene.transition(2) };
    committed(scene.atomic().commit(&transition).await.expect("an outcome"));
    assert!(scene.aliases().await.is_empty());
}

pub async fn a_commit_sets_and_deletes_tags_of_versions_that_exist(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let tag = |number: u64, key: &str, value: Option<&str>| VersionTag {
        version: version(number),
        key: Key::new(key).expect("a key"),
        value: value.map(str::to_owned),
    };
    let first = vec![tag(1, "old", Some("a")), tag(2, "kept", Some("b")), tag(99, "old", Some("c"))];
    let transition = AtomicTransition { tags: first, moves: Vec::new(), ..scene.transition(2) };
    committed(scene.atomic().commit(&transition).await.expect("an outcome"));
    assert_eq!(scene.tags(1).await, tags([("old", "a")]));
    let second =
        vec![tag(1, "old", None), tag(1, "never", None), tag(2, "kept", Some("d")), tag(99, "old", None)];
    let transition =
        AtomicTransition { tags: second, expected_newest: Some(version(1)), ..scene.transition(2) };
    committed(scene.atomic().commit(&transition).await.expect("an outcome"));
    assert_eq!((scene.tags(1).await, scene.tags(2).await), (tags([]), tags([("kept", "d")])));
    // A conflict sets no tag.
    let late = AtomicTransition { tags: vec![tag(1, "late", Some("e"))], ..scene.transition(2) };
    let outcome = scene.atomic().commit(&late).await.expect("an outcome");
    assert!(matches!(outcome, AtomicOutcome::Conflict), "{outcome:?}");
    assert_eq!(scene.tags(1).await, tags([]));
}

pub async fn a_commit_sets_tags_of_the_model(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let tag =
        |key: &str, value: &str| ModelTag { key: Key::new(key).expect("a key"), value: value.to_owned() };
    let before = scene.model_tags().await;
    let first = AtomicTransition { model_tags: vec![tag("a", "1"), tag("b", "2")], ..scene.transition(2) };
    committed(scene.atomic().commit(&first).await.expect("an outcome"));
    let mut expected = before.clone();
    expected.extend(tags([("a", "1"), ("b", "2")]));
    assert_eq!(scene.model_tags().await, expected);
    // A conflict sets no tag.
    let late = AtomicTransition { model_tags: vec![tag("a", "3")], ..scene.transition(2) };
    let outcome = scene.atomic().commit(&late).await.expect("an outcome");
    assert!(matches!(outcome, AtomicOutcome::Conflict), "{outcome:?}");
    assert_eq!(scene.model_tags().await, expected);
    let (second, newest) = (vec![tag("a", "3")], Some(version(1)));
    let second = AtomicTransition {
        model_tags: second,
        moves: Vec::new(),
        expected_newest: newest,
        expected_aliases: Vec::new(),
        ..scene.transition(2)
    };
    committed(scene.atomic().commit(&second).await.expect("an outcome"));
    assert_eq!(scene.model_tags().await.get("a").map(String::as_str), Some("3"));
}

pub async fn a_moved_alias_is_a_conflict(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let wrong = [
        vec![move_of("champion", None)],
        vec![move_of("champion", Some(2))],
        vec![move_of("champion", Some(1)), move_of("archived", Some(1))],
    ];
    for expected_aliases in wrong {
        let transition = AtomicTransition { expected_aliases, ..scene.transition(2) };
        scene.assert_conflict(&transition).await;
    }
}

pub async fn a_newer_entry_is_a_conflict(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let transition = scene.transition(2);
    stores.backend.registry.create_model_version(&new_version(&scene.ledger)).await.expect("a new version");
    scene.assert_conflict(&transition).await;
    let ahead = AtomicTransition { expected_newest: Some(version(2)), ..scene.transition(2) };
    scene.assert_conflict(&ahead).await;
}

pub async fn a_deleted_newest_entry_still_counts(stores: &Stores) {
    let scene = Scene::new(stores).await;
    stores.backend.registry.create_model_version(&new_version(&scene.ledger)).await.expect("a new version");
    stores.backend.registry.delete_model_version(&scene.ledger, version(1)).await.expect("a deletion");
    scene.assert_conflict(&scene.transition(2)).await;
    assert_eq!(scene.atomic().newest_number(&scene.ledger).await.expect("a number"), Some(version(1)));
    let unknown = model_name(&fresh("unknown"));
    assert_eq!(scene.atomic().newest_number(&unknown).await.expect("an answer"), None);
    let transition = AtomicTransition { expected_newest: Some(version(1)), ..scene.transition(2) };
    let entry = committed(scene.atomic().commit(&transition).await.expect("an outcome"));
    assert_eq!(entry.version, version(2));
}

pub async fn a_missing_target_changes_nothing(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let outcome = scene.atomic().commit(&scene.transition(99)).await;
    assert_eq!(kind(outcome), ErrorKind::VersionNotFound);
    scene.assert_unchanged(None).await;
}

pub async fn an_unknown_model_or_ledger_is_not_found(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let missing = model_name(&fresh("missing"));
    let no_model = AtomicTransition { model: missing.clone(), ..scene.transition(2) };
    assert_eq!(kind(scene.atomic().commit(&no_model).await), ErrorKind::ModelNotFound);
    let no_ledger = AtomicTransition { entry: new_version(&missing), ..scene.transition(2) };
    assert_eq!(kind(scene.atomic().commit(&no_ledger).await), ErrorKind::ModelNotFound);
    scene.assert_unchanged(None).await;
}

pub async fn of_concurrent_commits_exactly_one_wins(stores: &Stores) {
    let scene = Scene::new(stores).await;
    let commits = (0..8).map(|_| {
        let registry = stores.backend.registry.clone();
        let transition = scene.transition(2);
        tokio::spawn(async move { registry.atomic().expect("a local store").commit(&transition).await })
    });
    let mut winners = 0;
    for outcome in join_all(commits).await {
        let outcome = outcome.expect("no panic").expect("an outcome");
        winners += usize::from(matches!(outcome, AtomicOutcome::Committed(_)));
    }
    assert_eq!(winners, 1);
    let page = stores.backend.registry.model_versions(&scene.ledger, None, 10, None).await.expect("a page");
    assert_eq!(page.items.len(), 1);
}

/// A model with two versions, the first champion, and an empty ledger.
struct Scene<'a> {
    stores: &'a Stores,
    model: ModelName,
    ledger: ModelName,
}

impl<'a> Scene<'a> {
    async fn new(stores: &'a Stores) -> Self {
        let model = stores.model_with_versions(2).await;
        stores.backend.registry.set_alias(&model, &Alias::CHAMPION, version(1)).await.expect("an alias");
        Self { stores, model, ledger: stores.model().await }
    }

    fn atomic(&self) -> &dyn AtomicRegistry {
        self.stores.backend.registry.atomic().expect("a local store")
    }

    /// The promotion of `target`, decided on the scene's initial state.
    fn transition(&self, target: u64) -> AtomicTransition {
        AtomicTransition {
            model: self.model.clone(),
            expected_aliases: vec![move_of("champion", Some(1)), move_of("archived", None)],
            moves: vec![move_of("champion", Some(target)), move_of("archived", Some(1))],
            tags: Vec::new(),
            model_tags: Vec::new(),
            entry: new_version(&self.ledger).tags(tags([("hydra.entry", "{}")])),
            expected_newest: None,
        }
    }

    async fn aliases(&self) -> BTreeMap<Alias, Version> {
        self.stores.backend.registry.registered_model(&self.model).await.expect("it exists").aliases
    }

    async fn tags(&self, number: u64) -> Tags {
        let found = self.stores.backend.registry.model_version(&self.model, version(number)).await;
        found.expect("it exists").tags
    }

    async fn model_tags(&self) -> Tags {
        self.stores.backend.registry.registered_model(&self.model).await.expect("it exists").tags
    }

    async fn newest(&self) -> Option<Version> {
        let page =
            self.stores.backend.registry.model_versions(&self.ledger, None, 1, None).await.expect("a page");
        page.items.first().map(|entry| entry.version)
    }

    async fn assert_unchanged(&self, newest: Option<Version>) {
        assert_eq!(self.aliases().await, aliases([("champion", 1)]));
        assert_eq!(self.newest().await, newest);
    }

    async fn assert_conflict(&self, transition: &AtomicTransition) {
        let newest = self.newest().await;
        let outcome = self.atomic().commit(transition).await.expect("an outcome");
        assert!(matches!(outcome, AtomicOutcome::Conflict), "{outcome:?}");
        self.assert_unchanged(newest).await;
    }
}

fn committed(outcome: AtomicOutcome) -> ModelVersion {
    match outcome {
        AtomicOutcome::Committed(entry) => entry,
        AtomicOutcome::Conflict => panic!("the transition was expected to commit"),
    }
}

fn move_of(name: &str, number: Option<u64>) -> AliasMove {
    AliasMove { alias: alias(name), version: number.map(version) }
}

fn aliases<const N: usize>(pairs: [(&str, u64); N]) -> BTreeMap<Alias, Version> {
    pairs.into_iter().map(|(name, number)| (alias(name), version(number))).collect()
}
