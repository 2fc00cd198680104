//! The JSON shapes of one version and of its model file, and their text for people.

use std::collections::BTreeMap;
use std::path::Path;

use schemars::JsonSchema;
use serde::Serialize;

use super::{ApprovalReport, DecisionReport, VersionFigureReport, metric_lines, metrics, time};
use crate::printer::View;
use hydra_base::Sha256;
use hydra_base::names::Version;
use hydra_base::text::{listed, printable};
use hydra_mlflow::entities::ModelVersion;
use hydra_models::candidate::SHA256_TAG;
use hydra_models::facts::Facts;
use hydra_models::model_cache::CachedModel;
use hydra_models::preflight::Opened;
use hydra_registry::VersionDetails;

/// `show`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelVersionReport {
    /// `hydra-registry/model-version/1`.
    pub schema: &'static str,
    /// The registered model; none for a model file.
    pub model: Option<String>,
    /// The version; none for a model file.
    #[schemars(with = "Option<u64>")]
    pub version: Option<Version>,
    /// The path of a model file that is not of a registered version.
    pub file: Option<String>,
    /// The run that logged it.
    pub run_id: Option<String>,
    /// When the version was created.
    pub created_at: Option<String>,
    /// Where its files are, as MLflow has it.
    pub source: Option<String>,
    /// The aliases on it.
    pub aliases: Vec<String>,
    /// When it went into quarantine, by whom and why; none if it is not in quarantine.
    pub quarantine: Option<String>,
    /// The run's metrics.
    #[serde(serialize_with = "metrics")]
    #[schemars(with = "BTreeMap<String, hydra_policy::Float>")]
    pub metrics: BTreeMap<String, f64>,
    /// The run's tags.
    pub run_tags: BTreeMap<String, String>,
    /// The version's own tags.
    pub tags: BTreeMap<String, String>,
    /// What the model file is; none if it cannot be loaded.
    pub model_file: Option<ModelFileReport>,
    /// Why the model cannot be loaded.
    pub unloadable: Option<String>,
    /// The approvals of the version that were not used yet.
    pub approvals: Vec<ApprovalReport>,
    /// What recorded evaluations measured of it.
    pub evaluations: Vec<VersionFigureReport>,
    /// The newest entries of the ledger about it, newest first.
    pub decisions: Vec<DecisionReport>,
}

/// What a model file is.
#[derive(Debug, Serialize, JsonSchema)]
pub struct ModelFileReport {
    /// `text`, `pickle` or `skops`.
    pub format: String,
    /// The SHA-256 of its bytes.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// LightGBM's name of the objective; empty for one of the user's own.
    pub objective: String,
    /// What `predict` answers: `probability`, `label`, `value` or `scores`.
    pub output: String,
    /// The number of raw scores of a row.
    pub outputs: usize,
    /// The labels of the classes.
    pub classes: Vec<String>,
    /// The number of boosting iterations that take part in predictions.
    pub iterations: usize,
    /// The names of the input columns.
    pub features: Vec<String>,
    /// The names of the input columns that are categories.
    pub categories: Vec<String>,
}

/// `download`.
#[derive(Debug, Serialize, JsonSchema)]
pub struct DownloadReport {
    /// `hydra-registry/download/1`.
    pub schema: &'static str,
    /// The registered model; none of a copied file.
    pub model: Option<String>,
    /// The version.
    #[schemars(with = "Option<u64>")]
    pub version: Option<Version>,
    /// The file that was written.
    pub file: String,
    /// The name of the model file among the version's artifacts, or the path that was copied.
    pub data_file: String,
    /// The SHA-256 of its bytes.
    #[schemars(with = "String")]
    pub sha256: Sha256,
    /// Its size in bytes.
    pub size: u64,
    /// Whether the version says which digest its model file has; if it does, the bytes have it.
    pub checked: bool,
}

impl ModelVersionReport {
    /// Describes a version.
    #[must_use]
    pub fn new(details: &VersionDetails) -> Self {
        let VersionDetails { entity, metrics, run_tags, quarantine, model, .. } = details;
        let (model_file, unloadable) = match model {
            Opened::Loadable(facts) => (Some(ModelFileReport::from(facts.as_ref())), None),
            Opened::Unloadable(why) => (None, Some(why.to_string())),
        };
        Self {
            model: Some(entity.name.to_string()),
            version: Some(entity.version),
            run_id: entity.run_id.as_ref().map(ToString::to_string),
            created_at: Some(time(entity.created_at)),
            source: Some(entity.source.clone()),
            aliases: entity.aliases.iter().map(ToString::to_string).collect(),
            quarantine: quarantine.clone(),
            metrics: metrics.clone(),
            run_tags: run_tags.clone(),
            tags: entity.tags.clone(),
            model_file,
            unloadable,
            ..Self::empty()
        }
    }

    /// Describes a model file.
    #[must_use]
    pub fn of_file(path: &Path, facts: &Facts) -> Self {
        Self {
            file: Some(path.display().to_string()),
            model_file: Some(ModelFileReport::from(facts)),
            ..Self::empty()
        }
    }

    fn empty() -> Self {
        Self {
            schema: "hydra-registry/model-version/1",
            model: None,
            version: None,
            file: None,
            run_id: None,
            created_at: None,
            source: None,
            aliases: Vec::new(),
            quarantine: None,
            metrics: BTreeMap::new(),
            run_tags: BTreeMap::new(),
            tags: BTreeMap::new(),
            model_file: None,
            unloadable: None,
            approvals: Vec::new(),
            evaluations: Vec::new(),
            decisions: Vec::new(),
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self, view: &View) -> String {
        let mut text = match (&self.model, self.version) {
            (Some(model), Some(version)) => format!("{model} version {version}\n"),
            _ => format!("{}\n", printable(self.file.as_deref().unwrap_or_default())),
        };
        let mut line = |name: &str, value: &str| text += &format!("  {name:7} {}\n", printable(value));
        if let Some(created_at) = &self.created_at {
            line("created", &view.time(created_at));
            line("run", self.run_id.as_deref().unwrap_or("none"));
            line("source", self.source.as_deref().unwrap_or_default());
        }
        if !self.aliases.is_empty() {
            line("aliases", &self.aliases.join(", "));
        }
        if let Some(quarantine) = &self.quarantine {
            line("in quarantine since", quarantine);
        }
        if let Some(file) = &self.model_file {
            line("model", &file.summary());
            line("sha256", &file.sha256.to_string());
            line("columns", &listed(&file.features));
            if !file.classes.is_empty() {
                line("classes", &listed(&file.classes));
            }
        }
        if let Some(why) = &self.unloadable {
            line("WARNING the model cannot be loaded:", why);
        }
        text += &metric_lines(&self.metrics);
        let of_run = self.run_tags.iter().filter(|(key, _)| !key.starts_with("mlflow."));
        for (key, value) in of_run {
            text += &format!("  run tag {}\n", printable(&format!("{key} = {value}")));
        }
        for (key, value) in &self.tags {
            text += &format!("  tag     {}\n", printable(&format!("{key} = {value}")));
        }
        for approval in &self.approvals {
            text += &format!("  approved  {}\n", approval.text(view));
        }
        for figure in &self.evaluations {
            text += &format!("  evaluation  {}\n", figure.text(view));
        }
        for decision in &self.decisions {
            text += &format!("  {}\n", decision.text(view));
        }
        text
    }
}

impl From<&Facts> for ModelFileReport {
    fn from(facts: &Facts) -> Self {
        Self {
            format: facts.format.to_string(),
            sha256: facts.sha256,
            size: facts.size,
            objective: facts.objective.clone(),
            output: facts.output.to_string(),
            outputs: facts.outputs,
            classes: facts.classes.clone(),
            iterations: facts.iterations,
            features: facts.features.clone(),
            categories: facts.categories.clone(),
        }
    }
}

impl ModelFileReport {
    fn summary(&self) -> String {
        let objective = if self.objective.is_empty() { "custom" } else { &self.objective };
        format!(
            "{}, {} bytes, objective {objective}, {} iterations, {} columns, predicts: {}",
            self.format,
            self.size,
            self.iterations,
            self.features.len(),
            self.output
        )
    }
}

impl DownloadReport {
    /// Reports a written model file.
    #[must_use]
    pub fn new(version: &ModelVersion, file: &CachedModel, path: &Path) -> Self {
        Self {
            schema: "hydra-registry/download/1",
            model: Some(version.name.to_string()),
            version: Some(version.version),
            file: path.display().to_string(),
            data_file: file.data_file().to_owned(),
            sha256: file.sha256(),
            size: file.bytes().len() as u64,
            checked: version.tags.contains_key(SHA256_TAG),
        }
    }

    /// Reports a copied model file.
    #[must_use]
    pub fn of_file(from: &Path, bytes: &[u8], path: &Path) -> Self {
        Self {
            schema: "hydra-registry/download/1",
            model: None,
            version: None,
            file: path.display().to_string(),
            data_file: from.display().to_string(),
            sha256: Sha256::of(bytes),
            size: bytes.len() as u64,
            checked: false,
        }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let (what, checked) = match (&self.model, self.version) {
            (Some(model), Some(version)) => (
                format!("the model file of {model} version {version}"),
                if self.checked { "as logged" } else { "not compared: the version has no digest" },
            ),
            _ => (format!("the model file {}", printable(&self.data_file)), "not compared"),
        };
        format!(
            "wrote {what}\n  file    {}\n  size    {} bytes\n  sha256  {} ({checked})\n",
            printable(&self.file),
            self.size,
            self.sha256
        )
    }
}
