//! The options of a connection, as the caller sets them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::panel::{PanelOptions, PanelPolicy};
use crate::project::{Project, ProjectConfig};
use crate::settings::Experiment;
use hydra_base::error::Result;
use hydra_base::names::{Alias, ExperimentId};
use hydra_mlflow::connect::Backend;
use hydra_mlflow::environment::Environment;
use hydra_mlflow::uri::GivenUri;
use hydra_policy::{CompileLimits, CompilerCommand, Policy, PolicyEngine};
use hydra_trust::TrustConfig;
use hydra_trust::oci::Reference;

/// The default name of the registered model.
pub const DEFAULT_MODEL: &str = "hydra-baseline";

/// The source of the policy.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub enum PolicySource {
    /// The default policy, embedded in this library.
    #[default]
    Embedded,
    /// A component file. The first decision of a registry reads it.
    File(PathBuf),
    /// A component in an OCI registry: `oci://HOST/REPOSITORY:TAG`, `…@sha256:DIGEST` or both. The first decision fetches it, or takes
    /// it from the cache if the reference has a digest.
    Oci(String),
    /// A loaded policy, so that embedding programs can share one engine.
    Loaded(Policy),
}

impl From<Policy> for PolicySource {
    fn from(policy: Policy) -> Self {
        Self::Loaded(policy)
    }
}

/// A path that begins with `oci://` is a reference.
impl From<PathBuf> for PolicySource {
    fn from(file: PathBuf) -> Self {
        match file.to_str().filter(|text| Reference::is_meant(text)) {
            Some(reference) => Self::Oci(reference.to_owned()),
            None => Self::File(file),
        }
    }
}

/// The options of a [`ModelRegistry`](crate::ModelRegistry). `Debug` shows no credentials.
///
/// Each setting comes from the first of these that contains it: the options, the [environment](Self::with_environment),
/// the [configuration](Self::with_config), the default. [`from_process`](Self::from_process) reads the process's
/// environment and the project around the current directory; [`new`](Self::new) reads neither.
#[derive(Debug, Clone, Default)]
#[must_use]
pub struct OpenOptions {
    pub(crate) tracking_uri: Option<GivenUri>,
    pub(crate) registry_uri: Option<GivenUri>,
    pub(crate) backend: Option<Backend>,
    pub(crate) artifact_roots: Vec<(String, String)>,
    pub(crate) model: Option<String>,
    pub(crate) experiment: Option<Experiment>,
    pub(crate) actor: Option<String>,
    pub(crate) panel: Option<PanelOptions>,
    pub(crate) monitors: Vec<PanelPolicy>,
    pub(crate) policy_settings: BTreeMap<String, String>,
    pub(crate) budget: BTreeMap<String, String>,
    pub(crate) activation_approvals: Option<u32>,
    pub(crate) policy_trust: Option<TrustConfig>,
    pub(crate) model_trust: Option<TrustConfig>,
    pub(crate) oci_plain_http: Option<bool>,
    pub(crate) managed_aliases: Vec<Alias>,
    pub(crate) cache_dir: Option<PathBuf>,
    pub(crate) cache_bytes: Option<u64>,
    pub(crate) clock_tolerance: Option<Duration>,
    pub(crate) quote_panics: bool,
    pub(crate) without_signal_handlers: bool,
    pub(crate) policy_compiler: Option<CompilerCommand>,
    pub(crate) compile_limits: Option<CompileLimits>,
    pub(crate) environment: Environment,
    pub(crate) project: Option<Project>,
    pub(crate) config: ProjectConfig,
}

impl OpenOptions {
    /// Options without an environment and a project: settings have their defaults. A tracking URI or a
    /// [backend](Self::with_backend) must be set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Options from the process's environment and the project around the current directory.
    pub fn from_process() -> Result<Self> {
        let project = Project::current()?;
        let config = project.config()?;
        Ok(Self::new().with_environment(Environment::of_process()).with_project(project).with_config(config))
    }

    /// Sets the tracking URI. Default: `MLFLOW_TRACKING_URI`, `hydra.toml`, the project's own store.
    pub fn with_tracking_uri(mut self, uri: impl Into<GivenUri>) -> Self {
        self.tracking_uri = Some(uri.into());
        self
    }

    /// Sets the registry URI. Default: `MLFLOW_REGISTRY_URI`, `hydra.toml`, the tracking URI.
    pub fn with_registry_uri(mut self, uri: impl Into<GivenUri>) -> Self {
        self.registry_uri = Some(uri.into());
        self
    }

    /// Adds an artifact root that has moved: what the store calls `old`, a directory or a URI, with all that is below it, is read and
    /// written at `new`. It comes before the roots in `[artifact-root-map]` of `hydra.toml`.
    pub fn with_artifact_root(mut self, old: impl Into<String>, new: impl Into<String>) -> Self {
        self.artifact_roots.push((old.into(), new.into()));
        self
    }

    /// Uses stores that are open already. The URIs are then ignored, and models are not cached.
    pub fn with_backend(mut self, backend: Backend) -> Self {
        self.backend = Some(backend);
        self
    }

    /// Sets the registered model's name. Default: `HYDRA_MODEL`, `hydra.toml`, [`DEFAULT_MODEL`].
    pub fn with_model(mut self, model: impl Into<String>) -> Self {
        self.model = Some(model.into());
        self
    }

    /// Sets the name of the experiment for candidates. The first candidate creates it. Default: `MLFLOW_EXPERIMENT_ID`,
    /// `MLFLOW_EXPERIMENT_NAME`, an experiment with the model's name.
    pub fn with_experiment_name(mut self, name: impl Into<String>) -> Self {
        self.experiment = Some(Experiment::Named(name.into()));
        self
    }

    /// Sets the id of the experiment for candidates, which must exist.
    pub fn with_experiment_id(mut self, id: ExperimentId) -> Self {
        self.experiment = Some(Experiment::Id(id));
        self
    }

    /// Sets the name of the caller, for the ledger and for policies. Default: `HYDRA_ACTOR`,
    /// `MLFLOW_TRACKING_USERNAME`, the login name. A blank name counts as not set.
    pub fn with_actor(mut self, actor: impl Into<String>) -> Self {
        self.actor = Some(actor.into());
        self
    }

    /// Sets the policy that decides alone. Default: `HYDRA_POLICY`, `hydra.toml`, the embedded policy.
    pub fn with_policy(self, policy: impl Into<PolicySource>) -> Self {
        self.with_panel(PanelOptions::led_by(PanelPolicy::new(policy)))
    }

    /// Sets the policies that decide together, instead of one that decides alone.
    pub fn with_panel(mut self, panel: PanelOptions) -> Self {
        self.panel = Some(panel);
        self
    }

    /// Adds a policy whose answer is recorded and does not count, in addition to the policies that decide.
    pub fn with_monitor(mut self, monitor: PanelPolicy) -> Self {
        self.monitors.push(monitor);
        self
    }

    /// Adds settings of policies, by key, which override those in `hydra.toml`. Each decision checks them against the
    /// settings that the policy declares. If several policies decide together, `NAME.KEY` is the setting `KEY` of the policy
    /// `NAME`, and other keys are settings of the leader.
    pub fn with_policy_settings<K, V>(mut self, settings: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.policy_settings.extend(settings.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds limits of a decision, by name, which override those in `hydra.toml` and those of single policies:
    /// `("fuel", "50_000_000")`, `("wall-clock", "2s")`. If several policies decide together, `NAME.LIMIT` is a limit of the
    /// policy `NAME`, and other limits are for all. [`Budget`](hydra_policy::Budget) lists all limits.
    pub fn with_budget<K, V>(mut self, limits: impl IntoIterator<Item = (K, V)>) -> Self
    where
        K: Into<String>,
        V: Into<String>,
    {
        self.budget.extend(limits.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Sets how many people, other than the requester, must approve before another policy takes the place of these or none is active,
    /// once these are [active](crate::ModelRegistry::activate_policy). Default: `activation-approvals` in `hydra.toml`, none.
    pub fn with_activation_approvals(mut self, approvals: u32) -> Self {
        self.activation_approvals = Some(approvals);
        self
    }

    /// Sets who must have signed the policies that are loaded from files and registries. Default: `[policy.trust]` in `hydra.toml`.
    pub fn with_policy_trust(mut self, rules: TrustConfig) -> Self {
        self.policy_trust = Some(rules);
        self
    }

    /// Sets who must have signed the models that become champion, that are loaded, and that a server swaps in. Default:
    /// `[model-trust]` in `hydra.toml`.
    pub fn with_model_trust(mut self, rules: TrustConfig) -> Self {
        self.model_trust = Some(rules);
        self
    }

    /// Sets whether OCI registries on other machines are asked without TLS, and then without credentials. Default:
    /// `HYDRA_OCI_PLAIN_HTTP`, `hydra.toml`, no.
    pub fn with_oci_plain_http(mut self, plain_http: bool) -> Self {
        self.oci_plain_http = Some(plain_http);
        self
    }

    /// Adds aliases that a policy may move, in addition to `champion`, `archived`, `candidate` and those in
    /// `hydra.toml`.
    pub fn with_managed_aliases(mut self, aliases: impl IntoIterator<Item = Alias>) -> Self {
        self.managed_aliases.extend(aliases);
        self
    }

    /// Sets the directory that caches models and compiled policies. Default: `HYDRA_CACHE_DIR`, the user's cache
    /// directory. Without any of them, nothing is cached.
    pub fn with_cache_dir(mut self, dir: impl Into<PathBuf>) -> Self {
        self.cache_dir = Some(dir.into());
        self
    }

    /// Sets the size limit of cached models in bytes; 0 turns the cache off. Default: `HYDRA_CACHE_BYTES`, a built-in
    /// limit.
    pub fn with_cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Sets how far the clock of this machine may be from the server's before decisions are refused. On a store without a clock of
    /// its own: how far it may be behind the newest entry of the ledger. Default: `HYDRA_CLOCK_TOLERANCE`, `hydra.toml`, one minute.
    pub fn with_clock_tolerance(mut self, tolerance: Duration) -> Self {
        self.clock_tolerance = Some(tolerance);
        self
    }

    /// Makes the errors of a policy quote the text of a panic that it left in its memory. For programs that help authors of
    /// policies: the text may be forged. [`policy_engine`](Self::policy_engine) and [`load_policy`](Self::load_policy) obey it.
    pub fn with_quoted_panics(mut self) -> Self {
        self.quote_panics = true;
        self
    }

    /// Makes policies run without handlers of the processor's signals, for programs in which something else handles them. See
    /// [`EngineOptions::without_signal_handlers`](hydra_policy::EngineOptions).
    pub fn without_signal_handlers(mut self) -> Self {
        self.without_signal_handlers = true;
        self
    }

    /// Compiles policies in a process of its own, which this command starts: [`CompilerCommand::of_program`] with the path of the
    /// command `hydra-registry` of this release. Default: the path in `HYDRA_POLICY_COMPILER`. Without both, this process compiles,
    /// without limits on time and memory, and logs a warning once.
    pub fn with_policy_compiler(mut self, command: CompilerCommand) -> Self {
        self.policy_compiler = Some(command);
        self
    }

    /// Sets the limits of the process that compiles. Default: those in `HYDRA_COMPILE_LIMITS`, such as
    /// `memory=8GiB,processor-time=10m,wall-clock=10m`.
    pub fn with_compile_limits(mut self, limits: CompileLimits) -> Self {
        self.compile_limits = Some(limits);
        self
    }

    /// Sets the environment variables, including MLflow's variables for credentials and timeouts.
    pub fn with_environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// Sets the project, whose root contains the default store. This does not read its `hydra.toml`; see
    /// [`Project::config`].
    pub fn with_project(mut self, project: Project) -> Self {
        self.project = Some(project);
        self
    }

    /// Sets the configuration, in the form of `hydra.toml`.
    pub fn with_config(mut self, config: ProjectConfig) -> Self {
        self.config = config;
        self
    }

    /// An engine that shares the cache of compiled policies.
    pub fn policy_engine(&self) -> Result<PolicyEngine> {
        PolicyEngine::new(&self.engine_options()?)
    }
}

#[cfg(test)]
mod tests;
