//! Models in and out of MLflow: candidates are logged, versions are loaded, what was loaded is cached.

pub mod candidate;
pub mod config;
pub mod loading;
pub mod model_cache;
pub mod model_file;
