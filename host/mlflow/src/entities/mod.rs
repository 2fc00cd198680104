//! MLflow's entities as values, the same for every backend.
//!
//! They are `#[non_exhaustive]`, because MLflow adds fields and states: make them with `new` and set fields, or chain the
//! setters of those that a caller creates. Times are milliseconds since the Unix epoch.
//!
//! ```
//! use hydra_base::names::{ExperimentId, ModelName};
//! use hydra_mlflow::entities::{Metric, NewModelVersion, NewRun, RunBatch, Tags};
//!
//! # fn main() -> hydra_base::Result<()> {
//! let tags = Tags::from([("team".to_owned(), "risk".to_owned())]);
//! let run = NewRun::new(ExperimentId::new("0")?, "weekly").user("ada").tags(tags);
//! let batch = RunBatch::default().metrics([Metric::new("auc", 0.91, run.start_time)]);
//! let version = NewModelVersion::new(ModelName::new("churn")?, "s3://bucket/model").description("weekly");
//! # assert_eq!((batch.metrics[0].step, version.run_id), (0, None));
//! # Ok(())
//! # }
//! ```

mod experiment;
mod logged_model;
mod model;
mod run;

use std::collections::BTreeMap;

pub use experiment::{Experiment, LifecycleStage};
pub use logged_model::{LoggedModel, LoggedModelStatus, NewLoggedModel};
pub use model::{ModelFilter, ModelVersion, NewModelVersion, RegisteredModel, VersionStatus};
pub use run::{Metric, NewRun, Run, RunBatch, RunStatus};

/// Key-value pairs, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// The tag that holds a caller's own id for the operation that creates a run, a model version or a LoggedModel. With it,
/// a store can find out after a lost answer whether the operation took place; without it, the store returns the failure.
pub const OPERATION_ID_TAG: &str = "hydra.operation_id";

/// One page of a listing and the token of the next.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// The token that fetches the next page; `None` on the last.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `items`, and the token of the page after it.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }
}

/// An artifact below some root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactInfo {
    /// The path relative to the root that was listed, with `/` separators.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The size in bytes; `None` for directories, and for files when the store does not report it.
    pub size: Option<u64>,
}

impl ArtifactInfo {
    /// A file of `size` bytes.
    #[must_use]
    pub fn file(path: impl Into<String>, size: u64) -> Self {
        Self { path: path.into(), is_dir: false, size: Some(size) }
    }

    /// A directory.
    #[must_use]
    pub fn directory(path: impl Into<String>) -> Self {
        Self { path: path.into(), is_dir: true, size: None }
    }
}
