//! What a server serves, and how.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_registry::mlflow::environment::Environment;
use hydra_registry::{Alias, ModelRegistry, ReceiverConfig};

use crate::canary::Share;

/// The longest time between SIGTERM and the end of the process.
pub const DRAIN: Duration = Duration::from_secs(30);

/// A model to serve.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Source {
    /// The version behind an alias of a registered model, which is followed.
    Registered(ModelRegistry),
    /// A model file, or a directory with `MLmodel` and the model file, which stays as it is.
    File {
        /// The path.
        path: PathBuf,
        /// The name under which the model is served.
        name: String,
    },
}

/// The options of a server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServeOptions {
    /// The address of HTTP.
    pub listen: SocketAddr,
    /// The address of gRPC; none is none.
    pub grpc: Option<SocketAddr>,
    /// The alias that is followed.
    pub alias: Alias,
    /// How long the server waits before it asks for the alias again.
    pub poll: Duration,
    /// The features that had pandas' category type in training, for models that have categories and do not say which they are.
    pub categories: Arc<[String]>,
    /// How NaN and infinities are written in answers of MLflow's and KServe's first protocol, unless a request says.
    pub non_finite: NonFinite,
    /// The longest time for opening a version: for fetching, checking and compiling it.
    pub open_time: Duration,
    /// Whether the server starts from the model cache if the registry cannot be reached.
    pub offline_ok: bool,
    /// What a request may cost, and how many are answered at a time.
    pub limits: ServeLimits,
    /// The alias of the version that scores the same rows off the path of the answers.
    pub shadow: Option<Alias>,
    /// Whether the agreement of the shadow is recorded as an evaluation.
    pub record_shadow: bool,
    /// The name of this process in the evaluations that it records.
    pub instance: String,
    /// The alias of the version that answers a share of the requests.
    pub canary: Option<Canary>,
    /// Whether refusals say what is wrong with the request. They never quote it to another caller.
    pub explain_errors: bool,
    /// A PEM file with the certificate and those between it and the authority, and one with its key.
    pub tls: Option<TlsFiles>,
    /// A file of bearer tokens, one on a line.
    pub token_file: Option<PathBuf>,
    /// The longest time for running requests after the request to stop.
    pub drain: Duration,
    /// The receivers of events about the drift of scores, by name.
    pub notify: BTreeMap<String, ReceiverConfig>,
    /// The environment with their secrets.
    pub environment: Environment,
}

/// How NaN and infinities are written in JSON, which has no numbers for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum NonFinite {
    /// `null`: valid JSON.
    #[default]
    Null,
    /// `NaN`, `Infinity`, `-Infinity`: what MLflow's server writes, and what Python reads.
    Bare,
}

/// A version that answers a share of the requests.
#[derive(Debug, Clone)]
pub struct Canary {
    /// The alias of the version.
    pub alias: Alias,
    /// The share of the keys.
    pub share: Share,
    /// What the key of a request is.
    pub key: CanaryKey,
}

/// What decides which version answers a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryKey {
    /// The value of a header, such as `x-customer`. A request without it is answered by the champion.
    Header(String),
    /// The value of a feature in the first row.
    Column(String),
}

/// The files of TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates, in PEM.
    pub certificate: PathBuf,
    /// The private key, in PEM.
    pub key: PathBuf,
}

/// What a request may cost, and how many are answered at a time. What is beyond is refused at once.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServeLimits {
    /// The most bytes of a body, also after decompression.
    pub body: usize,
    /// The most bytes of an answer. A request whose answer could be longer is refused before it is scored.
    pub answer: usize,
    /// The most rows of a request.
    pub rows: usize,
    /// The most columns of a request.
    pub columns: usize,
    /// The most requests that are read or answered at a time.
    pub requests: usize,
    /// The most bytes of bodies and answers at a time, beyond the first 16 KiB of each: those of bodies that have arrived and whose
    /// answers are not made, and those of answers that are not written.
    pub concurrent_bytes: usize,
    /// The most rows that are scored at a time, beyond the first 1,000 of each request.
    pub concurrent_rows: usize,
    /// The most connections.
    pub connections: usize,
    /// The longest time for the head of a request.
    pub header_time: Duration,
    /// The longest time for the body of a request.
    pub body_time: Duration,
    /// The longest time that a client may take for reading an answer.
    pub answer_time: Duration,
    /// The longest time that a connection waits for its next request.
    pub idle_time: Duration,
}

impl Default for ServeLimits {
    fn default() -> Self {
        Self {
            body: 64 << 20,
            answer: 64 << 20,
            rows: 1_000_000,
            columns: 16_384,
            requests: 1_024,
            concurrent_bytes: 256 << 20,
            concurrent_rows: 1_000_000,
            connections: 4_096,
            header_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            answer_time: Duration::from_secs(30),
            // Longer than the idle time of a usual proxy, which would else send requests into closed connections.
            idle_time: Duration::from_secs(75),
        }
    }
}

impl ServeOptions {
    /// Serves the champion at this address, without gRPC.
    #[must_use]
    pub fn new(listen: SocketAddr) -> Self {
        Self {
            listen,
            grpc: None,
            alias: Alias::CHAMPION,
            poll: Duration::from_secs(5),
            categories: Arc::default(),
            non_finite: NonFinite::Null,
            open_time: Duration::from_mins(10),
            offline_ok: false,
            limits: ServeLimits::default(),
            shadow: None,
            record_shadow: false,
            instance: "instance".to_owned(),
            canary: None,
            explain_errors: false,
            tls: None,
            token_file: None,
            notify: BTreeMap::new(),
            environment: Environment::default(),
            drain: DRAIN,
        }
    }

    /// Refuses options that contradict each other.
    pub(crate) fn check(&self) -> Result<()> {
        let refuse =
            |message: &str, hint: &str| Err(Error::new(ErrorKind::ServeOptions, message).with_hint(hint));
        if self.poll.is_zero() {
            return refuse("the time between two looks at the alias is zero", "set it to 1s or more");
        }
        if self.open_time.is_zero() {
            return refuse("the time for opening a version is zero", "set it to 1s or more");
        }
        if self.record_shadow && self.shadow.is_none() {
            return refuse(
                "there is no shadow whose agreement could be recorded",
                "name the shadow's alias as well, such as `--shadow candidate`",
            );
        }
        if self.shadow.as_ref() == Some(&self.alias) {
            return refuse("the shadow is the served alias", "name another alias for the shadow");
        }
        if self.canary.as_ref().is_some_and(|canary| canary.alias == self.alias) {
            return refuse("the canary is the served alias", "name another alias for the canary");
        }
        Ok(())
    }
}

impl Source {
    /// The name under which the model is served.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::Registered(registry) => registry.model().as_str(),
            Self::File { name, .. } => name,
        }
    }
}
