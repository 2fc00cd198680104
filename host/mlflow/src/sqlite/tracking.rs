use async_trait::async_trait;

use crate::entities::{
    Experiment, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, Page, Run, RunBatch, RunInputs,
    RunStatus, Tags,
};
use crate::rules;
use crate::sqlite::{SqliteStore, experiments, inputs, logged_models, runs};
use crate::store::TrackingStore;
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

#[async_trait]
impl TrackingStore for SqliteStore {
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let name = name.to_owned();
        self.read(move |db| experiments::by_name(db, &name)).await
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        let id = id.clone();
        self.read(move |db| experiments::get(db, &id)).await
    }

    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        rules::check_experiment_name(name)?;
        let (name, tags) = (name.to_owned(), rules::checked_tags(tags)?);
        self.write(move |db| experiments::create(db, &name, &tags)).await
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run> {
        let run = run.clone();
        self.write(move |db| runs::create(db, &run)).await
    }

    async fn run(&self, id: &RunId) -> Result<Run> {
        let id = id.clone();
        self.read(move |db| runs::get(db, &id)).await
    }

    async fn runs(&self, _: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>> {
        let ids = ids.to_vec();
        self.read(move |db| runs::get_all(db, &ids)).await
    }

    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()> {
        let (id, batch) = (id.clone(), batch.clone());
        self.write(move |db| runs::log_batch(db, &id, &batch)).await
    }

    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
        let id = id.clone();
        self.write(move |db| runs::update(db, &id, status, end_time)).await
    }

    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>> {
        let page_size = rules::page_size_checked(page_size)?;
        let skip: u64 = rules::parse_page_token(page_token)?.unwrap_or_default();
        let experiment = experiment.clone();
        self.read(move |db| runs::by_status(db, &experiment, status, page_size, skip)).await
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        let model = rules::checked_logged_model(model)?;
        self.write(move |db| logged_models::create(db, &model)).await
    }

    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel> {
        let id = id.clone();
        self.read(move |db| logged_models::get(db, &id)).await
    }

    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
        let id = id.clone();
        self.write(move |db| logged_models::finalize(db, &id, status)).await
    }

    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()> {
        let (run, model) = (run.clone(), model.clone());
        self.write(move |db| inputs::log_output(db, &run, &model)).await
    }

    async fn log_inputs(&self, run: &RunId, given: &RunInputs) -> Result<()> {
        let (run, given) = (run.clone(), rules::checked_inputs(given)?);
        self.write(move |db| inputs::log(db, &run, &given)).await
    }

    async fn inputs(&self, run: &RunId) -> Result<RunInputs> {
        let run = run.clone();
        self.read(move |db| inputs::of_run(db, &run)).await
    }

    async fn note_version(&self, model: &LoggedModelId, name: &ModelName, version: Version) -> Result<()> {
        let (model, name) = (model.clone(), name.clone());
        self.write(move |db| logged_models::note_version(db, &model, &name, version)).await
    }
}
