//! An MLflow tracking server, version 2.9 or newer, over its REST API.
//!
//! `transport` sends requests and `retry` decides about repeating them, `answer` and `failure` say what a failed one
//! means, `create` keeps creates from happening twice, `wire` holds MLflow's JSON, `tracking` and
//! `registry` the traits, `artifacts` the server's artifact proxy.
//!
//! Dropping the future of a call stops its repetitions: a caller with a deadline of its own wraps the call in a
//! timeout.

mod answer;
mod artifacts;
mod config;
mod create;
mod credentials;
mod failure;
mod limits;
mod registry;
mod retry;
#[cfg(test)]
mod tests;
mod tls;
mod tracking;
mod transport;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::de::DeserializeOwned;

use failure::Failure;
use transport::{Call, Transport};

pub(crate) use artifacts::ArtifactProxy;
pub use config::RestConfig;

/// The store behind an MLflow server. Making one costs nothing: the first call connects.
#[derive(Debug)]
pub struct RestStore {
    transport: Arc<Transport>,
    /// Set when the server answered that it has no logged models (MLflow 2).
    lacks_logged_models: AtomicBool,
}

impl RestStore {
    /// The store of the server that `config` describes.
    #[must_use]
    pub fn new(config: RestConfig) -> Self {
        Self { transport: Arc::new(Transport::new(config)), lacks_logged_models: AtomicBool::new(false) }
    }

    /// Sends a call that may be repeated.
    async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.transport.json(call, &mut self.transport.budget()).await
    }
}
