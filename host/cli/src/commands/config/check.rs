//! Whether the settings work.

use std::fmt::Write as _;

use schemars::JsonSchema;
use serde::Serialize;

use crate::Settings;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::text::printable;
use hydra_mlflow::environment;
use hydra_registry::ModelRegistry;
use hydra_registry::trust::oci::VARIABLES;

/// `config check`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ConfigCheckReport {
    /// `hydra-registry/config-check/1`.
    pub schema: &'static str,
    /// Whether every check passes.
    pub sound: bool,
    /// The checks.
    pub checks: Vec<CheckReport>,
}

/// One check.
#[derive(Debug, Serialize, JsonSchema)]
pub struct CheckReport {
    /// What was checked: `variables`, `settings`, `policies`, `cache`, `receivers` or `store`.
    pub name: &'static str,
    /// Whether it passes.
    pub sound: bool,
    /// What was found.
    pub what: String,
    /// What to do about it, if it does not pass.
    pub hint: Option<String>,
}

impl CheckReport {
    fn new(name: &'static str, found: Result<String>) -> Self {
        match found {
            Ok(what) => Self { name, sound: true, what, hint: None },
            Err(error) => {
                Self { name, sound: false, what: with_causes(&error), hint: error.hint().map(str::to_owned) }
            }
        }
    }
}

impl ConfigCheckReport {
    /// Checks the settings of a command. One check after the other, because each depends on those before it.
    pub(crate) async fn new(settings: &Settings) -> Self {
        let mut checks = vec![CheckReport::new("variables", variables(settings))];
        let connected = ModelRegistry::connect(settings.options.clone()).await;
        let registry = match connected {
            Ok(registry) => {
                let what = format!("the model is {}", registry.model());
                checks.push(CheckReport::new("settings", Ok(what)));
                Some(registry)
            }
            Err(error) => {
                checks.push(CheckReport::new("settings", Err(error)));
                None
            }
        };
        checks.push(CheckReport::new("policies", policies(settings).await));
        checks.push(CheckReport::new("cache", cache(settings)));
        if !settings.notify.is_empty() {
            checks.push(CheckReport::new("receivers", receivers(settings)));
        }
        if let Some(registry) = registry {
            checks.push(CheckReport::new("store", store(&registry).await));
        }
        let sound = checks.iter().all(|check| check.sound);
        Self { schema: "hydra-registry/config-check/1", sound, checks }
    }

    /// For people: a line for each check.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for check in &self.checks {
            let word = if check.sound { "ok    " } else { "FAILED" };
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{word}  {}: {}", check.name, printable(&check.what));
            if let Some(hint) = &check.hint {
                let _ = writeln!(text, "        hint: {}", printable(hint));
            }
        }
        text
    }
}

/// Whether every variable of this program is one that it reads.
fn variables(settings: &Settings) -> Result<String> {
    let set: Vec<&str> = settings.environment.with_prefix("HYDRA_").map(|(name, _)| name).collect();
    let known = [&environment::HYDRA[..], &VARIABLES].concat();
    let unknown: Vec<&str> = set.iter().copied().filter(|name| !known.contains(name)).collect();
    if unknown.is_empty() {
        return Ok(format!("{} of this program are set", set.len()));
    }
    let message = format!("hydra-registry does not read these variables: {}", unknown.join(", "));
    Err(Error::new(ErrorKind::Config, message).with_hint(format!("it reads {}", known.join(", "))))
}

/// Whether the policies load with their settings.
async fn policies(settings: &Settings) -> Result<String> {
    let panel = settings.options.load_panel().await?;
    panel.check_settings()?;
    Ok(crate::report::panel_label(&panel))
}

/// Whether compiled policies and models can be kept.
fn cache(settings: &Settings) -> Result<String> {
    match settings.options.policy_engine()?.cache_dir() {
        Some(directory) => Ok(directory.display().to_string()),
        None => Err(Error::new(
            ErrorKind::CacheUnavailable,
            "there is no directory for compiled policies, or it cannot be written to",
        )
        .with_hint("set HYDRA_CACHE_DIR to a directory that only you can write to")),
    }
}

/// Whether the receivers are well-formed, with their variables and files. Nothing is sent: `notify test` does that.
fn receivers(settings: &Settings) -> Result<String> {
    for (name, receiver) in &settings.notify {
        hydra_notify::Receiver::new(name, receiver, &settings.environment)?;
    }
    let names: Vec<&str> = settings.notify.keys().map(String::as_str).collect();
    Ok(names.join(", "))
}

/// Whether both parts of the store answer.
async fn store(registry: &ModelRegistry) -> Result<String> {
    let backend = registry.backend();
    backend.tracking.experiment_by_name("Default").await?;
    match backend.registry.registered_model(registry.model()).await {
        Ok(_) => Ok(format!("it answers, and has the model {}", registry.model())),
        Err(error) if error.kind() == ErrorKind::ModelNotFound => {
            Ok(format!("it answers, and does not have the model {} yet", registry.model()))
        }
        Err(error) => Err(error),
    }
}

fn with_causes(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
