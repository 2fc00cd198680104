//! A version that answers requests, and the places in which versions do.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arc_swap::ArcSwapOption;
use axum::http::HeaderValue;
use serde::Serialize;

use hydra_base::error::{Error, Result};
use hydra_base::names::{Alias, RunId, Version};
use hydra_base::time::now;
use hydra_base::{Sha256, Timestamp};
use hydra_lightgbm::loaded::ColumnKind;
use hydra_lightgbm::{Matrix, Model};
use hydra_registry::have_same_files;
use hydra_registry::mlflow::entities::ModelVersion;
use hydra_registry::mlflow::flavor::ColumnSpec;

use crate::drift::Drift;
use crate::metrics::{Metrics, OfVersion, Protocol, Series};
use crate::protocol::{Declared, Schema};

/// How many rows a version scores before it answers requests.
const WARM_ROWS: usize = 64;

/// A version that answers requests. It does not change while it does.
pub(crate) struct Served {
    /// The name of the model.
    pub(crate) name: Arc<str>,
    /// The version; none for a model file.
    pub(crate) version: Option<Version>,
    /// The version as answers name it: its number, or `file`.
    pub(crate) label: String,
    /// The same as the value of a header.
    pub(crate) header: HeaderValue,
    /// The run that logged it.
    pub(crate) run_id: Option<RunId>,
    /// The version's tags and source, by which another version with this number is told apart.
    pub(crate) identity: Option<ModelVersion>,
    /// The SHA-256 of the model file.
    pub(crate) sha256: Sha256,
    /// The model, and what requests are read against.
    pub(crate) schema: Arc<Schema>,
    /// When it was ready.
    pub(crate) since: Timestamp,
    /// How its live scores differ from recorded ones, if there are recorded ones. They may be recorded while it answers.
    pub(crate) drift: ArcSwapOption<Drift>,
    series: [Series; Protocol::ALL.len()],
    pub(crate) labels: OfVersion,
}

/// What a [`Served`] is made from.
pub(crate) struct Ingredients {
    pub(crate) entity: Option<ModelVersion>,
    pub(crate) model: Model,
    pub(crate) sha256: Sha256,
    pub(crate) signature: Option<Vec<ColumnSpec>>,
    pub(crate) drift: Option<Drift>,
    /// The features that had pandas' category type in training, for a model that has categories and does not say which they are.
    pub(crate) categories: Arc<[String]>,
}

impl Served {
    /// A version that is ready: it has scored rows, so that the first request finds its memory in place.
    pub(crate) fn new(name: &Arc<str>, made_of: Ingredients, metrics: &Metrics) -> Result<Self> {
        let Ingredients { entity, model, sha256, signature, drift, categories } = made_of;
        let model = with_categories(model, &categories)?;
        // A request is one task, and other requests have the other processors.
        let model = model.with_threads(1);
        warm(&model)?;
        let version = entity.as_ref().map(|entity| entity.version);
        let label = version.map_or_else(|| "file".to_owned(), |version| version.to_string());
        Ok(Self {
            header: HeaderValue::from_str(&label).unwrap_or(HeaderValue::from_static("")),
            name: name.clone(),
            version,
            run_id: entity.as_ref().and_then(|entity| entity.run_id.clone()),
            identity: entity,
            sha256,
            schema: Arc::new(Schema::of(&model, signature.iter().flatten().filter_map(declared))),
            since: now(),
            drift: ArcSwapOption::from(drift.map(Arc::new)),
            series: metrics.series(name, &label),
            labels: OfVersion { model: name.to_string(), version: label.clone() },
            label,
        })
    }

    /// What is counted of its answers in a protocol.
    pub(crate) fn series(&self, protocol: Protocol) -> &Series {
        &self.series[protocol.index()]
    }

    /// The model.
    pub(crate) fn model(&self) -> &Model {
        self.schema.model()
    }

    /// Whether this is `version`, with the same files by everything that the registry says of them.
    pub(crate) fn is(&self, version: &ModelVersion) -> bool {
        self.identity.as_ref().is_some_and(|own| have_same_files(own, version))
    }
}

/// The model with these categories, unless it says itself which there are.
fn with_categories(model: Model, categories: &[String]) -> Result<Model> {
    let unknown = vec![ColumnKind::Unknown; model.feature_names().len()];
    if categories.is_empty() || model.feature_kinds(&unknown).is_ok() {
        return Ok(model);
    }
    model.with_categories(categories)
}

/// What a column's declaration means for the values of requests; none for an unnamed tensor.
fn declared(column: &ColumnSpec) -> Option<Declared<'_>> {
    let name = column.name.as_deref()?;
    Some(Declared { name, kind: &column.kind })
}

impl fmt::Debug for Served {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Served")
            .field("name", &self.name)
            .field("version", &self.label)
            .finish_non_exhaustive()
    }
}

/// Scores a few rows in the ways of small and of large requests.
fn warm(model: &Model) -> Result<()> {
    let features = model.feature_names().len();
    let rows = vec![0.0; features * WARM_ROWS];
    if features > 0 {
        model.predict(&Matrix::from_rows(&rows[..features], features)?)?;
        model.predict(&Matrix::from_rows(&rows, features)?)?;
    }
    Ok(())
}

/// A place in which the version behind an alias answers requests, or scores them as the shadow.
#[derive(Debug)]
pub(crate) struct Seat {
    /// The alias; that of a model file is the one that was asked for, and is not followed.
    pub(crate) alias: Alias,
    served: ArcSwapOption<Served>,
    problem: Mutex<Option<Problem>>,
}

/// Why the version in a seat is not the one behind the alias.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    /// Since when, in milliseconds.
    pub(crate) since: Timestamp,
    /// The kind of the error.
    pub(crate) kind: String,
    /// Why.
    pub(crate) why: String,
    /// The version that cannot be served, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) version: Option<Version>,
    /// How often the version could not be opened.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) attempts: Option<u32>,
}

/// Why a version cannot be served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// The kind of the error.
    pub(crate) kind: String,
    /// Why.
    pub(crate) why: String,
    /// The version, if it is known.
    pub(crate) version: Option<Version>,
    /// How often it could not be opened.
    pub(crate) attempts: Option<u32>,
}

impl Trouble {
    /// The trouble of an error, about a version or none.
    pub(crate) fn new(error: &Error, version: Option<Version>) -> Self {
        Self { kind: error.kind().to_string(), why: described(error), version, attempts: None }
    }
}

impl Seat {
    /// An empty seat.
    pub(crate) fn new(alias: Alias) -> Self {
        Self { alias, served: ArcSwapOption::empty(), problem: Mutex::new(None) }
    }

    /// The version in the seat.
    pub(crate) fn served(&self) -> Option<Arc<Served>> {
        self.served.load_full()
    }

    /// Puts a version into the seat, or empties it. Requests that have begun keep the version that they began with.
    pub(crate) fn put(&self, served: Option<Arc<Served>>) -> Option<Arc<Served>> {
        self.served.swap(served)
    }

    /// Why the version in the seat is not the one behind the alias.
    pub(crate) fn problem(&self) -> Option<Problem> {
        self.lock().clone()
    }

    /// Says why the version in the seat is not the one behind the alias. Since when, stays as it is.
    ///
    /// Returns whether this is news; another attempt that ends alike is not.
    pub(crate) fn trouble(&self, trouble: Trouble) -> bool {
        let mut problem = self.lock();
        let Trouble { kind, why, version, attempts } = trouble;
        let since = problem.as_ref().map_or_else(now, |problem| problem.since);
        let new = Problem { since, kind, why, version, attempts };
        let is_news = problem
            .as_ref()
            .is_none_or(|known| *known != Problem { attempts: known.attempts, ..new.clone() });
        *problem = Some(new);
        is_news
    }

    /// Says that the version in the seat is the one behind the alias. Returns whether this is news.
    pub(crate) fn well(&self) -> bool {
        self.lock().take().is_some()
    }

    fn lock(&self) -> MutexGuard<'_, Option<Problem>> {
        self.problem.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An error with its causes, on one line.
pub(crate) fn described(error: &Error) -> String {
    let causes = std::iter::successors(std::error::Error::source(error), |cause| cause.source());
    let text = causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"));
    hydra_base::text::excerpt(text, 400)
}
