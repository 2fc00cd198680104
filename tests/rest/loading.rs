//! The requests that loading a champion sends to a server.

use std::collections::BTreeMap;
use std::path::Path;

use hydra_base::names::{Alias, Version};
use hydra_registry::{Candidate, ModelRegistry, OpenOptions};

use crate::support::backends::fresh_name;
use crate::support::proxy::Proxy;
use crate::support::root;
use crate::support::server::{NEWEST, Server};

/// A registry with the state of a new process.
pub(super) async fn open(url: &str, model: &str, cache: &Path) -> ModelRegistry {
    let options = OpenOptions::new().with_cache_dir(cache).with_tracking_uri(url).with_model(model);
    ModelRegistry::connect(options).await.expect("options")
}

pub(super) async fn log(registry: &ModelRegistry, case: &str) -> Version {
    let model = root().join("tests/fixtures/models").join(case).join("booster/model.lgb");
    registry.log(Candidate::from_file(model).metric("auc", 0.9)).await.expect("a version").version
}

pub(super) async fn point_champion(registry: &ModelRegistry, version: Version) {
    let champion = Alias::CHAMPION;
    registry.backend().registry.set_alias(registry.model(), &champion, version).await.expect("an alias");
}

/// The requests of loading the champion in a new process.
async fn requests(proxy: &Proxy, model: &str, cache: &Path, version: Version) -> Vec<String> {
    let champion = open(&proxy.url, model, cache).await.load_champion().await.expect("a champion");
    assert_eq!(champion.version, version);
    proxy.take()
}

fn downloads(requests: &[String]) -> usize {
    requests.iter().filter(|request| request.ends_with("/model.lgb")).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_load_of_an_unchanged_champion_makes_one_request() {
    let server = Server::shared(NEWEST);
    let proxy = Proxy::start(&server.url);
    let (model, home, cache) = (fresh_name("loading"), tempfile::tempdir(), tempfile::tempdir());
    let (home, cache) = (home.expect("a directory"), cache.expect("a directory"));
    let one = ["GET registered-models/alias"];

    let direct = open(&server.url, &model, home.path()).await;
    direct
        .backend()
        .registry
        .create_registered_model(direct.model(), &BTreeMap::new(), "")
        .await
        .expect("a model");
    let first = log(&direct, "binary_int").await;
    point_champion(&direct, first).await;
    let asked = requests(&proxy, &model, cache.path(), first).await;
    assert_eq!((asked[0].as_str(), downloads(&asked)), (one[0], 1), "{asked:?}");
    assert_eq!(requests(&proxy, &model, cache.path(), first).await, one);

    // A new champion is downloaded; the earlier one comes from the cache.
    let second = log(&direct, "regression").await;
    point_champion(&direct, second).await;
    let asked = requests(&proxy, &model, cache.path(), second).await;
    assert_eq!(downloads(&asked), 1, "{asked:?}");
    point_champion(&direct, first).await;
    assert_eq!(requests(&proxy, &model, cache.path(), first).await, one);

    // Changed files in the cache are detected and downloaded again.
    for blob in std::fs::read_dir(cache.path().join("models/blobs")).expect("the cache") {
        std::fs::write(blob.expect("a file").path(), "tree\nversion=v4\n").expect("damage");
    }
    let asked = requests(&proxy, &model, cache.path(), first).await;
    assert_eq!(downloads(&asked), 1, "{asked:?}");
}
