//! Logging a candidate: one run with everything in it, the model, a registered version, the alias `candidate`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::lifecycle::config::{self, CONFIG_ARTIFACT};
use crate::lifecycle::model_file::ModelFile;
use crate::mlflow::artifacts::{ArtifactStore, OnProgress, verify_sizes};
use crate::mlflow::connect::Backend;
use crate::mlflow::entities::{
    LoggedModelStatus, Metric, ModelVersion, NewLoggedModel, NewModelVersion, NewRun, OPERATION_ID_TAG, Run,
    RunBatch, RunStatus, Tags, Timestamp,
};
use crate::mlflow::flavor::{BOOSTER_FILE, Environment, Identity, ModelDirectory};
use crate::mlflow::names::{Alias, ExperimentId, Key, LoggedModelId, ModelName, RunId, Version};
use crate::model::BaselineModel;

/// The version tag that holds the SHA-256 of the model file, checked whenever the model is loaded.
pub const SHA256_TAG: &str = "hydra.model.sha256";

/// The name of the LoggedModel, and of its directory among a run's artifacts on MLflow 2.
const MODEL_DIRECTORY: &str = "model";

/// The most params that one LoggedModel is created with.
const LOGGED_MODEL_PARAMS: usize = 100;

/// Among how many of the newest versions one's own is looked for: more than others log within one request's time.
const NEWEST: usize = 100;

/// The model of a candidate.
#[derive(Debug, Clone)]
pub enum CandidateModel {
    /// A LightGBM text model file; it is validated and streamed, never held in memory as a whole.
    File(PathBuf),
    /// The text of a LightGBM model.
    Text(String),
}

impl From<BaselineModel> for CandidateModel {
    fn from(model: BaselineModel) -> Self {
        Self::Text(model.into_text())
    }
}

impl From<PathBuf> for CandidateModel {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&Path> for CandidateModel {
    fn from(path: &Path) -> Self {
        Self::File(path.to_path_buf())
    }
}

/// A trained model and what is known about it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub model: CandidateModel,
    /// Metrics by key, at least one; policies decide by them.
    pub metrics: BTreeMap<String, f64>,
    /// The training configuration: a JSON object.
    pub config: Value,
    /// Tags of the run.
    pub tags: BTreeMap<String, String>,
    /// The run's name; one is made from the model's name and the time if absent.
    pub run_name: Option<String>,
    /// Accept NaN and infinite metrics. By default they are an error, since a policy cannot compare them.
    pub allow_non_finite: bool,
}

impl Candidate {
    /// A candidate with these metrics and nothing else said about it.
    pub fn new(model: impl Into<CandidateModel>, metrics: BTreeMap<String, f64>) -> Self {
        Self {
            model: model.into(),
            metrics,
            config: Value::Object(serde_json::Map::new()),
            tags: BTreeMap::new(),
            run_name: None,
            allow_non_finite: false,
        }
    }

    fn check(&self) -> Result<()> {
        if self.metrics.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a candidate needs at least one metric")
                .with_hint(
                    "policies compare candidates by their metrics: pass for instance --metric auc=0.91",
                ));
        }
        for (key, value) in &self.metrics {
            Key::new(key)?;
            if !value.is_finite() && !self.allow_non_finite {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("metric `{key}` is not finite: {value}"),
                )
                .with_hint("fix the evaluation, or pass --allow-non-finite to log it as it is"));
            }
        }
        self.tags.keys().try_for_each(|key| Key::new(key).map(drop))
    }
}

/// A candidate that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCandidate {
    /// The run.
    pub run_id: RunId,
    /// The registered version, now behind the alias `candidate`.
    pub version: Version,
    /// The SHA-256 of the model file, in hexadecimal.
    pub sha256: String,
}

/// Where and as whom candidates are logged.
#[derive(Clone, Copy)]
pub struct LogTarget<'a> {
    /// The backend.
    pub backend: &'a Backend,
    /// The registered model.
    pub model: &'a ModelName,
    /// The experiment.
    pub experiment: &'a ExperimentId,
    /// Who logs it.
    pub user: &'a str,
    /// Called with the bytes uploaded since the last call.
    pub progress: OnProgress<'a>,
}

impl LogTarget<'_> {
    /// Logs `candidate`. Input is checked before anything is written. If anything fails after the run was created, the run
    /// ends FAILED, and no version stays registered.
    pub async fn log(&self, candidate: &Candidate) -> Result<LoggedCandidate> {
        candidate.check()?;
        let params = config::flatten(&candidate.config)?;
        let file = ModelFile::open(&candidate.model).await?;

        let operation = uuid::Uuid::new_v4().to_string();
        let run = self.start_run(candidate, &operation).await?;
        let outcome = self.fill_run(&run, candidate, params, &file, &operation).await;
        let status = if outcome.is_ok() { RunStatus::Finished } else { RunStatus::Failed };
        let ended = self.backend.tracking.update_run(&run.id, status, Some(now())).await;
        match (outcome, ended) {
            (Ok(logged), Ok(())) => Ok(logged),
            (Ok(logged), Err(error)) => {
                self.unregister(logged.version).await;
                Err(error)
            }
            (Err(error), ended) => {
                // Where even that had no answer, nothing can be taken back.
                if ended.is_ok() {
                    self.unregister_lost(&operation).await;
                }
                Err(error.with_context("run", &run.id))
            }
        }
    }

    async fn start_run(&self, candidate: &Candidate, operation: &str) -> Result<Run> {
        let start_time = now();
        let name = candidate.run_name.clone().unwrap_or_else(|| format!("{}-{}", self.model, start_time));
        let source = std::env::current_exe()
            .map_or_else(|_| "hydra-registry".into(), |path| path.display().to_string());
        let mut tags = candidate.tags.clone();
        tags.insert("mlflow.source.name".into(), source);
        tags.insert("mlflow.source.type".into(), "LOCAL".into());
        tags.insert(OPERATION_ID_TAG.into(), operation.into());
        let run = NewRun {
            experiment_id: self.experiment.clone(),
            name,
            start_time,
            user_id: self.user.into(),
            tags,
        };
        self.backend.tracking.create_run(&run).await
    }

    async fn fill_run(
        &self,
        run: &Run,
        candidate: &Candidate,
        params: Vec<(String, String)>,
        file: &ModelFile,
        operation: &str,
    ) -> Result<LoggedCandidate> {
        let timestamp = now();
        let metric =
            |(key, value): (&String, &f64)| Metric { key: key.clone(), value: *value, timestamp, step: 0 };
        let batch =
            RunBatch { metrics: candidate.metrics.iter().map(metric).collect(), params, tags: vec![] };
        self.backend.tracking.log_batch(&run.id, &batch).await?;

        let artifacts = self.backend.artifacts.open(&run.artifact_uri)?;
        let config = serde_json::to_vec_pretty(&candidate.config).map_err(|source| {
            Error::new(ErrorKind::Internal, "cannot write the configuration").with_source(source)
        })?;
        artifacts.put_bytes(CONFIG_ARTIFACT, config).await?;

        let placed = self.place_model(run, file, &batch.params, operation).await?;
        let version = self.register(run, file, placed, operation).await?;
        if let Err(error) = self.point_candidate(version.version).await {
            self.unregister(version.version).await;
            return Err(error);
        }
        Ok(LoggedCandidate { run_id: run.id.clone(), version: version.version, sha256: file.sha256.clone() })
    }

    /// Uploads the model directory: as a LoggedModel where the store has them, else among the run's artifacts.
    async fn place_model(
        &self,
        run: &Run,
        file: &ModelFile,
        params: &[(String, String)],
        operation: &str,
    ) -> Result<PlacedModel> {
        let new = NewLoggedModel {
            experiment_id: self.experiment.clone(),
            name: MODEL_DIRECTORY.into(),
            source_run_id: run.id.clone(),
            params: params.iter().take(LOGGED_MODEL_PARAMS).cloned().collect(),
            tags: Tags::from([
                ("mlflow.user".into(), self.user.into()),
                (OPERATION_ID_TAG.into(), operation.into()),
            ]),
        };
        let Some(logged) = self.backend.tracking.create_logged_model(&new).await? else {
            return self.place_in_run(run, file).await;
        };
        let identity = Identity::LoggedModel {
            model_id: logged.id.to_string(),
            artifact_uri: logged.artifact_uri.clone(),
        };
        let artifacts = self.backend.artifacts.open(&logged.artifact_uri)?;
        let uploaded = self.upload(artifacts.as_ref(), "", run, file, identity).await;
        let status =
            if uploaded.is_ok() { LoggedModelStatus::Ready } else { LoggedModelStatus::UploadFailed };
        let finalized = self.backend.tracking.finalize_logged_model(&logged.id, status).await;
        uploaded?;
        finalized?;
        self.backend.tracking.log_output(&run.id, &logged.id).await?;
        Ok(PlacedModel { source: format!("models:/{}", logged.id), model_id: Some(logged.id) })
    }

    async fn place_in_run(&self, run: &Run, file: &ModelFile) -> Result<PlacedModel> {
        let identity = Identity::RunArtifact {
            artifact_path: MODEL_DIRECTORY.into(),
            model_uuid: uuid::Uuid::new_v4().simple().to_string(),
        };
        let artifacts = self.backend.artifacts.open(&run.artifact_uri)?;
        self.upload(artifacts.as_ref(), MODEL_DIRECTORY, run, file, identity).await?;
        let source = format!("{}/{MODEL_DIRECTORY}", run.artifact_uri.trim_end_matches('/'));
        Ok(PlacedModel { source, model_id: None })
    }

    async fn upload(
        &self,
        artifacts: &dyn ArtifactStore,
        below: &str,
        run: &Run,
        file: &ModelFile,
        identity: Identity,
    ) -> Result<()> {
        let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let directory = ModelDirectory {
            identity,
            run_id: Some(run.id.to_string()),
            signature: file.signature(),
            model_size: file.size,
            created: jiff::Timestamp::now(),
            environment: Environment::default(),
        };
        // MLflow answers an upload with no checksum: the sizes that it lists are what tells a complete one.
        let mut uploaded = vec![(path(BOOSTER_FILE), file.size)];
        artifacts.put_file(&path(BOOSTER_FILE), file.path(), self.progress).await?;
        for small in directory.files() {
            uploaded.push((path(small.name), small.text.len() as u64));
            artifacts.put_bytes(&path(small.name), small.text.into_bytes()).await?;
        }
        verify_sizes(artifacts, &uploaded).await
    }

    async fn register(
        &self,
        run: &Run,
        file: &ModelFile,
        placed: PlacedModel,
        operation: &str,
    ) -> Result<ModelVersion> {
        let tags = Tags::from([
            (SHA256_TAG.to_owned(), file.sha256.clone()),
            (OPERATION_ID_TAG.to_owned(), operation.to_owned()),
        ]);
        let version = NewModelVersion {
            name: self.model.clone(),
            source: placed.source,
            run_id: Some(run.id.clone()),
            model_id: placed.model_id,
            tags,
            description: String::new(),
        };
        self.backend.registry.create_model_version(&version).await
    }

    async fn point_candidate(&self, version: Version) -> Result<()> {
        self.backend.registry.set_alias(self.model, &Alias::candidate(), version).await
    }

    /// Takes back what the store registered without our learning of it: the versions with the operation's id.
    async fn unregister_lost(&self, operation: &str) {
        match self.backend.registry.model_versions(self.model, None, NEWEST, None).await {
            Ok(newest) => {
                let own = |version: &&ModelVersion| {
                    version.tags.get(OPERATION_ID_TAG).is_some_and(|id| id == operation)
                };
                for version in newest.items.iter().filter(own) {
                    self.unregister(version.version).await;
                }
            }
            Err(error) => tracing::warn!(%error, "it is not known whether a failed run left a version"),
        }
    }

    /// Takes back a registration whose run failed, as well as it can be done.
    async fn unregister(&self, version: Version) {
        if let Err(error) = self.backend.registry.delete_model_version(self.model, version).await {
            tracing::warn!(%version, %error, "a version of a failed run could not be deleted");
        }
    }
}

struct PlacedModel {
    source: String,
    model_id: Option<LoggedModelId>,
}

/// The time now, as MLflow counts it.
pub(crate) fn now() -> Timestamp {
    jiff::Timestamp::now().as_millisecond()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::lifecycle::ledger::driver_tests::remote::{Fault, Remote};
    use crate::mlflow::artifacts::ArtifactResolver;
    use crate::mlflow::memory::MemoryStore;
    use crate::mlflow::store::{RegistryStore as _, TrackingStore as _};

    #[tokio::test]
    async fn a_registration_whose_answer_was_lost_is_taken_back() {
        let store = Arc::new(MemoryStore::new().expect("a store"));
        let model = ModelName::new("m").expect("a name");
        store.create_registered_model(&model, &Tags::new(), "").await.expect("a model");
        let experiment = ExperimentId::new("0").expect("an id");
        // The first write to the registry registers the version.
        let backend = Backend {
            tracking: store.clone(),
            registry: Remote::new(&store, &[(0, Fault::AnswerLost)]),
            artifacts: ArtifactResolver::local(),
        };
        let target = LogTarget {
            backend: &backend,
            model: &model,
            experiment: &experiment,
            user: "ann",
            progress: &|_| {},
        };
        let path =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/fixtures/models/regression/booster/model.lgb");
        let metrics = BTreeMap::from([("auc".to_owned(), 0.9)]);
        let candidate = Candidate::new(Path::new(path), metrics);
        let error = target.log(&candidate).await.expect_err("the answer was lost");
        assert_eq!(error.kind(), ErrorKind::Timeout);
        let left = store.model_versions(&model, None, 10, None).await.expect("versions");
        assert_eq!(left.items, []);
        let failed = store.runs_by_status(&experiment, RunStatus::Failed, 10, None).await.expect("runs");
        assert_eq!(failed.items.len(), 1);
        target.log(&candidate).await.expect("a candidate");
        let left = store.model_versions(&model, None, 10, None).await.expect("versions");
        assert_eq!(left.items.iter().map(|version| version.version).collect::<Vec<_>>(), [Version(2)]);
    }
}
