//! Loading the model behind a version: found, fetched, checked against its digest, kept in a private cache.

use tokio::io::AsyncReadExt as _;

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::candidate::SHA256_TAG;
use crate::lifecycle::model_cache::{CachedModel, ModelCache};
use crate::lifecycle::model_file::hex_sha256;
use crate::mlflow::artifacts::ArtifactStore;
use crate::mlflow::connect::Backend;
use crate::mlflow::entities::ModelVersion;
use crate::mlflow::flavor::{MLMODEL_FILE, MlModel, MlModelLimits};
use crate::model::Model;
use crate::model::loaded::ModelLimits;

/// The most bytes that a model file may have: 4 GiB.
const MAX_MODEL_BYTES: u64 = 4 << 30;

/// Loads the model of `version`: from the cache where it is there and intact, else from its artifacts. `Integrity` when the
/// version says which SHA-256 its model file has, and the bytes have another.
pub async fn load_model(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
    limits: &ModelLimits,
) -> Result<Model> {
    if let Some(found) = cache.and_then(|cache| cache.get(version)) {
        check_digest(version, &found.bytes)?;
        return open(&found, limits);
    }
    let fetched = fetch(backend, version).await?;
    check_digest(version, &fetched.bytes)?;
    let model = open(&fetched, limits)?;
    if let Some(Err(error)) = cache.map(|cache| cache.put(version, &fetched)) {
        // A full disk must not keep a champion from predicting.
        tracing::warn!(%error, "the model could not be cached");
    }
    Ok(model)
}

fn open(found: &CachedModel, limits: &ModelLimits) -> Result<Model> {
    Model::from_artifact(&found.data_file, &found.model_class, &found.bytes, limits)
}

async fn fetch(backend: &Backend, version: &ModelVersion) -> Result<CachedModel> {
    let uri = backend.registry.download_uri(&version.name, version.version).await?;
    let artifacts = backend.artifact_store(&uri).await?;
    let mlmodel_limits = MlModelLimits::default();
    let mlmodel = read(artifacts.as_ref(), MLMODEL_FILE, mlmodel_limits.bytes as u64).await?;
    let flavor = MlModel::parse(&mlmodel, &mlmodel_limits)?.lightgbm;
    let bytes = read(artifacts.as_ref(), &flavor.data, MAX_MODEL_BYTES).await?;
    Ok(CachedModel { data_file: flavor.data, model_class: flavor.model_class, bytes })
}

/// A whole artifact, at most `limit` bytes of it.
async fn read(artifacts: &dyn ArtifactStore, path: &str, limit: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let reader = artifacts.open(path).await?;
    reader
        .take(limit.saturating_add(1))
        .read_to_end(&mut bytes)
        .await
        .map_err(crate::mlflow::artifacts::read_error)?;
    if bytes.len() as u64 > limit {
        return Err(Error::new(ErrorKind::InvalidModel, format!("an artifact is larger than {limit} bytes"))
            .with_context("path", path));
    }
    Ok(bytes)
}

fn check_digest(version: &ModelVersion, bytes: &[u8]) -> Result<()> {
    let Some(promised) = version.tags.get(SHA256_TAG) else { return Ok(()) };
    let found = hex_sha256(bytes);
    if *promised == found {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Integrity, "the model's bytes are not those that were logged")
        .with_context("model", &version.name)
        .with_context("version", version.version)
        .with_context("logged sha256", promised)
        .with_context("found sha256", found)
        .with_hint(
            "do not use this model; find out who changed the artifact, then log it again or roll back",
        ))
}
