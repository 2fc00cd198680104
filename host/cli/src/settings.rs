//! Resolves options: flags first, then the environment, then `hydra.toml`.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::Extras;
use crate::args::{ActorArgs, GlobalArgs};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_mlflow::environment::{self, Environment};
use hydra_mlflow::uri::GivenUri;
use hydra_policy::parse_duration;
use hydra_registry::{
    CONFIG_FILE, OpenOptions, PanelOptions, PanelPolicy, Project, ProjectConfig, ReceiverConfig, ServeConfig,
};

/// The settings of one command.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The options of the registry.
    pub options: OpenOptions,
    /// The policy's settings of `--set` alone; `options` contains them, too.
    pub set: BTreeMap<String, String>,
    /// The policy's settings in `hydra.toml` alone; `options` contains them, too.
    pub configured: BTreeMap<String, String>,
    /// `[serve]` in `hydra.toml`.
    pub serve: ServeConfig,
    /// `[notify]` in `hydra.toml`.
    pub notify: BTreeMap<String, ReceiverConfig>,
    /// `hydra.toml`; the `options` contain it, too.
    pub config: ProjectConfig,
    /// Where that file is; none if there is none.
    pub config_file: Option<PathBuf>,
    /// The environment; the `options` contain it, too.
    pub environment: Environment,
    /// The values of the options of every command that are on the command line, by the names of the options.
    pub flags: BTreeMap<String, String>,
    /// What the program adds.
    pub extras: Extras,
}

impl Settings {
    /// Resolves the options of every command.
    pub fn resolve(args: &GlobalArgs, extras: Extras) -> Result<Self> {
        let project = Project::current()?;
        let config = match args.config.as_deref().filter(|path| !path.as_os_str().is_empty()) {
            Some(path) => ProjectConfig::read(path)?,
            None => project.config()?,
        };
        let given = args.config.clone().filter(|path| !path.as_os_str().is_empty());
        let config_file =
            given.or_else(|| Some(project.root().join(CONFIG_FILE))).filter(|path| path.exists());
        let (serve, notify) = (config.serve.clone(), config.notify.clone());
        let (set, configured) = (key_values("--set", &args.set)?, config.settings.clone());
        if let Some(limits) = config.model_limits(&key_values("--model-limit", &args.model_limits)?)? {
            limits.set_for_process()?;
        }
        let environment = Environment::of_process();
        let has_compiler = environment.get(environment::POLICY_COMPILER).is_some();
        let mut options = OpenOptions::new()
            .with_environment(environment.clone())
            .with_project(project)
            .with_config(config.clone())
            .with_policy_settings(set.clone())
            .with_budget(key_values("--budget", &args.budget)?);
        if let Some(command) = (extras.compiler)().filter(|_| !has_compiler) {
            options = options.with_policy_compiler(command);
        }
        // clap has replaced missing arguments by these environment variables, also by empty ones.
        let uri = |uri: &Option<GivenUri>| uri.clone().filter(|uri| !uri.expose().is_empty());
        if let Some(uri) = uri(&args.tracking_uri) {
            options = options.with_tracking_uri(uri);
        }
        if let Some(uri) = uri(&args.registry_uri) {
            options = options.with_registry_uri(uri);
        }
        for (old, new) in key_values("--artifact-root-map", &args.artifact_root_map)? {
            options = options.with_artifact_root(old, new);
        }
        if let Some(name) = args.model.as_deref().filter(|name| !name.is_empty()) {
            options = options.with_model(name);
        }
        if let Some(text) = args.clock_tolerance.as_deref().filter(|text| !text.is_empty()) {
            let tolerance = parse_duration(text).ok_or_else(|| {
                Error::new(
                    ErrorKind::InvalidArgument,
                    format!("the clock tolerance is not a duration: `{text}`"),
                )
                .with_hint("write it like `60s` or `5m`")
            })?;
            options = options.with_clock_tolerance(tolerance);
        }
        if args.oci_plain_http {
            options = options.with_oci_plain_http(true);
        }
        if let Some(panel) = panel(&args.policies) {
            options = options.with_panel(panel);
        }
        options =
            args.monitors.iter().map(PanelPolicy::from_argument).fold(options, OpenOptions::with_monitor);
        let flags = BTreeMap::new();
        Ok(Self { options, set, configured, serve, notify, config, config_file, environment, flags, extras })
    }

    /// The same options with another actor, where one is named.
    pub fn acting_as(&self, args: &ActorArgs) -> OpenOptions {
        match &args.actor {
            Some(actor) => self.options.clone().with_actor(actor),
            None => self.options.clone(),
        }
    }
}

/// The policies of `--policy`: the first one leads, the others are gates. A single empty text counts as unset, as in the
/// environment; one of several is a file that cannot be read, because no gate must be left out in silence.
pub(crate) fn panel(given: &[OsString]) -> Option<PanelOptions> {
    let [first, others @ ..] = given else { return None };
    if others.is_empty() && first.is_empty() {
        return None;
    }
    let leader = PanelOptions::led_by(PanelPolicy::from_argument(first));
    Some(others.iter().map(PanelPolicy::from_argument).fold(leader, PanelOptions::with_gate))
}

/// Parses `KEY=VALUE` arguments; `InvalidArgument` names a malformed or repeated one.
pub fn key_values(flag: &str, given: &[String]) -> Result<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for text in given {
        let Some((key, value)) = text.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Error::new(
                ErrorKind::InvalidArgument,
                format!("the argument is not of the form KEY=VALUE: `{text}`"),
            )
            .with_context("flag", flag));
        };
        if map.insert(key.to_owned(), value.to_owned()).is_some() {
            return Err(Error::new(ErrorKind::InvalidArgument, format!("`{key}` is given twice"))
                .with_context("flag", flag));
        }
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use super::*;
    use hydra_lightgbm::loaded::ModelLimits;

    #[test]
    fn the_limits_in_docs_are_those_of_the_readers() {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/limits.md");
        let docs = std::fs::read_to_string(path).expect("docs/limits.md");
        let rows = ModelLimits::named()
            .iter()
            .map(|limit| format!("| `{}` | {} | {} |\n", limit.name, limit.of, limit.built_in()));
        let table = rows.collect::<String>();
        assert!(docs.contains(&table), "write this table into docs/limits.md:\n{table}");
    }

    #[test]
    fn key_values_split_at_the_first_sign_and_name_what_is_wrong() {
        let given = ["a=1".to_owned(), "b=x=y".to_owned(), "c=".to_owned()];
        let map = key_values("--set", &given).expect("a map");
        assert_eq!(map["b"], "x=y");
        assert_eq!(map["c"], "");
        for bad in [vec!["a"], vec!["=1"], vec!["a=1", "a=2"]] {
            let bad: Vec<String> = bad.into_iter().map(str::to_owned).collect();
            assert_eq!(key_values("--set", &bad).expect_err("refused").kind(), ErrorKind::InvalidArgument);
        }
    }
}
