//! The contract of the store traits: one test per documented sentence and backend.
//!
//! The cases are in [`hydra_mlflow::testing::conformance`]. [`store_cases!`] turns the list of them into one named test per
//! backend. Cases share a server with others and run at the same time.

mod verbs;

use crate::support::root;

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
            hydra_mlflow::testing::conformance::$module::$case(&stores).await;
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
                runs_are_read_by_their_ids,
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
            inputs::{
                the_inputs_of_a_run_are_read_back,
                a_repeated_input_changes_nothing,
                runs_of_an_experiment_share_the_description_of_a_dataset,
                a_logged_model_is_an_input,
                metrics_of_a_logged_model_name_their_dataset,
                inputs_beyond_mlflows_limits_are_refused,
                a_run_that_does_not_exist_has_no_inputs,
                concurrent_runs_describe_a_dataset_once,
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
                versions_of_a_range_are_listed_newest_first,
                a_version_tag_is_deleted,
                models_are_found_by_a_tag,
                models_are_found_by_a_pattern_page_by_page,
                the_download_uri_of_a_plain_source_is_the_source,
                the_download_uri_of_a_logged_model_is_its_artifact_root,
            },
            aliases::{
                an_alias_is_set_moved_and_deleted,
                an_alias_that_is_not_set_is_none,
                a_version_has_all_its_aliases_sorted,
                aliases_are_case_sensitive,
                an_alias_never_points_to_a_missing_version,
                deleting_a_version_never_moves_its_alias_elsewhere,
            },
            concurrency::{
                readers_see_new_versions_whole_and_in_order,
                a_listing_is_not_disturbed_by_new_versions,
                concurrent_first_sets_of_an_alias_or_a_tag_all_succeed,
                a_large_entry_is_kept_whole,
            },
            clock::{
                only_a_server_has_a_clock_of_its_own,
                a_store_without_users_names_none,
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
macro_rules! local_cases {
    ($open:path) => {
        $crate::conformance::cases! { $open:
            atomic::{
                a_commit_appends_the_entry_and_moves_the_aliases,
                a_commit_removes_aliases,
                a_commit_sets_and_deletes_tags_of_versions_that_exist,
                a_commit_sets_tags_of_the_model,
                a_moved_alias_is_a_conflict,
                a_newer_entry_is_a_conflict,
                a_deleted_newest_entry_still_counts,
                a_missing_target_changes_nothing,
                an_unknown_model_or_ledger_is_not_found,
                of_concurrent_commits_exactly_one_wins,
            },
            local::{
                a_dangling_alias_is_a_missing_version,
                a_deleted_experiment_is_found_but_takes_no_runs,
                a_deleted_run_is_found_with_others,
                reads_never_write,
            },
        }
    };
}

pub(crate) use {cases, local_cases, store_cases};

/// A case that no list names would never run.
#[test]
fn every_case_is_listed() {
    let mut cases = 0;
    for file in std::fs::read_dir(root().join("host/mlflow/src/testing/conformance")).expect("the suite") {
        let text = std::fs::read_to_string(file.expect("a file").path()).expect("its text");
        for (name, _) in
            text.lines().filter_map(|line| line.strip_prefix("pub async fn ")?.split_once("(stores"))
        {
            let listed = include_str!("mod.rs").lines().any(|line| line.trim() == format!("{name},"));
            assert!(listed || name == "logged_model", "{name} is not listed");
            cases += 1;
        }
    }
    assert!(cases > 60, "{cases}");
}

mod memory {
    use std::future::{Ready, ready};

    use hydra_mlflow::testing::conformance::Stores;

    fn open() -> Ready<Stores> {
        ready(Stores::memory())
    }

    super::store_cases!(self::open);
    super::local_cases!(self::open);
}

mod file {
    use std::future::{Ready, ready};

    use hydra_mlflow::testing::conformance::Stores;

    fn open() -> Ready<Stores> {
        ready(Stores::file())
    }

    super::store_cases!(self::open);
    super::local_cases!(self::open);
}

mod sqlite {
    use std::future::{Ready, ready};

    use hydra_mlflow::testing::conformance::Stores;

    fn open() -> Ready<Stores> {
        ready(Stores::sqlite())
    }

    super::store_cases!(self::open);
    super::local_cases!(self::open);
}

/// Real servers: the release of most tests on SQLite, PostgreSQL and MariaDB, and other releases.
mod rest {
    use std::future::{Ready, ready};

    use hydra_mlflow::connect::Backend;
    use hydra_mlflow::environment::Environment;
    use hydra_mlflow::testing::conformance::Stores;
    use hydra_mlflow::uri::TrackingUri;

    use crate::support::server::{Deployment, NEWEST, Server};

    fn server(deployment: impl Into<Deployment>) -> Stores {
        let deployment = deployment.into();
        let uri = TrackingUri::new(Server::shared(deployment).url.as_str()).expect("an address");
        let backend = Backend::connect(&uri, None, &Environment::default()).expect("a server");
        let mut stores = Stores::new(backend, ());
        stores.has_logged_models = !deployment.release.starts_with("mlflow-2.");
        stores
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
    further_server!(mariadb, crate::support::server::ON_MARIADB);
    further_server!(mlflow_2_9_2, "mlflow-2.9.2");
    further_server!(mlflow_2_22_5, "mlflow-2.22.5");
    further_server!(mlflow_3_1_4, "mlflow-3.1.4");
    further_server!(mlflow_3_18_0, "mlflow-3.18.0");
}
