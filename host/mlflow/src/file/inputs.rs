//! What runs read and wrote: files below `inputs` and `outputs` of a run, and `datasets` of its experiment.

use md5::{Digest as _, Md5};

use crate::entities::{DatasetInput, RunInputs, Tags};
use crate::file::meta::{self, DatasetMeta, InputMeta, META, MetaText, Value};
use crate::file::runs::{self, RunLocation};
use crate::file::transaction::Transaction;
use crate::file::tree::Tree;
use crate::file::{Disk, logged_models};
use crate::rules;
use hydra_base::error::Result;
use hydra_base::names::{LoggedModelId, RunId};

/// The ends of an edge: the type and id of its source, and the type of its destination.
struct Edge<'a> {
    source_type: &'a str,
    source: &'a str,
    destination_type: &'a str,
}

/// Records inputs of an active run. What is recorded already stays.
pub(super) fn log(disk: &Disk, run: &RunId, inputs: &RunInputs) -> Result<()> {
    let inputs = rules::checked_inputs(inputs)?;
    disk.write(|tree, transaction| {
        let location = runs::find_active(tree, run)?;
        for dataset in &inputs.datasets {
            let id = md5_of(&[&dataset.name, &dataset.digest]);
            let described = format!("{}/datasets/{id}/{META}", location.experiment_directory());
            if !tree.is_file(&described)? {
                transaction.write(described, dataset_meta(dataset).text());
            }
            let input = md5_of(&[&id, run.as_str()]);
            let edge = Edge { source_type: "DATASET", source: &id, destination_type: "RUN" };
            plan(tree, transaction, &format!("{}/inputs/{input}", location.directory), &edge, &dataset.tags)?;
        }
        for model in &inputs.models {
            logged_models::find(tree, model)?;
            // MLflow hashes the run's id twice.
            let input = md5_of(&[model.as_str(), run.as_str(), run.as_str()]);
            let edge = Edge { source_type: "MODEL", source: model.as_str(), destination_type: "RUN" };
            plan(tree, transaction, &format!("{}/inputs/{input}", location.directory), &edge, &Tags::new())?;
        }
        Ok(())
    })
}

/// The inputs of a run; `NotFound` if it does not exist. Like MLflow, it leaves out a dataset whose description is missing.
pub(super) fn of_run(disk: &Disk, run: &RunId) -> Result<RunInputs> {
    disk.read(|tree| {
        let location = runs::find(tree, run)?;
        let directory = format!("{}/inputs", location.directory);
        let mut inputs = RunInputs::default();
        for entry in tree.list(&directory)?.into_iter().filter(|entry| entry.is_dir) {
            let Some(input) = meta::read::<InputMeta>(tree, &format!("{directory}/{}", entry.name))? else {
                continue;
            };
            match input.source_type.as_str() {
                "DATASET" => inputs.datasets.extend(read_dataset(tree, &location, input)?),
                "MODEL" => inputs.models.push(LoggedModelId::new(input.source_id)?),
                _ => {}
            }
        }
        Ok(inputs.sorted())
    })
}

/// Records a LoggedModel as an output of an active run.
pub(super) fn log_output(disk: &Disk, run: &RunId, model: &LoggedModelId) -> Result<()> {
    disk.write(|tree, transaction| {
        let RunLocation { directory, .. } = runs::find_active(tree, run)?;
        let edge =
            Edge { source_type: "RUN_OUTPUT", source: model.as_str(), destination_type: "MODEL_OUTPUT" };
        plan(tree, transaction, &format!("{directory}/outputs/{model}"), &edge, &Tags::new())
    })
}

/// Plans the file of an edge in `directory`, unless it exists.
fn plan(
    tree: &Tree,
    transaction: &mut Transaction,
    directory: &str,
    edge: &Edge<'_>,
    tags: &Tags,
) -> Result<()> {
    let path = format!("{directory}/{META}");
    if tree.is_file(&path)? {
        return Ok(());
    }
    let mut meta = MetaText::new(&[
        // MLflow writes the id of the source here too, not that of the destination.
        ("destination_id", Value::Text(edge.source)),
        ("destination_type", Value::Text(edge.destination_type)),
        ("source_id", Value::Text(edge.source)),
        ("source_type", Value::Text(edge.source_type)),
        ("tags", Value::Map(tags.iter().map(|(key, value)| (key.as_str(), value.clone())).collect())),
    ]);
    if edge.destination_type == "MODEL_OUTPUT" {
        meta.set("step", &Value::Number(0));
    }
    transaction.write(path, meta.text());
    Ok(())
}

fn read_dataset(tree: &Tree, location: &RunLocation, input: InputMeta) -> Result<Option<DatasetInput>> {
    let directory = format!("{}/datasets/{}", location.experiment_directory(), input.source_id);
    let dataset: Option<DatasetMeta> = meta::read(tree, &directory)?;
    Ok(dataset.map(|dataset| DatasetInput {
        name: dataset.name,
        digest: dataset.digest,
        source_type: dataset.source_type,
        source: dataset.source,
        schema: dataset.schema,
        profile: dataset.profile,
        tags: input.tags.unwrap_or_default(),
    }))
}

fn dataset_meta(dataset: &DatasetInput) -> MetaText {
    MetaText::new(&[
        ("digest", Value::Text(&dataset.digest)),
        ("name", Value::Text(&dataset.name)),
        ("profile", dataset.profile.as_deref().into()),
        ("schema", dataset.schema.as_deref().into()),
        ("source", Value::Text(&dataset.source)),
        ("source_type", Value::Text(&dataset.source_type)),
    ])
}

/// The MD5 of the joined texts in hexadecimal digits: MLflow's name of a directory, not a protection.
fn md5_of(texts: &[&str]) -> String {
    let mut digest = Md5::new();
    for text in texts {
        digest.update(text.as_bytes());
    }
    digest.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
