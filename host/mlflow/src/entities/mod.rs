//! MLflow's entities as values, the same for every backend.
//!
//! All are `#[non_exhaustive]`, because MLflow adds fields and states: create them with `new` and set fields, or use
//! the setters of the inputs. Times are milliseconds since the Unix epoch.
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

mod dataset;
mod experiment;
mod logged_model;
mod model;
mod run;

use std::collections::BTreeMap;

pub use dataset::{CONTEXT_TAG, DatasetInput, RunInputs};
pub use experiment::{Experiment, LifecycleStage};
pub use logged_model::{LoggedModel, LoggedModelStatus, NewLoggedModel};
pub use model::{ModelFilter, ModelVersion, NewModelVersion, RegisteredModel, VersionStatus};
pub use run::{Metric, NewRun, Run, RunBatch, RunStatus};

/// Key-value pairs, sorted by key.
pub type Tags = BTreeMap<String, String>;

/// The tag with a caller's id for the operation that creates a run, a model version or a LoggedModel. If the answer to
/// a create is lost, a store finds out by this tag whether the operation took place; without the tag, it returns the
/// failure.
pub const OPERATION_ID_TAG: &str = "hydra.operation_id";

/// MLflow's tag that names who started a run.
pub const USER_TAG: &str = "mlflow.user";

/// One page of a listing and the token of the next.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page<T> {
    /// The items, in the listing's order.
    pub items: Vec<T>,
    /// The token of the next page; `None` on the last page.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page of `items`; `next` is the token of the next page.
    #[must_use]
    pub fn new(items: Vec<T>, next: Option<String>) -> Self {
        Self { items, next }
    }
}

/// An artifact below a root.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ArtifactInfo {
    /// The path relative to the listed root, with `/` separators.
    pub path: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// The size in bytes; `None` for directories, and for files whose size the store does not report.
    pub size: Option<u64>,
    /// A text that differs after each change of the file, such as an entity tag or the time of the last change; `None` for
    /// directories, and if the store does not report one.
    pub stamp: Option<String>,
}

impl ArtifactInfo {
    /// A file of `size` bytes, without a stamp.
    #[must_use]
    pub fn file(path: impl Into<String>, size: u64) -> Self {
        Self { path: path.into(), is_dir: false, size: Some(size), stamp: None }
    }

    /// A directory.
    #[must_use]
    pub fn directory(path: impl Into<String>) -> Self {
        Self { path: path.into(), is_dir: true, size: None, stamp: None }
    }
}
