use async_trait::async_trait;

use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, Page, Run, RunBatch, RunInputs,
    RunStatus, Tags,
};
use crate::file::{FileStore, experiments, inputs, logged_models, runs};
use crate::rules::existing;
use crate::store::TrackingStore;
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

#[async_trait]
impl TrackingStore for FileStore {
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let name = name.to_owned();
        self.blocking(move |disk| disk.read(|tree| experiments::find_by_name(tree, &name))).await
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        let id = id.clone();
        self.blocking(move |disk| {
            disk.read(|tree| experiments::find(tree, &id).map(|found| found.experiment))
        })
        .await
    }

    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        let (name, tags) = (name.to_owned(), tags.clone());
        self.blocking(move |disk| experiments::create(disk, &name, &tags)).await
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run> {
        let run = run.clone();
        self.blocking(move |disk| runs::create(disk, &run)).await
    }

    async fn run(&self, id: &RunId) -> Result<Run> {
        let id = id.clone();
        self.blocking(move |disk| runs::get(disk, &id)).await
    }

    async fn runs(&self, _: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>> {
        let ids = ids.to_vec();
        self.blocking(move |disk| existing(ids.iter().map(|id| runs::get(disk, id)))).await
    }

    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()> {
        let (id, batch) = (id.clone(), batch.clone());
        self.blocking(move |disk| runs::log_batch(disk, &id, &batch)).await
    }

    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
        let id = id.clone();
        self.blocking(move |disk| runs::update(disk, &id, status, end_time)).await
    }

    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>> {
        let (experiment, token) = (experiment.clone(), page_token.map(str::to_owned));
        self.blocking(move |disk| runs::by_status(disk, &experiment, status, page_size, token.as_deref()))
            .await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        let model = model.clone();
        self.blocking(move |disk| logged_models::create(disk, &model).map(Some)).await
    }

    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel> {
        let id = id.clone();
        self.blocking(move |disk| logged_models::get(disk, &id)).await
    }

    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
        let id = id.clone();
        self.blocking(move |disk| logged_models::finalize(disk, &id, status)).await
    }

    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()> {
        let (run, model) = (run.clone(), model.clone());
        self.blocking(move |disk| inputs::log_output(disk, &run, &model)).await
    }

    async fn log_inputs(&self, run: &RunId, given: &RunInputs) -> Result<()> {
        let (run, given) = (run.clone(), given.clone());
        self.blocking(move |disk| inputs::log(disk, &run, &given)).await
    }

    async fn inputs(&self, run: &RunId) -> Result<RunInputs> {
        let run = run.clone();
        self.blocking(move |disk| inputs::of_run(disk, &run)).await
    }

    async fn note_version(&self, model: &LoggedModelId, name: &ModelName, version: Version) -> Result<()> {
        let (model, name) = (model.clone(), name.clone());
        self.blocking(move |disk| logged_models::note_version(disk, &model, &name, version)).await
    }
}
