//! A model that is a file, or a directory as MLflow and containers have them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_lightgbm::Model;
use hydra_registry::mlflow::flavor::{ColumnSpec, MLMODEL_FILE, MlModel, MlModelLimits};

use crate::served::Ingredients;

/// Opens a model file, or the model in a directory: that which its `MLmodel` names, or the only file in it.
pub(crate) fn open_file(path: &Path, categories: Arc<[String]>) -> Result<Ingredients> {
    let (model, signature) = if path.is_dir() { in_directory(path)? } else { (path.to_owned(), None) };
    let (model, bytes) = Model::open_with_bytes(&model)?;
    Ok(Ingredients { entity: None, model, sha256: Sha256::of(&bytes), signature, drift: None, categories })
}

type Found = (PathBuf, Option<Vec<ColumnSpec>>);

fn in_directory(path: &Path) -> Result<Found> {
    let failed = |source: std::io::Error| {
        Error::new(ErrorKind::Storage, "cannot read the model directory")
            .with_context("path", path.display())
            .with_source(source)
    };
    let description = path.join(MLMODEL_FILE);
    if description.exists() {
        let text = std::fs::read(&description).map_err(failed)?;
        let MlModel { lightgbm, signature, .. } = MlModel::parse(&text, &MlModelLimits::default())?;
        let inputs = signature.map(|signature| signature.inputs).filter(|inputs| !inputs.is_empty());
        return Ok((path.join(lightgbm.data), inputs));
    }
    let entries = std::fs::read_dir(path).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let files = entries.map_err(failed)?.into_iter().map(|entry| entry.path());
    // Kubernetes mounts files behind links in hidden directories.
    let is_hidden =
        |path: &PathBuf| path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
    let mut files: Vec<PathBuf> = files.filter(|path| path.is_file() && !is_hidden(path)).collect();
    match (files.pop(), files.is_empty()) {
        (Some(file), true) => Ok((file, None)),
        _ => Err(Error::new(
            ErrorKind::ArtifactNotFound,
            "the directory has neither an MLmodel nor exactly one file",
        )
        .with_context("path", path.display())
        .with_hint("name the model file instead of its directory")),
    }
}
