//! Rows of `runs`, with their params, tags and metrics.

use std::collections::BTreeMap;

use rusqlite::{OptionalExtension as _, Row, params};

use crate::entities::{LifecycleStage, NewRun, Page, Run, RunBatch, RunStatus, Tags};
use crate::errors;
use crate::rules;
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use crate::sqlite::{experiments, logged_models, metrics};
use hydra_base::Timestamp;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{ExperimentId, RunId};
use hydra_base::text::{QUOTED_CHARS, excerpt};

const RUN_COLUMNS: &str = "run_uuid, experiment_id, name, status, start_time, end_time, artifact_uri, lifecycle_stage, \
                           user_id";

/// Creates a run in an active experiment.
pub(super) fn create(db: &Db<'_>, new: &NewRun) -> SqlResult<Run> {
    let experiment = experiments::active(db, &new.experiment_id)?;
    let id = rules::new_run_id()?;
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
        tags: rules::tags_of_new_run(new)?,
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
        run.status.word(),
        run.start_time,
        run.artifact_uri,
        experiments::number(&run.experiment_id)?,
    ])?;
    set_tags(db, &run.id, &run.tags)?;
    Ok(run)
}

/// The run with its latest metrics, params and tags; `NotFound` if it does not exist.
pub(super) fn get(db: &Db<'_>, id: &RunId) -> SqlResult<Run> {
    Ok(find(db, id)?.ok_or_else(|| errors::not_found("run", id))?)
}

/// The runs of these ids that exist.
pub(super) fn get_all(db: &Db<'_>, ids: &[RunId]) -> SqlResult<Vec<Run>> {
    ids.iter().filter_map(|id| find(db, id).transpose()).collect()
}

fn find(db: &Db<'_>, id: &RunId) -> SqlResult<Option<Run>> {
    let sql = format!("SELECT {RUN_COLUMNS} FROM runs WHERE run_uuid = ?1");
    let found = db.prepare_cached(&sql)?.query_row([id.as_str()], |row| Ok(read_run(row))).optional()?;
    found.map(|run| with_data(db, run?)).transpose()
}

/// `NotFound` if the run does not exist, `InvalidState` if it is deleted.
pub(super) fn check_active(db: &Db<'_>, id: &RunId) -> SqlResult<()> {
    let mut statement = db.prepare_cached("SELECT lifecycle_stage FROM runs WHERE run_uuid = ?1")?;
    let stage: Option<Option<String>> = statement.query_row([id.as_str()], |row| row.get(0)).optional()?;
    match stage {
        None => Err(errors::not_found("run", id).into()),
        Some(stage) if LifecycleStage::of(stage.as_deref()) == LifecycleStage::Deleted => {
            Err(errors::is_deleted("run", id).into())
        }
        Some(_) => Ok(()),
    }
}

/// Logs the whole batch, or nothing if it would change a param.
pub(super) fn log_batch(db: &Db<'_>, id: &RunId, batch: &RunBatch) -> SqlResult<()> {
    let batch = rules::check_batch(batch)?;
    check_active(db, id)?;
    let stored = key_values(db, "SELECT key, value FROM params WHERE run_uuid = ?1", id)?;
    let mut param = db.prepare_cached("INSERT INTO params (key, value, run_uuid) VALUES (?1, ?2, ?3)")?;
    for (key, value) in &batch.params {
        match stored.get(key) {
            Some(stored) => rules::check_param_unchanged(key, stored, value)?,
            None => drop(param.execute(params![key, value, id.as_str()])?),
        }
    }
    set_tags(db, id, &batch.tags)?;
    metrics::log_on_run(db, id, &batch.metrics)?;
    match &batch.model {
        Some(model) => {
            logged_models::get(db, &model.id)?;
            metrics::log_on_model(db, model, id, &batch.metrics)
        }
        None => Ok(()),
    }
}

/// Sets the state of an active run, and its end if one is given.
pub(super) fn update(
    db: &Db<'_>,
    id: &RunId,
    status: RunStatus,
    end_time: Option<Timestamp>,
) -> SqlResult<()> {
    check_active(db, id)?;
    db.prepare_cached("UPDATE runs SET status = ?2, end_time = coalesce(?3, end_time) WHERE run_uuid = ?1")?
        .execute(params![id.as_str(), status.word(), end_time])?;
    Ok(())
}

/// A page of the active runs of an experiment in one state, newest first.
pub(super) fn by_status(
    db: &Db<'_>,
    id: &ExperimentId,
    status: RunStatus,
    page_size: usize,
    skip: u64,
) -> SqlResult<Page<Run>> {
    experiments::get(db, id)?;
    let sql = format!(
        "SELECT {RUN_COLUMNS} FROM runs WHERE experiment_id = ?1 AND status = ?2 AND lifecycle_stage = 'active'
         ORDER BY start_time DESC, run_uuid LIMIT ?3 OFFSET ?4"
    );
    let limit = i64::try_from(page_size).unwrap_or(i64::MAX).saturating_add(1);
    let offset = i64::try_from(skip).unwrap_or(i64::MAX);
    let mut statement = db.prepare_cached(&sql)?;
    let rows = statement
        .query_map(params![experiments::number(id)?, status.word(), limit, offset], |row| {
            Ok(read_run(row))
        })?;
    let mut runs = rows.map(|row| row?).collect::<SqlResult<Vec<Run>>>()?;
    let more = runs.len() > page_size;
    runs.truncate(page_size);
    let next = more.then(|| (skip + runs.len() as u64).to_string());
    let items = runs.into_iter().map(|run| with_data(db, run)).collect::<SqlResult<Vec<Run>>>()?;
    Ok(Page { items, next })
}

fn set_tags(db: &Db<'_>, id: &RunId, tags: &Tags) -> SqlResult<()> {
    let mut tag = db.prepare_cached(
        "INSERT INTO tags (key, value, run_uuid) VALUES (?1, ?2, ?3)
         ON CONFLICT (key, run_uuid) DO UPDATE SET value = excluded.value",
    )?;
    for (key, value) in tags {
        tag.execute(params![key, value, id.as_str()])?;
    }
    Ok(())
}

fn with_data(db: &Db<'_>, mut run: Run) -> SqlResult<Run> {
    run.params = key_values(db, "SELECT key, value FROM params WHERE run_uuid = ?1", &run.id)?;
    run.tags = key_values(db, "SELECT key, value FROM tags WHERE run_uuid = ?1", &run.id)?;
    if run.name.is_empty() {
        run.name = run.tags.get(rules::RUN_NAME_TAG).cloned().unwrap_or_default();
    }
    run.metrics = metrics::latest(db, &run.id)?;
    Ok(run)
}

fn key_values(db: &Db<'_>, sql: &str, id: &RunId) -> SqlResult<BTreeMap<String, String>> {
    let mut statement = db.prepare_cached(sql)?;
    let rows = statement.query_map([id.as_str()], |row| {
        Ok((row.get(0)?, row.get::<_, Option<String>>(1)?.unwrap_or_default()))
    })?;
    Ok(rows.collect::<Result<_, _>>()?)
}

fn read_run(row: &Row<'_>) -> SqlResult<Run> {
    let text = |index| row.get::<_, Option<String>>(index);
    Ok(Run {
        id: RunId::new(row.get::<_, String>(0)?)?,
        experiment_id: ExperimentId::new(row.get::<_, i64>(1)?.to_string())?,
        name: text(2)?.unwrap_or_default(),
        status: status_of(text(3)?.as_deref())?,
        start_time: row.get(4)?,
        end_time: row.get(5)?,
        artifact_uri: text(6)?.unwrap_or_default(),
        lifecycle_stage: LifecycleStage::of(text(7)?.as_deref()),
        user_id: text(8)?.unwrap_or_default(),
        metrics: Vec::new(),
        params: BTreeMap::new(),
        tags: Tags::new(),
    })
}

fn status_of(text: Option<&str>) -> Result<RunStatus> {
    let Some(text) = text else { return Ok(RunStatus::Running) };
    RunStatus::of(text).ok_or_else(|| {
        Error::new(ErrorKind::Protocol, "the status of a run is unknown")
            .with_context("status", excerpt(text, QUOTED_CHARS))
    })
}
