//! Models in and out of MLflow: candidates are logged, versions are loaded and opened to find out whether they can be, what was
//! loaded is cached.

pub mod candidate;
pub mod config;
pub mod facts;
pub mod loading;
pub mod model_cache;
pub mod model_file;
pub mod preflight;
