//! An MLflow tracking server, version 2.9 or newer, over its REST API.
//!
//! `transport` sends requests, `clock` reads the server's clock from the answers, and `retry` decides when to repeat them. `answer` and `failure` interpret failures, and `web_page`
//! recognises the pages of other programs.
//! `create` prevents duplicate creates. `wire` contains MLflow's JSON. `tracking` and `registry` implement the traits,
//! and `artifacts` uses the server's artifact proxy.
//!
//! Dropping the future of a call stops its repetitions, so a caller can set a shorter deadline with a timeout.

mod answer;
mod artifacts;
mod body;
mod clock;
mod config;
mod create;
mod credentials;
mod failure;
mod limits;
mod pages;
mod registry;
mod retry;
#[cfg(test)]
mod tests;
mod tls;
mod tracking;
mod transport;
mod web_page;
mod wire;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use serde::de::DeserializeOwned;
use tokio::sync::OnceCell;

use failure::Failure;
use transport::{Call, Transport};
use wire::Empty;

pub(crate) use artifacts::ArtifactProxy;
pub use config::RestConfig;
pub use tls::client_for_others;

/// The store of an MLflow server. Creating it sends no request; the first call connects.
#[derive(Debug)]
pub struct RestStore {
    transport: Arc<Transport>,
    /// Set after the server answered that it has no LoggedModels (MLflow 2).
    lacks_logged_models: AtomicBool,
    /// Set after the server listed a version with its aliases.
    lists_aliases: AtomicBool,
    /// The authenticated user, after the server was asked.
    user: OnceCell<Option<String>>,
}

impl RestStore {
    /// The store of the server in `config`.
    #[must_use]
    pub fn new(config: RestConfig) -> Self {
        Self {
            transport: Arc::new(Transport::new(config)),
            lacks_logged_models: AtomicBool::new(false),
            lists_aliases: AtomicBool::new(false),
            user: OnceCell::new(),
        }
    }

    /// Sends an idempotent call.
    async fn call<T: DeserializeOwned>(&self, call: &Call) -> Result<T, Failure> {
        self.transport.json(call, &mut self.transport.budget()).await
    }

    /// Sets a value that may exist already. In some databases, two writers of the first value collide, and the server
    /// answers one of them with status 400. A repetition replaces the other writer's value.
    async fn upsert(&self, call: &Call) -> Result<(), Failure> {
        let mut budget = self.transport.budget();
        loop {
            match self.transport.attempt::<Empty>(call, budget.attempt_deadline()).await {
                Ok(_) => return Ok(()),
                Err(failure) => budget.wait_after(failure.repeatable_if_collided()).await?,
            }
        }
    }
}
