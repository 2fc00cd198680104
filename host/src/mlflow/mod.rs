//! What MLflow is: names, URIs, entities, the store traits and their backends.

pub mod artifacts;
pub mod entities;
pub mod flavor;
mod local;
pub mod memory;
pub mod names;
pub mod store;
