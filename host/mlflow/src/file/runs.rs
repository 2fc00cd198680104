//! Runs: directories of an experiment.

use std::collections::BTreeMap;

use crate::entities::{LifecycleStage, Metric, NewRun, Page, Run, RunBatch, RunStatus};
use crate::errors;
use crate::file::experiments;
use crate::file::meta::{self, META, MetaText, RunMeta, Value};
use crate::file::tree::Tree;
use crate::file::{Disk, TRASH, local_path, logged_models, values};
use crate::rules;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, RunId};

/// MLflow's number for a run that a local program started.
const SOURCE_TYPE_LOCAL: i64 = 4;

/// The directories of an experiment that are not runs.
const RESERVED: [&str; 4] = ["datasets", "models", "tags", "traces"];

/// The location of a run.
pub(super) struct RunLocation {
    experiment_id: ExperimentId,
    pub(super) directory: String,
}

impl RunLocation {
    /// The directory of the run's experiment.
    pub(super) fn experiment_directory(&self) -> &str {
        self.directory.rsplit_once('/').map_or("", |(experiment, _)| experiment)
    }
}

pub(super) fn create(disk: &Disk, new: &NewRun) -> Result<Run> {
    let tags = rules::tags_of_new_run(new)?;
    let id = rules::new_run_id()?;
    disk.write(|tree, transaction| {
        let found = experiments::find_active(tree, &new.experiment_id)?;
        let directory = format!("{}/{id}", found.directory);
        let run = Run {
            id: id.clone(),
            experiment_id: new.experiment_id.clone(),
            name: new.name.clone(),
            status: RunStatus::Running,
            start_time: Some(new.start_time),
            end_time: None,
            artifact_uri: format!(
                "{}/{id}/artifacts",
                found.experiment.artifact_location.trim_end_matches('/')
            ),
            lifecycle_stage: LifecycleStage::Active,
            user_id: new.user_id.clone(),
            metrics: Vec::new(),
            params: BTreeMap::new(),
            tags,
        };
        // MLflow accepts a directory as a run only if it has these three.
        for part in ["metrics", "params", "artifacts"] {
            transaction.make_dir(format!("{directory}/{part}"));
        }
        for (key, value) in &run.tags {
            transaction.write(format!("{directory}/tags/{key}"), value);
        }
        // The meta file comes last, so that no reader sees a run without its tags.
        transaction.write(format!("{directory}/{META}"), new_meta(&run).text());
        Ok(run)
    })
}

pub(super) fn get(disk: &Disk, id: &RunId) -> Result<Run> {
    disk.read(|tree| {
        let place = find(tree, id)?;
        let meta = read_meta(tree, &place, id)?;
        let mut run = read(tree, &place, id, meta)?;
        // The artifacts of a deleted experiment went to the trash with it. What is written to their former place would be in
        // the way when the experiment is restored.
        let artifacts = format!("{}/artifacts", place.directory);
        let in_trash = place.directory.starts_with(TRASH) && tree.is_dir(&artifacts)?;
        if in_trash && !local_path(&run.artifact_uri).is_some_and(|path| path.exists()) {
            run.artifact_uri = disk.artifact_uri(&artifacts);
        }
        Ok(run)
    })
}

pub(super) fn log_batch(disk: &Disk, id: &RunId, batch: &RunBatch) -> Result<()> {
    let batch = rules::check_batch(batch)?;
    disk.write(|tree, transaction| {
        let RunLocation { directory, .. } = find_active(tree, id)?;
        for (key, value) in &batch.params {
            let path = format!("{directory}/params/{key}");
            match tree.is_file(&path)?.then(|| tree.read(&path)).transpose()?.flatten() {
                Some(stored) => rules::check_param_unchanged(key, &stored, value)?,
                None => transaction.write(path, value),
            }
        }
        for (key, value) in &batch.tags {
            transaction.write(format!("{directory}/tags/{key}"), value);
        }
        let mut points = batch.metrics;
        points.sort_by(|a, b| a.key.cmp(&b.key));
        let dataset = batch.model.as_ref().and_then(|model| model.dataset.as_ref());
        let line = |point: &Metric| values::metric_line(point, dataset);
        values::plan_append(tree, transaction, &directory, &points, line)?;
        if let Some(model) = &batch.model {
            let (_, directory) = logged_models::find(tree, &model.id)?;
            let line = |point: &Metric| values::model_metric_line(point, id, dataset);
            values::plan_append(tree, transaction, &directory, &points, line)?;
        }
        Ok(())
    })
}

pub(super) fn update(disk: &Disk, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Result<()> {
    disk.write(|tree, transaction| {
        let RunLocation { directory, .. } = find_active(tree, id)?;
        let mut meta = MetaText::read(tree, &directory)?.ok_or_else(|| errors::not_found("run", id))?;
        meta.set("status", &Value::Number(status_number(status)));
        if let Some(end_time) = end_time {
            meta.set("end_time", &Value::Number(end_time));
        }
        transaction.write(format!("{directory}/{META}"), meta.text());
        Ok(())
    })
}

pub(super) fn by_status(
    disk: &Disk,
    experiment: &ExperimentId,
    status: RunStatus,
    page_size: usize,
    page_token: Option<&str>,
) -> Result<Page<Run>> {
    let page_size = rules::page_size_checked(page_size)?;
    let skip: usize = rules::parse_page_token(page_token)?.unwrap_or_default();
    disk.read(|tree| {
        let mut matching = Vec::new();
        let directory = experiments::find(tree, experiment)?.directory;
        for entry in tree.list(&directory)? {
            let can_be_run = entry.is_dir && !RESERVED.contains(&entry.name.as_str());
            let Some(id) = can_be_run.then(|| RunId::new(entry.name).ok()).flatten() else { continue };
            let location =
                RunLocation { experiment_id: experiment.clone(), directory: format!("{directory}/{id}") };
            let Some(meta) = meta::read::<RunMeta>(tree, &location.directory)? else { continue };
            let stage = LifecycleStage::of(meta.lifecycle_stage.as_deref());
            if stage == LifecycleStage::Active && status_of(meta.status) == status {
                matching.push((meta.start_time, id, location, meta));
            }
        }
        matching.sort_by(|a, b| b.0.cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
        let all = matching.len();
        let page = matching.into_iter().skip(skip).take(page_size);
        let items = page
            .map(|(_, id, location, meta)| read(tree, &location, &id, meta))
            .collect::<Result<Vec<_>>>()?;
        let end = skip.saturating_add(items.len());
        Ok(Page { items, next: (end < all).then(|| end.to_string()) })
    })
}

/// The place of a run; `NotFound` if it does not exist.
pub(super) fn find(tree: &Tree, id: &RunId) -> Result<RunLocation> {
    for (experiment_id, experiment) in experiments::directories(tree)? {
        let directory = format!("{experiment}/{id}");
        if tree.is_file(&format!("{directory}/{META}"))? {
            return Ok(RunLocation { experiment_id, directory });
        }
    }
    Err(errors::not_found("run", id))
}

/// The place of a run, for writing; `InvalidState` if the run is deleted.
pub(super) fn find_active(tree: &Tree, id: &RunId) -> Result<RunLocation> {
    let location = find(tree, id)?;
    let meta = read_meta(tree, &location, id)?;
    if LifecycleStage::of(meta.lifecycle_stage.as_deref()) == LifecycleStage::Deleted {
        return Err(errors::is_deleted("run", id));
    }
    Ok(location)
}

fn read_meta(tree: &Tree, location: &RunLocation, id: &RunId) -> Result<RunMeta> {
    let meta: RunMeta = meta::read(tree, &location.directory)?.ok_or_else(|| errors::not_found("run", id))?;
    if meta.run_id.as_deref().is_some_and(|written| written != id.as_str()) {
        // MLflow rejects such a run too: its directory was copied or planted.
        return Err(Error::new(ErrorKind::InvalidState, "the run's metadata file names another run")
            .with_context("run", id)
            .with_context("path", tree.root().join(&location.directory).display()));
    }
    Ok(meta)
}

fn read(tree: &Tree, location: &RunLocation, id: &RunId, meta: RunMeta) -> Result<Run> {
    let directory = &location.directory;
    let tags = values::read_all(tree, &format!("{directory}/tags"))?;
    let name = meta.run_name.filter(|name| !name.is_empty());
    Ok(Run {
        id: id.clone(),
        experiment_id: location.experiment_id.clone(),
        name: name.or_else(|| tags.get(rules::RUN_NAME_TAG).cloned()).unwrap_or_default(),
        status: status_of(meta.status),
        start_time: meta.start_time,
        end_time: meta.end_time,
        artifact_uri: meta.artifact_uri.unwrap_or_default(),
        lifecycle_stage: LifecycleStage::of(meta.lifecycle_stage.as_deref()),
        user_id: meta.user_id.unwrap_or_default(),
        metrics: values::latest_metrics(tree, &format!("{directory}/metrics"))?,
        params: values::read_all(tree, &format!("{directory}/params"))?,
        tags,
    })
}

fn new_meta(run: &Run) -> MetaText {
    MetaText::new(&[
        ("artifact_uri", Value::Text(&run.artifact_uri)),
        ("deleted_time", Value::Null),
        ("end_time", Value::Null),
        ("entry_point_name", Value::Text("")),
        ("experiment_id", Value::Text(run.experiment_id.as_str())),
        ("lifecycle_stage", Value::Text("active")),
        ("run_id", Value::Text(run.id.as_str())),
        ("run_name", Value::Text(&run.name)),
        // MLflow 2.x reads the id under its old name as well.
        ("run_uuid", Value::Text(run.id.as_str())),
        ("source_name", Value::Text("")),
        ("source_type", Value::Number(SOURCE_TYPE_LOCAL)),
        ("source_version", Value::Text("")),
        ("start_time", run.start_time.map_or(Value::Null, Value::Number)),
        ("status", Value::Number(status_number(run.status))),
        ("tags", Value::NoItems),
        ("user_id", Value::Text(&run.user_id)),
    ])
}

fn status_number(status: RunStatus) -> i64 {
    match status {
        RunStatus::Running => 1,
        RunStatus::Scheduled => 2,
        RunStatus::Finished => 3,
        RunStatus::Failed => 4,
        RunStatus::Killed => 5,
    }
}

/// A missing or unknown status counts as running, as in MLflow.
fn status_of(number: Option<u8>) -> RunStatus {
    match number {
        Some(2) => RunStatus::Scheduled,
        Some(3) => RunStatus::Finished,
        Some(4) => RunStatus::Failed,
        Some(5) => RunStatus::Killed,
        _ => RunStatus::Running,
    }
}
