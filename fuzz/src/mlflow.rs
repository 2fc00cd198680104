//! The reader of `MLmodel`.

#[path = "../../host/src/mlflow/flavor/mod.rs"]
pub mod flavor;
