//! MLflow's `lightgbm` flavor: the files of a model directory.
//!
//! [`MlModel`] reads the `MLmodel` file of an untrusted model. [`ModelDirectory`] writes the small files next to a
//! `model.lgb`, so that MLflow's Python client loads the directory with `mlflow.lightgbm` and `mlflow.pyfunc`.

mod directory;
mod mlmodel;
mod saved;
mod signature;
mod yaml;

pub use directory::{DirectoryFile, Identity, ModelDirectory, PythonEnvironment};
pub use mlmodel::{LightGbmFlavor, MlModel, MlModelLimits, SKLEARN_CLASS};
pub use saved::SavedMlModel;
pub(crate) use signature::columns_json;
pub use signature::{ColumnSpec, Signature};

/// The name of the file that describes a model to MLflow.
pub const MLMODEL_FILE: &str = "MLmodel";

/// The name of a native booster's text in a model directory.
pub const BOOSTER_FILE: &str = "model.lgb";

/// The `model_class` of a native booster, and the default if `MLmodel` names none.
pub const BOOSTER_CLASS: &str = "lightgbm.basic.Booster";

#[cfg(test)]
mod tests;
