//! What MLflow is: names, URIs, entities, the store traits and their backends.

pub mod artifacts;
pub mod entities;
pub mod flavor;
pub mod names;
pub mod store;
