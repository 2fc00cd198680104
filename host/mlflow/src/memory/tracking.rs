use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::entities::{
    DatasetInput, Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, Page,
    Run, RunBatch, RunInputs, RunStatus, Tags,
};
use crate::errors;
use crate::memory::{MemoryStore, State};
use crate::rules;
use crate::store::TrackingStore;
use hydra_base::Timestamp;
use hydra_base::error::Result;
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

#[async_trait]
impl TrackingStore for MemoryStore {
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        Ok(self.lock().experiments.values().find(|experiment| experiment.name == name).cloned())
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        self.lock().experiment(id).cloned()
    }

    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        self.add_experiment(name, tags)
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run> {
        let tags = rules::tags_of_new_run(run)?;
        let id = rules::new_run_id()?;
        let mut state = self.lock();
        let experiment = state.active_experiment(&run.experiment_id)?;
        let created = Run {
            id: id.clone(),
            experiment_id: run.experiment_id.clone(),
            name: run.name.clone(),
            status: RunStatus::Running,
            start_time: Some(run.start_time),
            end_time: None,
            artifact_uri: format!("{}/{id}/artifacts", experiment.artifact_location),
            lifecycle_stage: LifecycleStage::Active,
            user_id: run.user_id.clone(),
            metrics: Vec::new(),
            params: BTreeMap::new(),
            tags,
        };
        state.runs.insert(id, created.clone());
        Ok(created)
    }

    async fn run(&self, id: &RunId) -> Result<Run> {
        self.lock().runs.get(id).cloned().ok_or_else(|| errors::not_found("run", id))
    }

    async fn runs(&self, _: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>> {
        let state = self.lock();
        Ok(ids.iter().filter_map(|id| state.runs.get(id).cloned()).collect())
    }

    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()> {
        let batch = rules::check_batch(batch)?;
        let mut state = self.lock();
        batch.model.as_ref().map_or(Ok(()), |model| state.check_logged_model(&model.id))?;
        let run = state.run_mut(id)?;
        for (key, value) in &batch.params {
            run.params.get(key).map_or(Ok(()), |stored| rules::check_param_unchanged(key, stored, value))?;
        }
        run.params.extend(batch.params);
        run.tags.extend(batch.tags);
        for point in batch.metrics {
            match run.metrics.binary_search_by(|metric| metric.key.cmp(&point.key)) {
                Ok(index) if rules::is_later(&point, &run.metrics[index]) => run.metrics[index] = point,
                Ok(_) => {}
                Err(index) => run.metrics.insert(index, point),
            }
        }
        Ok(())
    }

    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
        let mut state = self.lock();
        let run = state.run_mut(id)?;
        run.status = status;
        run.end_time = end_time.or(run.end_time);
        Ok(())
    }

    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>> {
        let page_size = rules::page_size_checked(page_size)?;
        let skip: usize = rules::parse_page_token(page_token)?.unwrap_or_default();
        let state = self.lock();
        let mut runs: Vec<&Run> = state
            .runs
            .values()
            .filter(|run| run.experiment_id == *experiment && run.status == status)
            .filter(|run| run.lifecycle_stage == LifecycleStage::Active)
            .collect();
        runs.sort_by(|a, b| b.start_time.cmp(&a.start_time).then_with(|| a.id.cmp(&b.id)));
        let items: Vec<Run> = runs.iter().skip(skip).take(page_size).map(|run| (*run).clone()).collect();
        let end = skip.saturating_add(items.len());
        Ok(Page { items, next: (end < runs.len()).then(|| end.to_string()) })
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        let model = rules::checked_logged_model(model)?;
        let id = rules::new_logged_model_id()?;
        let mut state = self.lock();
        let experiment = state.active_experiment(&model.experiment_id)?;
        let created = LoggedModel {
            id: id.clone(),
            experiment_id: model.experiment_id,
            name: model.name,
            artifact_uri: format!("{}/models/{id}/artifacts", experiment.artifact_location),
            status: LoggedModelStatus::Pending,
            source_run_id: Some(model.source_run_id),
        };
        state.logged_models.insert(id, created.clone());
        Ok(Some(created))
    }

    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel> {
        self.lock().logged_models.get(id).cloned().ok_or_else(|| errors::not_found("LoggedModel", id))
    }

    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
        let mut state = self.lock();
        let model = state.logged_models.get_mut(id).ok_or_else(|| errors::not_found("LoggedModel", id))?;
        model.status = status;
        Ok(())
    }

    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()> {
        // No call reads outputs, so none are stored.
        let mut state = self.lock();
        state.run_mut(run)?;
        state.check_logged_model(model)
    }

    async fn log_inputs(&self, run: &RunId, inputs: &RunInputs) -> Result<()> {
        let inputs = rules::checked_inputs(inputs)?;
        let mut state = self.lock();
        if state.run_mut(run)?.lifecycle_stage == LifecycleStage::Deleted {
            return Err(errors::is_deleted("run", run));
        }
        inputs.models.iter().try_for_each(|model| state.check_logged_model(model))?;
        let described: Vec<DatasetInput> =
            inputs.datasets.into_iter().map(|new| state.described(run, new)).collect();
        let stored = state.inputs.entry(run.clone()).or_default();
        // What is there already comes first, so it stays.
        stored.datasets.extend(described);
        stored.models.extend(inputs.models);
        *stored = rules::checked_inputs(stored)?;
        Ok(())
    }

    async fn inputs(&self, run: &RunId) -> Result<RunInputs> {
        let mut state = self.lock();
        state.run_mut(run)?;
        Ok(state.inputs.get(run).cloned().unwrap_or_default())
    }

    async fn note_version(&self, model: &LoggedModelId, _: &ModelName, _: Version) -> Result<()> {
        // No call reads this, so nothing is stored.
        self.lock().check_logged_model(model)
    }
}

impl MemoryStore {
    pub(super) fn add_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        rules::check_experiment_name(name)?;
        rules::checked_tags(tags)?;
        let mut state = self.lock();
        if state.experiments.values().any(|experiment| experiment.name == name) {
            return Err(errors::already_exists("an experiment", name));
        }
        let id = ExperimentId::new(state.experiments.len().to_string())?;
        let experiment = Experiment {
            id: id.clone(),
            name: name.to_owned(),
            artifact_location: self.artifact_root().join(id.as_str()).display().to_string(),
            lifecycle_stage: LifecycleStage::Active,
        };
        state.experiments.insert(id.clone(), experiment);
        Ok(id)
    }
}

impl State {
    fn experiment(&self, id: &ExperimentId) -> Result<&Experiment> {
        self.experiments.get(id).ok_or_else(|| errors::not_found("experiment", id))
    }

    /// `InvalidState` for a deleted experiment.
    fn active_experiment(&self, id: &ExperimentId) -> Result<&Experiment> {
        let experiment = self.experiment(id)?;
        if experiment.lifecycle_stage == LifecycleStage::Deleted {
            return Err(errors::is_deleted("experiment", id));
        }
        Ok(experiment)
    }

    fn check_logged_model(&self, id: &LoggedModelId) -> Result<()> {
        self.logged_models.get(id).map(drop).ok_or_else(|| errors::not_found("LoggedModel", id))
    }

    /// The input with the description that its experiment already has of the dataset.
    fn described(&self, run: &RunId, new: DatasetInput) -> DatasetInput {
        let experiment = |id: &RunId| self.runs.get(id).map(|run| &run.experiment_id);
        let others = self.inputs.iter().filter(|(id, _)| experiment(id) == experiment(run));
        let mut others = others.flat_map(|(_, inputs)| &inputs.datasets);
        let known = others.find(|known| (&known.name, &known.digest) == (&new.name, &new.digest));
        match known {
            Some(known) => DatasetInput { tags: new.tags, ..known.clone() },
            None => new,
        }
    }

    fn run_mut(&mut self, id: &RunId) -> Result<&mut Run> {
        self.runs.get_mut(id).ok_or_else(|| errors::not_found("run", id))
    }
}
