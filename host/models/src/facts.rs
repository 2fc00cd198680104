//! What an opened model is.

use std::io::Write as _;

use serde::{Deserialize, Serialize};

use hydra_base::Sha256;
use hydra_base::sha256::Hasher;
use hydra_lightgbm::{Model, ModelFormat, OutputKind};
use hydra_mlflow::flavor::{ColumnSpec, MlModel};

/// The MLflow flavor that this crate reads.
const FLAVOR: &str = "lightgbm";

/// What the files of a version are, by the bytes that were read. Texts and lists are as long as the files make them, which
/// are of limited size; they can have any characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Facts {
    /// The MLflow flavor.
    pub flavor: String,
    /// The format of the model file.
    pub format: ModelFormat,
    /// The SHA-256 of the model file.
    pub sha256: Sha256,
    /// The size of the model file in bytes.
    pub size: u64,
    /// LightGBM's name of the objective; empty where the file names none.
    pub objective: String,
    /// The meaning of what `predict` answers.
    pub output: OutputKind,
    /// The number of raw scores of a row.
    pub outputs: usize,
    /// The labels of the classes as text, by class index; empty if the file has none.
    pub classes: Vec<String>,
    /// The names of the input columns, in the model's order.
    pub features: Vec<String>,
    /// The SHA-256 of the names of the input columns, each followed by a line feed.
    pub features_sha256: Sha256,
    /// The names of the input columns that are categories, sorted by bytes.
    pub categories: Vec<String>,
    /// The number of boosting iterations that take part in predictions.
    pub iterations: usize,
    /// The input columns of the signature in `MLmodel`; `None` if there is no signature, or one without columns.
    pub signature_inputs: Option<Vec<ColumnSpec>>,
}

impl Facts {
    /// The facts of `model`, read from a file of this digest and size which `mlmodel` describes.
    pub(crate) fn of(model: &Model, mlmodel: MlModel, sha256: Sha256, size: u64) -> Self {
        let features = model.feature_names().to_vec();
        let mut categories: Vec<String> = model.category_features().into_iter().map(str::to_owned).collect();
        categories.sort_unstable();
        let labels = model.classes().into_iter().flat_map(|classes| classes.iter());
        let objective = model.text_model().objective().map(|objective| objective.name().to_owned());
        Self {
            flavor: FLAVOR.to_owned(),
            format: model.format(),
            sha256,
            size,
            objective: objective.unwrap_or_default(),
            output: model.output_kind(),
            outputs: model.num_outputs(),
            classes: labels.map(|label| label.to_string()).collect(),
            features_sha256: digest(&features),
            features,
            categories,
            iterations: model.used_iterations(),
            signature_inputs: mlmodel
                .signature
                .map(|signature| signature.inputs)
                .filter(|inputs| !inputs.is_empty()),
        }
    }
}

fn digest(names: &[String]) -> Sha256 {
    let mut hasher = Hasher::default();
    for name in names {
        // A hasher takes every write.
        let _ = hasher.write_all(name.as_bytes()).and_then(|()| hasher.write_all(b"\n"));
    }
    hasher.finish()
}
