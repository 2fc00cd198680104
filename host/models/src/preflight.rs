//! Opening a version before anything depends on it: are its files there, are they the logged ones, can this program score
//! with the model?
//!
//! A version that cannot be loaded is an answer and not an error: [`Opened::Unloadable`] contains the reason. An error means that the
//! question stays open, because a server, a disk or the credentials are in the way.
//!
//! The answer about a version with the tag of a digest is kept in the [`ModelCache`], where it holds as long as the files keep
//! their sizes (and their stamps, where the store has such) and the reader is of the same release. A version without that tag
//! may be any bytes, so it is read each time.

use std::fmt;
use std::sync::Arc;

use crate::candidate::SHA256_TAG;
use crate::facts::Facts;
use crate::loading::{check_digest, read, too_large};
use crate::model_cache::{CachedModel, FileState, ModelCache, Record, Verdict};
use hydra_base::error::{Error, ErrorCategory, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::{Sha256, blocking};
use hydra_lightgbm::Model;
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::artifacts::ArtifactStore;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{ArtifactInfo, ModelVersion};
use hydra_mlflow::flavor::{LightGbmFlavor, MLMODEL_FILE, MlModel, MlModelLimits};
use hydra_mlflow::uri::redact;

/// The state of a version's files.
#[derive(Debug, Clone)]
pub enum Opened {
    /// The model is there, its bytes are the logged ones, and this program can score with it.
    Loadable(Arc<Facts>),
    /// This program cannot load the model.
    Unloadable(Arc<Unsound>),
}

impl Opened {
    /// The SHA-256 of the model file as it was found; `None` if it was not read.
    #[must_use]
    pub fn sha256(&self) -> Option<Sha256> {
        match self {
            Self::Loadable(facts) => Some(facts.sha256),
            Self::Unloadable(why) => why.sha256,
        }
    }
}

/// Why a version cannot be loaded.
#[derive(Debug)]
pub struct Unsound {
    error: Error,
    sha256: Option<Sha256>,
}

impl Unsound {
    /// The error, with its own kind, and a hint where there is one.
    #[must_use]
    pub fn error(&self) -> &Error {
        &self.error
    }
}

impl fmt::Display for Unsound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error.fmt(f)
    }
}

impl std::error::Error for Unsound {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.error.source()
    }
}

/// Whether a cached verdict is enough. There is none for a version without the tag of a digest, which is always read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Presence {
    /// The files are read, also if they were read before.
    Read,
    /// The bytes are those that are there now: the files are read, unless the store was asked, as with [`Self::Asked`], and the stamps
    /// show that they have not changed. A listing of a server has only sizes, so that they are read there.
    Exact,
    /// The store is asked whether the files are still there with their sizes and stamps. For a version that was opened before, that is
    /// one listing.
    Asked,
    /// They are taken to be there: for a version that was opened before, nothing is asked.
    Assumed,
}

/// Opens the files of `version`, with one request after the other: the address of the files, their listing, `MLmodel`, the
/// model file. [`Presence`] says what is asked about a version that was opened before.
///
/// What is fetched goes into `cache`, the model file too.
pub async fn open(
    backend: &Backend,
    cache: Option<&ModelCache>,
    version: &ModelVersion,
    presence: Presence,
) -> Result<Opened> {
    let request = Preflight { backend, cache: cache.cloned(), version: Arc::new(version.clone()) };
    match request.answer(presence).await {
        Ok(facts) => Ok(Opened::Loadable(Arc::from(facts))),
        Err(Stop::Unloadable(unsound)) => Ok(Opened::Unloadable(Arc::new(unsound))),
        Err(Stop::Failed(error)) => Err(error.with_context("version", version.version)),
    }
}

/// Why a version was not opened.
enum Stop {
    /// It cannot be loaded.
    Unloadable(Unsound),
    /// It is not known whether it can be loaded.
    Failed(Error),
}

impl From<Error> for Stop {
    /// What the stores and their servers say: either that something is missing or not permitted for this version, or that they
    /// are in trouble themselves.
    fn from(error: Error) -> Self {
        let is_of_the_version = match error.kind() {
            ErrorKind::Unauthenticated | ErrorKind::PermissionDenied | ErrorKind::Unsupported => false,
            ErrorKind::Untrusted | ErrorKind::UnsupportedScheme => true,
            kind => {
                matches!(kind.category(), ErrorCategory::Missing | ErrorCategory::Refused)
                    || matches!(kind, ErrorKind::InvalidName | ErrorKind::InvalidArgument)
            }
        };
        if is_of_the_version { Self::unread(error) } else { Self::Failed(error) }
    }
}

impl Stop {
    /// The version cannot be loaded, which showed before its model file was read.
    fn unread(error: Error) -> Self {
        Self::Unloadable(Unsound { error, sha256: None })
    }
}

/// A version to open.
struct Preflight<'a> {
    backend: &'a Backend,
    cache: Option<ModelCache>,
    version: Arc<ModelVersion>,
}

impl Preflight<'_> {
    async fn answer(&self, presence: Presence) -> Result<Box<Facts>, Stop> {
        let record = self.recorded().await?;
        if let Some(record) = &record
            && presence != Presence::Read
        {
            let known = match record.verdict.clone() {
                Verdict::Loadable(facts) => Some(Ok(facts)),
                Verdict::Unloadable(why) => {
                    Some(Err(Stop::Unloadable(Unsound { error: why.into(), sha256: self.promised() })))
                }
                Verdict::Doubted => None,
            };
            let is_enough = presence != Presence::Exact || record.shows_each_change();
            if let Some(known) = known.filter(|_| is_enough) {
                if presence == Presence::Assumed || self.are_there(record).await? {
                    return known;
                }
                tracing::info!(version = %self.version.version, "the files of a version have changed; opening them again");
            }
        }
        let takes_a_copy = matches!(presence, Presence::Asked | Presence::Assumed);
        let may_be_a_copy = takes_a_copy && record.is_none() && self.has_digest();
        let found = self.examine(may_be_a_copy).await;
        if let (Err(Stop::Unloadable(unsound)), Some(record)) = (&found, record)
            && (unsound.sha256.is_none() || unsound.sha256 != self.promised())
        {
            // What was found before says nothing about these files, even if they keep their sizes.
            self.doubt(record).await?;
        }
        found
    }

    /// Whether the version says which digest its model file has.
    fn has_digest(&self) -> bool {
        self.version.tags.contains_key(SHA256_TAG)
    }

    /// The digest that the version says its model file has.
    fn promised(&self) -> Option<Sha256> {
        self.version.tags.get(SHA256_TAG)?.parse().ok()
    }

    async fn recorded(&self) -> Result<Option<Record>> {
        let Some(cache) = self.cache.clone().filter(|_| self.has_digest()) else { return Ok(None) };
        let version = self.version.clone();
        blocking(move || Ok(cache.record(&version))).await
    }

    async fn doubt(&self, record: Record) -> Result<()> {
        let Some(cache) = self.cache.clone() else { return Ok(()) };
        let version = self.version.clone();
        let kept =
            blocking(move || cache.put_record(&version, &Record { verdict: Verdict::Doubted, ..record }));
        if let Err(error) = kept.await {
            tracing::warn!(%error, "cannot cache the model");
        }
        Ok(())
    }

    /// Whether the files of a record are still there. What the store refuses to say counts as no: opening them anew tells why.
    async fn are_there(&self, record: &Record) -> Result<bool, Stop> {
        match self.list(record).await.map_err(Stop::from) {
            Ok(files) => Ok(files.state_of(MLMODEL_FILE).as_ref() == Some(&record.mlmodel)
                && files.state_of(&record.data_file).as_ref() == Some(&record.model)),
            Err(Stop::Unloadable(_)) => Ok(false),
            Err(failed @ Stop::Failed(_)) => Err(failed),
        }
    }

    async fn list(&self, record: &Record) -> Result<Listing> {
        let artifacts = self.backend.artifact_store(&record.root.parse()?).await?;
        Listing::of(artifacts.as_ref(), &record.data_file).await
    }

    /// Reads the files. The model file `may_be_a_copy` in the cache, of the same size and of the digest that the version says.
    async fn examine(&self, may_be_a_copy: bool) -> Result<Box<Facts>, Stop> {
        let (version, registry) = (&self.version, &self.backend.registry);
        let uri = registry.download_uri(&version.name, version.version).await?;
        let artifacts = self.backend.artifact_store(&uri.parse().map_err(Stop::unread)?).await?;
        let limits = MlModelLimits::default();
        let root = Listing::of(artifacts.as_ref(), MLMODEL_FILE).await?;
        let mlmodel_state = root.checked(artifacts.as_ref(), MLMODEL_FILE, limits.bytes as u64)?;
        let mlmodel =
            read(artifacts.as_ref(), MLMODEL_FILE, limits.bytes as u64).await.map_err(on_reading)?;
        let mlmodel = MlModel::parse(&mlmodel, &limits).map_err(Stop::unread)?;
        let LightGbmFlavor { data, model_class, .. } = mlmodel.lightgbm.clone();
        let files = if data.contains('/') { Listing::of(artifacts.as_ref(), &data).await? } else { root };
        let most = ModelLimits::default().file_bytes(&data);
        let model_state = files.checked(artifacts.as_ref(), &data, most)?;
        let copy =
            if may_be_a_copy { self.cached(&data, &model_class, model_state.bytes).await? } else { None };
        let (model, is_fetched) = match copy {
            Some(model) => (model, false),
            None => {
                let bytes = read(artifacts.as_ref(), &data, most).await.map_err(on_reading)?;
                (CachedModel::new(data.clone(), model_class, bytes), true)
            }
        };
        let found = Found {
            root: Some(artifacts.uri().to_owned()).filter(|uri| redact(uri) == *uri),
            mlmodel_state,
            mlmodel,
            model_state,
            model,
            is_fetched,
        };
        failpoint("preflight.read");
        let (cache, version) = (self.cache.clone(), self.version.clone());
        let sha256 = Some(found.model.sha256());
        let judged = blocking(move || Ok(found.judge_and_keep(cache.as_ref(), &version))).await?;
        judged.map_err(|error| Stop::Unloadable(Unsound { error, sha256 }))
    }

    /// The model file, if the cache has it and the store's is of the same size.
    async fn cached(&self, data: &str, model_class: &str, size: u64) -> Result<Option<CachedModel>> {
        let Some(cache) = self.cache.clone() else { return Ok(None) };
        let version = self.version.clone();
        let found = blocking(move || Ok(cache.get(&version))).await?;
        Ok(found.filter(|found| {
            (found.data_file(), found.model_class()) == (data, model_class)
                && found.bytes().len() as u64 == size
        }))
    }
}

/// What was found in the store.
struct Found {
    /// The place, unless its URI holds secrets, which must not get into a cache.
    root: Option<String>,
    mlmodel_state: FileState,
    mlmodel: MlModel,
    model_state: FileState,
    model: CachedModel,
    is_fetched: bool,
}

impl Found {
    /// Opens the model, and keeps what was found out.
    fn judge_and_keep(self, cache: Option<&ModelCache>, version: &ModelVersion) -> Result<Box<Facts>> {
        let verdict = self.judge(version);
        if let Some(cache) = cache
            && let Err(error) = self.keep(cache, version, &verdict)
        {
            tracing::warn!(%error, "cannot cache the model");
        }
        verdict
    }

    fn judge(&self, version: &ModelVersion) -> Result<Box<Facts>> {
        let Self { model: file, mlmodel, .. } = self;
        check_digest(version, file.sha256())?;
        let limits = ModelLimits::default();
        let model = Model::from_artifact(file.data_file(), file.model_class(), file.bytes(), &limits)?;
        let size = file.bytes().len() as u64;
        let signature = mlmodel.signature.as_ref().map(|signature| signature.inputs.clone());
        Ok(Box::new(Facts::of(&model, signature, file.sha256(), size)))
    }

    fn keep(&self, cache: &ModelCache, version: &ModelVersion, verdict: &Result<Box<Facts>>) -> Result<()> {
        if verdict.is_ok() && self.is_fetched {
            cache.put(version, &self.model)?;
            failpoint("preflight.model-kept");
        }
        let Some(root) = self.root.clone() else { return Ok(()) };
        // A verdict is about the bytes that the version promises: others can be mended, or changed again.
        if !version.tags.contains_key(SHA256_TAG) {
            return Ok(());
        }
        let verdict = match verdict {
            Ok(facts) => Verdict::Loadable(facts.clone()),
            Err(error) if error.kind() == ErrorKind::Integrity => Verdict::Doubted,
            Err(error) => Verdict::Unloadable(error.into()),
        };
        // A file that changed while it was read is opened again the next time.
        if self.model.bytes().len() as u64 != self.model_state.bytes {
            return Ok(());
        }
        let record = Record {
            root,
            mlmodel: self.mlmodel_state.clone(),
            data_file: self.model.data_file().to_owned(),
            model: self.model_state.clone(),
            verdict,
        };
        cache.put_record(version, &record)?;
        failpoint("preflight.verdict-kept");
        Ok(())
    }
}

/// The files beside `MLmodel`, and those beside the model file.
struct Listing(Vec<ArtifactInfo>);

impl Listing {
    /// Lists the root, and the directory of `path` as well if that is another one.
    async fn of(artifacts: &dyn ArtifactStore, path: &str) -> Result<Self> {
        let mut files = artifacts.list("").await?;
        if let Some((directory, _)) = path.rsplit_once('/') {
            files.extend(artifacts.list(directory).await?);
        }
        Ok(Self(files))
    }

    fn state_of(&self, path: &str) -> Option<FileState> {
        let file = self.0.iter().find(|info| info.path == path && !info.is_dir)?;
        // MLflow leaves the size of an empty file out.
        Some(FileState { bytes: file.size.unwrap_or(0), stamp: file.stamp.clone() })
    }

    /// The state of a file that must be there and must not have more than `limit` bytes.
    fn checked(&self, artifacts: &dyn ArtifactStore, path: &str, limit: u64) -> Result<FileState, Stop> {
        let state = self.state_of(path).ok_or_else(|| {
            let root = redact(artifacts.place());
            let mut ways = artifacts.remedy().into_iter().collect::<Vec<_>>();
            ways.push("restore the files from a backup, or log the model again".to_owned());
            let error = Error::new(ErrorKind::ArtifactNotFound, format!("there is no {path} at {root}"))
                .with_hint(ways.join("; "));
            Stop::unread(error)
        })?;
        if state.bytes > limit {
            return Err(Stop::unread(too_large(path, limit).with_context("bytes", state.bytes)));
        }
        Ok(state)
    }
}

/// What an error on reading a file says: one that is larger than it may be is not the store's trouble.
fn on_reading(error: Error) -> Stop {
    match error.kind() {
        ErrorKind::InvalidModel => Stop::unread(error),
        _ => error.into(),
    }
}

#[cfg(test)]
mod tests;
