//! Recording evaluations.

use std::future::pending;

use super::ModelRegistry;
use hydra_base::error::Result;
use hydra_evaluation::Evaluation;
use hydra_lifecycle::evaluations::{RecordedEvaluation, Recording};
use hydra_mlflow::entities::DatasetInput;

impl ModelRegistry {
    /// Records an evaluation as MLflow would: a run `evaluation of MODEL on DATASET` in the experiment of the candidates, with
    /// the dataset as its input, the metrics of all rows and the document `evaluation.json`. On MLflow 3, the LoggedModels of
    /// the versions receive their metrics, linked to the dataset. In the end, each registered version that was measured gets
    /// the tag `hydra.evaluation.DATASET`, in place of that of an earlier evaluation on a dataset of this name.
    ///
    /// No row of the data is uploaded. `dataset` describes the rows to MLflow; its name and its digest are those of the
    /// evaluation's [dataset](hydra_evaluation::DatasetRecord::short_digest).
    ///
    /// If a step fails, the run ends as FAILED and the versions keep their former tags. Nothing is written if the evaluation
    /// cannot be recorded: [`ErrorKind::InvalidArgument`](hydra_base::ErrorKind::InvalidArgument) for another dataset,
    /// [`ErrorKind::EvaluationSize`](hydra_base::ErrorKind::EvaluationSize) for a document of more than 8 MiB,
    /// [`ErrorKind::VersionNotFound`](hydra_base::ErrorKind::VersionNotFound) for a version that does not exist,
    /// [`ErrorKind::EvaluationMismatch`](hydra_base::ErrorKind::EvaluationMismatch) for another model file than the version's.
    pub async fn record_evaluation(
        &self,
        evaluation: &Evaluation,
        dataset: &DatasetInput,
    ) -> Result<RecordedEvaluation> {
        self.record_evaluation_until(evaluation, dataset, pending()).await
    }

    /// [`record_evaluation`](Self::record_evaluation) until `interrupted` is ready: then the run ends as FAILED, and the error is
    /// [`ErrorKind::Interrupted`](hydra_base::ErrorKind::Interrupted). A record whose run is whole is completed.
    pub async fn record_evaluation_until(
        &self,
        evaluation: &Evaluation,
        dataset: &DatasetInput,
        interrupted: impl Future<Output = ()> + Send,
    ) -> Result<RecordedEvaluation> {
        let recording = Recording::prepare(self.backend(), self.model(), evaluation, dataset).await?;
        let experiment = self.ensure_experiment().await?;
        recording.record(&experiment, &self.inner.settings.decision_options.actor, interrupted).await
    }

    /// [`record_evaluation`](Self::record_evaluation) of figures that grow, such as those of live rows: in the run of the `former` one
    /// with the same versions and dataset, or in a new run without a former one.
    pub async fn record_evaluation_again(
        &self,
        evaluation: &Evaluation,
        dataset: &DatasetInput,
        former: Option<&RecordedEvaluation>,
    ) -> Result<RecordedEvaluation> {
        match former {
            None => self.record_evaluation(evaluation, dataset).await,
            Some(former) => {
                let recording = Recording::prepare(self.backend(), self.model(), evaluation, dataset).await?;
                recording.record_again(former).await
            }
        }
    }
}
