//! The champion lifecycle of LightGBM models on MLflow, with promotion rules in a sandboxed WebAssembly component.
//!
//! [`ModelRegistry`] logs candidates, asks a [`policy`] for promotions and rollbacks, and loads the champion.
//!
//! ```
//! use hydra_registry::lightgbm::matrix::Matrix;
//! use hydra_registry::{Candidate, ModelRegistry, OpenOptions, Outcome, Result, Target};
//!
//! #[tokio::main(flavor = "current_thread")]
//! async fn main() -> Result<()> {
//!     # let home = tempfile::tempdir().expect("a directory");
//!     # let database = home.path().join("mlflow.db");
//!     # let database = database.display();
//!     # let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
//!     let options = OpenOptions::new().with_tracking_uri(format!("sqlite:///{database}")).with_model("churn");
//!     let registry = ModelRegistry::connect_or_create(options).await?;
//!     for rmse in [41.2, 38.5] {
//!         let candidate = Candidate::from_file(model).metric("rmse", rmse).tag("team", "risk");
//!         let logged = registry.log(candidate).await?;
//!         let transition = registry.promote(logged.version).reason("weekly retrain").await?;
//!         assert_eq!(transition.outcome, Outcome::Done);
//!     }
//!
//!     let champion = registry.load_champion().await?;
//!     let row = vec![0.5; champion.model.feature_names().len()];
//!     let rows = Matrix::from_rows(&row, row.len())?;
//!     println!("version {}: {:?}", champion.version, champion.model.outputs(&rows)?);
//!
//!     let transition = registry.rollback(Target::PolicyChoice).reason("latency alarm").await?;
//!     assert_eq!(transition.into_result()?.after.to_string(), "archived -> 2, champion -> 1");
//!     Ok(())
//! }
//! ```
//!
//! In a deployment, [`OpenOptions::from_process`] reads `MLFLOW_*`, `HYDRA_*` and `hydra.toml`, as the command line
//! does.
//!
//! # Runtime
//!
//! Every `async` call requires a [Tokio](tokio) runtime with time and I/O enabled, as `#[tokio::main]` and
//! `Builder::enable_all` create it: requests have time limits, and decisions, model files and local databases use
//! blocking threads. Outside of a runtime these calls panic. Both runtime flavors work. All futures and streams are
//! `Send`; a [`ModelRegistry`] is cheap to clone, and many tasks can use it at once.
//!
//! # Errors
//!
//! Every call returns [`Error`]. Match on its [`ErrorKind`] for a single failure, and on the kind's [`ErrorCategory`]
//! to map all failures, for instance to HTTP statuses. A decision against a request is an [`Outcome`], not an error.
//!
//! # The crates below
//!
//! [`mlflow`] contains the stores and their environment variables, [`lightgbm`] reads and scores models, [`policy`]
//! runs policies, [`lifecycle`] has transitions and the ledger.

mod loading;
mod open;
mod panel;
mod project;
mod registry;
mod requests;
mod settings;

pub use hydra_base::aliases::{AliasMove, AliasState};
pub use hydra_base::names::{Alias, ExperimentId, ModelName, PolicyName, RunId, Version};
pub use hydra_base::pattern::NamePattern;
pub use hydra_base::{Error, ErrorCategory, ErrorKind, PolicyIdentity, Result, Sha256, Timestamp};
pub use hydra_evaluation as evaluation;
pub use hydra_lifecycle as lifecycle;
pub use hydra_lifecycle::activation::{PolicyStated, PolicyVerb};
pub use hydra_lifecycle::doctor::Finding;
pub use hydra_lifecycle::evaluations::RecordedEvaluation;
pub use hydra_lifecycle::evidence::Target;
pub use hydra_lifecycle::governing::InForce;
pub use hydra_lifecycle::ledger::Ledger;
pub use hydra_lifecycle::ledger::active::{DocumentedPolicy, PolicyDocument};
pub use hydra_lifecycle::ledger::head::Head;
pub use hydra_lifecycle::panel::{Answer, MAX_POLICIES, Panel};
pub use hydra_lifecycle::statement::{Stated, Verb};
pub use hydra_lifecycle::status::ModelStatus;
pub use hydra_lifecycle::transition::{Outcome, Transition};
pub use hydra_lightgbm as lightgbm;
pub use hydra_lightgbm::Model;
pub use hydra_mlflow as mlflow;
pub use hydra_mlflow::connect::Backend;
pub use hydra_models::candidate::{Candidate, LoggedCandidate, ModelSource, PreparedCandidate};
pub use hydra_policy as policy;
pub use hydra_policy::{Operation, Policy};
pub use hydra_trust as trust;
pub use loading::check_policy_file;
pub use open::{DEFAULT_MODEL, OpenOptions, PolicySource};
pub use panel::{PanelOptions, PanelPolicy, pinned_file};
pub use project::{
    CONFIG_FILE, PolicyConfig, Project, ProjectConfig, ReceiverConfig, ReceiverUrl, ServeConfig, SinglePolicy,
};
pub use registry::{
    ActivePolicy, ChampionInfo, LoadedVersion, ModelRegistry, ServableVersion, SignedModel, VersionDetails,
    VersionInfo, VersionSelector, have_same_files, quarantine_of,
};
pub use requests::{ApprovalRequest, DecisionRequest, LogRequest, PolicyRequest, StatementRequest};

/// The README's example compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
