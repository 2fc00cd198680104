//! Inputs of runs in MLflow's JSON.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{WireTag, checked, pairs, tag_entries};
use crate::entities::{DatasetInput, RunInputs};
use hydra_base::error::Result;
use hydra_base::names::{LoggedModelId, RunId};

#[derive(Debug, Default, Deserialize)]
pub(super) struct WireInputs {
    #[serde(default)]
    dataset_inputs: Vec<WireDatasetInput>,
    #[serde(default)]
    model_inputs: Vec<WireModelInput>,
}

#[derive(Debug, Deserialize)]
struct WireDatasetInput {
    dataset: WireDataset,
    #[serde(default)]
    tags: Vec<WireTag>,
}

#[derive(Debug, Deserialize)]
struct WireDataset {
    #[serde(default)]
    name: String,
    #[serde(default)]
    digest: String,
    #[serde(default)]
    source_type: String,
    #[serde(default)]
    source: String,
    schema: Option<String>,
    profile: Option<String>,
}

#[derive(Debug, Deserialize)]
struct WireModelInput {
    model_id: String,
}

impl WireInputs {
    pub(super) fn into_entity(self) -> Result<RunInputs> {
        let datasets = self.dataset_inputs.into_iter().map(|WireDatasetInput { dataset, tags }| {
            // The server omits an empty text, and some releases send one for a text that is not set.
            let text = |text: Option<String>| text.filter(|text| !text.is_empty());
            DatasetInput {
                name: dataset.name,
                digest: dataset.digest,
                source_type: dataset.source_type,
                source: dataset.source,
                schema: text(dataset.schema),
                profile: text(dataset.profile),
                tags: pairs(tags),
            }
        });
        let models = self.model_inputs.into_iter();
        let models = models.map(|input| checked("logged model id", LoggedModelId::new(input.model_id)));
        let inputs = RunInputs { datasets: datasets.collect(), models: models.collect::<Result<_>>()? };
        Ok(inputs.sorted())
    }
}

/// The body of a `log-inputs` request.
pub(in crate::rest) fn inputs(run: &RunId, inputs: &RunInputs) -> Value {
    let dataset = |input: &DatasetInput| {
        let mut dataset = json!({
            "name": input.name,
            "digest": input.digest,
            "source_type": input.source_type,
            "source": input.source,
        });
        for (key, text) in [("schema", &input.schema), ("profile", &input.profile)] {
            if let Some(text) = text {
                dataset[key] = json!(text);
            }
        }
        json!({ "dataset": dataset, "tags": tag_entries(&input.tags) })
    };
    let mut body =
        json!({ "run_id": run, "datasets": inputs.datasets.iter().map(dataset).collect::<Vec<_>>() });
    // MLflow 2 has no such field, and no LoggedModels either.
    if !inputs.models.is_empty() {
        body["models"] = inputs.models.iter().map(|model| json!({ "model_id": model })).collect();
    }
    body
}
