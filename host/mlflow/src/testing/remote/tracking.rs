//! Experiments, runs and LoggedModels over the network.

use async_trait::async_trait;

use super::Remote;
use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, Page, Run, RunBatch, RunInputs,
    RunStatus, Tags,
};
use crate::store::TrackingStore;
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};
use hydra_base::{Result, Timestamp};

#[async_trait]
impl TrackingStore for Remote {
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        self.read(self.store.experiment_by_name(name)).await
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        self.read(self.store.experiment(id)).await
    }

    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        self.write(self.store.create_experiment(name, tags)).await
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run> {
        self.write(self.store.create_run(run)).await
    }

    async fn run(&self, id: &RunId) -> Result<Run> {
        self.read(self.store.run(id)).await
    }

    async fn runs(&self, experiments: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>> {
        self.read(self.store.runs(experiments, ids)).await
    }

    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()> {
        self.write(self.store.log_batch(id, batch)).await
    }

    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
        self.write(self.store.update_run(id, status, end_time)).await
    }

    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>> {
        self.read(self.store.runs_by_status(experiment, status, page_size, page_token)).await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        self.write(self.store.create_logged_model(model)).await
    }

    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel> {
        self.read(self.store.logged_model(id)).await
    }

    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
        self.write(self.store.finalize_logged_model(id, status)).await
    }

    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()> {
        self.write(self.store.log_output(run, model)).await
    }

    async fn log_inputs(&self, run: &RunId, inputs: &RunInputs) -> Result<()> {
        self.write(self.store.log_inputs(run, inputs)).await
    }

    async fn inputs(&self, run: &RunId) -> Result<RunInputs> {
        self.read(self.store.inputs(run)).await
    }

    async fn note_version(&self, model: &LoggedModelId, name: &ModelName, version: Version) -> Result<()> {
        self.write(self.store.note_version(model, name, version)).await
    }
}
