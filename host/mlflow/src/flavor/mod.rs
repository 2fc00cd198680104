//! The `lightgbm` flavor on disk: the directory that MLflow calls a model.
//!
//! [`MlModel`] reads the `MLmodel` file of a model that anyone may have written; [`ModelDirectory`] writes the small files
//! beside a `model.lgb` such that MLflow's Python client loads it with `mlflow.lightgbm` and `mlflow.pyfunc`.

mod directory;
mod mlmodel;
mod signature;
mod yaml;

pub use directory::{Environment, Identity, ModelDirectory, ModelFile};
pub use mlmodel::{LightGbmFlavor, MlModel, MlModelLimits};
pub use signature::{ColumnSpec, Signature};

/// The file that describes a model to MLflow.
pub const MLMODEL_FILE: &str = "MLmodel";

/// The name of a native booster's text within a model directory.
pub const BOOSTER_FILE: &str = "model.lgb";

/// The `model_class` of a native booster, and the default where `MLmodel` names none.
pub const BOOSTER_CLASS: &str = "lightgbm.basic.Booster";

#[cfg(test)]
mod tests;
