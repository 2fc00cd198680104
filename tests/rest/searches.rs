//! Searches that take the place of several requests: which servers have them, and what they find. One request each, so a
//! server that lacked one would fail here, because the store would fall back to several.

use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{LifecycleStage, ModelFilter, NewRun, Tags};
use hydra_mlflow::environment::Environment;
use hydra_mlflow::uri::TrackingUri;

use crate::support::backends::fresh_name;
use crate::support::proxy::Proxy;
use crate::support::server::{NEWEST, Server};
use crate::support::{python, version};
use hydra_base::testing::{key, model_name};

async fn each_search_is_one_request(release: &'static str) {
    let server = Server::shared(release);
    let proxy = Proxy::start(&server.url);
    let uri = TrackingUri::new(proxy.url.as_str()).expect("an address");
    let backend = Backend::connect(&uri, None, &Environment::default()).expect("a server");
    let (tracking, registry) = (&backend.tracking, &backend.registry);

    let mut experiments = Vec::new();
    let mut runs = Vec::new();
    for _ in 0..2 {
        let experiment = tracking.create_experiment(&fresh_name("searched"), &Tags::new()).await;
        let experiment = experiment.expect("an experiment");
        runs.push(tracking.create_run(&NewRun::new(experiment.clone(), "run")).await.expect("a run").id);
        experiments.push(experiment);
    }
    python::ask(release, "delete_run.py", &[&server.url, runs[1].as_str()]);
    proxy.take();
    let mut found = tracking.runs(&experiments, &runs).await.expect("runs");
    found.sort_by_key(|run| run.lifecycle_stage == LifecycleStage::Deleted);
    assert_eq!(found.iter().map(|run| &run.id).collect::<Vec<_>>(), runs.iter().collect::<Vec<_>>());
    assert_eq!(found[1].lifecycle_stage, LifecycleStage::Deleted, "deleted runs are found too");
    // A run of an experiment that is not named is not found.
    assert_eq!(tracking.runs(&experiments[..1], &runs).await.expect("runs").len(), 1);
    assert_eq!(proxy.take(), ["POST runs/search"; 2]);

    let name = model_name(&fresh_name("searched"));
    registry.create_registered_model(&name, &Tags::new(), "").await.expect("a model");
    let new = hydra_mlflow::entities::NewModelVersion::new(name.clone(), "hydra-ledger:/searches");
    for _ in 0..3 {
        registry.create_model_version(&new).await.expect("a version");
    }
    let tag = key("hydra.ledger.id");
    registry.set_registered_model_tag(&name, &tag, name.as_str()).await.expect("a tag");
    registry.set_alias(&name, &hydra_base::names::Alias::CHAMPION, version(2)).await.expect("an alias");
    proxy.take();
    assert_eq!(registry.versions_between(&name, version(2), version(3)).await.expect("versions").len(), 2);
    let filter = ModelFilter::Tag(tag, name.to_string());
    let page = registry.registered_models(&filter, 10, None).await.expect("a page");
    assert_eq!(page.items[0].aliases.len(), 1, "a listing of models has their aliases");
    assert_eq!(proxy.take(), ["GET model-versions/search", "GET registered-models/search"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_newest_release() {
    each_search_is_one_request(NEWEST).await;
}

macro_rules! further_release {
    ($test:ident, $release:literal) => {
        #[tokio::test(flavor = "multi_thread")]
        #[ignore = "one more server; `cargo xtask test --all` runs it"]
        async fn $test() {
            each_search_is_one_request($release).await;
        }
    };
}

further_release!(on_mlflow_2_9_2, "mlflow-2.9.2");
further_release!(on_mlflow_2_22_5, "mlflow-2.22.5");
further_release!(on_mlflow_3_1_4, "mlflow-3.1.4");
further_release!(on_mlflow_3_18_0, "mlflow-3.18.0");
