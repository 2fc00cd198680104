//! Loading the model behind a version: found, fetched, checked against its digest, kept in a private cache.

use std::path::Path;
use std::sync::Arc;

use crate::candidate::SHA256_TAG;
use crate::model_cache::{CachedModel, ModelCache};
use crate::preflight::{self, Opened, Presence};
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::sha256::{Hasher, Sha256};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::artifacts::{ArtifactStore, OnProgress, TreeLimits, download_tree, read_whole};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::ModelVersion;
use hydra_mlflow::flavor::{ColumnSpec, MLMODEL_FILE, MlModel, MlModelLimits};

/// Loads the model of `version`, with the SHA-256 of its file: from the cache where it is there and intact, else from its artifacts.
/// `Integrity` when the version says which SHA-256 its model file has, and the bytes have another.
pub async fn load_model(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
    limits: &ModelLimits,
) -> Result<(Model, Sha256)> {
    let (model, file) = load_with_file(backend, cache, version, limits).await?;
    Ok((model, file.sha256()))
}

/// [`load_model`], with the model file.
pub async fn load_with_file(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
    limits: &ModelLimits,
) -> Result<(Model, CachedModel)> {
    let request =
        Arc::new(LoadRequest { cache: cache.cloned(), version: version.clone(), limits: limits.clone() });
    let cached = {
        let request = request.clone();
        blocking(move || request.cached())
    };
    if let Some(model) = cached.await? {
        return Ok(model);
    }
    let (mlmodel, bytes) = fetch(backend, version, limits).await?;
    let flavor = mlmodel.lightgbm;
    blocking(move || request.opened_and_kept(CachedModel::new(flavor.data, flavor.model_class, bytes))).await
}

/// [`load_model`], with the columns of the signature in `MLmodel`: for programs that check requests against them.
///
/// Whether the files are there and sound is asked as before a promotion: [`ErrorKind::Unloadable`] if they are not, with the reason
/// as its source.
pub async fn load_with_signature(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
    limits: &ModelLimits,
) -> Result<(Model, Sha256, Option<Vec<ColumnSpec>>)> {
    if cache.is_none() {
        // Without a cache, opening and loading would fetch the file twice.
        let (mlmodel, bytes) = fetch(backend, version, limits).await?;
        let request = LoadRequest { cache: None, version: version.clone(), limits: limits.clone() };
        let MlModel { lightgbm: flavor, signature, .. } = mlmodel;
        let file = move || request.opened_and_kept(CachedModel::new(flavor.data, flavor.model_class, bytes));
        let (model, file) = blocking(file).await?;
        let inputs = signature.map(|signature| signature.inputs).filter(|inputs| !inputs.is_empty());
        return Ok((model, file.sha256(), inputs));
    }
    match preflight::open(backend, cache, version, Presence::Asked).await? {
        Opened::Loadable(facts) => {
            let (model, sha256) = load_model(backend, cache, version, limits).await?;
            Ok((model, sha256, facts.signature_inputs.clone()))
        }
        Opened::Unloadable(why) => {
            let hint = why.error().hint().map(str::to_owned);
            let message = format!("the model of version {} cannot be loaded", version.version);
            let error = Error::new(ErrorKind::Unloadable, message)
                .with_context("model", &version.name)
                .with_source(why);
            Err(match hint {
                Some(hint) => error.with_hint(hint),
                None => error,
            })
        }
    }
}

/// The model of `version` with the SHA-256 of its file, from the cache alone. `None` if the cache does not have it.
pub fn load_cached(
    cache: &ModelCache,
    version: &ModelVersion,
    limits: &ModelLimits,
) -> Result<Option<(Model, Sha256)>> {
    let request =
        LoadRequest { cache: Some(cache.clone()), version: version.clone(), limits: limits.clone() };
    Ok(request.cached()?.map(|(model, file)| (model, file.sha256())))
}

/// The model file of `version`: from the cache where it is there and intact, else from its artifacts. It is not opened.
///
/// `Integrity` when the version says which SHA-256 its model file has, and the bytes have another.
pub async fn load_model_file(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
) -> Result<CachedModel> {
    let cached = {
        let (cache, version) = (cache.cloned(), version.clone());
        blocking(move || Ok(cache.and_then(|cache| cache.get(&version))))
    };
    let file = match cached.await? {
        Some(file) => file,
        None => {
            let (mlmodel, bytes) = fetch(backend, version, &ModelLimits::default()).await?;
            let flavor = mlmodel.lightgbm;
            blocking(move || Ok(CachedModel::new(flavor.data, flavor.model_class, bytes))).await?
        }
    };
    check_digest(version, file.sha256())?;
    Ok(file)
}

/// The model to load.
struct LoadRequest {
    cache: Option<ModelCache>,
    version: ModelVersion,
    limits: ModelLimits,
}

impl LoadRequest {
    fn cached(&self) -> Result<Option<(Model, CachedModel)>> {
        let found = self.cache.as_ref().and_then(|cache| cache.get(&self.version));
        found.map(|found| Ok((self.opened(&found)?, found))).transpose()
    }

    fn opened_and_kept(&self, fetched: CachedModel) -> Result<(Model, CachedModel)> {
        let model = self.opened(&fetched)?;
        if let Some(Err(error)) = self.cache.as_ref().map(|cache| cache.put(&self.version, &fetched)) {
            // A full disk must not keep a champion from predicting.
            tracing::warn!(%error, "cannot cache the model");
        }
        Ok((model, fetched))
    }

    fn opened(&self, found: &CachedModel) -> Result<Model> {
        check_digest(&self.version, found.sha256())?;
        Model::from_artifact(found.data_file(), found.model_class(), found.bytes(), &self.limits)
    }
}

/// The text of the `MLmodel` of `version`. `ArtifactNotFound` if it does not have one.
pub async fn mlmodel(backend: &Backend, version: &ModelVersion) -> Result<Vec<u8>> {
    let uri = backend.registry.download_uri(&version.name, version.version).await?;
    let artifacts = backend.artifact_store(&uri.parse()?).await?;
    read(artifacts.as_ref(), MLMODEL_FILE, MlModelLimits::default().bytes as u64).await
}

/// The most files, and bytes of all files, of a model directory that is downloaded.
const DIRECTORY: TreeLimits = TreeLimits { files: 10_000, bytes: 64 << 30 };

/// Writes the whole model directory of `version` into `to`, an empty directory, from which it can be
/// [logged again](crate::candidate::ModelSource::Stored). Returns the SHA-256 of its model file.
///
/// `Integrity` when the version says which SHA-256 its model file has, and the bytes have another.
pub async fn download_directory(
    backend: &Backend,
    version: &ModelVersion,
    to: &Path,
    progress: OnProgress<'_>,
) -> Result<Sha256> {
    let uri = backend.registry.download_uri(&version.name, version.version).await?;
    let artifacts = backend.artifact_store(&uri.parse()?).await?;
    // First, so that a version without it is refused before anything is downloaded.
    let limits = MlModelLimits::default();
    let mlmodel = read(artifacts.as_ref(), MLMODEL_FILE, limits.bytes as u64).await?;
    let data = MlModel::parse(&mlmodel, &limits)?.lightgbm.data;
    download_tree(artifacts.as_ref(), to, DIRECTORY, progress).await?;
    let path = to.join(&data);
    let sha256 = blocking(move || {
        let mut hasher = Hasher::default();
        let outcome = std::fs::File::open(&path).and_then(|mut file| std::io::copy(&mut file, &mut hasher));
        outcome.map_err(|source| {
            Error::new(ErrorKind::ArtifactNotFound, "the model file that `MLmodel` names is not there")
                .with_context("path", &data)
                .with_source(source)
        })?;
        Ok(hasher.finish())
    });
    let sha256 = sha256.await?;
    check_digest(version, sha256)?;
    Ok(sha256)
}

async fn fetch(
    backend: &Backend,
    version: &ModelVersion,
    model_limits: &ModelLimits,
) -> Result<(MlModel, Vec<u8>)> {
    let uri = backend.registry.download_uri(&version.name, version.version).await?;
    let artifacts = backend.artifact_store(&uri.parse()?).await?;
    let limits = MlModelLimits::default();
    let mlmodel = read(artifacts.as_ref(), MLMODEL_FILE, limits.bytes as u64).await?;
    let mlmodel = MlModel::parse(&mlmodel, &limits)?;
    let most = model_limits.file_bytes(&mlmodel.lightgbm.data);
    let bytes = read(artifacts.as_ref(), &mlmodel.lightgbm.data, most).await?;
    Ok((mlmodel, bytes))
}

/// A whole artifact. `InvalidModel` when it is larger than `limit` bytes.
pub(crate) async fn read(artifacts: &dyn ArtifactStore, path: &str, limit: u64) -> Result<Vec<u8>> {
    read_whole(artifacts, path, limit).await?.ok_or_else(|| too_large(path, limit))
}

/// The error for an artifact of more than `limit` bytes.
pub(crate) fn too_large(path: &str, limit: u64) -> Error {
    Error::new(ErrorKind::InvalidModel, format!("an artifact is larger than {limit} bytes"))
        .with_context("path", path)
        .with_hint(match path {
            MLMODEL_FILE => "log the model again, with a smaller `MLmodel`",
            _ => {
                "if you trust the model, raise the limit with `--model-limit bytes=NUMBER`, or in `[limits]` of hydra.toml"
            }
        })
}

/// `Integrity` when the version's tag is not the digest `found`. A tag that is not a digest at all counts as a mismatch.
pub(crate) fn check_digest(version: &ModelVersion, found: Sha256) -> Result<()> {
    let Some(promised) = version.tags.get(SHA256_TAG) else { return Ok(()) };
    if promised.parse().is_ok_and(|promised: Sha256| promised == found) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Integrity, "the digest of the model's bytes is not the logged one")
        .with_context("model", &version.name)
        .with_context("version", version.version)
        .with_context("logged sha256", promised)
        .with_context("found sha256", found)
        .with_hint(
            "do not use this model; find out who changed the artifact, then log the model again or roll back",
        ))
}

#[cfg(test)]
mod tests;
