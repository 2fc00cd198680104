//! A server that passes no files on and signs addresses in its store, as MLflow 3.18 does with `--artifacts-presigned-only`, and
//! Python clients that run no code of models.

use std::path::Path;

use hydra_base::ErrorKind;
use hydra_mlflow::uri::ArtifactUri;
use tokio::io::AsyncReadExt as _;

use super::artifacts::connect;
use crate::cli::{LOG, training_csv};
use crate::object_store::{S3, bucket_uri, variables};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::Server;
use crate::support::{python_of, root};

const RELEASE: &str = "mlflow-3.18.0";

/// The packages with which MLflow reaches S3, for PYTHONPATH: those of the S3 server's own environment.
fn s3_client() -> tempfile::TempDir {
    let site = python_of("moto").parent().and_then(Path::parent).expect("an environment").join("lib");
    let python = std::fs::read_dir(site).expect("lib").next().expect("a Python").expect("an entry").path();
    let packages = tempfile::tempdir().expect("a directory");
    for package in ["boto3", "botocore", "s3transfer", "jmespath"] {
        let found = python.join("site-packages").join(package);
        std::os::unix::fs::symlink(found, packages.path().join(package)).expect("a link");
    }
    packages
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "one more server; `cargo xtask test --all` runs it"]
async fn files_go_to_the_store_and_come_from_it() {
    let packages = s3_client();
    let mut environment = variables(&S3.endpoint);
    environment.push(("PYTHONPATH".into(), packages.path().display().to_string()));
    environment.push(("MLFLOW_ALLOW_MODEL_CODE_EXECUTION".into(), "false".into()));
    let root_uri = bucket_uri("signed");
    let server = Server::start_in(
        RELEASE,
        &["--artifacts-presigned-only", "--artifacts-destination", &root_uri],
        &environment,
    );
    let model = fresh_name("signed");
    let project = Project::new(Some(&server.url), &model);
    project.file("train.csv", training_csv());
    project.file("rows.csv", "size,weekday\n1,1\n99,1\n");
    for args in
        [&LOG[..], &["promote"], &LOG[..], &["promote"], &["rollback"], &["history", "verify"], &["doctor"]]
    {
        // This machine has no credentials for the store.
        let outcome = project.run(args);
        assert_eq!(outcome.code, 0, "{args:?}: {}", outcome.err);
    }
    let predicted = project.run(["predict", "rows.csv"]);
    assert_eq!(predicted.out.lines().count(), 3, "{}", predicted.err);

    let store = connect(&server.url, &[]);
    let uri: ArtifactUri = "mlflow-artifacts:/files".parse().expect("a URI");
    let artifacts = store.artifact_store(&uri).await.expect("artifacts");
    let large: Vec<u8> = (0..12 << 20).map(|n: u32| (n ^ (n >> 9)) as u8).collect();
    for (name, content) in [("a b/ü.bin", large), ("empty", Vec::new())] {
        artifacts.put_bytes(name, content.clone()).await.expect(name);
        let mut read = Vec::new();
        artifacts.open(name).await.expect(name).read_to_end(&mut read).await.expect(name);
        assert!(read == content, "{name}");
    }
    let listed = artifacts.list("").await.expect("a list");
    assert_eq!(listed.iter().map(|info| info.path.as_str()).collect::<Vec<_>>(), ["a b", "empty"]);
    for missing in ["nothing", "a b"] {
        let error = artifacts.open(missing).await.expect_err(missing);
        assert_eq!(error.kind(), ErrorKind::ArtifactNotFound, "{missing}");
    }

    // Python's client of the same release loads the champion, and runs none of its code.
    let script = "import sys, mlflow.lightgbm; print(mlflow.lightgbm.load_model(sys.argv[1]).num_trees())";
    let loaded = std::process::Command::new(python_of(RELEASE))
        .args(["-c", script, &format!("models:/{model}@champion")])
        .env("MLFLOW_TRACKING_URI", &server.url)
        .env("MLFLOW_ALLOW_MODEL_CODE_EXECUTION", "false")
        .env("MLFLOW_DISABLE_TELEMETRY", "true")
        .current_dir(root())
        .output()
        .expect("Python");
    let shown = String::from_utf8_lossy(&loaded.stderr);
    assert!(loaded.status.success() && !loaded.stdout.is_empty(), "{shown}");
}
