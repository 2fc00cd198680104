//! Logging a candidate: one run with everything in it, the model, a registered version, the alias `candidate`.

mod log;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;

use crate::config;
use crate::model_file::ModelFile;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, RunId, Version};
use hydra_mlflow::entities::OPERATION_ID_TAG;

pub use crate::model_file::ModelSource;
pub use log::LogTarget;

/// The version tag that holds the SHA-256 of the model file, checked whenever the model is loaded.
pub const SHA256_TAG: &str = "hydra.model.sha256";

/// Tags that a run gets in any case, and how to say what they say.
const OWN_TAGS: [(&str, &str); 3] = [
    (OPERATION_ID_TAG, "choose another key; hydra-registry uses this one to identify the operation"),
    ("mlflow.runName", "name the run with --run-name"),
    ("mlflow.user", "set HYDRA_ACTOR to your name"),
];

/// A trained model and what is known about it.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// The model.
    pub model: ModelSource,
    /// Metrics by key, at least one; policies decide by them.
    pub metrics: BTreeMap<String, f64>,
    /// The training configuration: a JSON object.
    pub config: Value,
    /// Tags of the run.
    pub tags: BTreeMap<String, String>,
    /// The run's name; one is made from the model's name and the time if it is absent or empty.
    pub run_name: Option<String>,
    /// Accept NaN and infinite metrics. By default they are an error, since a policy cannot compare them.
    pub allow_non_finite: bool,
}

impl Candidate {
    /// A candidate with these metrics and nothing else said about it.
    pub fn new(model: impl Into<ModelSource>, metrics: BTreeMap<String, f64>) -> Self {
        Self {
            model: model.into(),
            metrics,
            config: Value::Object(serde_json::Map::new()),
            tags: BTreeMap::new(),
            run_name: None,
            allow_non_finite: false,
        }
    }

    /// Checks and reads all that needs no store, so that nothing is written anywhere for a candidate that cannot be logged.
    /// `InvalidModel` names tree, key and line of what is wrong with the model.
    pub async fn prepare(&self) -> Result<PreparedCandidate<'_>> {
        self.check()?;
        let params = config::flatten(&self.config)?;
        let file = ModelFile::open(&self.model).await?;
        Ok(PreparedCandidate { candidate: self, params, file })
    }

    fn check(&self) -> Result<()> {
        if self.metrics.is_empty() {
            return Err(Error::new(ErrorKind::InvalidArgument, "a candidate needs at least one metric")
                .with_hint(
                    "pass for instance --metric auc=0.91; policies compare candidates by their metrics",
                ));
        }
        for (key, value) in &self.metrics {
            Key::new(key)?;
            if !value.is_finite() && !self.allow_non_finite {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("metric `{key}` is not finite: {value}"),
                )
                .with_hint("fix the evaluation, or pass --allow-non-finite to log the value anyway"));
            }
        }
        for key in self.tags.keys() {
            Key::new(key)?;
            if let Some((_, hint)) = OWN_TAGS.iter().find(|(own, _)| own == key) {
                return Err(Error::new(
                    ErrorKind::InvalidArgument,
                    format!("the tag `{key}` is set by hydra-registry itself"),
                )
                .with_hint(*hint));
            }
        }
        Ok(())
    }
}

/// A candidate that was found fit to be logged.
#[derive(Debug)]
pub struct PreparedCandidate<'a> {
    candidate: &'a Candidate,
    params: Vec<(String, String)>,
    file: ModelFile,
}

/// A candidate that was logged.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LoggedCandidate {
    /// The run.
    pub run_id: RunId,
    /// The registered version, now behind the alias `candidate`.
    pub version: Version,
    /// The SHA-256 of the model file.
    pub sha256: Sha256,
}
