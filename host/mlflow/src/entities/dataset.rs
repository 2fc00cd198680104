//! What a run read: datasets and LoggedModels.

use std::path::Path;

use hydra_base::names::LoggedModelId;
use serde_json::json;

use super::Tags;
use crate::flavor::{ColumnSpec, columns_json};
use crate::rules::MAX_SCHEMA_CHARS;

/// The tag of an input that says what a run used the dataset for, such as `training` or `eval`.
pub const CONTEXT_TAG: &str = "mlflow.data.context";

/// The inputs of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct RunInputs {
    /// Datasets, sorted by name and digest.
    pub datasets: Vec<DatasetInput>,
    /// LoggedModels of MLflow 3, sorted by id.
    pub models: Vec<LoggedModelId>,
}

impl RunInputs {
    /// Adds a dataset.
    #[must_use]
    pub fn dataset(mut self, dataset: DatasetInput) -> Self {
        self.datasets.push(dataset);
        self
    }

    /// Adds LoggedModels.
    #[must_use]
    pub fn models(mut self, models: impl IntoIterator<Item = LoggedModelId>) -> Self {
        self.models.extend(models);
        self
    }

    /// The same inputs in the order of their fields.
    #[must_use]
    pub(crate) fn sorted(mut self) -> Self {
        self.datasets.sort_by(|a, b| (&a.name, &a.digest).cmp(&(&b.name, &b.digest)));
        self.models.sort();
        self
    }
}

/// A dataset as the input of a run: MLflow's description of the data, never the data.
///
/// ```
/// use std::path::Path;
///
/// use hydra_mlflow::entities::DatasetInput;
/// use hydra_mlflow::flavor::ColumnSpec;
///
/// let columns = [("age", "double"), ("y", "long")].map(|(name, kind)| ColumnSpec::required(name, kind));
/// let input = DatasetInput::of_file("holdout", "5f0c", Path::new("/data/holdout.csv"))
///     .table(&columns, 20_000)
///     .context("eval");
/// assert_eq!(input.source, r#"{"uri":"/data/holdout.csv"}"#);
/// assert_eq!(input.profile.as_deref(), Some(r#"{"num_elements":40000,"num_rows":20000}"#));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DatasetInput {
    /// The name: 1 to 500 characters.
    pub name: String,
    /// A digest of the data, of 1 to 36 characters. Name and digest identify a dataset in an experiment.
    pub digest: String,
    /// MLflow's name of the kind of place that the data comes from: `local`, `s3`, `code`, ...
    pub source_type: String,
    /// The place, in the JSON of that kind; at most 65,535 characters.
    pub source: String,
    /// The columns, in MLflow's JSON; at most 1,048,575 characters.
    pub schema: Option<String>,
    /// Counts, in MLflow's JSON; at most 16,777,215 characters.
    pub profile: Option<String>,
    /// Tags of the input, not of the dataset. A key has at most 255 characters, a value at most 500.
    pub tags: Tags,
}

impl DatasetInput {
    /// A dataset without schema, profile and tags.
    #[must_use]
    pub fn new(
        name: impl Into<String>,
        digest: impl Into<String>,
        source_type: impl Into<String>,
        source: impl Into<String>,
    ) -> Self {
        Self {
            name: name.into(),
            digest: digest.into(),
            source_type: source_type.into(),
            source: source.into(),
            schema: None,
            profile: None,
            tags: Tags::new(),
        }
    }

    /// The dataset in a file or directory of this machine.
    #[must_use]
    pub fn of_file(name: impl Into<String>, digest: impl Into<String>, path: &Path) -> Self {
        let source = json!({"uri": path.display().to_string()});
        Self::new(name, digest, "local", source.to_string())
    }

    /// Sets schema and profile to those of a table with `columns` and this number of rows. Without a schema if there are
    /// more columns than MLflow's limit has room for.
    #[must_use]
    pub fn table(self, columns: &[ColumnSpec], rows: u64) -> Self {
        let schema = json!({"mlflow_colspec": columns_json(columns)}).to_string();
        let schema = (schema.chars().count() <= MAX_SCHEMA_CHARS).then_some(schema);
        let elements = rows.saturating_mul(columns.len() as u64);
        let profile = json!({"num_rows": rows, "num_elements": elements});
        Self { schema, profile: Some(profile.to_string()), ..self }
    }

    /// Sets the tag [`CONTEXT_TAG`].
    #[must_use]
    pub fn context(mut self, context: impl Into<String>) -> Self {
        self.tags.insert(CONTEXT_TAG.into(), context.into());
        self
    }
}
