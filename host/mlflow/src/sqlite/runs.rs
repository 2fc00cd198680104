//! Rows of `experiments` and `runs`, with their params, tags and metrics.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::entities::{Experiment, LifecycleStage, Metric, NewRun, Page, Run, RunBatch, RunStatus, Tags};
use crate::local;
use crate::sqlite::database::{Db, Work};
use crate::sqlite::logged_models;
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, RunId};
use hydra_base::text::{QUOTED_CHARS, excerpt};
use hydra_base::time::now;

const EXPERIMENT_COLUMNS: &str = "e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage";
const RUN_COLUMNS: &str = "run_uuid, experiment_id, name, status, start_time, end_time, artifact_uri, lifecycle_stage, \
                           user_id";

/// The experiment of that name, deleted ones included.
pub(super) fn experiment_by_name(db: &Db<'_>, name: &str) -> Work<Option<Experiment>> {
    let sql = format!(
        "SELECT {EXPERIMENT_COLUMNS} FROM experiments e WHERE e.name = ?1{}",
        db.schema.in_workspace("e"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_row([name], |row| Ok(read_experiment(row))).optional()?.transpose()
}

/// The experiment of that id; `NotFound` if there is none.
pub(super) fn experiment(db: &Db<'_>, id: &ExperimentId) -> Work<Experiment> {
    let sql = format!(
        "SELECT {EXPERIMENT_COLUMNS} FROM experiments e WHERE e.experiment_id = ?1{}",
        db.schema.in_workspace("e"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_row([experiment_number(id)?], |row| Ok(read_experiment(row))).optional()?;
    found.ok_or_else(|| local::not_found("experiment", id))?
}

/// The experiment of that id, to be written to; `InvalidState` when it is deleted.
pub(super) fn active_experiment(db: &Db<'_>, id: &ExperimentId) -> Work<Experiment> {
    let experiment = experiment(db, id)?;
    if experiment.lifecycle_stage == LifecycleStage::Deleted {
        return Err(local::is_deleted("experiment", id).into());
    }
    Ok(experiment)
}

/// The id as SQLite holds it; one that is no number names no row.
pub(super) fn experiment_number(id: &ExperimentId) -> Result<i64> {
    id.as_str().parse().map_err(|_| local::not_found("experiment", id))
}

/// Creates an experiment; `AlreadyExists` when the name is taken.
pub(super) fn create_experiment(db: &Db<'_>, name: &str, tags: &Tags) -> Work<ExperimentId> {
    if experiment_by_name(db, name)?.is_some() {
        return Err(local::already_exists("an experiment", name).into());
    }
    let insert =
        db.schema.insert("experiments", &["name", "lifecycle_stage", "creation_time", "last_update_time"]);
    let now = now();
    db.prepare_cached(&insert)?.execute(params![name, "active", now, now])?;
    let id = db.last_insert_rowid();
    let location = format!("{}/{id}", db.artifact_root);
    db.prepare_cached("UPDATE experiments SET artifact_location = ?2 WHERE experiment_id = ?1")?
        .execute(params![id, location])?;
    let mut tag =
        db.prepare_cached("INSERT INTO experiment_tags (key, value, experiment_id) VALUES (?1, ?2, ?3)")?;
    for (key, value) in tags {
        tag.execute(params![key, value, id])?;
    }
    Ok(ExperimentId::new(id.to_string())?)
}

/// Creates a run in an active experiment.
pub(super) fn create(db: &Db<'_>, new: &NewRun) -> Work<Run> {
    let experiment = active_experiment(db, &new.experiment_id)?;
    let id = local::new_run_id()?;
    let run = Run {
        artifact_uri: format!("{}/{id}/artifacts", experiment.artifact_location.trim_end_matches('/')),
        id,
        experiment_id: experiment.id,
        name: new.name.clone(),
        status: RunStatus::Running,
        start_time: Some(new.start_time),
        end_time: None,
        lifecycle_stage: LifecycleStage::Active,
        user_id: new.user_id.clone(),
        metrics: Vec::new(),
        params: BTreeMap::new(),
        tags: local::tags_of_new_run(new)?,
    };
    db.prepare_cached(
        "INSERT INTO runs (run_uuid, name, source_type, source_name, entry_point_name, user_id, status, start_time,
                           source_version, lifecycle_stage, artifact_uri, experiment_id)
         VALUES (?1, ?2, 'UNKNOWN', '', '', ?3, ?4, ?5, '', 'active', ?6, ?7)",
    )?
    .execute(params![
        run.id.as_str(),
        run.name,
        run.user_id,
        status_text(run.status),
        run.start_time,
        run.artifact_uri,
        experiment_number(&run.experiment_id)?,
    ])?;
    set_tags(db, &run.id, &run.tags)?;
    Ok(run)
}

/// The run with its latest metrics, params and tags; `NotFound` if there is none.
pub(super) fn get(db: &Db<'_>, id: &RunId) -> Work<Run> {
    let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE run_uuid = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id.as_str()], |row| Ok(read_run(row))).optional()?;
    with_data(db, found.ok_or_else(|| local::not_found("run", id))??)
}

/// `NotFound` when there is no such run, `InvalidState` when it is deleted.
pub(super) fn check_active(db: &Db<'_>, id: &RunId) -> Work<()> {
    let mut statement = db.prepare_cached("SELECT lifecycle_stage FROM runs WHERE run_uuid = ?1")?;
    let stage: Option<Option<String>> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    match stage {
        None => Err(local::not_found("run", id).into()),
        Some(stage) if lifecycle_stage(stage.as_deref()) == LifecycleStage::Deleted => {
            Err(local::is_deleted("run", id).into())
        }
        Some(_) => Ok(()),
    }
}

/// Logs a batch: all of it or, when a param would change, nothing.
pub(super) fn log_batch(db: &Db<'_>, id: &RunId, batch: &RunBatch) -> Work<()> {
    let batch = local::check_batch(batch)?;
    check_active(db, id)?;
    let stored = key_values(db, "SELECT key, value FROM params WHERE run_uuid = ?1", id)?;
    let mut param = db.prepare_cached("INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &batch.params {
        match stored.get(key) {
            Some(stored) => local::check_param_unchanged(key, stored, value)?,
            None => drop(param.execute(params![key, value, id.as_str()])?),
        }
    }
    set_tags(db, id, &batch.tags)?;
    let mut point = db.prepare_cached(
        "INSERT OR IGNORE INTO metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
    )?;
    let mut latest = db.prepare_cached(
        "INSERT INTO latest_metrics (key, value, timestamp, step, is_nan, run_uuid) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (key, run_uuid) DO UPDATE
         SET value = excluded.value, timestamp = excluded.timestamp, step = excluded.step, is_nan = excluded.is_nan
         WHERE (excluded.step, excluded.timestamp, excluded.value) > (step, timestamp, value)",
    )?;
    for metric in &batch.metrics {
        let (value, is_nan) = stored_value(metric);
        let row = params![metric.key, value, metric.timestamp, metric.step, is_nan, id.as_str()];
        point.execute(row)?;
        latest.execute(row)?;
    }
    match &batch.model_id {
        Some(model) => logged_models::log_metrics(db, model, id, &batch.metrics),
        None => Ok(()),
    }
}

/// What MLflow stores of a point, and whether it is NaN: SQL databases have no NaN, and not all of them have infinities.
pub(super) fn stored_value(metric: &Metric) -> (f64, bool) {
    if metric.value.is_nan() { (0.0, true) } else { (metric.value.clamp(f64::MIN, f64::MAX), false) }
}

/// Sets the state of an active run, and its end if one is given.
pub(super) fn update(db: &Db<'_>, id: &RunId, status: RunStatus, end_time: Option<Timestamp>) -> Work<()> {
    check_active(db, id)?;
    db.prepare_cached("UPDATE runs SET status = ?2, end_time = coalesce(?3, end_time) WHERE run_uuid = ?1")?
        .execute(params![id.as_str(), status_text(status), end_time])?;
    Ok(())
}

/// A page of the active runs of an experiment in one state, newest first.
pub(super) fn by_status(
    db: &Db<'_>,
    id: &ExperimentId,
    status: RunStatus,
    page_size: usize,
    skip: u64,
) -> Work<Page<Run>> {
    experiment(db, id)?;
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM runs WHERE experiment_id = ?1 AND status = ?2 AND lifecycle_stage = 'active'
         ORDER BY start_time DESC, run_uuid LIMIT ?3 OFFSET ?4"
    );
    let limit = i64::try_from(page_size).unwrap_or(i64::MAX).saturating_add(1);
    let offset = i64::try_from(skip).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params![experiment_number(id)?, status_text(status), limit, offset], |row| {
            Ok(read_run(row))
        })?;
    let mut runs = rows.map(|row| row?).collect::<Work<Vec<Run>>>()?;
    let more = runs.len() > page_size;
    runs.truncate(page_size);
    let next = more.then(|| (skip + runs.len() as u64).to_string());
    let items = runs.into_iter().map(|run| with_data(db, run)).collect::<Work<Vec<Run>>>()?;
    Ok(Page { items, next })
}

fn set_tags(db: &Db<'_>, id: &RunId, tags: &Tags) -> Work<()> {
    let mut tag = db.prepare_cached(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)
         ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
    )?;
    for (key, value) in tags {
        tag.execute(params![key, value, id.as_str()])?;
    }
    Ok(())
}

fn with_data(db: &Db<'_>, mut run: Run) -> Work<Run> {
    run.params = key_values(db, "SELECT key, value FROM params WHERE run_uuid = ?1", &run.id)?;
    run.tags = key_values(db, "SELECT key, value FROM tags WHERE run_uuid = ?1", &run.id)?;
    if run.name.is_empty() {
        run.name = run.tags.get(local::RUN_NAME_TAG).cloned().unwrap_or_default();
    }
    let mut statement = db.prepare_cached(
        "SELECT key, value, timestamp, step, is_nan FROM latest_metrics WHERE run_uuid = ?1 ORDER BY key",
    )?;
    let metrics = statement.query_map([run.id.as_str()], |row| {
        let value = if row.get(4)? { f64::NAN } else { row.get(1)? };
        let timestamp: Option<Timestamp> = row.get(2)?;
        Ok(Metric { key: row.get(0)?, value, timestamp: timestamp.unwrap_or_default(), step: row.get(3)? })
    })?;
    run.metrics = metrics.collect::<Result<_, _>>()?;
    Ok(run)
}

fn key_values(db: &Db<'_>, sql: &str, id: &RunId) -> Work<BTreeMap<String, String>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([id.as_str()], |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_experiment(row: &Row<'_>) -> Work<Experiment> {
    let text = |index| row.get::<_, Option<String>>(index);
    Ok(Experiment {
        id: ExperimentId::new(row.get::<_, i64>(0)?.to_string())?,
        name: row.get(1)?,
        artifact_location: text(2)?.unwrap_or_default(),
        lifecycle_stage: lifecycle_stage(text(3)?.as_deref()),
    })
}

fn read_run(row: &Row<'_>) -> Work<Run> {
    let text = |index| row.get::<_, Option<String>>(index);
    Ok(Run {
        id: RunId::new(row.get::<_, String>(0)?)?,
        experiment_id: ExperimentId::new(row.get::<_, i64>(1)?.to_string())?,
        name: text(2)?.unwrap_or_default(),
        status: status_of(text(3)?.as_deref())?,
        start_time: row.get(4)?,
        end_time: row.get(5)?,
        artifact_uri: text(6)?.unwrap_or_default(),
        lifecycle_stage: lifecycle_stage(text(7)?.as_deref()),
        user_id: text(8)?.unwrap_or_default(),
        metrics: Vec::new(),
        params: BTreeMap::new(),
        tags: Tags::new(),
    })
}

fn lifecycle_stage(text: Option<&str>) -> LifecycleStage {
    if text == Some("deleted") { LifecycleStage::Deleted } else { LifecycleStage::Active }
}

fn status_text(status: RunStatus) -> &'static str {
    match status {
        RunStatus::Running => "RUNNING",
        RunStatus::Scheduled => "SCHEDULED",
        RunStatus::Finished => "FINISHED",
        RunStatus::Failed => "FAILED",
        RunStatus::Killed => "KILLED",
    }
}

fn status_of(text: Option<&str>) -> Result<RunStatus> {
    match text {
        Some("RUNNING") | None => Ok(RunStatus::Running),
        Some("SCHEDULED") => Ok(RunStatus::Scheduled),
        Some("FINISHED") => Ok(RunStatus::Finished),
        Some("FAILED") => Ok(RunStatus::Failed),
        Some("KILLED") => Ok(RunStatus::Killed),
        Some(other) => Err(Error::new(ErrorKind::Protocol, "the status of a run is unknown")
            .with_context("status", excerpt(other, QUOTED_CHARS))),
    }
}
