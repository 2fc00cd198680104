//! Logging a candidate: one run with everything in it, the model, a registered version, the alias `candidate`.

mod log;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::Value;

use crate::config;
use crate::model_file::ModelFile;
use hydra_base::Sha256;
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::names::{Key, RunId, Version};
use hydra_mlflow::entities::{OPERATION_ID_TAG, USER_TAG};

pub use crate::model_file::ModelSource;
pub use log::{LogTarget, create_model, source_tags};

/// The version tag that holds the SHA-256 of the model file, checked whenever the model is loaded.
pub const SHA256_TAG: &str = "hydra.model.sha256";

/// Tags that a run gets in any case, and how to say what they say.
const OWN_TAGS: [(&str, &str); 3] = [
    (OPERATION_ID_TAG, "choose another key; hydra-registry uses this one to identify the operation"),
    ("mlflow.runName", "name the run with --run-name"),
    (USER_TAG, "set HYDRA_ACTOR to your name"),
];

/// A trained model and what is known about it, ready to be logged.
///
/// ```
/// use hydra_models::candidate::Candidate;
///
/// let candidate = Candidate::from_file("model.lgb")
///     .metric("auc", 0.913)
///     .config(serde_json::json!({"data": {"rows": 20_000}}))
///     .tag("team", "risk")
///     .run_name("weekly retrain");
/// ```
#[derive(Debug, Clone)]
#[must_use = "a candidate is not logged until it is passed to a registry"]
pub struct Candidate {
    model: ModelSource,
    metrics: BTreeMap<String, f64>,
    config: Value,
    tags: BTreeMap<String, String>,
    version_tags: BTreeMap<String, String>,
    run_name: Option<String>,
    allow_non_finite: bool,
    allow_no_metrics: bool,
}

impl Candidate {
    /// A candidate without metrics, configuration and tags. It needs at least one metric to be logged.
    pub fn new(model: impl Into<ModelSource>) -> Self {
        Self {
            model: model.into(),
            metrics: BTreeMap::new(),
            config: Value::Object(serde_json::Map::new()),
            tags: BTreeMap::new(),
            version_tags: BTreeMap::new(),
            run_name: None,
            allow_non_finite: false,
            allow_no_metrics: false,
        }
    }

    /// A candidate of a LightGBM text model file.
    pub fn from_file(path: impl Into<PathBuf>) -> Self {
        Self::new(ModelSource::File(path.into()))
    }

    /// A candidate of the text of a LightGBM model, as `save_model` writes it.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self::new(ModelSource::Text(text.into()))
    }

    /// Adds a metric, or replaces the one of that key. Policies compare candidates by their metrics.
    pub fn metric(mut self, key: impl Into<String>, value: f64) -> Self {
        self.metrics.insert(key.into(), value);
        self
    }

    /// Adds several metrics.
    pub fn metrics<K: Into<String>>(mut self, metrics: impl IntoIterator<Item = (K, f64)>) -> Self {
        self.metrics.extend(metrics.into_iter().map(|(key, value)| (key.into(), value)));
        self
    }

    /// Sets the training configuration, a JSON object: its leaves become params of the run, the whole is one artifact.
    pub fn config(mut self, config: Value) -> Self {
        self.config = config;
        self
    }

    /// Adds a tag of the run, or replaces the one of that key.
    pub fn tag(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.tags.insert(key.into(), value.into());
        self
    }

    /// Adds several tags of the run.
    pub fn tags<K: Into<String>, V: Into<String>>(mut self, tags: impl IntoIterator<Item = (K, V)>) -> Self {
        self.tags.extend(tags.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Adds several tags of the registered version, which has them from its first moment on.
    pub fn version_tags<K: Into<String>, V: Into<String>>(
        mut self,
        tags: impl IntoIterator<Item = (K, V)>,
    ) -> Self {
        self.version_tags.extend(tags.into_iter().map(|(key, value)| (key.into(), value.into())));
        self
    }

    /// Names the run. Without a name, or with an empty one, the run is named after the model and the time.
    pub fn run_name(mut self, name: impl Into<String>) -> Self {
        self.run_name = Some(name.into());
        self
    }

    /// Accepts NaN and infinite metrics. By default they are an error, since a policy cannot compare them.
    pub fn allow_non_finite(mut self) -> Self {
        self.allow_non_finite = true;
        self
    }

    /// Accepts a candidate without metrics, such as a copy of a version that has none.
    pub fn allow_no_metrics(mut self) -> Self {
        self.allow_no_metrics = true;
        self
    }

    /// Checks and reads what needs no store, so that nothing is written anywhere for a candidate that cannot be logged.
    /// [`ErrorKind::InvalidModel`] names tree, key and line of the flaw in the model.
    ///
    /// Requires a Tokio runtime: the model is read on a blocking thread.
    pub async fn prepare(self) -> Result<PreparedCandidate> {
        self.check()?;
        let params = config::flatten(&self.config)?;
        let file = ModelFile::open(&self.model).await?;
        Ok(PreparedCandidate { candidate: self, params, file })
    }

    fn check(&self) -> Result<()> {
        if self.metrics.is_empty() && !self.allow_no_metrics {
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
        for key in self.tags.keys().chain(self.version_tags.keys()) {
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

/// A candidate that passed every check that needs no store.
#[derive(Debug)]
pub struct PreparedCandidate {
    candidate: Candidate,
    params: Vec<(String, String)>,
    file: ModelFile,
}

impl PreparedCandidate {
    /// The SHA-256 of its model file.
    #[must_use]
    pub fn sha256(&self) -> Sha256 {
        self.file.sha256
    }
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
    /// The version that `candidate` pointed to before, if there was one: it is not the candidate any more.
    pub replaced: Option<Version>,
}
