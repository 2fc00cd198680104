//! Each setting with its source.

use schemars::JsonSchema;
use serde::Serialize;

use crate::Settings;
use crate::printer::View;
use crate::table::Table;
use hydra_base::Result;
use hydra_base::text::printable;
use hydra_mlflow::environment;
use hydra_mlflow::uri::redact;
use hydra_registry::DEFAULT_MODEL;

/// What stands for a secret.
const SECRET: &str = "***";

/// Words in the names of settings whose values are not shown.
const SECRET_WORDS: [&str; 4] = ["password", "secret", "token", "credential"];

/// `config show`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfigReport {
    /// `hydra-registry/config/1`.
    pub schema: &'static str,
    /// The configuration file; none if there is none.
    pub file: Option<String>,
    /// The settings.
    pub settings: Vec<SettingReport>,
}

/// One setting.
#[derive(Debug, Serialize, JsonSchema)]
pub struct SettingReport {
    /// Its name, as in `hydra.toml`, or the variable.
    pub name: String,
    /// Its value; none if it is not set and has no default. `***` stands for a secret.
    pub value: Option<String>,
    /// The flag, the variable or the file that sets it, or `default`.
    pub source: String,
}

/// Variables that only the environment sets, and their defaults.
const VARIABLES: [(&str, &str); 18] = [
    (environment::USERNAME, ""),
    (environment::PASSWORD, ""),
    (environment::TOKEN, ""),
    (environment::WORKSPACE, ""),
    (environment::SERVER_CERT_PATH, ""),
    (environment::CLIENT_CERT_PATH, ""),
    (environment::INSECURE_TLS, "false"),
    (environment::REQUEST_TIMEOUT, "120"),
    (environment::MAX_RETRIES, "7"),
    (environment::BACKOFF_FACTOR, "2"),
    (environment::BACKOFF_JITTER, "1"),
    (environment::RESPECT_RETRY_AFTER, "true"),
    (environment::CONNECT_TIMEOUT, "10"),
    (environment::ALLOWED_ARTIFACT_HOSTS, ""),
    (environment::ALLOWED_ARTIFACT_ROOTS, ""),
    (environment::LOG, ""),
    (environment::POLICY_COMPILER, "this program"),
    (environment::COMPILE_LIMITS, ""),
];

impl ConfigReport {
    /// The settings of a command.
    pub(crate) fn new(settings: &Settings) -> Result<Self> {
        let config = &settings.config;
        let uri = |uri: Option<&hydra_mlflow::uri::TrackingUri>| uri.map(|uri| redact(uri.expose()));
        let mut of = Collected { settings, all: Vec::new() };
        let resolved = redact(settings.options.resolved_tracking_uri()?.expose());
        of.add("tracking-uri", Some(environment::TRACKING_URI), uri(config.tracking_uri.as_ref()), &resolved);
        of.add(
            "registry-uri",
            Some(environment::REGISTRY_URI),
            uri(config.registry_uri.as_ref()),
            "tracking-uri",
        );
        of.keys("artifact-root-map", "artifact-root-map", &config.artifact_root_map);
        of.add("model", Some(environment::MODEL), config.model.clone(), DEFAULT_MODEL);
        of.first(
            "experiment",
            &[environment::EXPERIMENT_ID, environment::EXPERIMENT_NAME],
            "the model's name",
        );
        of.first("actor", &[environment::ACTOR, environment::USERNAME], "the login name");
        let files = config.policies.iter().map(|policy| {
            policy.file.as_ref().map_or_else(|| "embedded".to_owned(), |file| file.display().to_string())
        });
        let files: Vec<String> =
            config.policy.file.iter().map(|file| file.display().to_string()).chain(files).collect();
        let files = (!files.is_empty()).then(|| files.join(", "));
        of.add("policy", Some(environment::POLICY), files, "embedded");
        of.add("monitor", None, None, "");
        of.keys("set", "settings", &config.settings);
        of.keys("budget", "budget", &config.budget);
        of.keys("model-limit", "limits", &config.limits);
        let aliases = (!config.managed_aliases.is_empty()).then(|| config.managed_aliases.join(", "));
        of.add("managed-aliases", None, aliases, "champion, archived, candidate");
        let quarantines = config.quarantine_on_rollback.then(|| "true".to_owned());
        of.add("quarantine-on-rollback", None, quarantines, "false");
        let tolerance = config.clock_tolerance.clone();
        of.add("clock-tolerance", Some(environment::CLOCK_TOLERANCE), tolerance, "60s");
        of.add("output", Some(environment::OUTPUT), None, "text");
        of.add("timeout", None, None, "1h");
        of.first("cache", &[environment::CACHE_DIR, "XDG_CACHE_HOME"], "~/.cache/hydra-registry");
        of.add("cache-bytes", Some(environment::CACHE_BYTES), None, "");
        of.serve();
        of.receivers();
        for (name, default) in VARIABLES {
            of.first(name, &[name], default);
        }
        let file = settings.config_file.as_ref().map(|file| file.display().to_string());
        Ok(Self { schema: "hydra-registry/config/1", file, settings: of.all })
    }

    /// For people: a table.
    pub(crate) fn text(&self, view: &View) -> String {
        let mut table = Table::new("setting");
        table.heading("value");
        table.heading("source");
        for setting in &self.settings {
            table.row(printable(&setting.name));
            table.cell(setting.value.as_deref().map_or_else(|| "-".to_owned(), printable));
            table.cell(printable(&setting.source));
        }
        table.text(view.width)
    }
}

struct Collected<'a> {
    settings: &'a Settings,
    all: Vec<SettingReport>,
}

impl Collected<'_> {
    /// A setting by its flag, its variable, the file and its default.
    fn add(&mut self, name: &str, variable: Option<&str>, configured: Option<String>, default: &str) {
        let flag = self.settings.flags.get(name).map(|values| values.replace('\n', ", "));
        let in_environment = variable.and_then(|name| self.settings.environment.get(name));
        let (value, source) = match (flag, in_environment, configured) {
            (Some(value), _, _) => (Some(value), format!("--{name}")),
            (None, Some(value), _) => (Some(value.to_owned()), variable.unwrap_or_default().to_owned()),
            (None, None, Some(value)) => (Some(value), self.file()),
            (None, None, None) => (Some(default.to_owned()), "default".to_owned()),
        };
        self.push(name, value, source);
    }

    /// A setting that only the environment has: the first of these variables that is set.
    fn first(&mut self, name: &str, variables: &[&str], default: &str) {
        let found = variables.iter().find_map(|variable| {
            Some(((*variable).to_owned(), self.settings.environment.get(variable)?.to_owned()))
        });
        let (source, value) = found.unwrap_or_else(|| ("default".to_owned(), default.to_owned()));
        self.push(name, Some(value), source);
    }

    /// Keys with values, of a flag that is repeated and of a table in the file.
    fn keys(&mut self, flag: &str, table: &str, configured: &std::collections::BTreeMap<String, String>) {
        let given = self.settings.flags.get(flag).cloned().unwrap_or_default();
        let given: Vec<(String, String)> = given
            .lines()
            .filter_map(|line| line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())))
            .collect();
        for (key, value) in configured.iter().filter(|(key, _)| !given.iter().any(|(known, _)| known == *key))
        {
            self.push(&format!("{table}.{key}"), Some(value.clone()), self.file());
        }
        for (key, value) in given {
            self.push(&format!("{table}.{key}"), Some(value), format!("--{flag}"));
        }
    }

    /// What the file says of `serve`.
    fn serve(&mut self) {
        let serve = &self.settings.serve;
        let models = (!serve.models.is_empty()).then(|| serve.models.join(", "));
        let texts = [
            ("models", models.as_ref()),
            ("listen", serve.listen.as_ref()),
            ("grpc", serve.grpc.as_ref()),
            ("alias", serve.alias.as_ref()),
            ("poll", serve.poll.as_ref()),
            ("shadow", serve.shadow.as_ref()),
            ("instance", serve.instance.as_ref()),
            ("canary", serve.canary.as_ref()),
            ("canary-key", serve.canary_key.as_ref()),
            ("drain", serve.drain.as_ref()),
            ("header-time", serve.header_time.as_ref()),
            ("body-time", serve.body_time.as_ref()),
        ];
        let source = self.file();
        for (name, value) in texts {
            if let Some(value) = value {
                self.push(&format!("serve.{name}"), Some(value.clone()), source.clone());
            }
        }
    }

    /// The receivers, without what is secret of them.
    fn receivers(&mut self) {
        let file = self.file();
        for (name, receiver) in &self.settings.notify {
            let url = receiver.url.as_ref().map(|url| hydra_notify::without_secrets(url.expose()));
            let url_source = receiver.url_variable.clone().unwrap_or_else(|| file.clone());
            let url_hidden = receiver.url_variable.as_ref().map(|_| SECRET.to_owned());
            let secret_file = receiver.secret_file.as_ref().map(|path| path.display().to_string());
            let secret = receiver.secret_variable.clone().or(secret_file);
            let events =
                receiver.events.as_ref().map_or_else(|| "all".to_owned(), |events| events.join(", "));
            let template = receiver.template.clone().unwrap_or_else(|| "cloudevents".to_owned());
            let or_default = |is_set: bool| if is_set { file.clone() } else { "default".to_owned() };
            for (key, value, source) in [
                ("url", url.or(url_hidden), url_source),
                ("secret", secret.as_ref().map(|_| SECRET.to_owned()), secret.clone().unwrap_or_default()),
                ("events", Some(events), or_default(receiver.events.is_some())),
                ("template", Some(template), or_default(receiver.template.is_some())),
            ] {
                let source = if value.is_none() { "default".to_owned() } else { source };
                self.all.push(SettingReport { name: format!("notify.{name}.{key}"), value, source });
            }
        }
    }

    fn file(&self) -> String {
        self.settings.config_file.as_ref().map_or_else(String::new, |file| file.display().to_string())
    }

    fn push(&mut self, name: &str, value: Option<String>, source: String) {
        let lower = name.to_ascii_lowercase();
        let is_secret = SECRET_WORDS.iter().any(|word| lower.contains(word));
        let value = value.filter(|value| !value.is_empty());
        // Any setting may be a URI with a password, and so may the key of a table.
        let value = value.map(|value| if is_secret { SECRET.to_owned() } else { redact(&value) });
        self.all.push(SettingReport { name: redact(name), value, source });
    }
}
