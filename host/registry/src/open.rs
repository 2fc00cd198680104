//! What a registry is connected with: what the caller sets.

use std::collections::BTreeMap;
use std::path::PathBuf;

use crate::project::{Project, ProjectConfig};
use crate::settings::Experiment;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ExperimentId};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::uri::GivenUri;
use hydra_policy::{Policy, PolicyEngine};

/// The registered model's name unless another is given.
pub const DEFAULT_MODEL: &str = "hydra-baseline";

/// Where the policy comes from.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum PolicySource {
    /// The default policy, embedded in this library.
    #[default]
    Embedded,
    /// A component file. It is read by the first decision of a registry.
    File(PathBuf),
    /// A policy loaded already; embedding programs share one engine this way.
    Loaded(Policy),
}

impl From<Policy> for PolicySource {
    fn from(policy: Policy) -> Self {
        Self::Loaded(policy)
    }
}

impl From<PathBuf> for PolicySource {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

/// What a [`ModelRegistry`](crate::ModelRegistry) is connected with. `Debug` shows no credentials.
///
/// Each setting is taken from the first of these that has it: the options, the [environment](Self::with_environment), the
/// [configuration](Self::with_config), the default. [`from_process`](Self::from_process) reads the process's environment
/// and the project around the current directory; [`new`](Self::new) reads neither.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct OpenOptions {
    pub(crate) tracking_uri: Option<GivenUri>,
    pub(crate) registry_uri: Option<GivenUri>,
    pub(crate) backend: Option<Backend>,
    pub(crate) model: Option<String>,
    pub(crate) experiment: Option<Experiment>,
    pub(crate) actor: Option<String>,
    pub(crate) policy: Option<PolicySource>,
    pub(crate) policy_settings: BTreeMap<String, String>,
    pub(crate) budget: BTreeMap<String, String>,
    pub(crate) managed_aliases: Vec<Alias>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) cache_bytes: Option<u64>,
    pub(crate) environment: Environment,
    pub(crate) project: Option<Project>,
    pub(crate) config: ProjectConfig,
}

impl OpenOptions {
    /// Options without an environment and a project: what is not set has its default. A tracking URI must be set, or a
    /// [backend](Self::with_backend).
    pub fn new() -> Self {
        Self::default()
    }

    /// Options from the process's environment and the project around the current directory.
    pub fn from_process() -> Result<Self> {
        let project = Project::current()?;
        let config = project.config()?;
        Ok(Self::new().with_environment(Environment::of_process()).with_project(project).with_config(config))
    }

    /// Sets the tracking URI; else `MLFLOW_TRACKING_URI`, `hydra.toml`, the project's own store.
    pub fn with_tracking_uri(mut self, uri: impl Into<GivenUri>) -> Self {
        self.tracking_uri = Some(uri.into());
        self
    }

    /// Sets the registry URI; else `MLFLOW_REGISTRY_URI`, `hydra.toml`, the tracking URI.
    pub fn with_registry_uri(mut self, uri: impl Into<GivenUri>) -> Self {
        self.registry_uri = Some(uri.into());
        self
    }

    /// Uses stores that are open already. The URIs are then ignored, and models are not cached.
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Sets the registered model's name; else `HYDRA_MODEL`, `hydra.toml`, [`DEFAULT_MODEL`].
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the experiment that candidates are logged in, by its name. It is created by the first candidate. Else
    /// `MLFLOW_EXPERIMENT_ID`, `MLFLOW_EXPERIMENT_NAME`, an experiment named like the model.
    pub fn with_experiment_name(mut self, name: impl Into<String>) -> Self {
        self.experiment = Some(Experiment::Named(name.into()));
        self
    }

    /// Sets the experiment that candidates are logged in, by the id of an existing one.
    pub fn with_experiment_id(mut self, id: ExperimentId) -> Self {
        self.experiment = Some(Experiment::Id(id));
        self
    }

    /// Sets the name of the caller, for the ledger and for policies; else `HYDRA_ACTOR`, `MLFLOW_TRACKING_USERNAME`, the
    /// login name. A blank name counts as not set.
    pub fn with_actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the policy; else `HYDRA_POLICY`, `hydra.toml`, the embedded one.
    pub fn with_policy(mut self, policy: impl Into<PolicySource>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// Adds settings of the policy, by key, over those in `hydra.toml`. They are checked by each decision against those
    /// that the policy declares.
    pub fn with_policy_settings<K, V>(mut self, settings: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.policy_settings.extend(settings.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds limits of a decision, by name, over those in `hydra.toml`: `("fuel", "50_000_000")`, `("wall-clock", "2s")`.
    /// [`Budget`](hydra_policy::Budget) has all of them.
    pub fn with_budget<K, V>(mut self, limits: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.budget.extend(limits.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds aliases that a policy may move, to `champion`, `archived`, `candidate` and those in `hydra.toml`.
    pub fn with_managed_aliases(mut self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        self.managed_aliases.extend(aliases);
        self
    }

    /// Sets the directory that caches models and compiled policies; else `HYDRA_CACHE_DIR`, the user's cache directory.
    /// Without any of them nothing is cached.
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets how many bytes of models are cached, 0 for none; else `HYDRA_CACHE_BYTES`, the default.
    pub fn with_cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Sets the environment variables that are read, those of MLflow with credentials and time limits included.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the project: its root holds the default store. Its `hydra.toml` is not read; see [`Project::config`].
    pub fn with_project(mut self, project: Project) -> Self {
        self.project = Some(project);
        self
    }

    /// Sets the configuration, as `hydra.toml` holds it.
    pub fn with_config(mut self, config: ProjectConfig) -> Self {
        self.config = config;
        self
    }

    /// Loads the policy that a registry with these options asks: compiled, or taken from the cache of compiled policies.
    /// The other settings are not checked.
    pub async fn load_policy(&self) -> Result<Policy> {
        self.policy_settings()?.load().await
    }

    /// An engine that shares the cache of compiled policies.
    pub fn policy_engine(&self) -> Result<PolicyEngine> {
        PolicyEngine::new(&self.engine_options())
    }
}

#[cfg(test)]
mod tests;
