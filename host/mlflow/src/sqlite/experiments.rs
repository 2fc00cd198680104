//! Rows of `experiments`.

use rusqlite::{OptionalExtension as _, Row, params};

use crate::entities::{Experiment, LifecycleStage, Tags};
use crate::errors;
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use hydra_base::error::Result;
use hydra_base::names::ExperimentId;
use hydra_base::time::now;

const COLUMNS: &str = "e.experiment_id, e.name, e.artifact_location, e.lifecycle_stage";

/// The experiment with this name; deleted experiments are included.
pub(super) fn by_name(db: &Db<'_>, name: &str) -> SqlResult<Option<Experiment>> {
    let sql = format!("SELECT {COLUMNS} FROM experiments e WHERE e.name = ?1{}", db.schema.in_workspace("e"));
    let mut statement = db.prepare_cached(&sql)?;
    statement.query_row([name], |row| Ok(read(row))).optional()?.transpose()
}

/// The experiment with this id; `NotFound` if it does not exist.
pub(super) fn get(db: &Db<'_>, id: &ExperimentId) -> SqlResult<Experiment> {
    let sql = format!(
        "SELECT {COLUMNS} FROM experiments e WHERE e.experiment_id = ?1{}",
        db.schema.in_workspace("e"),
    );
    let mut statement = db.prepare_cached(&sql)?;
    let found = statement.query_row([number(id)?], |row| Ok(read(row))).optional()?;
    found.ok_or_else(|| errors::not_found("experiment", id))?
}

/// The experiment with this id, for writing; `InvalidState` if it is deleted.
pub(super) fn active(db: &Db<'_>, id: &ExperimentId) -> SqlResult<Experiment> {
    let experiment = get(db, id)?;
    if experiment.lifecycle_stage == LifecycleStage::Deleted {
        return Err(errors::is_deleted("experiment", id).into());
    }
    Ok(experiment)
}

/// The id as an integer of SQLite; `NotFound` if it is not a number.
pub(super) fn number(id: &ExperimentId) -> Result<i64> {
    id.as_str().parse().map_err(|_| errors::not_found("experiment", id))
}

/// Creates an experiment; `AlreadyExists` if the name is taken.
pub(super) fn create(db: &Db<'_>, name: &str, tags: &Tags) -> SqlResult<ExperimentId> {
    if by_name(db, name)?.is_some() {
        return Err(errors::already_exists("an experiment", name).into());
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

fn read(row: &Row<'_>) -> SqlResult<Experiment> {
    let text = |index| row.get::<_, Option<String>>(index);
    Ok(Experiment {
        id: ExperimentId::new(row.get::<_, i64>(0)?.to_string())?,
        name: row.get(1)?,
        artifact_location: text(2)?.unwrap_or_default(),
        lifecycle_stage: LifecycleStage::of(text(3)?.as_deref()),
    })
}
