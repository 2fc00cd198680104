//! How a registry is opened: what the caller sets, else the environment, else `hydra.toml`, else the defaults.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::project::{Project, ProjectConfig};
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, ExperimentId, ModelName};
use hydra_lifecycle::transition::DecisionOptions;
use hydra_mlflow::connect::Backend;
use hydra_mlflow::environment::{self, Environment};
use hydra_mlflow::uri::{GivenUri, TrackingUri, redact};
use hydra_models::model_cache::{DEFAULT_CACHE_BYTES, ModelCache};
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};

/// The registered model's name unless another is given.
pub const DEFAULT_MODEL: &str = "hydra-baseline";

/// Where the policy comes from.
#[derive(Debug, Clone, Default)]
pub enum PolicySource {
    /// The default policy, embedded in this library.
    #[default]
    Embedded,
    /// A component file.
    File(PathBuf),
    /// A policy loaded already; embedding programs share one engine this way.
    Loaded(Policy),
}

/// What a [`ModelRegistry`](crate::ModelRegistry) is opened with; [`from_process`](Self::from_process) reads the process's
/// environment and the project around the current directory. `Debug` shows no credentials.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OpenOptions {
    /// The tracking URI; else `MLFLOW_TRACKING_URI`, `hydra.toml`, the embedded default.
    pub tracking_uri: Option<GivenUri>,
    /// The registry URI; else `MLFLOW_REGISTRY_URI`, `hydra.toml`, the tracking URI.
    pub registry_uri: Option<GivenUri>,
    /// The registered model; else `HYDRA_MODEL`, `hydra.toml`, [`DEFAULT_MODEL`].
    pub model: Option<String>,
    /// The policy; with `None`, `HYDRA_POLICY`, `hydra.toml`, the embedded one.
    pub policy: Option<PolicySource>,
    /// Settings of the policy, over those in `hydra.toml`.
    pub settings: BTreeMap<String, String>,
    /// Limits of a decision by name, over those in `hydra.toml`.
    pub budget: BTreeMap<String, String>,
    /// Who acts; else `HYDRA_ACTOR`, `MLFLOW_TRACKING_USERNAME`, the login name.
    pub actor: Option<String>,
    /// The environment variables.
    pub environment: Environment,
    /// The stores, opened already; the URIs are then not looked at.
    pub backend: Option<Backend>,
    /// The project: its root and its configuration.
    pub project: Project,
    /// The configuration.
    pub config: ProjectConfig,
}

impl OpenOptions {
    /// Options for a project and an environment.
    #[must_use]
    pub fn new(project: Project, config: ProjectConfig, environment: Environment) -> Self {
        Self {
            tracking_uri: None,
            registry_uri: None,
            model: None,
            policy: None,
            settings: BTreeMap::new(),
            budget: BTreeMap::new(),
            actor: None,
            environment,
            backend: None,
            project,
            config,
        }
    }

    /// Options from the process's environment and the project around the current directory.
    pub fn from_process() -> Result<Self> {
        let project = Project::current()?;
        let config = project.config()?;
        Ok(Self::new(project, config, Environment::of_process()))
    }

    /// Sets the tracking URI.
    #[must_use]
    pub fn with_tracking_uri(mut self, uri: impl Into<GivenUri>) -> Self {
        self.tracking_uri = Some(uri.into());
        self
    }

    /// Sets the registered model's name.
    #[must_use]
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the policy.
    #[must_use]
    pub fn with_policy(mut self, policy: PolicySource) -> Self {
        self.policy = Some(policy);
        self
    }

    /// Uses stores that are open already.
    #[must_use]
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// The tracking URI that these options lead to.
    #[must_use]
    pub fn resolved_tracking_uri(&self) -> String {
        let configured = self.config.tracking_uri.as_ref();
        self.given(self.tracking_uri.as_ref(), environment::TRACKING_URI)
            .or_else(|| configured.map(|uri| uri.expose().to_owned()))
            .unwrap_or_else(|| self.project.default_tracking_uri())
    }

    /// The registered model's name.
    pub fn model_name(&self) -> Result<ModelName> {
        let named = self.model.clone().or_else(|| self.variable(environment::MODEL));
        let name = named.or_else(|| self.config.model.clone());
        ModelName::new(name.unwrap_or_else(|| DEFAULT_MODEL.to_owned()))
    }

    /// Who acts, as they call themselves.
    #[must_use]
    pub fn actor_name(&self) -> String {
        let named = self.actor.clone().filter(|actor| !actor.trim().is_empty());
        // As Python's `getpass.getuser` looks for it.
        let variables = [environment::ACTOR, environment::USERNAME, "LOGNAME", "USER", "LNAME", "USERNAME"];
        named
            .or_else(|| variables.iter().find_map(|key| self.variable(key)))
            .or_else(|| whoami::username().ok().filter(|name| !name.is_empty()))
            .unwrap_or_else(|| "unknown".to_owned())
    }

    /// The aliases that a policy may move.
    pub fn managed_aliases(&self) -> Result<Vec<Alias>> {
        let mut aliases = vec![Alias::CHAMPION, Alias::ARCHIVED, Alias::CANDIDATE];
        for name in &self.config.managed_aliases {
            let alias = Alias::new(name)?;
            if !aliases.contains(&alias) {
                aliases.push(alias);
            }
        }
        Ok(aliases)
    }

    /// The policy's settings as given, `hydra.toml` first and then these options.
    #[must_use]
    pub fn policy_settings(&self) -> BTreeMap<String, String> {
        let mut settings = self.config.settings_as_text();
        settings.extend(self.settings.clone());
        settings
    }

    /// On what terms requests are decided.
    pub(crate) fn decision_options(&self) -> Result<DecisionOptions> {
        Ok(DecisionOptions {
            actor: self.actor_name(),
            settings: self.policy_settings(),
            managed: self.managed_aliases()?,
        })
    }

    /// The budget of a decision.
    pub fn decision_budget(&self) -> Result<Budget> {
        let mut budget = Budget::default();
        for (key, value) in self.config.budget_as_text().iter().chain(&self.budget) {
            budget.set(key, value)?;
        }
        Ok(budget)
    }

    /// Loads the policy: compiled, or taken from the cache of compiled policies.
    pub async fn load_policy(&self) -> Result<Policy> {
        let source = self.policy_source();
        let budget = self.decision_budget()?;
        let options = self.engine_options();
        blocking(move || {
            let engine = || PolicyEngine::new(&options);
            match source {
                PolicySource::Loaded(policy) => Ok(policy),
                PolicySource::Embedded => Policy::load_default(&engine()?, &budget),
                PolicySource::File(path) => Policy::load_file(&engine()?, &path, &budget),
            }
        })
        .await
    }

    /// An engine that shares the cache of compiled policies.
    pub fn policy_engine(&self) -> Result<PolicyEngine> {
        PolicyEngine::new(&self.engine_options())
    }

    fn engine_options(&self) -> EngineOptions {
        let mut options = EngineOptions::default();
        options.cache_dir = self.cache_directory().map(|root| root.join("policies"));
        options
    }

    pub(crate) fn connect(&self) -> Result<Backend> {
        if let Some(backend) = &self.backend {
            return Ok(backend.clone());
        }
        let tracking = TrackingUri::new(self.resolved_tracking_uri())?;
        Backend::connect(&tracking, self.separate_registry()?.as_ref(), &self.environment)
    }

    /// The registry URI, where one is named.
    fn separate_registry(&self) -> Result<Option<TrackingUri>> {
        match self.given(self.registry_uri.as_ref(), environment::REGISTRY_URI) {
            Some(uri) => TrackingUri::new(uri).map(Some),
            None => Ok(self.config.registry_uri.clone()),
        }
    }

    /// Where registered models are kept, without credentials.
    pub(crate) fn registry_for_people(&self) -> String {
        let separate = self.separate_registry().ok().flatten();
        redact(&separate.map_or_else(|| self.resolved_tracking_uri(), |uri| uri.expose().to_owned()))
    }

    pub(crate) fn cache(&self) -> Result<Option<ModelCache>> {
        let bytes = match self.variable(environment::CACHE_BYTES) {
            None => DEFAULT_CACHE_BYTES,
            Some(text) => text.parse().map_err(|source| {
                Error::new(ErrorKind::Config, format!("HYDRA_CACHE_BYTES is not a number of bytes: `{text}`"))
                    .with_source(source)
            })?,
        };
        let root = self.cache_directory().filter(|_| bytes > 0 && self.backend.is_none());
        root.map(|root| Ok(ModelCache::new(root.join("models"), self.store_identity()?, bytes))).transpose()
    }

    /// What tells the registry from others that use the same model names: where versions come from, where their artifacts
    /// do, and the workspace. Credentials included: what they open is not for others.
    fn store_identity(&self) -> Result<String> {
        let tracking = TrackingUri::new(self.resolved_tracking_uri())?;
        let registry = self.separate_registry()?.unwrap_or_else(|| tracking.clone());
        // Relative paths mean another store in another directory.
        let uris = [tracking, registry].map(|uri| uri.absolute(Path::new("")).expose().to_owned());
        let workspace = [environment::WORKSPACE, environment::ENABLE_WORKSPACES]
            .map(|name| self.variable(name).unwrap_or_default());
        Ok([uris, workspace].concat().join("\n"))
    }

    pub(crate) fn experiment_id(&self) -> Result<Option<ExperimentId>> {
        self.variable(environment::EXPERIMENT_ID).map(ExperimentId::new).transpose()
    }

    pub(crate) fn experiment_name(&self) -> Option<String> {
        self.variable(environment::EXPERIMENT_NAME)
    }

    fn policy_source(&self) -> PolicySource {
        if let Some(source) = &self.policy {
            return source.clone();
        }
        let file = self.variable(environment::POLICY).map(PathBuf::from);
        file.or_else(|| self.config.policy.clone()).map_or(PolicySource::Embedded, PolicySource::File)
    }

    /// `HYDRA_CACHE_DIR`, else the user's cache directory.
    fn cache_directory(&self) -> Option<PathBuf> {
        let named = |key: &str| self.variable(key).map(PathBuf::from);
        named(environment::CACHE_DIR)
            .or_else(|| named("XDG_CACHE_HOME").map(|home| home.join("hydra-registry")))
            .or_else(|| self.environment.home().map(|home| home.join(".cache/hydra-registry")))
    }

    /// A URI from these options or the environment.
    fn given(&self, option: Option<&GivenUri>, variable: &str) -> Option<String> {
        option.map(|uri| uri.expose().to_owned()).or_else(|| self.variable(variable))
    }

    fn variable(&self, key: &str) -> Option<String> {
        self.environment.get(key).filter(|value| !value.is_empty()).map(str::to_owned)
    }
}

#[cfg(test)]
mod tests;
