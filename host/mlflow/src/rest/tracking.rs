//! Experiments, runs and logged models over REST.

use std::sync::atomic::Ordering;

use async_trait::async_trait;
use futures_util::future::join_all;
use serde_json::json;

use super::RestStore;
use super::create::{create, operation_filter, operation_id};
use super::failure::Failure;
use super::limits::{self, Chunk};
use super::pages::Asked;
use super::transport::Call;
use super::wire::{
    self, Empty, ExperimentAnswer, ExperimentCreated, LoggedModelAnswer, LoggedModelsAnswer, RunAnswer,
    RunsAnswer,
};
use crate::entities::{
    Experiment, LifecycleStage, LoggedModel, LoggedModelStatus, NewLoggedModel, NewRun, OPERATION_ID_TAG,
    Page, Run, RunBatch, RunInputs, RunStatus, Tags,
};
use crate::rules::{
    MeasuredModel, check_batch, check_experiment_name, checked_inputs, checked_logged_model, existing,
    tags_of_new_run,
};
use crate::store::TrackingStore;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};

/// The name of a search for runs in errors.
const SEARCH: &str = "POST runs/search";
/// The limit of params in a create request of a LoggedModel; further requests send the rest, as in MLflow's client.
const MAX_MODEL_PARAMS: usize = 100;

#[async_trait]
impl TrackingStore for RestStore {
    async fn experiment_by_name(&self, name: &str) -> Result<Option<Experiment>> {
        let call = Call::get("experiments/get-by-name", vec![("experiment_name", name.to_owned())]);
        match self.call::<ExperimentAnswer>(&call).await {
            Ok(answer) => answer.experiment.into_entity().map(Some),
            Err(failure) if failure.kind() == ErrorKind::NotFound => Ok(None),
            Err(failure) => Err(failure.into()),
        }
    }

    async fn experiment(&self, id: &ExperimentId) -> Result<Experiment> {
        let call = Call::get("experiments/get", vec![("experiment_id", id.to_string())]);
        match self.call::<ExperimentAnswer>(&call).await {
            Ok(answer) => answer.experiment.into_entity(),
            // Servers with SQL stores reject ids that are not numbers; such an experiment does not exist.
            Err(failure) if failure.kind() == ErrorKind::InvalidArgument => {
                Err(failure.into_kind(ErrorKind::NotFound).into())
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn create_experiment(&self, name: &str, tags: &Tags) -> Result<ExperimentId> {
        check_experiment_name(name)?;
        let call = Call::post("experiments/create", json!({ "name": name, "tags": wire::tag_entries(tags) }));
        let answer = match self.call::<ExperimentCreated>(&call).await {
            Ok(created) => created.experiment_id,
            Err(failure) if failure.kind() == ErrorKind::AlreadyExists => {
                self.own_experiment(name, tags).await?.ok_or(failure)?
            }
            Err(failure) => return Err(failure.into()),
        };
        wire::checked("experiment id", ExperimentId::new(answer))
    }

    async fn create_run(&self, run: &NewRun) -> Result<Run> {
        let tags = tags_of_new_run(run)?;
        let mut result = self.create_run_once(run, &tags).await;
        if is_refused(&result)
            && let Some(shorter) = limits::tags_for_older_server(&tags)
        {
            result = self.create_run_once(run, &shorter).await;
        }
        match result {
            Ok(run) => run.into_entity(),
            Err(failure) if failure.kind() == ErrorKind::InvalidArgument => {
                let experiment = self.experiment(&run.experiment_id).await?;
                Err(in_trash(failure, experiment.lifecycle_stage))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn run(&self, id: &RunId) -> Result<Run> {
        self.wire_run(id).await?.into_entity()
    }

    async fn runs(&self, experiments: &[ExperimentId], ids: &[RunId]) -> Result<Vec<Run>> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // An id has no quotes.
        let quoted: Vec<String> = ids.iter().map(|id| format!("'{id}'")).collect();
        let body = json!({
            "experiment_ids": experiments,
            "filter": format!("attributes.run_id IN ({})", quoted.join(", ")),
            "run_view_type": "ALL",
            "max_results": ids.len(),
        });
        match self.call::<RunsAnswer>(&Call::post("runs/search", body)).await {
            Ok(answer) => {
                let asked = Asked { request: SEARCH, items: ids.len(), token: None };
                asked.next(answer.runs.len(), None)?;
                answer.runs.into_iter().map(wire::WireRun::into_entity).collect()
            }
            // A server that has no such filter, or refuses one of the experiments; or an answer that is too large for several.
            Err(failure) if matches!(failure.kind(), ErrorKind::InvalidArgument | ErrorKind::AnswerSize) => {
                existing(join_all(ids.iter().map(|id| self.run(id))).await)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn log_batch(&self, id: &RunId, batch: &RunBatch) -> Result<()> {
        let batch = check_batch(batch)?;
        for chunk in limits::chunks(&batch) {
            let mut result = self.log_chunk(id, &chunk, batch.model.as_ref()).await;
            if is_refused(&result)
                && let Some(shorter) = chunk.for_older_server()
            {
                result = self.log_chunk(id, &shorter, batch.model.as_ref()).await;
            }
            match result {
                Ok(()) => {}
                Err(failure) if failure.kind() == ErrorKind::InvalidArgument => {
                    let run = self.run(id).await?;
                    return Err(in_trash(failure, run.lifecycle_stage));
                }
                Err(failure) => return Err(failure.into()),
            }
        }
        Ok(())
    }

    async fn update_run(&self, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
        let body = json!({ "run_id": id, "status": status, "end_time": wire::optional_time(end_time) });
        self.call::<serde_json::Value>(&Call::post("runs/update", body)).await?;
        Ok(())
    }

    async fn runs_by_status(
        &self,
        experiment: &ExperimentId,
        status: RunStatus,
        page_size: usize,
        page_token: Option<&str>,
    ) -> Result<Page<Run>> {
        let search = |items: usize| {
            let mut body = json!({
                "experiment_ids": [experiment],
                "filter": format!("attributes.status = '{}'", status.word()),
                "run_view_type": "ACTIVE_ONLY",
                "max_results": items,
                "order_by": ["attributes.start_time DESC"],
            });
            if let Some(token) = page_token {
                body["page_token"] = token.into();
            }
            Call::post("runs/search", body)
        };
        let (answer, items) = self.page::<RunsAnswer>(page_size, search).await?;
        let asked = Asked { request: SEARCH, items, token: page_token };
        let next = asked.next(answer.runs.len(), answer.next_page_token)?;
        let items = answer.runs.into_iter().map(wire::WireRun::into_entity).collect::<Result<_>>()?;
        Ok(Page { items, next })
    }

    async fn create_logged_model(&self, model: &NewLoggedModel) -> Result<Option<LoggedModel>> {
        if self.lacks_logged_models.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let model = checked_logged_model(model)?;
        let params = model.params.iter().take(MAX_MODEL_PARAMS);
        let call = Call::post(
            "logged-models",
            json!({
                "experiment_id": model.experiment_id,
                "name": model.name,
                "source_run_id": model.source_run_id,
                "params": wire::entries(params.map(|(key, value)| (key.as_str(), value.as_str()))),
                "tags": wire::tag_entries(&model.tags),
            }),
        );
        let lookup = operation_filter(&model.tags).map(|filter| {
            let body = json!({ "experiment_ids": [model.experiment_id], "filter": filter, "max_results": 1 });
            Call::post("logged-models/search", body)
        });
        let first = |found: LoggedModelsAnswer| {
            found.models.into_iter().next().map(|model| LoggedModelAnswer { model })
        };
        match create(&self.transport, &call, lookup.as_ref(), first).await {
            Ok(answer) => {
                let created = answer.model.into_entity()?;
                self.log_further_params(
                    &created.id,
                    model.params.get(MAX_MODEL_PARAMS..).unwrap_or_default(),
                )
                .await?;
                Ok(Some(created))
            }
            // The endpoint does not exist: the server is older than MLflow 3.
            Err(failure) if failure.kind() == ErrorKind::Unsupported => {
                self.lacks_logged_models.store(true, Ordering::Relaxed);
                Ok(None)
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn logged_model(&self, id: &LoggedModelId) -> Result<LoggedModel> {
        let call = Call::get(&format!("logged-models/{id}"), Vec::new());
        self.call::<LoggedModelAnswer>(&call).await?.model.into_entity()
    }

    async fn finalize_logged_model(&self, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
        let body = json!({ "model_id": id, "status": wire::logged_model_status(status) });
        self.call::<serde_json::Value>(&Call::patch(&format!("logged-models/{id}"), body)).await?;
        Ok(())
    }

    async fn log_output(&self, run: &RunId, model: &LoggedModelId) -> Result<()> {
        let body = json!({ "run_id": run, "models": [{ "model_id": model, "step": 0 }] });
        let Err(failure) = self.call::<Empty>(&Call::post("runs/outputs", body)).await else { return Ok(()) };
        // Servers answer a repetition with an integrity error of their database.
        let refused = matches!(failure.kind(), ErrorKind::BadRequest | ErrorKind::InvalidArgument);
        if refused && self.wire_run(run).await?.has_output(model) { Ok(()) } else { Err(failure.into()) }
    }

    async fn log_inputs(&self, run: &RunId, inputs: &RunInputs) -> Result<()> {
        let inputs = checked_inputs(inputs)?;
        // Two runs that are the first ones to name a dataset can collide.
        match self.upsert(&Call::post("runs/log-inputs", wire::inputs(run, &inputs))).await {
            Ok(()) => Ok(()),
            Err(failure) if failure.kind() == ErrorKind::InvalidArgument => {
                let run = self.run(run).await?;
                Err(in_trash(failure, run.lifecycle_stage))
            }
            Err(failure) => Err(failure.into()),
        }
    }

    async fn inputs(&self, run: &RunId) -> Result<RunInputs> {
        self.wire_run(run).await?.into_inputs()
    }

    async fn note_version(&self, _: &LoggedModelId, _: &ModelName, _: Version) -> Result<()> {
        // The server does this when it creates the version.
        Ok(())
    }
}

impl RestStore {
    async fn wire_run(&self, id: &RunId) -> Result<wire::WireRun, Failure> {
        let call = Call::get("runs/get", vec![("run_id", id.to_string())]);
        Ok(self.call::<RunAnswer>(&call).await?.run)
    }

    async fn create_run_once(&self, run: &NewRun, tags: &Tags) -> Result<wire::WireRun, Failure> {
        let body = json!({
            "experiment_id": run.experiment_id,
            "run_name": run.name,
            "user_id": run.user_id,
            "start_time": run.start_time,
            "tags": wire::tag_entries(tags),
        });
        let lookup = operation_filter(&run.tags).map(|filter| {
            let body = json!({ "experiment_ids": [run.experiment_id], "filter": filter, "max_results": 1 });
            Call::post("runs/search", body)
        });
        let call = Call::post("runs/create", body);
        let first = |found: RunsAnswer| found.runs.into_iter().next().map(|run| RunAnswer { run });
        Ok(create(&self.transport, &call, lookup.as_ref(), first).await?.run)
    }

    async fn log_chunk(
        &self,
        run: &RunId,
        chunk: &Chunk<'_>,
        model: Option<&MeasuredModel>,
    ) -> Result<(), Failure> {
        self.upsert(&Call::post("runs/log-batch", wire::batch(run, chunk, model))).await
    }

    /// The experiment with this name, if an earlier attempt of the same operation created it.
    async fn own_experiment(&self, name: &str, tags: &Tags) -> Result<Option<String>, Failure> {
        let Some(operation) = operation_id(tags) else { return Ok(None) };
        let call = Call::get("experiments/get-by-name", vec![("experiment_name", name.to_owned())]);
        let found = self.call::<ExperimentAnswer>(&call).await?.experiment;
        let is_own = found.tag(OPERATION_ID_TAG) == Some(operation);
        Ok(is_own.then(|| found.id()))
    }

    async fn log_further_params(&self, id: &LoggedModelId, params: &[(String, String)]) -> Result<()> {
        for params in params.chunks(MAX_MODEL_PARAMS) {
            let params = wire::entries(params.iter().map(|(key, value)| (key.as_str(), value.as_str())));
            let body = json!({ "model_id": id, "params": params });
            self.upsert(&Call::post(&format!("logged-models/{id}/params"), body)).await?;
        }
        Ok(())
    }
}

/// Whether the server rejected the request as malformed, as older servers do for long tags.
fn is_refused<T>(result: &Result<T, Failure>) -> bool {
    result.as_ref().is_err_and(|failure| failure.kind() == ErrorKind::InvalidArgument)
}

/// MLflow reports a write to a deleted entity as an invalid parameter.
fn in_trash(failure: Failure, stage: LifecycleStage) -> Error {
    match stage {
        LifecycleStage::Active => failure.into(),
        LifecycleStage::Deleted => {
            let hint =
                "restore it with `mlflow experiments restore` or `mlflow runs restore`, or use another";
            Error::from(failure.into_kind(ErrorKind::InvalidState)).with_hint(hint)
        }
    }
}
