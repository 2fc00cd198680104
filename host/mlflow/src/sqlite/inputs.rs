//! Rows of `datasets`, `inputs` and `input_tags`: what runs read, and the LoggedModels that they wrote.

use rusqlite::params;
use uuid::Uuid;

use crate::entities::{DatasetInput, RunInputs, Tags};
use crate::sqlite::database::Db;
use crate::sqlite::failure::SqlResult;
use crate::sqlite::{logged_models, runs};
use hydra_base::names::{LoggedModelId, RunId};

/// Records inputs of an active run. What is recorded already stays.
pub(super) fn log(db: &Db<'_>, run: &RunId, inputs: &RunInputs) -> SqlResult<()> {
    runs::check_active(db, run)?;
    for dataset in &inputs.datasets {
        let id = dataset_id(db, run, dataset)?;
        if let Some(input) = link(db, ["DATASET", &id, "RUN", run.as_str()])? {
            let mut tag =
                db.prepare_cached("INSERT INTO input_tags (input_uuid, name, value) VALUES (?1, ?2, ?3)")?;
            for (key, value) in &dataset.tags {
                tag.execute([&input, key, value])?;
            }
        }
    }
    for model in &inputs.models {
        logged_models::get(db, model)?;
        link(db, ["RUN_INPUT", run.as_str(), "MODEL_INPUT", model.as_str()])?;
    }
    Ok(())
}

/// The inputs of a run; `NotFound` if it does not exist.
pub(super) fn of_run(db: &Db<'_>, run: &RunId) -> SqlResult<RunInputs> {
    runs::get(db, run)?;
    let mut statement = db.prepare_cached(
        "SELECT i.input_uuid, d.name, d.digest, d.dataset_source_type, d.dataset_source, d.dataset_schema, d.dataset_profile
         FROM inputs i JOIN datasets d ON d.dataset_uuid = i.source_id
         WHERE i.source_type = 'DATASET' AND i.destination_type = 'RUN' AND i.destination_id = ?1",
    )?;
    let mut rows = statement.query([run.as_str()])?;
    let mut inputs = RunInputs::default();
    while let Some(row) = rows.next()? {
        inputs.datasets.push(DatasetInput {
            name: row.get(1)?,
            digest: row.get(2)?,
            source_type: row.get(3)?,
            source: row.get(4)?,
            schema: row.get(5)?,
            profile: row.get(6)?,
            tags: tags(db, &row.get::<_, String>(0)?)?,
        });
    }
    let mut statement = db.prepare_cached(
        "SELECT destination_id FROM inputs
         WHERE source_type = 'RUN_INPUT' AND source_id = ?1 AND destination_type = 'MODEL_INPUT'",
    )?;
    let mut rows = statement.query([run.as_str()])?;
    while let Some(row) = rows.next()? {
        inputs.models.push(LoggedModelId::new(row.get::<_, String>(0)?)?);
    }
    Ok(inputs.sorted())
}

/// Links a LoggedModel to the run that created it. A repeated call has no effect.
pub(super) fn log_output(db: &Db<'_>, run: &RunId, model: &LoggedModelId) -> SqlResult<()> {
    runs::check_active(db, run)?;
    logged_models::get(db, model)?;
    link(db, ["RUN_OUTPUT", run.as_str(), "MODEL_OUTPUT", model.as_str()]).map(drop)
}

/// The id of the dataset in the run's experiment, which is created if it is not there.
fn dataset_id(db: &Db<'_>, run: &RunId, dataset: &DatasetInput) -> SqlResult<String> {
    db.prepare_cached(
        "INSERT INTO datasets (dataset_uuid, experiment_id, name, digest, dataset_source_type, dataset_source,
                               dataset_schema, dataset_profile)
         SELECT ?1, experiment_id, ?2, ?3, ?4, ?5, ?6, ?7 FROM runs WHERE run_uuid = ?8
         ON CONFLICT (experiment_id, name, digest) DO NOTHING",
    )?
    .execute(params![
        Uuid::new_v4().simple().to_string(),
        dataset.name,
        dataset.digest,
        dataset.source_type,
        dataset.source,
        dataset.schema,
        dataset.profile,
        run.as_str(),
    ])?;
    let mut statement = db.prepare_cached(
        "SELECT d.dataset_uuid FROM datasets d JOIN runs r ON r.experiment_id = d.experiment_id
         WHERE r.run_uuid = ?1 AND d.name = ?2 AND d.digest = ?3",
    )?;
    Ok(statement.query_row([run.as_str(), &dataset.name, &dataset.digest], |row| row.get(0))?)
}

/// Adds an edge of the type and id of its source and of its destination; the id of the edge, or `None` if it was there.
fn link(
    db: &Db<'_>,
    [source_type, source, destination_type, destination]: [&str; 4],
) -> SqlResult<Option<String>> {
    let id = Uuid::new_v4().simple().to_string();
    let added = db
        .prepare_cached(
            "INSERT INTO inputs (input_uuid, source_type, source_id, destination_type, destination_id)
             VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (source_type, source_id, destination_type, destination_id) DO NOTHING",
        )?
        .execute([&id, source_type, source, destination_type, destination])?;
    Ok((added > 0).then_some(id))
}

fn tags(db: &Db<'_>, input: &str) -> SqlResult<Tags> {
    let mut statement = db.prepare_cached("SELECT name, value FROM input_tags WHERE input_uuid = ?1")?;
    let rows = statement.query_map([input], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<Result<_, _>>()?)
}
