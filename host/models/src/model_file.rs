//! A model file on its way into the registry: validated, measured and hashed before anything is written.

use std::fs::File;
use std::io::{BufReader, Read, Write};
use std::path::{Path, PathBuf};

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::sha256::{Hasher, Sha256};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::{ModelLimits, model_file};
use hydra_lightgbm::text;
use hydra_mlflow::flavor::{BOOSTER_FILE, MLMODEL_FILE, MlModel, MlModelLimits, SavedMlModel, Signature};
use serde_json::{Map, Value};

use crate::loading::too_large;

/// Where the bytes of a model come from.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum ModelSource {
    /// A LightGBM text model file; it is validated and streamed, never held in memory as a whole. A path that is not a
    /// regular file, such as a pipe, is read once.
    File(PathBuf),
    /// A LightGBM text model on the standard input, read once.
    Stdin,
    /// The text of a LightGBM model.
    Text(String),
    /// A model directory as MLflow's `mlflow.lightgbm.save_model` writes it, with the content of its `MLmodel` as JSON: a booster, or
    /// an estimator, which stays one. The model file is read as data and checked like that of a version to load.
    Directory {
        /// The directory.
        path: PathBuf,
        /// The content of `MLmodel`.
        mlmodel: Map<String, Value>,
    },
    /// A model directory as a store has it, [downloaded](crate::loading::download_directory) with its `MLmodel`.
    Stored(PathBuf),
}

impl From<PathBuf> for ModelSource {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for ModelSource {
    fn from(path: &Path) -> Self {
        Self::File(path.to_path_buf())
    }
}

/// The file in which MLflow's client notes the registered model and version that it downloaded: those of a copy are others.
const REGISTERED_FILE: &str = "registered_model_meta";

/// A validated LightGBM model in a local file.
#[derive(Debug)]
pub struct ModelFile {
    /// The size in bytes.
    pub size: u64,
    /// The SHA-256 of the bytes.
    pub sha256: Sha256,
    /// Its name among the artifacts.
    pub data_file: String,
    signature: Option<Signature>,
    origin: Origin,
    /// The directory that it is in, if MLflow saved it.
    saved: Option<SavedDirectory>,
}

/// What is in a model directory besides the model file.
#[derive(Debug)]
pub struct SavedDirectory {
    /// `MLmodel`.
    pub mlmodel: SavedMlModel,
    /// The other files: their names among the artifacts, and where they are.
    pub files: Vec<(String, PathBuf)>,
}

#[derive(Debug)]
enum Origin {
    /// The caller's file.
    File(PathBuf),
    /// A private file that goes away with this value.
    Temporary(tempfile::NamedTempFile),
}

impl ModelFile {
    /// Reads, validates and hashes the model of a candidate. `InvalidModel` names tree, key and line of what is wrong.
    pub async fn open(source: &ModelSource) -> Result<Self> {
        let source = source.clone();
        blocking(move || match source {
            ModelSource::File(path) => Self::from_file(&path),
            ModelSource::Text(text) => Self::copied(text.as_bytes()),
            ModelSource::Stdin => Self::copied(std::io::stdin().lock()),
            ModelSource::Directory { path, mlmodel } => Self::of_directory(&path, SavedMlModel::new(mlmodel)),
            ModelSource::Stored(path) => Self::of_directory(&path, stored_mlmodel(&path)?),
        })
        .await
    }

    /// Where the bytes are.
    #[must_use]
    pub fn path(&self) -> &Path {
        match &self.origin {
            Origin::File(path) => path,
            Origin::Temporary(file) => file.path(),
        }
    }

    /// The signature of the model's predictions, from its feature names. A model of pandas categories has none: Python would
    /// refuse the categories as rows that are not numbers. Nor has one of so many columns that readers would refuse the `MLmodel`. The `MLmodel`
    /// of a saved directory has its own.
    #[must_use]
    pub fn signature(&self) -> Option<Signature> {
        self.signature.clone()
    }

    /// The directory that MLflow saved, if the candidate is one.
    #[must_use]
    pub fn saved(&self) -> Option<&SavedDirectory> {
        self.saved.as_ref()
    }

    fn of_directory(directory: &Path, mlmodel: SavedMlModel) -> Result<Self> {
        let flavor = MlModel::parse(&mlmodel.to_bytes(), &MlModelLimits::default())?.lightgbm;
        let path = directory.join(&flavor.data);
        let limits = ModelLimits::default();
        let most = limits.file_bytes(&flavor.data);
        let mut bytes = Vec::new();
        let read = File::open(&path).and_then(|file| {
            let announced = file.metadata()?.len();
            if announced <= most {
                file.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
            }
            Ok(announced.max(bytes.len() as u64))
        });
        let size = read.map_err(|source| unreadable(source).with_context("path", path.display()))?;
        if size > most {
            return Err(too_large(&flavor.data, most).with_context("bytes", size));
        }
        Model::from_artifact(&flavor.data, &flavor.model_class, &bytes, &limits)?;
        let mut files = Vec::new();
        list_files(directory, "", &mut files)?;
        let is_replaced = |name: &str| [flavor.data.as_str(), MLMODEL_FILE, REGISTERED_FILE].contains(&name);
        files.retain(|(name, _)| !is_replaced(name));
        Ok(Self {
            size: bytes.len() as u64,
            sha256: Sha256::of(&bytes),
            data_file: flavor.data,
            signature: None,
            origin: Origin::File(path),
            saved: Some(SavedDirectory { mlmodel, files }),
        })
    }

    fn from_file(path: &Path) -> Result<Self> {
        let open = || -> Result<Self> {
            let path = &model_file(path)?;
            let file = File::open(path).map_err(unreadable)?;
            let metadata = file.metadata().map_err(unreadable)?;
            let most = ModelLimits::default().text.bytes as u64;
            if metadata.len() > most {
                return Err(too_large(BOOSTER_FILE, most).with_context("bytes", metadata.len()));
            }
            if metadata.is_file() {
                Self::checked(file, Origin::File(path.clone()))
            } else {
                Self::copied(file)
            }
        };
        open().map_err(|error| error.with_context("path", path.display()))
    }

    /// A copy in a file of our own of what can be read but once, such as a pipe.
    fn copied(bytes: impl Read) -> Result<Self> {
        let failed = |source: std::io::Error| {
            Error::new(ErrorKind::Storage, "cannot write a temporary file for the model").with_source(source)
        };
        let file = tempfile::NamedTempFile::new().map_err(failed)?;
        let copy = file.reopen().map_err(failed)?;
        Self::checked(Tee { inner: bytes, copy }, Origin::Temporary(file))
    }

    /// One pass over the bytes: hashed and validated on the way, never held as a whole.
    fn checked(bytes: impl Read, origin: Origin) -> Result<Self> {
        let mut hasher = Hasher::default();
        let tee = Tee { inner: bytes, copy: &mut hasher };
        let summary = text::check(BufReader::with_capacity(1 << 16, tee), &ModelLimits::default().text)?;
        if summary.has_infinite_leaves {
            tracing::warn!(
                "some leaves of the model are infinite: its predictions are infinite or NaN for some rows; check the objective that \
                 it was trained with"
            );
        }
        let signature = || Signature::of_booster(&summary.feature_names, summary.num_outputs);
        Ok(Self {
            size: summary.bytes,
            sha256: hasher.finish(),
            data_file: BOOSTER_FILE.to_owned(),
            signature: (!summary.has_categories && fit_mlmodel(&summary.feature_names)).then(signature),
            origin,
            saved: None,
        })
    }
}

/// The `MLmodel` of a directory.
fn stored_mlmodel(directory: &Path) -> Result<SavedMlModel> {
    let (path, limits) = (directory.join(MLMODEL_FILE), MlModelLimits::default());
    let mut bytes = Vec::new();
    let read = File::open(&path).and_then(|file| file.take(limits.bytes as u64 + 1).read_to_end(&mut bytes));
    read.map_err(|source| unreadable(source).with_context("path", path.display()))?;
    SavedMlModel::from_text(&bytes, &limits)
}

fn unreadable(source: std::io::Error) -> Error {
    Error::new(ErrorKind::Storage, "cannot read the model file").with_source(source)
}

/// The files below a directory, with names below `prefix` for the artifacts.
fn list_files(directory: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> Result<()> {
    let failed = |source: std::io::Error| {
        Error::new(ErrorKind::Storage, "cannot list the model directory")
            .with_context("path", directory.display())
            .with_source(source)
    };
    let entries = std::fs::read_dir(directory).and_then(|entries| entries.collect::<Result<Vec<_>, _>>());
    let mut entries = entries.map_err(failed)?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let Ok(name) = entry.file_name().into_string() else {
            return Err(Error::new(ErrorKind::InvalidName, "the name of a file of the model is not UTF-8")
                .with_context("path", entry.path().display()));
        };
        let (name, path) = (format!("{prefix}{name}"), entry.path());
        if path.is_dir() {
            list_files(&path, &format!("{name}/"), files)?;
        } else {
            files.push((name, path));
        }
    }
    Ok(())
}

/// Writes elsewhere, too, what is read through it.
struct Tee<R, W> {
    inner: R,
    copy: W,
}

impl<R: Read, W: Write> Read for Tee<R, W> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.copy.write_all(&buffer[..read])?;
        Ok(read)
    }
}

/// Whether a signature with columns of these names leaves `MLmodel` within the limit of its readers.
fn fit_mlmodel(names: &[String]) -> bool {
    // JSON within YAML: a quote is two bytes, and a character outside ASCII may be twelve.
    let column = |name: &String| 72 + name.chars().map(|c| if c.is_ascii() { 2 } else { 12 }).sum::<usize>();
    names.iter().map(column).sum::<usize>() <= MlModelLimits::default().bytes / 4 * 3
}
