//! Carrying a candidate into the stores: the run first, the registration last, and nothing half-registered left behind.

use std::path::Path;
use std::pin::{Pin, pin};
use std::time::SystemTime;

use futures_util::future::join;

use crate::candidate::{Candidate, LoggedCandidate, PreparedCandidate, SHA256_TAG};
use crate::config::CONFIG_ARTIFACT;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName, Version};
use hydra_base::time::now;
use hydra_mlflow::artifacts::{ArtifactStore, OnProgress, verify_sizes};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{
    LoggedModel, LoggedModelStatus, Metric, ModelVersion, NewLoggedModel, NewModelVersion, NewRun,
    OPERATION_ID_TAG, Run, RunBatch, RunStatus, Tags, USER_TAG,
};
use hydra_mlflow::flavor::{Identity, MLMODEL_FILE, ModelDirectory};

/// The name of the LoggedModel, and of its directory among a run's artifacts on MLflow 2.
const MODEL_DIRECTORY: &str = "model";

/// How many of the newest versions are searched for a version of this operation: more than other programs log during one
/// request.
const NEWEST: usize = 100;

/// Where candidates are logged, and who logs them.
#[derive(Clone, Copy)]
pub struct LogTarget<'a> {
    backend: &'a Backend,
    model: &'a ModelName,
    experiment: &'a ExperimentId,
    user: &'a str,
    progress: OnProgress<'a>,
    creates: bool,
}

impl<'a> LogTarget<'a> {
    /// Versions of `model`, logged by `user` in runs of `experiment`.
    #[must_use]
    pub fn new(
        backend: &'a Backend,
        model: &'a ModelName,
        experiment: &'a ExperimentId,
        user: &'a str,
    ) -> Self {
        Self { backend, model, experiment, user, progress: &|_| (), creates: false }
    }

    /// Creates the registered model if it does not exist, directly before the version.
    #[must_use]
    pub fn creating(self) -> Self {
        Self { creates: true, ..self }
    }

    /// Calls `progress` with the bytes uploaded since the last call.
    #[must_use]
    pub fn with_progress(self, progress: OnProgress<'a>) -> Self {
        Self { progress, ..self }
    }
}

impl LogTarget<'_> {
    /// Logs a candidate. If anything fails after the run was created, the run ends FAILED, and no version stays registered.
    ///
    /// When `interrupted` is ready before the candidate is registered, logging ends in the same way, with `Interrupted`. A
    /// request that creates something is awaited anyway, because only its answer says whether there is something to delete.
    pub async fn log(
        &self,
        prepared: &PreparedCandidate,
        interrupted: impl Future<Output = ()> + Send,
    ) -> Result<LoggedCandidate> {
        let mut interrupted = pin!(interrupted);
        or_interrupted(interrupted.as_mut(), std::future::ready(Ok(()))).await?;
        let operation = uuid::Uuid::new_v4().to_string();
        let run = self.start_run(&prepared.candidate, &operation).await?;
        let logging = Logging { target: *self, run: &run, prepared, operation: &operation };
        let outcome = logging.fill_run(interrupted).await;
        let status = if outcome.is_ok() { RunStatus::Finished } else { RunStatus::Failed };
        let ended = self.backend.tracking.update_run(&run.id, status, Some(now())).await;
        match (outcome, ended) {
            (Ok(logged), Ok(())) => Ok(logged),
            (Ok(logged), Err(error)) => {
                logging.unregister(logged.version).await;
                Err(error)
            }
            (Err(error), ended) => {
                // If the store did not answer that request either, it would not answer these.
                if ended.is_ok() {
                    logging.unregister_lost().await;
                }
                Err(error.with_context("run", &run.id))
            }
        }
    }

    async fn start_run(&self, candidate: &Candidate, operation: &str) -> Result<Run> {
        let start_time = now();
        let given = candidate.run_name.clone().filter(|name| !name.is_empty());
        let name = given.unwrap_or_else(|| format!("{}-{}", self.model, start_time));
        // As in MLflow's client, the caller knows better where the run comes from.
        let mut tags = source_tags(operation);
        tags.extend(candidate.tags.clone());
        let run =
            NewRun::new(self.experiment.clone(), name).start_time(start_time).user(self.user).tags(tags);
        self.backend.tracking.create_run(&run).await
    }
}

/// One candidate on its way into the stores, in the run that was created for it.
struct Logging<'a> {
    target: LogTarget<'a>,
    run: &'a Run,
    prepared: &'a PreparedCandidate,
    /// The tag by which the stores recognise what this operation created.
    operation: &'a str,
}

impl Logging<'_> {
    async fn fill_run(
        &self,
        mut interrupted: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<LoggedCandidate> {
        let logged = self.create_logged_model().await?;
        let stored = or_interrupted(interrupted.as_mut(), self.store(logged.as_ref())).await;
        if let Some(model) = &logged {
            let status =
                if stored.is_ok() { LoggedModelStatus::Ready } else { LoggedModelStatus::UploadFailed };
            let finalized = self.target.backend.tracking.finalize_logged_model(&model.id, status).await;
            stored.and(finalized)?;
        } else {
            stored?;
        }
        let (registered, replaced) = join(self.register(logged.as_ref()), self.present_candidate()).await;
        let version = registered?.version;
        let pointed = or_interrupted(interrupted, std::future::ready(Ok(()))).await;
        let pointed = match pointed {
            Ok(()) => self.point_candidate(version, logged.as_ref()).await,
            interruption => interruption,
        };
        if let Err(error) = pointed {
            self.unregister(version).await;
            return Err(error);
        }
        Ok(LoggedCandidate {
            run_id: self.run.id.clone(),
            version,
            sha256: self.prepared.file.sha256,
            replaced,
        })
    }

    /// Creates the LoggedModel of the candidate, where the store has LoggedModels.
    async fn create_logged_model(&self) -> Result<Option<LoggedModel>> {
        let mut tags = source_tags(self.operation);
        // Where the run comes from, the model comes from, too.
        let of_source = |(key, _): &(&String, &String)| tags.contains_key(*key);
        let given: Tags = self
            .prepared
            .candidate
            .tags
            .iter()
            .filter(of_source)
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect();
        tags.extend(given);
        tags.insert(USER_TAG.into(), self.target.user.into());
        let new = NewLoggedModel::new(self.target.experiment.clone(), MODEL_DIRECTORY, self.run.id.clone())
            .params(self.prepared.params.clone())
            .tags(tags);
        self.target.backend.tracking.create_logged_model(&new).await
    }

    /// Stores everything but the registration.
    async fn store(&self, logged: Option<&LoggedModel>) -> Result<()> {
        let (backend, run) = (self.target.backend, self.run);
        let PreparedCandidate { candidate, params, .. } = self.prepared;
        let timestamp = now();
        let metrics = candidate.metrics.iter().map(|(key, value)| Metric::new(key, *value, timestamp));
        let mut batch = RunBatch::default().metrics(metrics).params(params.clone());
        // In the one request: MLflow 3.1 refuses a NaN that is sent to the run and then again for its model.
        batch.model_id = logged.map(|model| model.id.clone());
        backend.tracking.log_batch(&run.id, &batch).await?;

        let artifacts = backend.artifact_store(&run.artifact_uri.parse()?).await?;
        let config = serde_json::to_vec_pretty(&candidate.config).map_err(|source| {
            Error::new(ErrorKind::Internal, "cannot write the configuration").with_source(source)
        })?;
        artifacts.put_bytes(CONFIG_ARTIFACT, config).await?;

        match logged {
            Some(model) => {
                backend.tracking.log_output(&run.id, &model.id).await?;
                let identity = Identity::LoggedModel {
                    model_id: model.id.to_string(),
                    artifact_uri: model.artifact_uri.clone(),
                };
                let artifacts = backend.artifact_store(&model.artifact_uri.parse()?).await?;
                self.upload(artifacts.as_ref(), "", identity).await
            }
            None => {
                let identity = Identity::RunArtifact {
                    artifact_path: MODEL_DIRECTORY.into(),
                    model_uuid: uuid::Uuid::new_v4().simple().to_string(),
                };
                self.upload(artifacts.as_ref(), MODEL_DIRECTORY, identity).await
            }
        }
    }

    async fn upload(&self, artifacts: &dyn ArtifactStore, below: &str, identity: Identity) -> Result<()> {
        let file = &self.prepared.file;
        let path = |name: &str| if below.is_empty() { name.to_owned() } else { format!("{below}/{name}") };
        let (run_id, created) = (self.run.id.to_string(), SystemTime::now());
        // MLflow answers an upload with no checksum: only the sizes that it lists show that an upload is complete.
        let mut uploaded = vec![(path(&file.data_file), file.size)];
        artifacts.put_file(&path(&file.data_file), file.path(), self.target.progress).await?;
        // `MLmodel` is the last: a directory with it is complete.
        let small: Vec<(String, Vec<u8>)> = match file.saved() {
            Some(saved) => {
                for (name, at) in &saved.files {
                    uploaded.push((path(name), size_of(at)?));
                    artifacts.put_file(&path(name), at, self.target.progress).await?;
                }
                let mlmodel = saved.mlmodel.logged(&identity, &run_id, file.size, created);
                vec![(MLMODEL_FILE.to_owned(), mlmodel.into_bytes())]
            }
            None => {
                let directory = ModelDirectory::new(identity, file.size, created);
                let files = directory.run_id(run_id).signature(file.signature()).files();
                files.into_iter().map(|file| (file.name.to_owned(), file.text.into_bytes())).collect()
            }
        };
        for (name, bytes) in small {
            uploaded.push((path(&name), bytes.len() as u64));
            artifacts.put_bytes(&path(&name), bytes).await?;
        }
        verify_sizes(artifacts, &uploaded).await
    }

    async fn register(&self, logged: Option<&LoggedModel>) -> Result<ModelVersion> {
        let (backend, model) = (self.target.backend, self.target.model.clone());
        let mut tags = self.prepared.candidate.version_tags.clone();
        tags.extend([
            (SHA256_TAG.to_owned(), self.prepared.file.sha256.to_string()),
            (OPERATION_ID_TAG.to_owned(), self.operation.to_owned()),
        ]);
        let version = match logged {
            Some(logged) => {
                NewModelVersion::new(model, format!("models:/{}", logged.id)).logged_model(logged.id.clone())
            }
            None => {
                let root = self.run.artifact_uri.trim_end_matches('/');
                NewModelVersion::new(model, format!("{root}/{MODEL_DIRECTORY}"))
            }
        };
        let version = version.run(self.run.id.clone()).tags(tags);
        let refused = match backend.registry.create_model_version(&version).await {
            Err(error) if self.target.creates => error,
            registered => return registered,
        };
        match refused.kind() {
            ErrorKind::ModelNotFound => create_model(backend, self.target.model).await?,
            // A server with accounts refuses versions of a model that does not exist, too.
            ErrorKind::PermissionDenied => {
                if create_model(backend, self.target.model).await.is_err() {
                    return Err(refused);
                }
            }
            _ => return Err(refused),
        }
        backend.registry.create_model_version(&version).await
    }

    /// The version that `candidate` points to until now. Logging does not depend on the answer, so a failure counts as none.
    async fn present_candidate(&self) -> Option<Version> {
        let LogTarget { backend, model, .. } = self.target;
        let present = backend.registry.version_by_alias(model, &Alias::CANDIDATE).await;
        present.ok().flatten().map(|version| version.version)
    }

    /// Notes the version on its LoggedModel and points the alias `candidate` to it.
    async fn point_candidate(&self, version: Version, logged: Option<&LoggedModel>) -> Result<()> {
        let LogTarget { backend, model, .. } = self.target;
        if let Some(logged) = logged {
            backend.tracking.note_version(&logged.id, model, version).await?;
        }
        backend.registry.set_alias(model, &Alias::CANDIDATE, version).await
    }

    /// Deletes the versions that carry the operation's id: a request may have registered one although its answer was lost.
    async fn unregister_lost(&self) {
        let LogTarget { backend, model, .. } = self.target;
        match backend.registry.model_versions(model, None, NEWEST, None).await {
            Ok(newest) => {
                let own = |version: &&ModelVersion| {
                    version.tags.get(OPERATION_ID_TAG).is_some_and(|id| id == self.operation)
                };
                for version in newest.items.iter().filter(own) {
                    self.unregister(version.version).await;
                }
            }
            Err(error) => tracing::warn!(%error, "cannot check whether a failed run left a version"),
        }
    }

    /// Deletes the version of a run that failed. A failure of the deletion itself is only logged.
    async fn unregister(&self, version: Version) {
        let LogTarget { backend, model, .. } = self.target;
        if let Err(error) = backend.registry.delete_model_version(model, version).await {
            tracing::warn!(%version, %error, "cannot delete a version of a failed run");
        }
    }
}

/// The outcome of `work`; `Interrupted` as soon as `interrupted` is ready, which is polled first.
async fn or_interrupted<T>(
    interrupted: Pin<&mut (impl Future<Output = ()> + Send)>,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    tokio::select! {
        biased;
        () = interrupted => Err(Error::new(ErrorKind::Interrupted, "interrupted: nothing was registered")),
        outcome = work => outcome,
    }
}

/// Creates a registered model; another process may do so at the same time.
pub async fn create_model(backend: &Backend, model: &ModelName) -> Result<()> {
    let operation = Tags::from([(OPERATION_ID_TAG.to_owned(), uuid::Uuid::new_v4().to_string())]);
    match backend.registry.create_registered_model(model, &operation, "").await {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        created => created.map(drop),
    }
}

fn size_of(file: &Path) -> Result<u64> {
    let metadata = std::fs::metadata(file).map_err(|source| {
        Error::new(ErrorKind::Storage, "cannot read a file of the model")
            .with_context("path", file.display())
            .with_source(source)
    })?;
    Ok(metadata.len())
}

/// What MLflow's client says of where a run or a model comes from, and our own id of the operation.
#[must_use]
pub fn source_tags(operation: &str) -> Tags {
    let source =
        std::env::current_exe().map_or_else(|_| "hydra-registry".into(), |path| path.display().to_string());
    Tags::from([
        ("mlflow.source.name".into(), source),
        ("mlflow.source.type".into(), "LOCAL".into()),
        (OPERATION_ID_TAG.into(), operation.into()),
    ])
}
