//! The settings of a registry, resolved and checked once, when it is connected.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::loading::PolicySettings;
use crate::open::{DEFAULT_MODEL, OpenOptions};
use hydra_base::actor;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName};
use hydra_lifecycle::clock::DEFAULT_TOLERANCE;
use hydra_lifecycle::document_cache::DocumentCache;
use hydra_lifecycle::ledger::active::MAX_COMPONENT_BYTES;
use hydra_lifecycle::transition::DecisionOptions;
use hydra_mlflow::artifacts::ArtifactRoots;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::environment;
use hydra_mlflow::uri::{GivenUri, TrackingUri, redact};
use hydra_models::model_cache::{DEFAULT_CACHE_BYTES, ModelCache};
use hydra_policy::{CompileLimits, CompilerCommand, EngineOptions, parse_duration};
use hydra_trust::TrustRules;
use hydra_trust::oci::{ArtifactCache, CredentialSources, Oci};

/// How many documents and components of active policies the cache keeps.
const MAX_ACTIVE_FILES: usize = 64;

/// How many archived documents of decisions are cached: those of a page with 200 decisions, for a few models.
const DECISIONS: usize = 2_000;

/// The settings of a registry.
#[derive(Debug)]
pub(crate) struct Settings {
    pub model: ModelName,
    pub experiment: Experiment,
    /// The actor, the managed aliases, the caches of models and evaluations.
    pub decision_options: DecisionOptions,
    pub policy: PolicySettings,
    /// `None` if the caller passed open stores.
    pub uris: Option<Uris>,
    pub standings: Option<DocumentCache>,
    /// Documents and components of active policies.
    pub active_policies: Option<DocumentCache>,
    /// What decisions rested on, for pages.
    pub decisions: Option<DocumentCache>,
    /// How far the clock of this machine may be from the store's.
    pub clock_tolerance: Duration,
}

/// The experiment for candidates.
#[derive(Debug, Clone)]
pub(crate) enum Experiment {
    /// An existing one.
    Id(ExperimentId),
    /// One that is created if it does not exist.
    Named(String),
}

/// The URIs of the stores.
#[derive(Debug, Clone)]
pub(crate) struct Uris {
    pub tracking: TrackingUri,
    /// `None` if the registry is at the tracking URI.
    pub registry: Option<TrackingUri>,
}

impl Uris {
    /// The location of the registry, without credentials.
    pub fn display_registry(&self) -> String {
        redact(self.registry.as_ref().unwrap_or(&self.tracking).expose())
    }
}

impl Settings {
    /// The settings and stores of `options`.
    pub fn resolve(options: &OpenOptions) -> Result<(Self, Backend)> {
        let uris = if options.backend.is_some() { None } else { Some(options.uris()?) };
        let cache = options.cache(uris.as_ref())?;
        // Documents are identified by their digests, independent of the store.
        let documents = |name: &str, contents| {
            let root = options.cache_directory().filter(|_| cache.is_some());
            root.map(|root| DocumentCache::new(root.join(name), contents))
        };
        let standings = documents("standing", "standing documents");
        let evaluations = documents("evaluations", "evaluations");
        let active_policies = documents("active", "active policies")
            .map(|cache| cache.with_limits(MAX_COMPONENT_BYTES, MAX_ACTIVE_FILES));
        let decisions = documents("decisions", "archived decisions").map(|cache| cache.keeping(DECISIONS));
        let settings = Self {
            model: options.model_name()?,
            experiment: options.experiment()?,
            decision_options: DecisionOptions {
                actor: options.actor_name()?,
                managed: options.all_managed_aliases()?,
                quarantine_on_rollback: options.config.quarantine_on_rollback,
                cache,
                evaluations,
                model_trust: options.model_trust()?,
            },
            policy: options.policy_settings()?,
            clock_tolerance: options.clock_tolerance()?,
            standings,
            active_policies,
            decisions,
            uris,
        };
        let backend = match (&options.backend, &settings.uris) {
            (Some(backend), _) => backend.clone(),
            (None, Some(uris)) => {
                Backend::connect(&uris.tracking, uris.registry.as_ref(), &options.environment)?
            }
            (None, None) => return Err(no_tracking_uri()),
        };
        let roots = options.artifact_roots()?;
        Ok((settings, if roots.is_empty() { backend } else { backend.with_artifact_roots(roots) }))
    }
}

impl OpenOptions {
    /// The tracking URI of these options. [`ErrorKind::Config`] if none is set and there is no project with a default
    /// store.
    pub fn resolved_tracking_uri(&self) -> Result<TrackingUri> {
        if let Some(uri) = self.given(self.tracking_uri.as_ref(), environment::TRACKING_URI) {
            return TrackingUri::new(uri);
        }
        match (&self.config.tracking_uri, &self.project) {
            (Some(uri), _) => Ok(uri.clone()),
            (None, Some(project)) => TrackingUri::new(project.default_tracking_uri()),
            (None, None) => Err(no_tracking_uri()),
        }
    }

    /// Whether a registry with these options opens a SQLite database, for programs in whose process another copy of SQLite may have
    /// it open: two copies break each other's locks. Stores that are [open already](Self::with_backend) do not count.
    pub fn uses_sqlite(&self) -> Result<bool> {
        if self.backend.is_some() {
            return Ok(false);
        }
        let Uris { tracking, registry } = self.uris()?;
        Ok([Some(tracking), registry].iter().flatten().any(|uri| uri.scheme() == "sqlite"))
    }

    /// The same options with the URIs that they resolve to, relative paths made absolute against the directory `base`: for programs
    /// whose current directory may change before they connect.
    pub fn with_absolute_uris(mut self, base: &Path) -> Result<Self> {
        let absolute = |uri: &TrackingUri| GivenUri::from(uri.absolute(base).expose());
        let Uris { tracking, registry } = self.uris()?;
        self.tracking_uri = Some(absolute(&tracking));
        self.registry_uri = registry.as_ref().map(absolute);
        Ok(self)
    }

    pub(crate) fn uris(&self) -> Result<Uris> {
        let registry = match self.given(self.registry_uri.as_ref(), environment::REGISTRY_URI) {
            Some(uri) => Some(TrackingUri::new(uri)?),
            None => self.config.registry_uri.clone(),
        };
        Ok(Uris { tracking: self.resolved_tracking_uri()?, registry })
    }

    /// Artifact roots that have moved: those of these options after those of the file, because the last one of a root counts.
    fn artifact_roots(&self) -> Result<ArtifactRoots> {
        let here = std::env::current_dir().map_err(|source| {
            Error::new(ErrorKind::Storage, "cannot determine the current directory").with_source(source)
        })?;
        let configured = self.config.artifact_root_map.iter();
        let given = self.artifact_roots.iter().map(|(old, new)| (old, new));
        configured
            .chain(given)
            .try_fold(ArtifactRoots::default(), |roots, (old, new)| roots.with(old, new, &here))
    }

    fn model_name(&self) -> Result<ModelName> {
        let named = self.model.clone().or_else(|| self.variable(environment::MODEL));
        let name = named.or_else(|| self.config.model.clone());
        ModelName::new(name.unwrap_or_else(|| DEFAULT_MODEL.to_owned()))
    }

    fn experiment(&self) -> Result<Experiment> {
        if let Some(experiment) = &self.experiment {
            return Ok(experiment.clone());
        }
        if let Some(id) = self.variable(environment::EXPERIMENT_ID) {
            return ExperimentId::new(id).map(Experiment::Id);
        }
        match self.variable(environment::EXPERIMENT_NAME) {
            Some(name) => Ok(Experiment::Named(name)),
            None => Ok(Experiment::Named(self.model_name()?.into())),
        }
    }

    /// The requester's name for itself, in the form in which it is recorded and compared.
    fn actor_name(&self) -> Result<String> {
        let is_name = |actor: &String| !actor.trim().is_empty();
        let named = self.actor.clone().filter(is_name);
        // The same variables as in Python's `getpass.getuser`.
        let variables = [environment::ACTOR, environment::USERNAME, "LOGNAME", "USER", "LNAME", "USERNAME"];
        let name = named
            .or_else(|| variables.iter().find_map(|key| self.variable(key).filter(is_name)))
            .or_else(|| whoami::username().ok().filter(is_name))
            .unwrap_or_else(|| "unknown".to_owned());
        actor::normalised(&name)
    }

    fn all_managed_aliases(&self) -> Result<Vec<Alias>> {
        let mut aliases = vec![Alias::CHAMPION, Alias::ARCHIVED, Alias::CANDIDATE];
        let configured = self.config.managed_aliases.iter().map(Alias::new);
        for alias in configured.chain(self.managed_aliases.iter().cloned().map(Ok)) {
            let alias = alias?;
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    fn clock_tolerance(&self) -> Result<Duration> {
        let text = match (self.clock_tolerance, self.variable(environment::CLOCK_TOLERANCE)) {
            (Some(tolerance), _) => return Ok(tolerance),
            (None, Some(text)) => text,
            (None, None) => match &self.config.clock_tolerance {
                Some(text) => text.clone(),
                None => return Ok(DEFAULT_TOLERANCE),
            },
        };
        parse_duration(&text).ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the clock tolerance is not a duration: `{text}`"))
                .with_hint("write it like `60s` or `5m`")
        })
    }

    /// Who must have signed models.
    fn model_trust(&self) -> Result<Option<Arc<TrustRules>>> {
        let rules = self.model_trust.as_ref().or(self.config.model_trust.as_ref());
        rules.map(|rules| rules.load().map(Arc::new)).transpose()
    }

    /// Access to OCI registries, with the credentials that the environment and the files of Docker and Podman have.
    pub fn oci(&self) -> Result<Oci> {
        let credentials = CredentialSources::from_variables(
            |name| self.variable(name),
            self.environment.home().as_deref(),
        )?;
        let plain_http = match (self.oci_plain_http, self.variable(environment::OCI_PLAIN_HTTP)) {
            (Some(plain_http), _) => plain_http,
            (None, Some(_)) => self.environment.flag(environment::OCI_PLAIN_HTTP)?,
            (None, None) => self.config.oci_plain_http.unwrap_or_default(),
        };
        let cache = self.cache_directory().map(|root| ArtifactCache::new(root.join("oci")));
        Ok(Oci::new(credentials).with_cache(cache).with_plain_http(plain_http))
    }

    /// The engine's settings; [`ErrorKind::Config`] if the environment has limits of compiling that are not valid.
    pub(crate) fn engine_options(&self) -> Result<EngineOptions> {
        let mut options = EngineOptions::default();
        let named = || self.variable(environment::POLICY_COMPILER).map(CompilerCommand::of_program);
        options.compiler = self.policy_compiler.clone().or_else(named);
        options.compile_limits = match (self.compile_limits, self.variable(environment::COMPILE_LIMITS)) {
            (Some(limits), _) => limits,
            (None, Some(text)) => CompileLimits::parse(&text)
                .map_err(|error| error.with_context("variable", environment::COMPILE_LIMITS))?,
            (None, None) => CompileLimits::default(),
        };
        options.cache_dir = self.cache_directory().map(|root| root.join("policies"));
        options.quote_panics = self.quote_panics;
        options.without_signal_handlers = self.without_signal_handlers;
        Ok(options)
    }

    /// The cache of models; `None` for stores without URIs.
    fn cache(&self, uris: Option<&Uris>) -> Result<Option<ModelCache>> {
        let bytes = match (self.cache_bytes, self.variable(environment::CACHE_BYTES)) {
            (Some(bytes), _) => bytes,
            (None, None) => DEFAULT_CACHE_BYTES,
            (None, Some(text)) => text.parse().map_err(|source| {
                Error::new(ErrorKind::Config, format!("HYDRA_CACHE_BYTES is not a number of bytes: `{text}`"))
                    .with_source(source)
            })?,
        };
        let (Some(uris), Some(root)) = (uris, self.cache_directory()) else { return Ok(None) };
        Ok((bytes > 0).then(|| ModelCache::new(root.join("models"), self.store_identity(uris), bytes)))
    }

    /// The key that distinguishes the registry from others with the same model names: the locations of versions and
    /// artifacts, and the workspace. It includes credentials, because other credentials may show other models.
    pub(crate) fn store_identity(&self, uris: &Uris) -> String {
        let registry = uris.registry.as_ref().unwrap_or(&uris.tracking);
        // Relative paths mean another store in another directory.
        let uris = [&uris.tracking, registry].map(|uri| uri.absolute(Path::new("")).expose().to_owned());
        let workspace = [environment::WORKSPACE, environment::ENABLE_WORKSPACES]
            .map(|name| self.variable(name).unwrap_or_default());
        [uris, workspace].concat().join("\n")
    }

    /// The directory of all caches.
    pub(crate) fn cache_directory(&self) -> Option<PathBuf> {
        let named = |key: &str| self.variable(key).map(PathBuf::from);
        let given = self.cache_dir.clone().or_else(|| named(environment::CACHE_DIR));
        given
            .or_else(|| named("XDG_CACHE_HOME").map(|home| home.join("hydra-registry")))
            .or_else(|| self.environment.home().map(|home| home.join(".cache/hydra-registry")))
    }

    /// The value of a URI in these options or the environment.
    fn given(&self, option: Option<&GivenUri>, variable: &str) -> Option<String> {
        option.map(|uri| uri.expose().to_owned()).or_else(|| self.variable(variable))
    }

    pub(crate) fn variable(&self, key: &str) -> Option<String> {
        self.environment.get(key).map(str::to_owned)
    }
}

fn no_tracking_uri() -> Error {
    Error::new(ErrorKind::Config, "no tracking URI is set")
        .with_hint("set one with `OpenOptions::with_tracking_uri`, or in MLFLOW_TRACKING_URI")
}
