//! Guarantees for concurrent clients of one store. The ledger depends on them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::entities::NewModelVersion;
use crate::store::RegistryStore;
use futures_util::future::join_all;
use hydra_base::names::ModelName;

use super::{Stores, new_version};
use hydra_base::testing::{alias, key, tags, version};

/// A new version whose tag and description contain its index.
fn entry(name: &ModelName, index: usize) -> NewModelVersion {
    let text = index.to_string();
    new_version(name).tags(tags([("hydra.entry", &text)])).description(text)
}

/// Versions become visible in the order of their numbers, complete with tags and description.
pub async fn readers_see_new_versions_whole_and_in_order(stores: &Stores) {
    const WRITERS: usize = 8;
    const EACH: usize = 4;
    let name = stores.model().await;
    let done = Arc::new(AtomicBool::new(false));
    let readers =
        (0..2).map(|_| tokio::spawn(watch(stores.backend.registry.clone(), name.clone(), done.clone())));
    let readers: Vec<_> = readers.collect();
    let writers = (0..WRITERS).map(|writer| {
        let (registry, name) = (stores.backend.registry.clone(), name.clone());
        tokio::spawn(async move {
            for index in writer * EACH..(writer + 1) * EACH {
                let created = registry.create_model_version(&entry(&name, index)).await.expect("a version");
                let read = registry.model_version(&name, created.version).await.expect("it exists");
                assert_eq!(
                    (read.tags["hydra.entry"].as_str(), read.description),
                    (&*index.to_string(), index.to_string())
                );
            }
        })
    });
    for writer in join_all(writers).await {
        writer.expect("a writer");
    }
    done.store(true, Ordering::Release);
    for reader in join_all(readers).await {
        assert_eq!(reader.expect("a reader"), WRITERS * EACH);
    }
}

/// Lists all versions until `done` is set, and returns the final number of versions.
async fn watch(registry: Arc<dyn RegistryStore>, name: ModelName, done: Arc<AtomicBool>) -> usize {
    loop {
        let last = done.load(Ordering::Acquire);
        let page = registry.model_versions(&name, None, 1000, None).await.expect("a page");
        let numbers: Vec<u64> = page.items.iter().map(|version| version.version.get()).collect();
        assert!(numbers.iter().copied().eq((1..=numbers.len() as u64).rev()), "a gap: {numbers:?}");
        for version in &page.items {
            assert_eq!(version.tags.get("hydra.entry"), Some(&version.description));
        }
        if last {
            return numbers.len();
        }
        // The memory store never suspends a task, so the readers would occupy every thread without this.
        tokio::task::yield_now().await;
    }
}

/// A listing that overlaps with new versions returns every earlier version exactly once.
pub async fn a_listing_is_not_disturbed_by_new_versions(stores: &Stores) {
    let name = stores.model_with_versions(5).await;
    let mut numbers = Vec::new();
    let mut token = None;
    loop {
        let page =
            stores.backend.registry.model_versions(&name, None, 2, token.as_deref()).await.expect("a page");
        numbers.extend(page.items.iter().map(|version| version.version.get()));
        let Some(next) = page.next else { break };
        token = Some(next);
        stores.backend.registry.create_model_version(&new_version(&name)).await.expect("a new version");
    }
    assert_eq!(numbers, [5, 4, 3, 2, 1]);
}

/// When several clients set an unset alias or tag, every call succeeds and one value remains.
pub async fn concurrent_first_sets_of_an_alias_or_a_tag_all_succeed(stores: &Stores) {
    let name = stores.model_with_versions(8).await;
    for round in 0..4 {
        let alias = alias(&format!("round-{round}"));
        let key = key(&format!("round.{round}"));
        let sets = (1..=8).map(|number| {
            let (registry, name, alias, key) =
                (stores.backend.registry.clone(), name.clone(), alias.clone(), key.clone());
            tokio::spawn(async move {
                registry.set_alias(&name, &alias, version(number)).await.expect("the alias");
                let value = u64::to_string(&number);
                registry.set_version_tag(&name, version(1), &key, &value).await.expect("the version's tag");
                registry.set_registered_model_tag(&name, &key, &value).await.expect("the model's tag");
            })
        });
        for set in join_all(sets).await {
            set.expect("no panic");
        }
        let behind = stores.backend.registry.version_by_alias(&name, &alias).await.expect("an answer");
        assert!(behind.is_some());
        let version = stores.backend.registry.model_version(&name, version(1)).await.expect("it exists");
        assert!(version.tags.contains_key(key.as_str()));
    }
}

/// A store keeps tag and description of the ledger's largest entry without truncation.
pub async fn a_large_entry_is_kept_whole(stores: &Stores) {
    let name = stores.model().await;
    let entry = "é".repeat(2_250);
    let sentence = "ü".repeat(5_000);
    let new = new_version(&name).tags(tags([("hydra.entry", &entry)])).description(sentence.clone());
    let created = stores.backend.registry.create_model_version(&new).await.expect("a new version");
    let read = stores.backend.registry.model_version(&name, created.version).await.expect("it exists");
    assert!(read.tags["hydra.entry"] == entry && read.description == sentence);
}
