//! Components in OCI registries: fetching and pushing them, and the signatures that lie beside them.
//!
//! The client is this project's own: a registry that policies come from may be hostile, so every body has a limit and every request
//! a deadline, errors of a list of signatures are errors, and credentials stay with their registry.

mod cache;
mod challenge;
mod connection;
mod credentials;
mod failure;
mod manifest;
mod pull;
mod push;
mod reference;
mod signatures;
#[cfg(test)]
mod tests;

use std::time::Duration;

use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};

use connection::{Access, Connection};

pub use cache::ArtifactCache;
pub use credentials::{
    CredentialSources, PASSWORD_VARIABLE, REGISTRY_VARIABLE, TOKEN_VARIABLE, USERNAME_VARIABLE, VARIABLES,
};
pub use manifest::Interfaces;
pub use pull::Component;
pub use push::Pushed;
pub use reference::{Reference, SCHEME};

/// How long a registry may send nothing.
const PATIENCE: Duration = Duration::from_secs(30);

/// Access to OCI registries.
#[derive(Debug, Clone)]
#[must_use]
pub struct Oci {
    credentials: CredentialSources,
    cache: Option<ArtifactCache>,
    plain_http: bool,
    patience: Duration,
}

impl Oci {
    /// Access with these credentials, over TLS except to registries on this machine.
    pub fn new(credentials: CredentialSources) -> Self {
        Self { credentials, cache: None, plain_http: false, patience: PATIENCE }
    }

    /// Keeps what is fetched, and takes it from there the next time.
    pub fn with_cache(mut self, cache: Option<ArtifactCache>) -> Self {
        self.cache = cache;
        self
    }

    /// Whether registries on other machines are asked without TLS.
    pub fn with_plain_http(mut self, plain_http: bool) -> Self {
        self.plain_http = plain_http;
        self
    }

    /// Sets how long a registry may send nothing. Default: 30 seconds.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    async fn connect(&self, reference: &Reference, access: Access) -> Result<Connection> {
        // This reads files and may run a program.
        let (sources, of) = (self.credentials.clone(), reference.clone());
        let credentials = blocking(move || sources.find(&of)).await?;
        if credentials.is_some() && self.plain_http && !reference.is_local() {
            let message = "credentials for a registry on another machine are not sent without encryption";
            return Err(Error::new(ErrorKind::PlainHttp, message)
                .with_context("registry", reference.registry())
                .with_hint("use TLS, or remove the credentials for this registry"));
        }
        Connection::open(reference, access, credentials, self.plain_http, self.patience)
    }
}
