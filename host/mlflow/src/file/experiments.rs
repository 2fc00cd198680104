//! Experiments: directories below the root, or below `.trash` if they are deleted.

use uuid::Uuid;

use crate::entities::{Experiment, LifecycleStage, Tags};
use crate::errors;
use crate::file::meta::{self, ExperimentMeta, META, MetaText, Value};
use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{Disk, MODELS, TRASH};
use crate::rules;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::ExperimentId;
use hydra_base::time::now;

/// The id of the experiment `Default`.
pub(super) const DEFAULT_ID: &str = "0";

/// An experiment and its directory.
pub(super) struct Found {
    pub experiment: Experiment,
    pub directory: String,
}

/// The directories that can be experiments; those in the trash come last.
pub(super) fn directories(tree: &Tree) -> Result<Vec<(ExperimentId, String)>> {
    let mut found = Vec::new();
    for parent in ["", TRASH] {
        for entry in tree.list(parent)?.into_iter().filter(|entry| entry.is_dir && entry.name != MODELS) {
            // `.trash` is not a valid id, so it is not listed as an experiment.
            if let Ok(id) = ExperimentId::new(&entry.name) {
                let directory =
                    if parent.is_empty() { entry.name } else { format!("{parent}/{}", entry.name) };
                found.push((id, directory));
            }
        }
    }
    Ok(found)
}

/// The experiment with this id; `NotFound` if it does not exist.
pub(super) fn find(tree: &Tree, id: &ExperimentId) -> Result<Found> {
    for directory in [id.to_string(), format!("{TRASH}/{id}")] {
        if id.as_str() != MODELS
            && let Some(experiment) = read(tree, id, &directory)?
        {
            return Ok(Found { experiment, directory });
        }
    }
    Err(errors::not_found("experiment", id))
}

/// The experiment with this id, for writing; `InvalidState` if it is deleted.
pub(super) fn find_active(tree: &Tree, id: &ExperimentId) -> Result<Found> {
    let found = find(tree, id)?;
    if found.experiment.lifecycle_stage == LifecycleStage::Deleted {
        return Err(errors::is_deleted("experiment", id));
    }
    Ok(found)
}

/// The experiment with this name; deleted experiments are included.
pub(super) fn find_by_name(tree: &Tree, name: &str) -> Result<Option<Experiment>> {
    for (id, directory) in directories(tree)? {
        let experiment = read(tree, &id, &directory)?;
        if let Some(experiment) = experiment.filter(|experiment| experiment.name == name) {
            return Ok(Some(experiment));
        }
    }
    Ok(None)
}

/// Creates an experiment; `AlreadyExists` if the name is taken.
pub(super) fn create(disk: &Disk, name: &str, tags: &Tags) -> Result<ExperimentId> {
    rules::check_experiment_name(name)?;
    let tags = rules::checked_tags(tags)?;
    disk.write(|tree, transaction| {
        if find_by_name(tree, name)?.is_some() {
            return Err(errors::already_exists("an experiment", name));
        }
        let id = unused_id(tree)?;
        plan_new(disk, transaction, id.as_str(), name, &tags);
        Ok(id)
    })
}

/// Plans the files of a new experiment.
pub(super) fn plan_new(disk: &Disk, transaction: &mut Transaction, id: &str, name: &str, tags: &Tags) {
    let now = now();
    let artifact_location = disk.artifact_uri(id);
    let meta = MetaText::new(&[
        ("artifact_location", Value::Text(&artifact_location)),
        ("creation_time", Value::Number(now)),
        ("effective_trace_archival_retention", Value::Null),
        ("experiment_id", Value::Text(id)),
        ("last_update_time", Value::Number(now)),
        ("lifecycle_stage", Value::Text("active")),
        ("name", Value::Text(name)),
        ("trace_location", Value::Null),
        ("workspace", Value::Text("default")),
    ]);
    for (key, value) in tags {
        transaction.write(format!("{id}/tags/{key}"), value);
    }
    transaction.write(format!("{id}/{META}"), meta.text());
}

fn read(tree: &Tree, id: &ExperimentId, directory: &str) -> Result<Option<Experiment>> {
    let Some(meta) = meta::read::<ExperimentMeta>(tree, directory)? else { return Ok(None) };
    Ok(Some(Experiment {
        id: id.clone(),
        name: meta.name,
        artifact_location: meta.artifact_location,
        lifecycle_stage: LifecycleStage::of(meta.lifecycle_stage.as_deref()),
    }))
}

/// Returns eighteen random digits, the form of MLflow's ids.
fn unused_id(tree: &Tree) -> Result<ExperimentId> {
    const SMALLEST: u64 = 100_000_000_000_000_000;
    for _ in 0..16 {
        let (high, low) = Uuid::new_v4().as_u64_pair();
        let id = (SMALLEST + (high ^ low) % (9 * SMALLEST)).to_string();
        if !tree.is_dir(&id)? && !tree.is_dir(&format!("{TRASH}/{id}"))? {
            return ExperimentId::new(id);
        }
    }
    Err(Error::new(ErrorKind::Internal, "cannot find an unused experiment id"))
}
