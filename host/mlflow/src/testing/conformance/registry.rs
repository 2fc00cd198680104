//! The documented behavior of `RegistryStore`.

#![expect(missing_docs, reason = "the name of a case is the sentence that it tests")]

use crate::entities::{ModelFilter, NewModelVersion, RegisteredModel, Tags, VersionStatus};
use futures_util::future::join_all;
use hydra_base::ErrorKind;
use hydra_base::names::{Alias, ModelName, Version};
use hydra_base::pattern::NamePattern;
use hydra_base::testing::{key, kind, model_name, tags, version};

use super::tracking::logged_model;
use super::{Stores, fresh, new_version};

pub async fn a_registered_model_is_read_back(stores: &Stores) {
    let name = model_name(&fresh("model"));
    let given = tags([("team", "risk"), ("empty", ""), ("lines", "one\ntwo")]);
    let description = "Scores loans: é, 'quotes', # and\nlines.";
    let created = stores
        .backend
        .registry
        .create_registered_model(&name, &given, description)
        .await
        .expect("a new model");
    let read = stores.backend.registry.registered_model(&name).await.expect("it exists");
    assert_eq!(created, read);
    assert_eq!((&read.name, &read.tags, read.description.as_str()), (&name, &given, description));
    assert!(read.created_at > 1_600_000_000_000 && read.aliases.is_empty());
}

pub async fn a_taken_model_name_already_exists(stores: &Stores) {
    let name = stores.model().await;
    let again = stores.backend.registry.create_registered_model(&name, &Tags::new(), "").await;
    assert_eq!(kind(again), ErrorKind::AlreadyExists);
}

pub async fn an_unknown_model_is_not_found_by_any_call(stores: &Stores) {
    let store = &stores.backend.registry;
    let name = model_name(&fresh("missing"));
    let key = key("team");
    assert_eq!(kind(store.registered_model(&name).await), ErrorKind::ModelNotFound);
    assert_eq!(kind(store.set_registered_model_tag(&name, &key, "x").await), ErrorKind::ModelNotFound);
    assert_eq!(kind(store.delete_registered_model(&name).await), ErrorKind::ModelNotFound);
    assert_eq!(kind(store.create_model_version(&new_version(&name)).await), ErrorKind::ModelNotFound);
    assert_eq!(kind(store.delete_alias(&name, &Alias::CHAMPION).await), ErrorKind::ModelNotFound);
}

pub async fn a_model_tag_is_replaced(stores: &Stores) {
    let name = stores.model().await;
    let key = key("hydra.ledger/id");
    for value in ["one", "two"] {
        stores.backend.registry.set_registered_model_tag(&name, &key, value).await.expect("a tag");
    }
    let model = stores.backend.registry.registered_model(&name).await.expect("it exists");
    assert_eq!(model.tags, tags([("hydra.ledger/id", "two")]));
}

pub async fn a_model_of_an_odd_name_works(stores: &Stores) {
    for odd in ["a name", "modèle 日本", "50%", "dots.and-'quotes'", "1e5", "no"] {
        let name = model_name(&format!("{odd} {}", uuid::Uuid::new_v4().simple()));
        match stores.backend.registry.create_registered_model(&name, &Tags::new(), "").await {
            // A file store rejects this name: with such a directory, MLflow's file store could not list any model.
            Err(error) if odd.contains('%') => {
                assert_eq!(error.kind(), ErrorKind::InvalidName);
                continue;
            }
            created => drop(created.expect("a new model")),
        }
        let version =
            stores.backend.registry.create_model_version(&new_version(&name)).await.expect("a version");
        stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version.version).await.expect("an alias");
        let champion =
            stores.backend.registry.version_by_alias(&name, &Alias::CHAMPION).await.expect("an answer");
        assert_eq!(champion.expect("it is set").name, name);
    }
}

pub async fn a_deleted_model_is_gone_with_its_versions(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version(1)).await.expect("an alias");
    stores.backend.registry.delete_registered_model(&name).await.expect("a deletion");
    assert_eq!(kind(stores.backend.registry.registered_model(&name).await), ErrorKind::ModelNotFound);
    assert_eq!(
        kind(stores.backend.registry.model_version(&name, version(1)).await),
        ErrorKind::VersionNotFound
    );
    assert!(all_versions(stores, &name, None, 10).await.is_empty());
    let champion =
        stores.backend.registry.version_by_alias(&name, &Alias::CHAMPION).await.expect("an answer");
    assert!(champion.is_none());
}

pub async fn a_version_is_read_back(stores: &Stores) {
    let name = stores.model().await;
    let entry = "e".repeat(4500);
    let new = new_version(&name)
        .tags(tags([("hydra.entry", &entry), ("empty", ""), ("lines", "one\ntwo")]))
        .description("approved: 'AUC' 0.91 > 0.89 # by the default policy\nsecond line");
    let created = stores.backend.registry.create_model_version(&new).await.expect("a new version");
    let read = stores.backend.registry.model_version(&name, created.version).await.expect("it exists");
    assert_eq!(created, read);
    assert_eq!((&read.name, read.version, read.status), (&name, version(1), VersionStatus::Ready));
    assert_eq!((&read.source, &read.tags, &read.description), (&new.source, &new.tags, &new.description));
    assert!(read.created_at > 1_600_000_000_000);
    assert_eq!((read.run_id, read.aliases), (None, vec![]));
}

pub async fn a_version_remembers_its_run(stores: &Stores) {
    let name = stores.model().await;
    let run = stores.run().await;
    let new = new_version(&name).run(run.clone());
    let created = stores.backend.registry.create_model_version(&new).await.expect("a new version");
    let read = stores.backend.registry.model_version(&name, created.version).await.expect("it exists");
    assert_eq!(read.run_id, Some(run));
}

pub async fn versions_are_numbered_from_one_and_never_reused(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    stores.backend.registry.delete_model_version(&name, version(2)).await.expect("a deletion");
    let next =
        stores.backend.registry.create_model_version(&new_version(&name)).await.expect("a new version");
    assert_eq!(next.version, version(3));
}

pub async fn concurrent_creates_get_distinct_numbers_without_gaps(stores: &Stores) {
    let name = stores.model().await;
    let creates = (0..12).map(|_| {
        let registry = stores.backend.registry.clone();
        let new = new_version(&name).tags(tags([("hydra.entry", "x")]));
        tokio::spawn(async move { registry.create_model_version(&new).await })
    });
    let mut numbers = Vec::new();
    for created in join_all(creates).await {
        numbers.push(created.expect("no panic").expect("a new version").version.get());
    }
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=12).collect::<Vec<_>>());
}

pub async fn a_missing_or_deleted_version_is_not_found_by_any_call(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    let store = &stores.backend.registry;
    store.delete_model_version(&name, version(1)).await.expect("a deletion");
    let key = key("note");
    for version in [version(1), version(3), version(1_000_000_000)] {
        assert_eq!(kind(store.model_version(&name, version).await), ErrorKind::VersionNotFound);
        assert_eq!(kind(store.set_version_tag(&name, version, &key, "x").await), ErrorKind::VersionNotFound);
        assert_eq!(kind(store.delete_version_tag(&name, version, &key).await), ErrorKind::VersionNotFound);
        assert_eq!(kind(store.delete_model_version(&name, version).await), ErrorKind::VersionNotFound);
        assert_eq!(kind(store.download_uri(&name, version).await), ErrorKind::VersionNotFound);
    }
    let missing = model_name(&fresh("missing"));
    assert_eq!(kind(store.model_version(&missing, version(1)).await), ErrorKind::VersionNotFound);
}

pub async fn a_version_tag_is_replaced(stores: &Stores) {
    let name = stores.model_with_versions(1).await;
    let key = key("hydra.applied");
    for value in ["one", "two"] {
        stores.backend.registry.set_version_tag(&name, version(1), &key, value).await.expect("a tag");
    }
    let version = stores.backend.registry.model_version(&name, version(1)).await.expect("it exists");
    assert_eq!(version.tags, tags([("hydra.applied", "two")]));
}

pub async fn versions_are_listed_newest_first(stores: &Stores) {
    let name = stores.model_with_versions(12).await;
    stores.backend.registry.delete_model_version(&name, version(11)).await.expect("a deletion");
    stores.backend.registry.set_alias(&name, &Alias::CHAMPION, version(12)).await.expect("an alias");
    let page = stores.backend.registry.model_versions(&name, None, 100, None).await.expect("a page");
    assert!(page.next.is_none());
    assert!(page.items.iter().all(|version| version.aliases.is_empty() && version.name == name));
    let numbers: Vec<u64> = page.items.iter().map(|version| version.version.get()).collect();
    assert_eq!(numbers, [12, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]);
    let missing = model_name(&fresh("missing"));
    assert!(all_versions(stores, &missing, None, 10).await.is_empty());
}

pub async fn versions_are_listed_below_a_number(stores: &Stores) {
    let name = stores.model_with_versions(4).await;
    assert_eq!(all_versions(stores, &name, Some(version(3)), 10).await, [2, 1]);
    assert_eq!(all_versions(stores, &name, Some(version(100)), 10).await, [4, 3, 2, 1]);
    assert!(all_versions(stores, &name, Some(version(1)), 10).await.is_empty());
}

pub async fn versions_are_listed_page_by_page(stores: &Stores) {
    let name = stores.model_with_versions(5).await;
    for page_size in [1, 2, 5, 6] {
        assert_eq!(all_versions(stores, &name, None, page_size).await, [5, 4, 3, 2, 1]);
    }
    assert_eq!(all_versions(stores, &name, Some(version(5)), 3).await, [4, 3, 2, 1]);
}

pub async fn versions_of_a_range_are_listed_newest_first(stores: &Stores) {
    let name = stores.model().await;
    let store = &stores.backend.registry;
    for number in 1..=8 {
        let new = new_version(&name).tags(tags([("number", &number.to_string())]));
        store.create_model_version(&new).await.expect("a version");
    }
    store.delete_model_version(&name, version(5)).await.expect("a deletion");
    store.set_alias(&name, &Alias::CHAMPION, version(4)).await.expect("an alias");
    let found = store.versions_between(&name, version(3), version(6)).await.expect("versions");
    let numbers: Vec<u64> = found.iter().map(|version| version.version.get()).collect();
    assert_eq!(numbers, [6, 4, 3]);
    for found in &found {
        assert!(found.name == name && found.aliases.is_empty());
        assert_eq!(found.tags, tags([("number", &found.version.to_string())]));
    }
    assert_eq!(store.versions_between(&name, version(8), version(900)).await.expect("versions").len(), 1);
    let missing = model_name(&fresh("missing"));
    for (name, lowest, highest) in [(&name, 5, 5), (&name, 9, 10), (&name, 3, 2), (&missing, 1, 5)] {
        let found = store.versions_between(name, version(lowest), version(highest)).await;
        assert!(found.expect("an answer").is_empty(), "{name} {lowest} {highest}");
    }
    let wide = store.versions_between(&name, version(1), version(1001)).await;
    assert_eq!(kind(wide), ErrorKind::InvalidArgument);
}

pub async fn a_version_tag_is_deleted(stores: &Stores) {
    let name = stores.model_with_versions(2).await;
    let store = &stores.backend.registry;
    let key = key("hydra.quarantine");
    store.set_version_tag(&name, version(1), &key, "bad").await.expect("a tag");
    store.set_version_tag(&name, version(2), &key, "bad").await.expect("a tag");
    for _ in 0..2 {
        store.delete_version_tag(&name, version(1), &key).await.expect("one that is not set is fine");
        assert!(store.model_version(&name, version(1)).await.expect("it exists").tags.is_empty());
    }
    let other = store.model_version(&name, version(2)).await.expect("it exists");
    assert_eq!(other.tags, tags([("hydra.quarantine", "bad")]));
}

pub async fn models_are_found_by_a_tag(stores: &Stores) {
    let (id, other) = (fresh("id"), fresh("id"));
    let key = key("hydra.ledger.id");
    let store = &stores.backend.registry;
    let mut named = Vec::new();
    for value in [&id, &id, &other] {
        let name = stores.model_with_versions(1).await;
        store.set_registered_model_tag(&name, &key, value).await.expect("a tag");
        named.push(name);
    }
    store.set_alias(&named[0], &Alias::CHAMPION, version(1)).await.expect("an alias");
    let found = all_models(stores, &ModelFilter::Tag(key.clone(), id.clone()), 10).await;
    let mut both = named[..2].to_vec();
    both.sort();
    assert_eq!(found.iter().map(|model| model.name.clone()).collect::<Vec<_>>(), both);
    for model in &found {
        assert_eq!(*model, store.registered_model(&model.name).await.expect("it exists"));
    }
    // The value is not a pattern.
    for value in [id.replace('-', "_"), format!("{}%", &id[..5]), "it's \"quoted\" \\".to_owned()] {
        assert!(all_models(stores, &ModelFilter::Tag(key.clone(), value), 10).await.is_empty());
    }
}

pub async fn models_are_found_by_a_pattern_page_by_page(stores: &Stores) {
    let prefix = fresh("pattern");
    let store = &stores.backend.registry;
    for name in ["-eu", "-us", "_eu", "-é 'x'", "", "-prompt"] {
        let name = model_name(&format!("{prefix}{name}"));
        let prompt = tags([("mlflow.prompt.is_prompt", "true")]);
        let given = if name.as_str().ends_with("prompt") { prompt } else { Tags::new() };
        store.create_registered_model(&name, &given, "").await.expect("a model");
    }
    for (pattern, expected) in [
        ("-*", vec!["-eu", "-us", "-é 'x'"]),
        ("_*", vec!["_eu"]),
        ("?eu", vec!["-eu", "_eu"]),
        ("*'?'", vec!["-é 'x'"]),
        ("", vec![""]),
        ("-EU", vec![]),
    ] {
        let filter = ModelFilter::Name(NamePattern::new(format!("{prefix}{pattern}")).expect("a pattern"));
        for page_size in [1, 2, 10] {
            let found = all_models(stores, &filter, page_size).await;
            let names: Vec<&str> = found
                .iter()
                .map(|model| model.name.as_str().strip_prefix(&prefix).expect("a prefix"))
                .collect();
            assert_eq!(names, expected, "{pattern}");
        }
    }
}

async fn all_models(stores: &Stores, filter: &ModelFilter, page_size: usize) -> Vec<RegisteredModel> {
    let mut models = Vec::new();
    let mut token = None;
    loop {
        let page = stores.backend.registry.registered_models(filter, page_size, token.as_deref()).await;
        let page = page.expect("a page");
        models.extend(page.items);
        token = page.next;
        if token.is_none() {
            return models;
        }
    }
}

pub async fn the_download_uri_of_a_plain_source_is_the_source(stores: &Stores) {
    let name = stores.model_with_versions(1).await;
    let uri = stores.backend.registry.download_uri(&name, version(1)).await.expect("a URI");
    assert_eq!(uri, "hydra-ledger:/conformance");
}

pub async fn the_download_uri_of_a_logged_model_is_its_artifact_root(stores: &Stores) {
    let Some((run, model_id)) = logged_model(stores).await else { return };
    let name = stores.model().await;
    let model = stores.backend.tracking.logged_model(&model_id).await.expect("it exists");
    let new = NewModelVersion::new(name.clone(), format!("models:/{model_id}")).logged_model(model_id);
    let version = stores.backend.registry.create_model_version(&new).await.expect("a new version");
    assert_eq!(version.run_id, Some(run));
    let uri = stores.backend.registry.download_uri(&name, version.version).await.expect("a URI");
    assert_eq!(uri, model.artifact_uri);
}

async fn all_versions(
    stores: &Stores,
    name: &ModelName,
    below: Option<Version>,
    page_size: usize,
) -> Vec<u64> {
    let mut numbers = Vec::new();
    let mut token = None;
    loop {
        let page = stores
            .backend
            .registry
            .model_versions(name, below, page_size, token.as_deref())
            .await
            .expect("a page");
        assert!(page.items.len() <= page_size);
        numbers.extend(page.items.iter().map(|version| version.version.get()));
        token = page.next;
        if token.is_none() {
            return numbers;
        }
    }
}
