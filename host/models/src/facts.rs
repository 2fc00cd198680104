//! What an opened model is.

use serde::{Deserialize, Serialize};

use hydra_base::Sha256;
use hydra_lightgbm::{Model, Objective};
use hydra_mlflow::flavor::ColumnSpec;

pub use hydra_lightgbm::{ModelFormat, OutputKind};

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
    /// LightGBM's name of the objective; empty for one of the user's own.
    pub objective: String,
    /// The meaning of what `predict` answers.
    pub output: OutputKind,
    /// The number of raw scores of a row.
    pub outputs: usize,
    /// The labels of the classes as text, by class index; empty if the file has none.
    pub classes: Vec<String>,
    /// The names of the input columns, in the model's order.
    pub features: Vec<String>,
    /// The names of the input columns that are categories, sorted by bytes.
    pub categories: Vec<String>,
    /// The number of boosting iterations that take part in predictions.
    pub iterations: usize,
    /// The input columns of the signature in `MLmodel`; `None` if there is no signature, or one without columns.
    pub signature_inputs: Option<Vec<ColumnSpec>>,
}

impl Facts {
    /// The facts of `model`, read from a file of this digest and size. `signature` has the input columns of its `MLmodel`.
    #[must_use]
    pub fn of(model: &Model, signature: Option<Vec<ColumnSpec>>, sha256: Sha256, size: u64) -> Self {
        let mut categories: Vec<String> = model.category_features().into_iter().map(str::to_owned).collect();
        categories.sort_unstable();
        let labels = model.classes().into_iter().flat_map(|classes| classes.iter());
        let objective = model.text_model().objective().filter(|objective| **objective != Objective::Custom);
        Self {
            flavor: FLAVOR.to_owned(),
            format: model.format(),
            sha256,
            size,
            objective: objective.map(|objective| objective.name().to_owned()).unwrap_or_default(),
            output: model.output_kind(),
            outputs: model.num_outputs(),
            classes: labels.map(|label| label.to_string()).collect(),
            features: model.feature_names().to_vec(),
            categories,
            iterations: model.used_iterations(),
            signature_inputs: signature.filter(|inputs| !inputs.is_empty()),
        }
    }
}
