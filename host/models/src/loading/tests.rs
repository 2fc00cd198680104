//! Digests of models, and downloads that break.

use super::*;
use hydra_base::names::ModelName;
use hydra_base::testing::version;
use hydra_mlflow::testing::fault_server::{Answer, FaultServer, ok};
use hydra_mlflow::uri::TrackingUri;

const MLMODEL: &str = "flavors:\n  lightgbm:\n    data: model.lgb\n    lgb_version: 4.6.0\n    model_class: lightgbm.basic.Booster\n";

fn located() -> Answer {
    ok(r#"{"artifact_uri":"mlflow-artifacts:/1/m/artifacts"}"#)
}

fn file(content: &[u8], sent: usize) -> Answer {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", content.len());
    Answer::Raw([head.as_bytes(), &content[..sent]].concat())
}

fn booster() -> Vec<u8> {
    let path =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
    std::fs::read(path).expect("a model")
}

fn registered() -> ModelVersion {
    ModelVersion::new(ModelName::new("m").expect("a name"), version(1), 1, "models:/m-1")
}

async fn load(server: &FaultServer) -> Result<Model> {
    let uri = TrackingUri::new(&server.url).expect("a URI");
    let backend = Backend::connect(&uri, None, &Default::default()).expect("a backend");
    load_model(&backend, None, &registered(), &ModelLimits::default()).await.map(|(model, _)| model)
}

#[test]
fn the_tag_must_be_the_digest_of_the_bytes_in_lower_case() {
    let found = Sha256::of(b"model");
    let check = |tag: &str| {
        let mut version = registered();
        version.tags.insert(SHA256_TAG.into(), tag.into());
        check_digest(&version, found).map_err(|error| error.kind())
    };
    assert_eq!(check_digest(&registered(), found).map_err(|error| error.kind()), Ok(()));
    assert_eq!(check(&found.to_string()), Ok(()));
    for other in ["", "sha256:ABC", &found.to_string().to_uppercase(), &Sha256::of(b"").to_string()] {
        assert_eq!(check(other), Err(ErrorKind::Integrity), "{other}");
    }
}

#[tokio::test]
async fn a_download_that_breaks_starts_again() {
    let (mlmodel, booster) = (MLMODEL.as_bytes(), booster());
    let server = FaultServer::start(vec![
        located(),
        file(mlmodel, 20),
        file(mlmodel, mlmodel.len()),
        file(&booster, 1000),
        file(&booster, 0),
        file(&booster, booster.len()),
    ]);
    load(&server).await.expect("a model");
    assert_eq!(server.lines().len(), 6);
}

#[tokio::test]
async fn a_download_that_keeps_breaking_is_an_error() {
    let cut = || file(MLMODEL.as_bytes(), 20);
    let server = FaultServer::start(vec![located(), cut(), cut(), cut(), cut()]);
    let error = load(&server).await.expect_err("no model");
    assert_eq!((error.kind(), server.lines().len()), (ErrorKind::Integrity, 4));
}

#[tokio::test]
async fn a_model_that_is_announced_too_large_is_not_downloaded() {
    // A reader of the body would wait for it.
    let announced = |bytes: u64| {
        Answer::Stall(format!("HTTP/1.1 200 OK\r\nContent-Length: {bytes}\r\n\r\ntree").into_bytes())
    };
    let sound = || file(MLMODEL.as_bytes(), MLMODEL.len());
    for answers in [vec![located(), sound(), announced(3 << 30)], vec![located(), announced(2 << 20)]] {
        let server = FaultServer::start(answers);
        let error = load(&server).await.expect_err("too large");
        assert_eq!(error.kind(), ErrorKind::InvalidModel, "{error}");
    }
}
