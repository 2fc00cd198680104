//! The contract of the store traits: one test per documented sentence and backend.
//!
//! A case is an `async fn` that takes a [`Stores`] and does not depend on the backend. [`store_cases!`] turns the list
//! of cases into one named test per backend. Cases run concurrently on a shared store, so they never assume that it is
//! empty: they take fresh names from [`fresh`].

mod artifacts;
mod atomic;
mod concurrency;
mod registry;
mod tracking;

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use hydra_base::names::{ExperimentId, ModelName, RunId};
use hydra_base::{ErrorKind, Result};
use hydra_mlflow::artifacts::ArtifactResolver;
use hydra_mlflow::entities::{NewModelVersion, NewRun, RunBatch, Tags};
use hydra_mlflow::file::FileStore;
use hydra_mlflow::memory::MemoryStore;
use hydra_mlflow::sqlite::SqliteStore;
use hydra_mlflow::store::{RegistryStore, TrackingStore};

/// A backend under test.
pub struct Stores {
    pub tracking: Arc<dyn TrackingStore>,
    pub registry: Arc<dyn RegistryStore>,
    pub artifacts: ArtifactResolver,
    /// Whether the store has MLflow 3's LoggedModels.
    pub has_logged_models: bool,
    /// Resources that must outlive the stores, such as a temporary directory or a server.
    _keep: Box<dyn Any + Send + Sync>,
}

impl Stores {
    /// Uses one value as both stores.
    pub fn of<S: TrackingStore + RegistryStore + 'static>(store: S, keep: impl Any + Send + Sync) -> Self {
        let store = Arc::new(store);
        Self {
            tracking: store.clone(),
            registry: store,
            artifacts: ArtifactResolver::local(),
            has_logged_models: true,
            _keep: Box::new(keep),
        }
    }

    /// A new experiment.
    pub async fn experiment(&self) -> ExperimentId {
        let name = fresh("experiment");
        self.tracking.create_experiment(&name, &Tags::new()).await.expect("a new experiment")
    }

    /// A new run in a new experiment.
    pub async fn run(&self) -> RunId {
        let new = new_run(self.experiment().await);
        self.tracking.create_run(&new).await.expect("a new run").id
    }

    /// A new registered model without versions.
    pub async fn model(&self) -> ModelName {
        let name = ModelName::new(fresh("model")).expect("a legal name");
        self.registry.create_registered_model(&name, &Tags::new(), "").await.expect("a new model");
        name
    }

    /// A new registered model with versions 1 to `count`.
    pub async fn model_with_versions(&self, count: usize) -> ModelName {
        let name = self.model().await;
        for _ in 0..count {
            self.registry.create_model_version(&new_version(&name)).await.expect("a new version");
        }
        name
    }
}

/// A name that no other case uses.
pub fn fresh(what: &str) -> String {
    format!("{what}-{}", uuid::Uuid::new_v4().simple())
}

/// The kind of the error in `result`; panics on a success.
pub fn kind<T: Debug>(result: Result<T>) -> ErrorKind {
    result.expect_err("an error was expected").kind()
}

pub fn tags<const N: usize>(pairs: [(&str, &str); N]) -> Tags {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

pub fn params(params: Vec<(String, String)>) -> RunBatch {
    RunBatch { params, ..RunBatch::default() }
}

pub fn new_run(experiment_id: ExperimentId) -> NewRun {
    NewRun {
        experiment_id,
        name: "bold-name".into(),
        start_time: 1_700_000_000_000,
        user_id: "ada".into(),
        tags: tags([("team", "risk")]),
    }
}

/// A version whose source every backend accepts without a run or a LoggedModel.
pub fn new_version(name: &ModelName) -> NewModelVersion {
    NewModelVersion::new(name.clone(), "hydra-ledger:/conformance")
}

/// One named test per case, for the backend that `$open` returns. Attributes before `$open` apply to each test.
macro_rules! cases {
    ($(#[$attribute:meta])* $open:path: $($module:ident::{$($case:ident),* $(,)?}),* $(,)?) => {
        $crate::conformance::cases! { @each [$(#[$attribute])*] $open: $($module::{$($case),*}),* }
    };
    (@each $attributes:tt $open:path: $($module:ident::{$($case:ident),*}),*) => {$($(
        $crate::conformance::cases! { @one $attributes $open: $module::$case }
    )*)*};
    (@one [$($attribute:tt)*] $open:path: $module:ident::$case:ident) => {
        $($attribute)*
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            let stores = $open().await;
            $crate::conformance::$module::$case(&stores).await;
        }
    };
}

/// The cases that every backend passes.
macro_rules! store_cases {
    ($(#[$attribute:meta])* $open:path) => {
        $crate::conformance::cases! { $(#[$attribute])* $open:
            tracking::{
                an_unknown_experiment_name_is_none,
                an_experiment_is_found_by_name_and_by_id,
                an_unknown_experiment_id_is_not_found,
                a_taken_experiment_name_already_exists,
                a_run_starts_running_with_its_name_and_user_as_tags,
                a_run_in_an_unknown_experiment_is_not_found,
                an_unknown_run_is_not_found_by_any_call,
                a_batch_is_read_back,
                a_batch_larger_than_any_limit_is_logged_whole,
                a_param_never_changes,
                a_repeated_tag_is_replaced,
                nan_and_infinities_survive,
                the_latest_point_of_a_metric_wins,
                a_batch_with_a_bad_key_is_refused,
                long_params_and_tags_are_kept_or_cut,
                a_run_ends_and_can_run_again,
                runs_are_listed_by_status_newest_first,
                runs_are_listed_page_by_page,
                an_output_can_be_linked_twice,
                a_logged_model_is_created_pending_and_finalized,
            },
            registry::{
                a_registered_model_is_read_back,
                a_taken_model_name_already_exists,
                an_unknown_model_is_not_found_by_any_call,
                a_model_tag_is_replaced,
                a_model_of_an_odd_name_works,
                a_deleted_model_is_gone_with_its_versions,
                a_version_is_read_back,
                a_version_remembers_its_run,
                versions_are_numbered_from_one_and_never_reused,
                concurrent_creates_get_distinct_numbers_without_gaps,
                a_missing_or_deleted_version_is_not_found_by_any_call,
                a_version_tag_is_replaced,
                versions_are_listed_newest_first,
                versions_are_listed_below_a_number,
                versions_are_listed_page_by_page,
                an_alias_is_set_moved_and_deleted,
                an_alias_that_is_not_set_is_none,
                a_version_has_all_its_aliases_sorted,
                aliases_are_case_sensitive,
                an_alias_never_points_to_a_missing_version,
                deleting_a_version_never_moves_its_alias_elsewhere,
                the_download_uri_of_a_plain_source_is_the_source,
                the_download_uri_of_a_logged_model_is_its_artifact_root,
            },
            concurrency::{
                readers_see_new_versions_whole_and_in_order,
                a_listing_is_not_disturbed_by_new_versions,
                concurrent_first_sets_of_an_alias_or_a_tag_all_succeed,
                a_large_entry_is_kept_whole,
            },
            artifacts::{
                an_artifact_is_written_listed_and_read,
                an_artifact_is_replaced,
                a_large_artifact_is_streamed_whole,
                what_is_missing_is_not_found_or_empty,
                artifact_paths_never_leave_their_root,
            },
        }
    };
}

/// The cases of local stores, which offer [`AtomicRegistry`](hydra_mlflow::store::AtomicRegistry).
macro_rules! atomic_cases {
    ($open:path) => {
        $crate::conformance::cases! { $open:
            atomic::{
                a_commit_appends_the_entry_and_moves_the_aliases,
                a_commit_removes_aliases,
                a_moved_alias_is_a_conflict,
                a_newer_entry_is_a_conflict,
                a_deleted_newest_entry_still_counts,
                a_missing_target_changes_nothing,
                an_unknown_model_or_ledger_is_not_found,
                of_concurrent_commits_exactly_one_wins,
            },
        }
    };
}

pub(crate) use {atomic_cases, cases, store_cases};

mod memory {
    use std::future::{Ready, ready};

    use super::{MemoryStore, Stores};

    fn open() -> Ready<Stores> {
        ready(Stores::of(MemoryStore::new().expect("a temporary directory"), ()))
    }

    super::store_cases!(self::open);
    super::atomic_cases!(self::open);
}

mod file {
    use std::future::{Ready, ready};

    use super::{FileStore, Stores};

    fn open() -> Ready<Stores> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = FileStore::open(directory.path().join("ml runs")).expect("a path for a store");
        ready(Stores::of(store, directory))
    }

    super::store_cases!(self::open);
    super::atomic_cases!(self::open);
}

mod sqlite {
    use std::future::{Ready, ready};

    use super::{SqliteStore, Stores};

    fn open() -> Ready<Stores> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let store = SqliteStore::open(directory.path().join("ml flow.db")).expect("a path for a database");
        ready(Stores::of(store, directory))
    }

    super::store_cases!(self::open);
    super::atomic_cases!(self::open);
}

/// Real servers: the newest release on SQLite and on PostgreSQL, and older releases.
mod rest {
    use std::future::{Ready, ready};

    use hydra_mlflow::connect::Backend;
    use hydra_mlflow::environment::Environment;
    use hydra_mlflow::uri::TrackingUri;

    use super::Stores;
    use crate::support::server::{Deployment, NEWEST, Server};

    fn server(deployment: impl Into<Deployment>) -> Stores {
        let deployment = deployment.into();
        let uri = TrackingUri::new(Server::shared(deployment).url.as_str()).expect("an address");
        let Backend { tracking, registry, artifacts } =
            Backend::connect(&uri, None, &Environment::default()).expect("a server");
        let has_logged_models = !deployment.release.starts_with("mlflow-2.");
        Stores { tracking, registry, artifacts, has_logged_models, _keep: Box::new(()) }
    }

    fn open() -> Ready<Stores> {
        ready(server(NEWEST))
    }

    super::store_cases!(self::open);

    macro_rules! further_server {
        ($module:ident, $deployment:expr) => {
            mod $module {
                use std::future::{Ready, ready};

                fn open() -> Ready<super::Stores> {
                    ready(super::server($deployment))
                }

                crate::conformance::store_cases!(
                    #[ignore = "one more server; `cargo xtask test --all` runs it"]
                    self::open
                );
            }
        };
    }

    further_server!(postgres, crate::support::server::ON_POSTGRES);
    further_server!(mlflow_2_9_2, "mlflow-2.9.2");
    further_server!(mlflow_2_22_5, "mlflow-2.22.5");
    further_server!(mlflow_3_1_4, "mlflow-3.1.4");
}
