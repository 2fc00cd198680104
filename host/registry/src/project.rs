//! The project of a command: its root, its configuration file and its default store.

mod notify;
mod serve;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};

use crate::open::PolicySource;
use crate::panel::{PanelOptions, PanelPolicy, pinned_file};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::PolicyName;
use hydra_base::{Sha256, regular_file};
use hydra_lightgbm::loaded::ModelLimits;
use hydra_mlflow::uri::{ArtifactUri, Location, TrackingUri};
use hydra_policy::PanelRole;
use hydra_trust::TrustConfig;
use hydra_trust::oci::Reference;

pub use notify::{ReceiverConfig, ReceiverUrl};
pub use serve::ServeConfig;

/// The name of the configuration file, which marks a project root.
pub const CONFIG_FILE: &str = "hydra.toml";

/// `hydra.toml`, which flags and environment variables override. All fields are optional; unknown ones are errors.
///
/// Paths in the file may be relative to it; [`read`](Self::read) makes them absolute.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct ProjectConfig {
    /// The tracking URI.
    pub tracking_uri: Option<TrackingUri>,
    /// The registry URI, if not the tracking URI.
    pub registry_uri: Option<TrackingUri>,
    /// Where artifact roots have moved to, by the directories and URIs that the store calls them.
    #[serde(default)]
    pub artifact_root_map: BTreeMap<String, String>,
    /// The registered model's name.
    pub model: Option<String>,
    /// The policy that decides alone, and the rules about signatures of all policies.
    #[serde(default)]
    pub policy: SinglePolicy,
    /// The policies that decide together instead, the leader first.
    #[serde(default)]
    pub policies: Vec<PolicyConfig>,
    /// How many people must approve before another policy takes the place of these, if they become the active ones.
    pub activation_approvals: Option<u32>,
    /// Who must have signed the models that become champion and that are loaded.
    pub model_trust: Option<TrustConfig>,
    /// Whether OCI registries on other machines are asked without TLS.
    pub oci_plain_http: Option<bool>,
    /// Aliases that a policy may move in addition to `champion`, `archived` and `candidate`.
    #[serde(default)]
    pub managed_aliases: Vec<String>,
    /// Whether every rollback puts the version that it leaves in quarantine.
    #[serde(default)]
    pub quarantine_on_rollback: bool,
    /// How far the clock of this machine may be from the server's, such as `60s`.
    pub clock_tolerance: Option<String>,
    /// Settings of the policy, by key, as the text in which a policy gets them.
    #[serde(default, deserialize_with = "texts")]
    pub settings: BTreeMap<String, String>,
    /// Limits of a decision, by name, as text; `policy inspect` shows them.
    #[serde(default, deserialize_with = "texts")]
    pub budget: BTreeMap<String, String>,
    /// Limits for reading models, by name, as text.
    #[serde(default, deserialize_with = "texts")]
    pub limits: BTreeMap<String, String>,
    /// The options of `serve`, which its flags override.
    #[serde(default)]
    pub serve: ServeConfig,
    /// The receivers of what the ledger records, by name.
    #[serde(default)]
    pub notify: BTreeMap<String, ReceiverConfig>,
}

/// One of `[[policies]]` in `hydra.toml`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
#[non_exhaustive]
pub struct PolicyConfig {
    /// The name by which `--set NAME.KEY=VALUE` addresses it. Default: the stem of the file.
    pub name: Option<PolicyName>,
    /// The component. Default: the embedded policy.
    pub file: Option<PathBuf>,
    /// The SHA-256 that the component must have.
    pub sha256: Option<Sha256>,
    /// Its part. Default: the first policy leads, the others are gates.
    pub mode: Option<PanelRole>,
    /// Its settings, by key.
    #[serde(default, deserialize_with = "texts")]
    pub settings: BTreeMap<String, String>,
    /// Limits of its decisions, by name, which override those in `[budget]`.
    #[serde(default, deserialize_with = "texts")]
    pub budget: BTreeMap<String, String>,
}

/// The most bytes of a configuration file.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// `policy` in `hydra.toml`: the path of a component, or a table.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(try_from = "toml::Value")]
#[non_exhaustive]
pub struct SinglePolicy {
    /// The component.
    pub file: Option<PathBuf>,
    /// The SHA-256 that the component must have.
    pub sha256: Option<Sha256>,
    /// The rules about signatures, for the policies of `[[policies]]` as well.
    pub trust: Option<TrustConfig>,
}

impl TryFrom<toml::Value> for SinglePolicy {
    type Error = String;

    fn try_from(value: toml::Value) -> Result<Self, String> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields, rename_all = "kebab-case")]
        struct Table {
            file: Option<PathBuf>,
            sha256: Option<Sha256>,
            trust: Option<TrustConfig>,
        }
        match value {
            toml::Value::String(path) => Ok(Self { file: Some(path.into()), ..Self::default() }),
            table => {
                let Table { file, sha256, trust } =
                    table.try_into().map_err(|error: toml::de::Error| error.message().to_owned())?;
                if file.is_none() && sha256.is_some() {
                    return Err("`policy.sha256` is the digest of `policy.file`, which is missing".to_owned());
                }
                Ok(Self { file, sha256, trust })
            }
        }
    }
}

impl ProjectConfig {
    /// Reads a configuration file, and makes its relative paths (also those in `sqlite:` and `file:` URIs) absolute
    /// against its directory. `Config` names the line of an error.
    pub fn read(path: &Path) -> Result<Self> {
        let text = regular_file::read_text(path, MAX_CONFIG_BYTES, |source| {
            Error::new(ErrorKind::Config, "cannot read the configuration file")
                .with_context("path", path.display())
                .with_source(source)
        })?;
        let config: Self = toml::from_str(&text).map_err(|error: toml::de::Error| {
            let line = error.span().map_or(1, |span| 1 + text[..span.start].matches('\n').count());
            Error::new(ErrorKind::Config, "the configuration file is damaged")
                .with_context("path", path.display())
                .with_context("line", line)
                // Use the message only: the full error quotes the line, which may contain a password.
                .with_source(error.message())
        })?;
        config.check().map_err(|error| error.with_context("path", path.display()))?;
        let directory = directory_of(path).map_err(|source| {
            Error::new(ErrorKind::Config, "cannot determine the directory of the configuration file")
                .with_context("path", path.display())
                .with_source(source)
        })?;
        Ok(config.resolved(&directory))
    }

    /// Refuses settings that name the policies twice, or two digests of one.
    fn check(&self) -> Result<()> {
        let single = (self.policy.file.as_ref(), self.policy.sha256);
        let several = self.policies.iter().map(|policy| (policy.file.as_ref(), policy.sha256));
        for (file, sha256) in several.chain([single]) {
            let pinned = file.and_then(|file| pinned_file(file).1);
            if let (Some(file), Some(_), Some(_)) =
                (file, pinned, sha256.filter(|sha256| pinned != Some(*sha256)))
            {
                return Err(Error::new(ErrorKind::Config, "a policy is named with two digests")
                    .with_context("file", file.display())
                    .with_hint("write the digest after the file, or as `sha256`"));
            }
        }
        let double = match (&self.policy.file, self.settings.is_empty()) {
            _ if self.policies.is_empty() => return Ok(()),
            (Some(_), _) => "policy",
            (None, false) => "settings",
            (None, true) => return Ok(()),
        };
        Err(Error::new(ErrorKind::Config, format!("`{double}` and `policies` exclude each other")).with_hint(
            "write `file` and `settings` of each policy into its part of `[[policies]]`, the leader first",
        ))
    }

    /// The limits for reading models: those of the file, and `given` ones, which override them. None if there are neither.
    pub fn model_limits(&self, given: &BTreeMap<String, String>) -> Result<Option<ModelLimits>> {
        let all = self.limits.iter().chain(given);
        let limits = all
            .clone()
            .try_fold(ModelLimits::built_in(), |limits, (name, value)| limits.with(name, value))?;
        Ok(all.clone().next().is_some().then_some(limits))
    }

    /// The policies that the file names, if it names any.
    pub(crate) fn panel(&self) -> Option<PanelOptions> {
        let source = |file: &Option<PathBuf>, sha256: Option<Sha256>| match file {
            Some(file) => {
                let named = PanelPolicy::from_file(file);
                PanelPolicy { sha256: sha256.or(named.sha256), ..named }
            }
            None => PanelPolicy { sha256, ..PanelPolicy::new(PolicySource::Embedded) },
        };
        let policy = |config: &PolicyConfig| PanelPolicy {
            name: config.name.clone(),
            settings: config.settings.clone(),
            budget: config.budget.clone(),
            ..source(&config.file, config.sha256)
        };
        let [first, others @ ..] = &self.policies[..] else {
            let SinglePolicy { file, sha256, .. } = &self.policy;
            return file.is_some().then(|| PanelOptions::led_by(source(file, *sha256)));
        };
        let leads = (first.mode.unwrap_or(PanelRole::Leader), policy(first));
        let follow = others.iter().map(|config| (config.mode.unwrap_or(PanelRole::Gate), policy(config)));
        Some(PanelOptions { policies: [leads].into_iter().chain(follow).collect() })
    }

    /// The same configuration with absolute paths.
    fn resolved(self, directory: &Path) -> Self {
        Self {
            tracking_uri: self.tracking_uri.map(|uri| uri.absolute(directory)),
            registry_uri: self.registry_uri.map(|uri| uri.absolute(directory)),
            artifact_root_map: self
                .artifact_root_map
                .into_iter()
                .map(|(old, new)| (old, absolute_root(directory, new)))
                .collect(),
            policy: SinglePolicy {
                file: self.policy.file.map(|file| component(directory, file)),
                trust: self.policy.trust.map(|rules| rules.resolved(directory)),
                ..self.policy
            },
            model_trust: self.model_trust.map(|rules| rules.resolved(directory)),
            policies: self.policies.into_iter().map(|policy| policy.resolved(directory)).collect(),
            serve: self.serve.resolved(directory),
            notify: self.notify.into_iter().map(|(name, one)| (name, one.resolved(directory))).collect(),
            ..self
        }
    }
}

impl PolicyConfig {
    fn resolved(self, directory: &Path) -> Self {
        Self { file: self.file.map(|file| component(directory, file)), ..self }
    }
}

/// The new place of artifacts; a relative directory starts from `directory`.
fn absolute_root(directory: &Path, new: String) -> String {
    match ArtifactUri::new(&*new).as_ref().map(ArtifactUri::location) {
        Ok(Location::Local(path)) if path.is_relative() => directory.join(path).display().to_string(),
        _ => new,
    }
}

/// The absolute path of a component; a reference of a registry stays as it is.
fn component(directory: &Path, file: PathBuf) -> PathBuf {
    if file.to_str().is_some_and(Reference::is_meant) { file } else { directory.join(file) }
}

/// The absolute directory of a file, without `..`, because stores write it into the locations of artifacts.
fn directory_of(file: &Path) -> std::io::Result<PathBuf> {
    let mut directory = std::path::absolute(file)?;
    directory.pop();
    let climbs = directory.components().any(|part| part == std::path::Component::ParentDir);
    if climbs { directory.canonicalize() } else { Ok(directory) }
}

/// Converts a table of plain values to text.
fn texts<'de, D: Deserializer<'de>>(deserializer: D) -> Result<BTreeMap<String, String>, D::Error> {
    let values = BTreeMap::<String, toml::Value>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|(key, value)| (key, plain_text(value))).collect())
}

fn plain_text(value: toml::Value) -> String {
    match value {
        toml::Value::String(text) => text,
        toml::Value::Integer(number) => number.to_string(),
        toml::Value::Float(number) => number.to_string(),
        toml::Value::Boolean(flag) => flag.to_string(),
        toml::Value::Datetime(time) => time.to_string(),
        nested @ (toml::Value::Array(_) | toml::Value::Table(_)) => format!("{nested:?}"),
    }
}

/// A project: the directory that relative paths refer to.
#[derive(Debug, Clone)]
pub struct Project {
    root: PathBuf,
}

impl Project {
    /// The project around `start` (an absolute path): the nearest ancestor with `hydra.toml`, else the nearest with
    /// `pyproject.toml` or `.git`, else `start` itself.
    #[must_use]
    pub fn around(start: &Path) -> Self {
        let nearest = |markers: &[&str]| {
            start.ancestors().find(|directory| markers.iter().any(|marker| directory.join(marker).exists()))
        };
        let root = nearest(&[CONFIG_FILE]).or_else(|| nearest(&["pyproject.toml", ".git"])).unwrap_or(start);
        Self { root: root.to_path_buf() }
    }

    /// The project around the current directory.
    pub fn current() -> Result<Self> {
        let here = std::env::current_dir().map_err(|source| {
            Error::new(ErrorKind::Storage, "cannot determine the current directory").with_source(source)
        })?;
        Ok(Self::around(&here))
    }

    /// The root directory, absolute.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The configuration in `hydra.toml`; empty if there is no such file.
    pub fn config(&self) -> Result<ProjectConfig> {
        let path = self.root.join(CONFIG_FILE);
        if path.exists() { ProjectConfig::read(&path) } else { Ok(ProjectConfig::default()) }
    }

    /// The default store, always with an absolute path: `<root>/mlruns` if it contains a file store, else the database
    /// `<root>/mlflow.db`, as in MLflow.
    #[must_use]
    pub fn default_tracking_uri(&self) -> String {
        let mlruns = self.root.join("mlruns");
        if holds_file_store(&mlruns) {
            mlruns.display().to_string()
        } else {
            format!("sqlite:///{}", self.root.join("mlflow.db").display())
        }
    }
}

/// Whether a directory contains an MLflow file store: an experiment, or registered models.
fn holds_file_store(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let path = entry.path();
        path.join("meta.yaml").is_file() || (entry.file_name() == "models" && path.is_dir())
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn the_root_is_the_nearest_marked_ancestor_and_hydra_toml_wins() {
        let home = tempfile::tempdir().expect("a directory");
        let inner = home.path().join("a/b/c");
        fs::create_dir_all(&inner).expect("directories");
        fs::create_dir(home.path().join("a/b/.git")).expect("a marker");
        assert_eq!(Project::around(&inner).root(), home.path().join("a/b"));
        fs::write(home.path().join("a/hydra.toml"), "").expect("a marker");
        assert_eq!(Project::around(&inner).root(), home.path().join("a"));
        let elsewhere = home.path().join("x");
        fs::create_dir(&elsewhere).expect("a directory");
        assert!(
            home.path().starts_with(Project::around(&elsewhere).root().parent().unwrap_or(Path::new("/")))
        );
    }

    #[test]
    fn the_default_store_is_absolute_and_keeps_an_existing_file_store() {
        let home = tempfile::tempdir().expect("a directory");
        let project = Project { root: home.path().to_path_buf() };
        assert_eq!(project.default_tracking_uri(), format!("sqlite:///{}/mlflow.db", home.path().display()));
        fs::create_dir_all(home.path().join("mlruns/1/run")).expect("a directory of artifacts");
        assert!(project.default_tracking_uri().starts_with("sqlite:"));
        fs::write(home.path().join("mlruns/1/meta.yaml"), "").expect("an experiment");
        assert_eq!(project.default_tracking_uri(), home.path().join("mlruns").display().to_string());
    }

    #[test]
    fn an_unknown_field_in_the_configuration_is_an_error_that_names_it() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join(CONFIG_FILE);
        fs::write(&path, "model = 'm'\nchampoin = 1\n").expect("a file");
        let error = ProjectConfig::read(&path).expect_err("an unknown field");
        assert_eq!(error.kind(), ErrorKind::Config);
        let source = std::error::Error::source(&error).expect("a source").to_string();
        assert!(source.contains("champoin"), "{source}");
    }

    #[test]
    fn a_damaged_configuration_is_not_quoted() {
        let home = tempfile::tempdir().expect("a directory");
        let path = home.path().join(CONFIG_FILE);
        for damaged in ["'http://ann:hunter2@h", "'http://ann:hunter2@h/?a=b'", "['http://ann:hunter2@h']"] {
            fs::write(&path, format!("model = 'm'\ntracking-uri = {damaged}\n")).expect("a file");
            let error = ProjectConfig::read(&path).expect_err(damaged);
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains("line: 2"), "{error}");
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }

    #[test]
    fn paths_in_the_configuration_are_relative_to_it() {
        let home = tempfile::tempdir().expect("a directory");
        let root = home.path().canonicalize().expect("a path");
        fs::create_dir_all(root.join("a/cfg")).expect("directories");
        fs::create_dir(root.join("a/b")).expect("a directory");
        fs::write(
            root.join("a/cfg/hydra.toml"),
            "tracking-uri = 'sqlite:///store.db'\nregistry-uri = 'mlruns'\npolicy = 'pol.wasm'",
        )
        .expect("a file");
        for path in ["a/cfg/hydra.toml", "a/b/../cfg/hydra.toml"] {
            let config = ProjectConfig::read(&root.join(path)).expect("a configuration");
            let directory = root.join("a/cfg");
            let uri = |uri: Option<TrackingUri>| uri.expect("a URI").expose().to_owned();
            assert_eq!(uri(config.tracking_uri), format!("sqlite:///{}/store.db", directory.display()));
            assert_eq!(uri(config.registry_uri), format!("{}/mlruns", directory.display()));
            assert_eq!(config.policy.file, Some(directory.join("pol.wasm")));
        }
    }

    #[test]
    fn a_policy_is_a_path_or_a_table_with_its_digest() {
        let digest = "ab".repeat(32);
        let read = |text: &str| toml::from_str::<ProjectConfig>(text);
        let pinned = format!("policy = {{ file = 'a.wasm', sha256 = '{digest}' }}");
        let policy = read(&pinned).expect("a configuration").policy;
        assert_eq!((policy.file, policy.sha256), (Some("a.wasm".into()), digest.parse().ok()));
        let trusted = "[policy.trust]\nall-of = [{ pub-key = 'k.pub' }]\n[[policies]]\nfile = 'b.wasm'";
        let config = read(trusted).expect("a configuration");
        assert_eq!(config.policy.trust.clone().expect("rules").all_of[0].pub_key, "k.pub");
        assert!(ProjectConfig { policy: SinglePolicy::default(), ..config }.check().is_ok());
        for text in [
            format!("policy = 'a.wasm@sha256:{digest}'"),
            format!("policy = {{ file = 'a.wasm@sha256:{digest}', sha256 = '{digest}' }}"),
            format!("[[policies]]\nfile = 'a.wasm@sha256:{digest}'"),
        ] {
            let config = read(&text).expect("a configuration");
            config.check().expect("one digest");
            let (_, named) = config.resolved(Path::new("/p")).panel().expect("a panel").policies.remove(0);
            let PolicySource::File(file) = named.source else { panic!("{text}: {:?}", named.source) };
            assert_eq!((file, named.sha256), ("/p/a.wasm".into(), digest.parse().ok()), "{text}");
        }
        let two = format!("policy = {{ file = 'a.wasm@sha256:{digest}', sha256 = '{}' }}", "cd".repeat(32));
        let refused = read(&two).expect("a configuration").check().expect_err("two digests");
        assert_eq!(refused.kind(), ErrorKind::Config);
        for (damaged, what) in [
            ("policy = { file = 'a.wasm', sha256 = 'AB' }", "SHA-256"),
            ("policy = { fil = 'a.wasm' }", "fil"),
            (&*format!("policy = {{ sha256 = '{digest}' }}"), "policy.file"),
            ("policy = 1", "invalid type"),
        ] {
            let error = read(damaged).expect_err(damaged).to_string();
            assert!(error.contains(what), "{damaged}: {error}");
        }
    }

    #[test]
    fn settings_become_text() {
        let config: ProjectConfig =
            toml::from_str("[settings]\nmetric = 'auc'\nmargin = 0.01\nstrict = true")
                .expect("a configuration");
        let text = config.settings;
        assert_eq!(text["metric"], "auc");
        assert_eq!(text["margin"], "0.01");
        assert_eq!(text["strict"], "true");
    }
}
