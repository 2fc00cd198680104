//! LoggedModels of MLflow 3: directories below `models` of an experiment.

use crate::entities::{LifecycleStage, LoggedModel, LoggedModelStatus, NewLoggedModel};
use crate::errors;
use crate::file::experiments;
use crate::file::meta::{self, LoggedModelMeta, META, MetaText, Value};
use crate::file::tree::Tree;
use crate::file::{Disk, MODELS};
use crate::rules;
use hydra_base::error::Result;
use hydra_base::names::{LoggedModelId, ModelName, RunId, Version};
use hydra_base::time::now;

pub(super) fn create(disk: &Disk, new: &NewLoggedModel) -> Result<LoggedModel> {
    let new = rules::checked_logged_model(new)?;
    let id = rules::new_logged_model_id()?;
    disk.write(|tree, transaction| {
        let found = experiments::find_active(tree, &new.experiment_id)?;
        let directory = format!("{}/{MODELS}/{id}", found.directory);
        let root = found.experiment.artifact_location.trim_end_matches('/');
        let model = LoggedModel {
            id: id.clone(),
            experiment_id: new.experiment_id.clone(),
            name: new.name.clone(),
            artifact_uri: format!("{root}/{MODELS}/{id}/artifacts"),
            status: LoggedModelStatus::Pending,
            source_run_id: Some(new.source_run_id.clone()),
        };
        for (key, value) in &new.params {
            transaction.write(format!("{directory}/params/{key}"), value);
        }
        for (key, value) in &new.tags {
            transaction.write(format!("{directory}/tags/{key}"), value);
        }
        transaction.make_dir(format!("{directory}/metrics"));
        transaction.make_dir(format!("{directory}/params"));
        transaction.write(format!("{directory}/{META}"), new_meta(&model).text());
        Ok(model)
    })
}

pub(super) fn get(disk: &Disk, id: &LoggedModelId) -> Result<LoggedModel> {
    disk.read(|tree| find(tree, id).map(|(model, _)| model))
}

pub(super) fn finalize(disk: &Disk, id: &LoggedModelId, status: LoggedModelStatus) -> Result<()> {
    disk.write(|tree, transaction| {
        let (_, directory) = find(tree, id)?;
        let mut meta =
            MetaText::read(tree, &directory)?.ok_or_else(|| errors::not_found("LoggedModel", id))?;
        meta.set("status", &Value::Number(status.number()));
        meta.set("last_updated_timestamp", &Value::Number(now()));
        transaction.write(format!("{directory}/{META}"), meta.text());
        Ok(())
    })
}

/// Records in a tag of the LoggedModel that it was registered as this version.
pub(super) fn note_version(
    disk: &Disk,
    id: &LoggedModelId,
    name: &ModelName,
    version: Version,
) -> Result<()> {
    disk.write(|tree, transaction| {
        let (_, directory) = find(tree, id)?;
        let path = format!("{directory}/tags/{}", rules::MODEL_VERSIONS_TAG);
        let noted = tree.is_file(&path)?.then(|| tree.read(&path)).transpose()?.flatten();
        transaction.write(path, rules::noted_versions(noted.as_deref(), name, version));
        Ok(())
    })
}

/// The LoggedModel and its directory; `NotFound` if it is missing or deleted.
pub(super) fn find(tree: &Tree, id: &LoggedModelId) -> Result<(LoggedModel, String)> {
    for (experiment_id, experiment) in experiments::directories(tree)? {
        let directory = format!("{experiment}/{MODELS}/{id}");
        let Some(meta) = meta::read::<LoggedModelMeta>(tree, &directory)? else { continue };
        if LifecycleStage::of(meta.lifecycle_stage.as_deref()) == LifecycleStage::Deleted {
            break;
        }
        let model = LoggedModel {
            id: id.clone(),
            experiment_id,
            name: meta.name,
            artifact_uri: meta.artifact_location,
            status: LoggedModelStatus::of(meta.status.map(i64::from)),
            source_run_id: meta.source_run_id.filter(|id| !id.is_empty()).map(RunId::new).transpose()?,
        };
        return Ok((model, directory));
    }
    Err(errors::not_found("LoggedModel", id))
}

fn new_meta(model: &LoggedModel) -> MetaText {
    let now = now();
    MetaText::new(&[
        ("artifact_location", Value::Text(&model.artifact_uri)),
        ("creation_timestamp", Value::Number(now)),
        ("experiment_id", Value::Text(model.experiment_id.as_str())),
        ("last_updated_timestamp", Value::Number(now)),
        ("lifecycle_stage", Value::Text("active")),
        ("model_id", Value::Text(model.id.as_str())),
        ("model_type", Value::Null),
        ("name", Value::Text(&model.name)),
        ("source_run_id", model.source_run_id.as_ref().map(RunId::as_str).into()),
        ("status", Value::Number(model.status.number())),
        ("status_message", Value::Null),
    ])
}
