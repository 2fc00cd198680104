//! What a registry needs to connect, as the facade passes it: everything that Rust must not read from the process itself, because
//! other threads of the interpreter may change it, and because a worker process connects in its place.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use hydra_base::error::Result;
use hydra_mlflow::environment;
use hydra_registry::policy::CompilerCommand;
use hydra_registry::{OpenOptions, PanelOptions, PanelPolicy, Project, ProjectConfig};
use serde::{Deserialize, Serialize};

/// The options of a registry.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Options {
    /// The current directory when the registry was made.
    pub cwd: PathBuf,
    /// The environment variables at that time.
    pub environment: BTreeMap<String, String>,
    /// The tracking URI; none for that of the environment, the project or its default store.
    pub tracking_uri: Option<String>,
    /// The registry URI.
    pub registry_uri: Option<String>,
    /// The registered model; none for that of the environment, the project or the default.
    pub model: Option<String>,
    /// The requester's name.
    pub actor: Option<String>,
    /// The policies that decide, the leader first; empty for those of the environment, the project or the embedded one.
    pub policies: Vec<PolicyFile>,
    /// Settings of the policies, by key.
    pub settings: BTreeMap<String, String>,
    /// The command that compiles policies in a process of its own; empty if the interpreter is not known.
    pub compiler: Vec<String>,
}

/// A policy as the caller names it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PolicyFile {
    /// `NAME=FILE`, or a path, as in an argument of the command line.
    Argument(String),
    /// A path.
    File(PathBuf),
}

impl PolicyFile {
    fn policy(&self, cwd: &Path) -> PanelPolicy {
        let policy = match self {
            Self::Argument(text) => PanelPolicy::from_argument(text),
            Self::File(path) => PanelPolicy::new(path.clone()),
        };
        policy.relative_to(cwd)
    }
}

impl Options {
    /// The options for [`connect`](hydra_registry::ModelRegistry::connect). They do not depend on the directory or the environment of
    /// the process that connects.
    pub fn open_options(&self) -> Result<OpenOptions> {
        let cwd = &self.cwd;
        let mut variables = self.environment.clone();
        let project = Project::around(cwd);
        let config = match variables.get(environment::CONFIG).filter(|path| !path.is_empty()) {
            Some(path) => ProjectConfig::read(&cwd.join(path))?,
            None => project.config()?,
        };
        if let Some(limits) = config.model_limits(&BTreeMap::new())? {
            limits.set_for_process()?;
        }
        for name in [environment::CACHE_DIR, environment::POLICY_COMPILER] {
            if let Some(path) = variables.get_mut(name).filter(|path| !path.is_empty()) {
                *path = cwd.join(&*path).display().to_string();
            }
        }
        let own_compiler = variables.get(environment::POLICY_COMPILER).is_none_or(String::is_empty);
        // A relative path in it means another file in another directory.
        let of_environment = variables.remove(environment::POLICY).filter(|policy| !policy.is_empty());
        let of_environment = of_environment.map(PolicyFile::Argument).into_iter();
        let mut policies = self.policies.iter().map(|policy| policy.policy(cwd)).collect::<Vec<_>>();
        if policies.is_empty() {
            policies.extend(of_environment.map(|policy| policy.policy(cwd)));
        }
        let mut options = OpenOptions::new()
            .with_environment(variables.into_iter().collect())
            .with_project(project)
            .with_config(config)
            .with_policy_settings(self.settings.clone())
            .without_signal_handlers();
        if let Some((program, arguments)) = self.compiler.split_first().filter(|_| own_compiler) {
            options = options.with_policy_compiler(CompilerCommand::new(program, arguments));
        }
        let mut policies = policies.into_iter();
        if let Some(leader) = policies.next() {
            options =
                options.with_panel(policies.fold(PanelOptions::led_by(leader), PanelOptions::with_gate));
        }
        if let Some(uri) = &self.tracking_uri {
            options = options.with_tracking_uri(uri.as_str());
        }
        if let Some(uri) = &self.registry_uri {
            options = options.with_registry_uri(uri.as_str());
        }
        if let Some(model) = &self.model {
            options = options.with_model(model);
        }
        if let Some(actor) = &self.actor {
            options = options.with_actor(actor);
        }
        options.with_absolute_uris(cwd)
    }
}
