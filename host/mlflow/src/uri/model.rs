//! References to models.

use std::fmt;
use std::str::FromStr;

use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Alias, LoggedModelId, ModelName, RunId, Version};

/// A reference to a model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ModelUri {
    /// `models:/<name>/<version>`.
    Version(ModelName, Version),
    /// `models:/<name>@<alias>`.
    Alias(ModelName, Alias),
    /// `models:/m-…`, an MLflow 3 LoggedModel.
    LoggedModel(LoggedModelId),
    /// `runs:/<run id>/<path>`, a directory below a run's artifacts.
    Run(RunId, String),
}

impl FromStr for ModelUri {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self> {
        let refuse = || {
            Error::new(ErrorKind::InvalidName, format!("the text is not a model URI: `{text}`")).with_hint(
                "use `models:/name/version`, `models:/name@alias`, `models:/m-…` or `runs:/run/path`",
            )
        };
        if let Some(rest) = text.strip_prefix("runs:/") {
            let (run, path) = rest.trim_start_matches('/').split_once('/').ok_or_else(refuse)?;
            return Ok(Self::Run(RunId::new(run)?, path.trim_matches('/').to_owned()));
        }
        let rest = text.strip_prefix("models:/").ok_or_else(refuse)?.trim_start_matches('/');
        if let Some((name, version)) = rest.rsplit_once('/') {
            Ok(Self::Version(ModelName::new(name)?, version.parse()?))
        } else if let Some((name, alias)) = rest.rsplit_once('@') {
            Ok(Self::Alias(ModelName::new(name)?, Alias::new(alias)?))
        } else {
            LoggedModelId::new(rest).map(Self::LoggedModel).map_err(|_| refuse())
        }
    }
}

impl fmt::Display for ModelUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Version(name, version) => write!(f, "models:/{name}/{version}"),
            Self::Alias(name, alias) => write!(f, "models:/{name}@{alias}"),
            Self::LoggedModel(id) => write!(f, "models:/{id}"),
            Self::Run(run, path) => write!(f, "runs:/{run}/{path}"),
        }
    }
}
