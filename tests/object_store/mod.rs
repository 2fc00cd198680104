//! Artifacts in an object store, tested with a local S3 server.

mod hostile;
mod interrupted;
mod rows;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use hydra_base::ErrorKind;
use hydra_base::names::ModelName;
use hydra_mlflow::artifacts::{ArtifactStore, ObjectArtifacts};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::RunStatus;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::uri::TrackingUri;
use tokio::io::AsyncReadExt as _;

use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::{backends::fresh_name, python_of, root};

const BUCKET: &str = "hydra-tests";

/// An S3 server that stops when this process ends.
pub struct S3Server {
    pub endpoint: String,
    /// The server stops when this pipe closes.
    _server: Child,
}

pub static S3: LazyLock<S3Server> = LazyLock::new(|| {
    let mut server = Command::new(python_of("moto"))
        .arg(root().join("tests/python/serve_s3.py"))
        .arg(BUCKET)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("the S3 server starts");
    let mut port = String::new();
    let stdout = server.stdout.take().expect("stdout");
    BufReader::new(stdout).read_line(&mut port).expect("the port");
    S3Server { endpoint: format!("http://127.0.0.1:{}", port.trim()), _server: server }
});

/// The environment variables with which a client reaches the server.
pub fn variables(endpoint: &str) -> Vec<(String, String)> {
    [
        ("MLFLOW_S3_ENDPOINT_URL", endpoint),
        ("AWS_ACCESS_KEY_ID", "id"),
        ("AWS_SECRET_ACCESS_KEY", "secret"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// A unique prefix in the bucket.
pub fn bucket_uri(what: &str) -> String {
    format!("s3://{BUCKET}/{}", fresh_name(what))
}

/// A store on a unique artifact root.
fn artifacts() -> ObjectArtifacts {
    let uri = format!("{}/a root", bucket_uri("root"));
    ObjectArtifacts::new(&uri, &variables(&S3.endpoint).into_iter().collect()).expect("a root")
}

async fn read(store: &dyn ArtifactStore, path: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    store.open(path).await.expect("a file").read_to_end(&mut bytes).await.expect("its bytes");
    bytes
}

#[tokio::test]
async fn files_are_written_listed_and_read() {
    let store = artifacts();
    assert!(store.list("").await.expect("an empty root").is_empty());
    store.put_bytes("MLmodel", b"one".to_vec()).await.expect("a file");
    store.put_bytes("MLmodel", b"flavors".to_vec()).await.expect("the file again");
    store.put_bytes("data/ü b#%20.txt", Vec::new()).await.expect("an empty file");
    store.put_bytes("data/deep/er.txt", b"x".to_vec()).await.expect("a file");
    let list = async |path| {
        let infos = store.list(path).await.expect("a list");
        infos.into_iter().map(|info| (info.path, info.is_dir, info.size)).collect::<Vec<_>>()
    };
    assert_eq!(list("").await, [("MLmodel".into(), false, Some(7)), ("data".into(), true, None)]);
    let data = [("data/deep".into(), true, None), ("data/ü b#%20.txt".into(), false, Some(0))];
    assert_eq!(list("data").await, data);
    assert!(list("MLmodel").await.is_empty() && list("nothing").await.is_empty());
    assert_eq!(read(&store, "MLmodel").await, b"flavors");
    assert_eq!(read(&store, "data/ü b#%20.txt").await, b"");
}

#[tokio::test]
async fn large_files_go_in_parts_and_report_their_progress() {
    let store = artifacts();
    let mut file = tempfile::NamedTempFile::new().expect("a file");
    let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
    for _ in 0..20 {
        file.write_all(&block).expect("a block");
    }
    file.write_all(b"the end").expect("the last part");
    let moved = AtomicU64::new(0);
    let progress = |bytes| {
        moved.fetch_add(bytes, Ordering::Relaxed);
    };
    store.put_file("model.lgb", file.path(), &progress).await.expect("an upload");
    let size = (20 << 20) + 7;
    assert_eq!(moved.load(Ordering::Relaxed), size);
    assert_eq!(store.list("").await.expect("a list")[0].size, Some(size));
    let back = read(&store, "model.lgb").await;
    assert!(back.chunks(1 << 20).take(20).all(|chunk| chunk == block) && back.ends_with(b"the end"));
}

#[tokio::test]
async fn failures_have_their_kinds() {
    let store = artifacts();
    let kind = |result: Result<_, hydra_base::Error>| result.map(drop).expect_err("a failure").kind();
    assert_eq!(kind(store.open("missing").await.map(drop)), ErrorKind::ArtifactNotFound);
    for bad in ["../other/x", "/etc/passwd", "a//b", "a\nb"] {
        assert_eq!(kind(store.open(bad).await.map(drop)), ErrorKind::Untrusted, "{bad:?}");
        assert_eq!(kind(store.put_bytes(bad, Vec::new()).await), ErrorKind::Untrusted, "{bad:?}");
    }
    let environment: Environment = variables(&S3.endpoint).into_iter().collect();
    let elsewhere = ObjectArtifacts::new("s3://no-such-bucket/root", &environment).expect("a root");
    assert_eq!(kind(elsewhere.put_bytes("x", vec![1]).await), ErrorKind::ArtifactNotFound);
}

/// An MLflow server whose clients access the bucket directly.
#[test]
fn a_server_without_an_artifact_proxy_works() {
    let destination = bucket_uri("server");
    let server = Server::start(NEWEST, &["--no-serve-artifacts", "--default-artifact-root", &destination]);
    let project = Project::new(Some(&server.url), &fresh_name("direct"));
    project.file("train.csv", crate::cli::training_csv());
    project.file("rows.csv", "size,weekday\n1,1\n99,1\n");
    for args in [&crate::cli::LOG[..], &["promote"], &["predict", "rows.csv"]] {
        let output = project.command(args).envs(variables(&S3.endpoint)).output().expect("the binary runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A run whose upload fails ends as FAILED, without a version.
#[tokio::test(flavor = "multi_thread")]
async fn a_failed_upload_fails_its_run_on_the_server() {
    let options = ["--no-serve-artifacts", "--default-artifact-root", "s3://no-such-bucket/root"];
    let server = Server::start(NEWEST, &options);
    let model = fresh_name("doomed");
    let project = Project::new(Some(&server.url), &model);
    project.file("train.csv", crate::cli::training_csv());
    let output = project.command(crate::cli::LOG).envs(variables(&S3.endpoint)).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(4), "{errors}");
    assert!(errors.contains("no-such-bucket"), "{errors}");

    let uri = TrackingUri::new(server.url.as_str()).expect("an address");
    let stores = Backend::connect(&uri, None, &Environment::default()).expect("a server");
    let experiment =
        stores.tracking.experiment_by_name(&model).await.expect("an answer").expect("it was made");
    let runs = async |status| {
        let page = stores.tracking.runs_by_status(&experiment.id, status, 10, None).await.expect("a page");
        page.items.into_iter().map(|run| run.end_time.is_some()).collect::<Vec<_>>()
    };
    assert_eq!(runs(RunStatus::Failed).await, [true]);
    assert!(runs(RunStatus::Running).await.is_empty() && runs(RunStatus::Finished).await.is_empty());
    let name = ModelName::new(model).expect("a name");
    assert!(stores.registry.model_versions(&name, None, 10, None).await.expect("a page").items.is_empty());
}
