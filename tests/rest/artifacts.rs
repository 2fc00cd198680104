//! Artifact locations of a server: behind its proxy, or on a shared disk.

use hydra_base::names::{Alias, ModelName};
use hydra_base::{ErrorKind, Result};
use hydra_mlflow::artifacts::ArtifactStore;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{NewModelVersion, NewRun, Run, Tags};
use hydra_mlflow::environment::{self, Environment};
use hydra_mlflow::uri::TrackingUri;
use tokio::io::AsyncReadExt;

use crate::support::backends::fresh_name;
use crate::support::server::{NEWEST, Server};

pub fn connect(url: &str, variables: &[(&str, &str)]) -> Backend {
    let environment: Environment = variables.iter().copied().collect();
    Backend::connect(&TrackingUri::new(url).expect("an address"), None, &environment).expect("a server")
}

async fn new_run(backend: &Backend) -> Run {
    let experiment = backend.tracking.create_experiment(&fresh_name("artifacts"), &Tags::new()).await;
    let new = NewRun::new(experiment.expect("a new experiment"), "artifacts");
    backend.tracking.create_run(&new).await.expect("a new run")
}

async fn open(backend: &Backend, uri: &str) -> Result<Box<dyn ArtifactStore>> {
    backend.artifact_store(&uri.parse()?).await
}

async fn read(root: Result<Box<dyn ArtifactStore>>, path: &str) -> String {
    let mut text = String::new();
    let mut reader = root.expect("a root").open(path).await.expect(path);
    reader.read_to_string(&mut text).await.expect("the whole file");
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn model_uris_lead_to_the_same_artifacts() {
    let backend = connect(&Server::shared(NEWEST).url, &[]);
    let run = new_run(&backend).await;
    let root = open(&backend, &run.artifact_uri).await.expect("a root");
    root.put_bytes("model/MLmodel", "flavors".into()).await.expect("an upload");
    let name = ModelName::new(fresh_name("artifacts")).expect("a name");
    backend.registry.create_registered_model(&name, &Tags::new(), "").await.expect("a new model");
    let new = NewModelVersion::new(name.clone(), format!("runs:/{}/model", run.id)).run(run.id.clone());
    let version = backend.registry.create_model_version(&new).await.expect("a new version").version;
    backend.registry.set_alias(&name, &Alias::CHAMPION, version).await.expect("an alias");
    for uri in [
        format!("{}/model", run.artifact_uri),
        format!("runs:/{}/model", run.id),
        format!("models:/{name}/{version}"),
        format!("models:/{name}@champion"),
    ] {
        assert_eq!(read(open(&backend, &uri).await, "MLmodel").await, "flavors", "{uri}");
    }
    for (uri, kind) in [
        ("runs:/0123456789abcdef0123456789abcdef/model".to_owned(), ErrorKind::NotFound),
        (format!("models:/{name}/99"), ErrorKind::VersionNotFound),
        (format!("models:/{name}@missing"), ErrorKind::VersionNotFound),
        ("mlflow-artifacts://elsewhere:5000/1/model".to_owned(), ErrorKind::Untrusted),
    ] {
        let error = open(&backend, &uri).await.expect_err("no artifacts");
        assert_eq!(error.kind(), kind, "{uri}: {error}");
    }
}

/// A server below a path prefix whose clients write artifacts directly to a shared disk.
#[tokio::test(flavor = "multi_thread")]
async fn a_shared_disk_is_used_only_where_it_is_allowed() {
    let disk = tempfile::tempdir().expect("a directory");
    let shared = disk.path().to_str().expect("a path");
    let options = ["--no-serve-artifacts", "--default-artifact-root", shared, "--static-prefix", "/ml/flow"];
    let server = Server::start(NEWEST, &options);
    let url = format!("{}/ml/flow/", server.url);

    let careful = connect(&url, &[]);
    let run = new_run(&careful).await;
    let refused = open(&careful, &run.artifact_uri).await.expect_err("not allowed");
    assert_eq!(refused.kind(), ErrorKind::Untrusted);
    assert!(refused.hint().is_some_and(|hint| hint.contains(environment::ALLOWED_ARTIFACT_ROOTS)));

    let sharing = connect(&url, &[(environment::ALLOWED_ARTIFACT_ROOTS, shared)]);
    let root = open(&sharing, &run.artifact_uri).await.expect("an allowed directory");
    root.put_bytes("model/MLmodel", "flavors".into()).await.expect("a file");
    assert_eq!(read(open(&sharing, &format!("runs:/{}/model", run.id)).await, "MLmodel").await, "flavors");

    let proxied = open(&sharing, &format!("mlflow-artifacts:/{}", run.id)).await.expect("a root");
    for error in [
        proxied.put_bytes("x", Vec::new()).await.expect_err("no proxy"),
        proxied.list("").await.expect_err("no proxy"),
        proxied.open("x").await.expect_err("no proxy"),
    ] {
        assert_eq!((error.kind(), error.retryable()), (ErrorKind::Unsupported, false), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("--serve-artifacts")), "{error:?}");
    }
}
