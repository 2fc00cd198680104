//! Recording an evaluation: a run with the dataset as its input, the metrics and the document, then a tag on each version
//! that was measured.

use std::collections::{BTreeSet, HashMap};
use std::future::{pending, ready};
use std::pin::{Pin, pin};

use futures_util::future::{Either, select, try_join_all};

use super::EvaluationRef;
use super::check::check;
use super::reading::MAX_BYTES;
use crate::clock::store_time;
use crate::ledger::refuse_prompt;
use crate::unfinished::end_abandoned;
use crate::writer::{WRITER_TAG, Writer};
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;
use hydra_base::names::{ExperimentId, Key, LoggedModelId, ModelName, RunId, Version};
use hydra_base::time::now;
use hydra_evaluation::{Evaluation, MeasurementRecord, VersionId};
use hydra_mlflow::artifacts::verify_sizes;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::entities::{
    DatasetInput, Metric, ModelVersion, NewRun, Run, RunBatch, RunInputs, RunStatus,
};
use hydra_mlflow::uri::{ArtifactUri, ModelUri};
use hydra_models::candidate::{SHA256_TAG, source_tags};

/// The name of the document among the artifacts of its run.
pub const EVALUATION_ARTIFACT: &str = "evaluation.json";

/// The other name, for documents that are written again.
const SECOND_ARTIFACT: &str = "evaluation-2.json";

/// An evaluation that was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecordedEvaluation {
    /// The run with the document.
    pub run_id: RunId,
    /// The SHA-256 of the document.
    pub sha256: Sha256,
    /// The artifact URI of the document.
    pub uri: String,
}

/// An evaluation that can be recorded: everything that can be checked without writing is right.
#[derive(Debug)]
pub struct Recording<'a> {
    backend: &'a Backend,
    model: &'a ModelName,
    evaluation: &'a Evaluation,
    dataset: &'a DatasetInput,
    document: Vec<u8>,
    tag: Key,
    measured: Vec<Measured>,
}

/// A registered version that was measured.
#[derive(Debug)]
struct Measured {
    version: Version,
    /// The LoggedModel, if the version has one and it was not deleted.
    logged_model: Option<LoggedModelId>,
    /// The tag before this evaluation.
    former: Option<String>,
}

impl<'a> Recording<'a> {
    /// Reads the versions that were measured, and checks that the evaluation is about them. Nothing is written.
    ///
    /// [`ErrorKind::InvalidArgument`] if the evaluation contradicts itself, or `dataset` has another name or digest than its dataset,
    /// [`ErrorKind::EvaluationSize`] for a document of more than 8 MiB, [`ErrorKind::VersionNotFound`] for a version that does not
    /// exist, [`ErrorKind::EvaluationMismatch`] if another model file was measured than that of the version.
    pub async fn prepare(
        backend: &'a Backend,
        model: &'a ModelName,
        evaluation: &'a Evaluation,
        dataset: &'a DatasetInput,
    ) -> Result<Self> {
        let record = &evaluation.dataset;
        if (dataset.name.as_str(), &dataset.digest) != (record.name.as_str(), &record.short_digest()) {
            return Err(Error::new(ErrorKind::InvalidArgument, "the dataset is not that of the evaluation")
                .with_context("given", format!("{} {}", dataset.name, dataset.digest))
                .with_context("measured", format!("{} {}", record.name, record.short_digest())));
        }
        check(evaluation).map_err(|(_, why)| Error::new(ErrorKind::InvalidArgument, why))?;
        let tag = EvaluationRef::key(&record.name)?;
        let document = evaluation.to_json()?;
        if document.len() as u64 > MAX_BYTES {
            return Err(Error::new(
                ErrorKind::EvaluationSize,
                "the evaluation is larger than what a decision reads",
            )
            .with_context("bytes", document.len())
            .with_context("limit", MAX_BYTES)
            .with_hint("measure fewer segments or versions"));
        }
        let versions = evaluation.versions.iter().filter_map(|one| match one.version {
            VersionId::Registered(version) => Some((version, one.model_sha256)),
            _ => None,
        });
        let read = versions.map(|(version, sha256)| Measured::read(backend, model, version, sha256, &tag));
        let measured = try_join_all(read).await?;
        Ok(Self { backend, model, evaluation, dataset, document, tag, measured })
    }

    /// Records the evaluation in a run of `experiment`, started by `user`.
    ///
    /// The run is FAILED until everything is in it, so that a process that is killed leaves a FAILED run. The tags of the
    /// versions come last. If a step fails, or `interrupted` is ready before everything is in the run, the run is FAILED, and the
    /// versions have their former tags.
    ///
    /// Runs of evaluations that their processes left RUNNING, between the request that creates a run and the next one, end as FAILED.
    pub async fn record(
        &self,
        experiment: &ExperimentId,
        user: &str,
        interrupted: impl Future<Output = ()> + Send,
    ) -> Result<RecordedEvaluation> {
        if let Err(error) = end_abandoned(self.backend, experiment, true).await {
            tracing::warn!(%error, "cannot look for runs of evaluations that were not recorded to the end");
        }
        let mut interrupted = pin!(interrupted);
        or_interrupted(interrupted.as_mut(), ready(Ok(()))).await?;
        // Not interrupted: a run whose id is not known cannot be ended.
        let run = self.start_run(experiment, user).await?;
        failpoint("evaluation.created");
        self.record_in(run, EVALUATION_ARTIFACT, interrupted).await
    }

    /// Records the evaluation in the run of an earlier one with the same versions, for figures that grow, such as those of live
    /// rows. The run has two files for the document, which
    /// are written in turn, so that the tags of the versions always refer to one that is not being written.
    pub async fn record_again(&self, former: &RecordedEvaluation) -> Result<RecordedEvaluation> {
        let run = self.backend.tracking.run(&former.run_id).await?;
        let is_first = former.uri.ends_with(&format!("/{EVALUATION_ARTIFACT}"));
        let name = if is_first { SECOND_ARTIFACT } else { EVALUATION_ARTIFACT };
        self.record_in(run, name, pin!(pending())).await
    }

    /// Fills a run, with the document in the file `name`.
    async fn record_in(
        &self,
        run: Run,
        name: &str,
        interrupted: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<RecordedEvaluation> {
        let recorded = match self.fill_run(&run, name, interrupted).await {
            Ok(reference) => self.tag_versions(&reference).await.map(|()| reference),
            Err(error) => Err(error),
        };
        match recorded {
            Ok(EvaluationRef { sha256, uri }) => Ok(RecordedEvaluation { run_id: run.id, sha256, uri }),
            Err(error) => {
                // It is FAILED already, unless the failed request was the one that ends it, or a later one.
                let failed = self.backend.tracking.update_run(&run.id, RunStatus::Failed, Some(now())).await;
                if let Err(error) = failed {
                    tracing::warn!(%error, run = %run.id, "cannot set the run of a failed evaluation to FAILED");
                }
                Err(error.with_context("run", &run.id))
            }
        }
    }

    async fn start_run(&self, experiment: &ExperimentId, user: &str) -> Result<Run> {
        let operation = uuid::Uuid::new_v4().to_string();
        let name = format!("evaluation of {} on {}", self.model, self.evaluation.dataset.name);
        let mut tags = source_tags(&operation);
        tags.insert(WRITER_TAG.to_owned(), Writer::this(store_time(self.backend)).to_string());
        let new =
            NewRun::new(experiment.clone(), name).start_time(self.evaluation.began_at).user(user).tags(tags);
        self.backend.tracking.create_run(&new).await
    }

    /// Puts everything into the run, and ends it.
    async fn fill_run(
        &self,
        run: &Run,
        name: &str,
        interrupted: Pin<&mut (impl Future<Output = ()> + Send)>,
    ) -> Result<EvaluationRef> {
        let tracking = &self.backend.tracking;
        tracking.update_run(&run.id, RunStatus::Failed, Some(now())).await?;
        failpoint("evaluation.begun");
        let uri = or_interrupted(interrupted, self.store(run, name)).await?;
        failpoint("evaluation.stored");
        // Not interrupted: the request could arrive after the next one, which would make the run FAILED.
        tracking.update_run(&run.id, RunStatus::Finished, Some(now())).await?;
        Ok(EvaluationRef { sha256: Sha256::of(&self.document), uri })
    }

    /// Puts everything into the run, and returns the URI of the document.
    async fn store(&self, run: &Run, name: &str) -> Result<String> {
        self.log_inputs(run).await?;
        self.log_metrics(run).await?;
        let root = ArtifactUri::new(&run.artifact_uri)?;
        let artifacts = self.backend.artifact_store(&root).await?;
        artifacts.put_bytes(name, self.document.clone()).await?;
        let uploaded = [(name.to_owned(), self.document.len() as u64)];
        verify_sizes(artifacts.as_ref(), &uploaded).await?;
        Ok(root.join(name)?.as_str().to_owned())
    }

    /// Records the dataset, and the LoggedModels that were measured on it.
    async fn log_inputs(&self, run: &Run) -> Result<()> {
        let models: BTreeSet<LoggedModelId> =
            self.measured.iter().filter_map(|one| one.logged_model.clone()).collect();
        let inputs = RunInputs::default().dataset(self.dataset.clone()).models(models);
        match self.backend.tracking.log_inputs(&run.id, &inputs).await {
            Err(error) if error.kind() == ErrorKind::Unsupported => {
                tracing::warn!(%error, "the server does not record datasets; only the document names this one");
                Ok(())
            }
            other => other,
        }
    }

    /// Logs the metrics of all rows: on the run with the version in their keys, and on each LoggedModel.
    async fn log_metrics(&self, run: &Run) -> Result<()> {
        let tracking = &self.backend.tracking;
        let keys = self.keys();
        let metrics = self.of_all_rows().filter_map(|one| {
            let key = keys.get(&one.version)?;
            Some(self.metric(format!("{key}/{}", metric_key(&one.metric)), one.value))
        });
        tracking.log_batch(&run.id, &RunBatch::default().metrics(metrics)).await?;
        let mut logged = BTreeSet::new();
        for Measured { version, logged_model, .. } in &self.measured {
            let Some(model) = logged_model.as_ref().filter(|model| logged.insert(*model)) else { continue };
            let id = VersionId::Registered(*version);
            let metrics = self.of_all_rows().filter(|one| one.version == id);
            let metrics = metrics.map(|one| self.metric(metric_key(&one.metric), one.value));
            let batch =
                RunBatch::default().metrics(metrics).logged_model(model.clone()).dataset(self.dataset);
            tracking.log_batch(&run.id, &batch).await?;
        }
        Ok(())
    }

    /// What is measured in all rows. Values that are not numbers are in the document only.
    fn of_all_rows(&self) -> impl Iterator<Item = &MeasurementRecord> {
        self.evaluation.measurements.iter().filter(|one| one.segment.is_none() && one.value.is_finite())
    }

    fn metric(&self, key: String, value: f64) -> Metric {
        Metric::new(key, value, self.evaluation.measured_at)
    }

    /// The first part of the keys of the versions' metrics: `v` and the version, or `file` and a number from 1.
    fn keys(&self) -> HashMap<&VersionId, String> {
        let mut files = 0;
        let mut key = |id: &VersionId| match id {
            VersionId::Registered(version) => format!("v{version}"),
            _ => {
                files += 1;
                format!("file{files}")
            }
        };
        self.evaluation.versions.iter().map(|one| (&one.version, key(&one.version))).collect()
    }

    /// Sets the tag on each version, on all of them or on none.
    async fn tag_versions(&self, reference: &EvaluationRef) -> Result<()> {
        let value = reference.to_string();
        for Measured { version, .. } in &self.measured {
            let tagged = self.backend.registry.set_version_tag(self.model, *version, &self.tag, &value).await;
            if tagged.is_err() {
                self.restore_tags(&value).await;
                return tagged;
            }
        }
        Ok(())
    }

    /// Gives the versions with the tag `value` their former ones back. A failure is only logged.
    async fn restore_tags(&self, value: &str) {
        let (registry, model) = (&self.backend.registry, self.model);
        for Measured { version, former, .. } in &self.measured {
            let restored = async {
                let tags = registry.model_version(model, *version).await?.tags;
                match former {
                    // Never set, or replaced by a later evaluation.
                    _ if tags.get(self.tag.as_str()).is_none_or(|tag| tag != value) => Ok(()),
                    Some(former) => registry.set_version_tag(model, *version, &self.tag, former).await,
                    None => registry.delete_version_tag(model, *version, &self.tag).await,
                }
            };
            if let Err(error) = restored.await {
                tracing::warn!(%error, %version, "cannot take back the tag of a failed evaluation");
            }
        }
    }
}

impl Measured {
    async fn read(
        backend: &Backend,
        model: &ModelName,
        version: Version,
        sha256: Sha256,
        tag: &Key,
    ) -> Result<Self> {
        let found = backend.registry.model_version(model, version).await?;
        refuse_prompt(&found.name, found.is_prompt())?;
        let digest = found.tags.get(SHA256_TAG);
        if let Some(digest) = digest.filter(|digest| **digest != sha256.to_string()) {
            return Err(Error::new(
                ErrorKind::EvaluationMismatch,
                format!("the evaluation measured another model file than that of version {version}"),
            )
            .with_context("measured sha256", sha256)
            .with_context("sha256 of the version", digest)
            .with_hint("evaluate the version again"));
        }
        let logged_model = logged_model(backend, &found).await?;
        Ok(Self { version, logged_model, former: found.tags.get(tag.as_str()).cloned() })
    }
}

/// The outcome of `work`; `Interrupted` as soon as `interrupted` is ready, which is polled first.
async fn or_interrupted<T>(
    interrupted: Pin<&mut (impl Future<Output = ()> + Send)>,
    work: impl Future<Output = Result<T>> + Send,
) -> Result<T> {
    match select(interrupted, pin!(work)).await {
        Either::Left(_) => {
            Err(Error::new(ErrorKind::Interrupted, "interrupted: the evaluation was not recorded"))
        }
        Either::Right((outcome, _)) => outcome,
    }
}

/// The LoggedModel of a version, if the tracking store has it.
async fn logged_model(backend: &Backend, version: &ModelVersion) -> Result<Option<LoggedModelId>> {
    let Ok(ModelUri::LoggedModel(id)) = version.source.parse() else { return Ok(None) };
    match backend.tracking.logged_model(&id).await {
        Ok(_) => Ok(Some(id)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::Unsupported) => Ok(None),
        Err(error) => Err(error),
    }
}

/// A metric's name as a key of MLflow: `ndcg@10` becomes `ndcg_at_10`, as in MLflow's own evaluations.
fn metric_key(metric: &str) -> String {
    metric.replace('@', "_at_")
}

#[cfg(test)]
mod tests;
