//! What MLflow is: names, URIs, entities, the store traits and their backends.

pub mod artifacts;
pub mod clock;
pub mod connect;
pub mod entities;
pub mod environment;
mod errors;
pub mod file;
pub mod flavor;
pub mod listing;
pub mod memory;
mod resolver;
#[cfg(feature = "rest")]
pub mod rest;
mod rules;
#[cfg(feature = "sqlite")]
pub mod sqlite;
pub mod store;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod uri;
