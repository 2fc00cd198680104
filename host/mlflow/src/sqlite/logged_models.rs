//! Rows of `logged_models` with their params and tags.

use rusqlite::{OptionalExtension as _, params};

use crate::entities::{LoggedModel, LoggedModelStatus, NewLoggedModel};
use crate::errors;
use crate::rules;
use crate::sqlite::database::Db;
use crate::sqlite::experiments;
use crate::sqlite::failure::SqlResult;
use hydra_base::names::{ExperimentId, LoggedModelId, ModelName, RunId, Version};
use hydra_base::time::now;

/// Creates a LoggedModel; returns `None` if the database was made by MLflow 2.
pub(super) fn create(db: &Db<'_>, new: &NewLoggedModel) -> SqlResult<Option<LoggedModel>> {
    if !db.schema.logged_models {
        return Ok(None);
    }
    let experiment = experiments::active(db, &new.experiment_id)?;
    let id = rules::new_logged_model_id()?;
    let root = experiment.artifact_location.trim_end_matches('/');
    let model = LoggedModel {
        artifact_uri: format!("{root}/models/{id}/artifacts"),
        id,
        experiment_id: experiment.id,
        name: new.name.clone(),
        status: LoggedModelStatus::Pending,
        source_run_id: Some(new.source_run_id.clone()),
    };
    let experiment_id = experiments::number(&model.experiment_id)?;
    db.prepare_cached(
        "INSERT INTO logged_models
             (model_id, experiment_id, name, artifact_location, creation_timestamp_ms, last_updated_timestamp_ms,
              status, lifecycle_stage, source_run_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, 'active', ?7)",
    )?
    .execute(params![
        model.id.as_str(),
        experiment_id,
        model.name,
        model.artifact_uri,
        now(),
        model.status.number(),
        new.source_run_id.as_str(),
    ])?;
    let mut param = db.prepare_cached(
        "INSERT INTO logged_model_params (model_id, experiment_id, param_key, param_value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (model_id, param_key) DO UPDATE SET param_value = excluded.param_value",
    )?;
    for (key, value) in &new.params {
        param.execute(params![model.id.as_str(), experiment_id, key, value])?;
    }
    let mut tag = db.prepare_cached(
        "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (key, value) in &new.tags {
        tag.execute(params![model.id.as_str(), experiment_id, key, value])?;
    }
    Ok(Some(model))
}

/// The LoggedModel with this id; `NotFound` if it is missing or deleted.
pub(super) fn get(db: &Db<'_>, id: &LoggedModelId) -> SqlResult<LoggedModel> {
    if !db.schema.logged_models {
        return Err(errors::not_found("LoggedModel", id).into());
    }
    let mut statement = db.prepare_cached(
        "SELECT experiment_id, name, artifact_location, status, source_run_id FROM logged_models
         WHERE model_id = ?1 AND lifecycle_stage <> 'deleted'",
    )?;
    let found = statement
        .query_row([id.as_str()], |row| {
            let (experiment, source_run): (i64, Option<String>) = (row.get(0)?, row.get(4)?);
            Ok((experiment, row.get(1)?, row.get(2)?, row.get(3)?, source_run))
        })
        .optional()?;
    let (experiment, name, artifact_uri, status, source_run) =
        found.ok_or_else(|| errors::not_found("LoggedModel", id))?;
    Ok(LoggedModel {
        id: id.clone(),
        experiment_id: ExperimentId::new(experiment.to_string())?,
        name,
        artifact_uri,
        status: LoggedModelStatus::of(status),
        source_run_id: source_run.filter(|id| !id.is_empty()).map(RunId::new).transpose()?,
    })
}

/// Sets the state of a LoggedModel.
pub(super) fn finalize(db: &Db<'_>, id: &LoggedModelId, status: LoggedModelStatus) -> SqlResult<()> {
    get(db, id)?;
    db.prepare_cached(
        "UPDATE logged_models SET status = ?2, last_updated_timestamp_ms = ?3 WHERE model_id = ?1",
    )?
    .execute(params![id.as_str(), status.number(), now()])?;
    Ok(())
}

/// Records in a tag of the LoggedModel that it was registered as this version.
pub(super) fn note_version(
    db: &Db<'_>,
    id: &LoggedModelId,
    name: &ModelName,
    version: Version,
) -> SqlResult<()> {
    let experiment_id = experiments::number(&get(db, id)?.experiment_id)?;
    let key = rules::MODEL_VERSIONS_TAG;
    let mut statement =
        db.prepare_cached("SELECT tag_value FROM logged_model_tags WHERE model_id = ?1 AND tag_key = ?2")?;
    let noted: Option<String> = statement.query_row([id.as_str(), key], |row| row.get(0)).optional()?;
    let value = rules::noted_versions(noted.as_deref(), name, version);
    db.prepare_cached(
        "INSERT INTO logged_model_tags (model_id, experiment_id, tag_key, tag_value) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT (model_id, tag_key) DO UPDATE SET tag_value = excluded.tag_value",
    )?
    .execute(params![id.as_str(), experiment_id, key, value])?;
    Ok(())
}
