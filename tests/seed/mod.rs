//! The six cases of the original test suite, and the verbs that came later, each as one named test per backend.

use futures_util::TryStreamExt as _;
use hydra_lightgbm::matrix::Matrix;
use hydra_registry::{
    Alias, Candidate, ErrorKind, ModelRegistry, OpenOptions, Outcome, PanelOptions, PanelPolicy, Target,
    Version,
};
use hydra_training::baseline::{BaselineModel, TrainingParameters};
use serde_json::json;

use crate::support::backends::{Backend, fresh_name};

/// Sixty rows of two features; the label is 1 where the first feature is large.
fn training_rows() -> (Vec<[f64; 2]>, Vec<f64>) {
    let rows: Vec<[f64; 2]> = (0..120).map(|i| [f64::from(i), f64::from(i % 7)]).collect();
    let labels = rows.iter().map(|row| f64::from(row[0] >= 60.0)).collect();
    (rows, labels)
}

fn model(n_estimators: u32) -> BaselineModel {
    let (rows, labels) = training_rows();
    let parameters = TrainingParameters::new().n_estimators(n_estimators);
    BaselineModel::train_with(&parameters, &rows, &labels, &["size", "weekday"]).expect("a trained model")
}

async fn open(backend: &Backend) -> ModelRegistry {
    let options: OpenOptions = backend.options(&fresh_name("seed"));
    ModelRegistry::connect_or_create(options).await.expect("an open registry")
}

async fn log(registry: &ModelRegistry, n_estimators: u32) -> Version {
    let candidate = Candidate::from_text(model(n_estimators).into_text())
        .metrics([("auc", 0.9), ("rounds", f64::from(n_estimators))])
        .config(json!({"seed": 7, "data": {"rows": 120}, "name": "seed"}))
        .tag("team", "risk")
        .run_name("a run");
    registry.log_candidate(candidate).await.expect("a logged candidate").version
}

async fn alias(registry: &ModelRegistry, alias: Alias) -> Option<Version> {
    let found = registry.backend().registry.version_by_alias(registry.model(), &alias).await;
    found.expect("an answer").map(|version| version.version)
}

pub async fn log_candidate(backend: &Backend) {
    let registry = open(backend).await;
    let version = log(&registry, 3).await;
    assert_eq!(version, Version::FIRST);
    assert_eq!(alias(&registry, Alias::CANDIDATE).await, Some(version));
    let stores = registry.backend();
    let found = stores.registry.model_version(registry.model(), version).await.expect("the version");
    let run = stores.tracking.run(&found.run_id.expect("a run")).await.expect("the run");
    assert_eq!(run.status, hydra_mlflow::entities::RunStatus::Finished);
    assert_eq!(run.params["data.rows"], "120");
    assert_eq!(run.params["name"], "seed");
    assert_eq!(run.tags["team"], "risk");
    let metrics: Vec<(&str, f64)> =
        run.metrics.iter().map(|metric| (metric.key.as_str(), metric.value)).collect();
    assert_eq!(metrics, [("auc", 0.9), ("rounds", 3.0)]);
    let artifacts = stores
        .artifact_store(&run.artifact_uri.parse().expect("a URI"))
        .await
        .expect("artifacts")
        .list("")
        .await
        .expect("a list");
    assert!(artifacts.iter().any(|artifact| artifact.path == "config.json"), "{artifacts:?}");
}

pub async fn promote_and_load_champion_that_predicts(backend: &Backend) {
    let registry = open(backend).await;
    let version = log(&registry, 5).await;
    let transition = registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    assert_eq!(transition.outcome, Outcome::Done);
    assert_eq!(alias(&registry, Alias::CHAMPION).await, Some(version));
    assert_eq!(alias(&registry, Alias::CANDIDATE).await, None);
    let champion = registry.load_champion().await.expect("a champion");
    assert_eq!(champion.version, version);
    let rows = [10.0, 1.0, 110.0, 1.0];
    let matrix = Matrix::from_rows(&rows, 2).expect("two rows");
    let probabilities = champion.model.outputs(&matrix).expect("predictions");
    assert!(probabilities[0] < 0.5 && probabilities[1] > 0.5, "{probabilities:?}");
    let info = registry.champion_info().await.expect("its description");
    assert_eq!((info.version, info.metrics["rounds"], info.tags["team"].as_str()), (version, 5.0, "risk"));
}

pub async fn promoting_archives_the_former_champion(backend: &Backend) {
    let registry = open(backend).await;
    let first = log(&registry, 3).await;
    registry.promote_to_champion(first).await.expect("a promotion");
    let second = log(&registry, 4).await;
    let transition = registry.promote_to_champion(second).await.expect("a promotion");
    assert_eq!(transition.outcome, Outcome::Done);
    assert_eq!(alias(&registry, Alias::CHAMPION).await, Some(second));
    assert_eq!(alias(&registry, Alias::ARCHIVED).await, Some(first));
    let again = registry.promote_to_champion(second).await.expect("an answer");
    assert_eq!(again.outcome, Outcome::Unchanged);
    assert_eq!(alias(&registry, Alias::ARCHIVED).await, Some(first));
}

pub async fn rollback(backend: &Backend) {
    let registry = open(backend).await;
    let first = log(&registry, 3).await;
    registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    let second = log(&registry, 4).await;
    registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    let transition = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(transition.outcome, Outcome::Done);
    assert_eq!(alias(&registry, Alias::CHAMPION).await, Some(first));
    assert_eq!(alias(&registry, Alias::ARCHIVED).await, Some(second));
}

pub async fn rollback_with_none_archived_is_an_error(backend: &Backend) {
    let registry = open(backend).await;
    log(&registry, 3).await;
    registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    let transition = registry.rollback(Target::PolicyChoice).await.expect("a verdict");
    assert_eq!(transition.outcome, Outcome::Rejected);
    assert_eq!(transition.explanation, "No archived model to rollback to");
    let error = transition.into_result().expect_err("a rejection becomes an error");
    assert_eq!(error.kind(), ErrorKind::NoArchived);
    assert_eq!(error.message(), "No archived model to rollback to");
}

pub async fn list_versions(backend: &Backend) {
    let registry = open(backend).await;
    log(&registry, 3).await;
    registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    log(&registry, 4).await;
    let versions: Vec<_> = registry.list_versions().try_collect().await.expect("every page");
    let seen: Vec<_> = versions
        .iter()
        .map(|info| (info.version.get(), info.aliases.iter().map(Alias::as_str).collect::<Vec<_>>()))
        .collect();
    assert_eq!(seen, [(2, vec!["candidate"]), (1, vec!["champion"])]);
    assert!(versions.iter().all(|info| info.run_id.is_some() && info.created_at > 0));
}

/// Nomination, approval, quarantine and release, each of which decides what may become champion.
pub async fn statements_about_versions(backend: &Backend) {
    let registry = open(backend).await;
    let first = log(&registry, 3).await;
    registry.promote_to_champion(first).await.expect("a promotion");
    let (second, third) = (log(&registry, 4).await, log(&registry, 5).await);
    let nominated = registry.nominate(second).await.expect("a nomination");
    assert_eq!((nominated.recorded, nominated.former_candidate), (true, Some(third)));
    assert_eq!(alias(&registry, Alias::CANDIDATE).await, Some(second));
    let quarantined = registry.quarantine(second, "leaked labels").await.expect("a quarantine");
    assert!(!quarantined.can_become_champion);
    let refused = registry.promote_to_champion(Target::Candidate).await.expect_err("in quarantine");
    assert_eq!(refused.kind(), ErrorKind::Quarantined);
    registry.release(second).await.expect("a release");
    let approved = registry.approve(second).reason("reviewed").await.expect("an approval");
    let found = registry.backend().registry.model_version(registry.model(), second).await;
    assert_eq!(approved.sha256.as_ref(), found.expect("the version").tags.get("hydra.model.sha256"));
    let promoted = registry.promote_to_champion(Target::Candidate).await.expect("a promotion");
    assert_eq!((promoted.outcome, promoted.target), (Outcome::Done, Some(second)));
    let back = registry.rollback(Target::PolicyChoice).quarantine().await.expect("a rollback");
    assert_eq!(back.quarantined.into_iter().collect::<Vec<_>>(), [second]);
    assert_eq!(alias(&registry, Alias::CHAMPION).await, Some(first));
    let again = registry.rollback(Target::PolicyChoice).await.expect_err("it was left for good");
    assert_eq!(again.kind(), ErrorKind::Quarantined);
}

/// Activation, an approval of its end, and the end.
pub async fn the_active_policy(backend: &Backend) {
    let registry = open(backend).await;
    let first = log(&registry, 3).await;
    registry.promote_to_champion(first).await.expect("a promotion");
    let files = tempfile::tempdir().expect("a directory");
    let component = crate::ledger::activation::component(files.path(), "default");
    let options = || {
        let panel = PanelOptions::led_by(PanelPolicy::new(component.clone()));
        backend.options(registry.model().as_str()).with_panel(panel).with_activation_approvals(1)
    };
    let host = ModelRegistry::connect(options()).await.expect("a registry");
    let activated = host.activate_policy().reason("for all").await.expect("an activation");
    assert!(activated.recorded && activated.sha256.is_some());
    let second = log(&registry, 4).await;
    let promoted = registry.promote_to_champion(second).await.expect("a promotion");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
    let refused = registry.deactivate_policy().await.expect_err("it asks for an approval");
    assert_eq!(refused.kind(), ErrorKind::ActivationApprovals);
    let bob = ModelRegistry::connect(options().with_actor("bob")).await.expect("a registry");
    bob.approve_policy(None).await.expect("an approval");
    let ended = registry.deactivate_policy().await.expect("an end");
    assert_eq!((ended.recorded, ended.former), (true, activated.sha256));
    let back = registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!((back.outcome, back.active_policy), (Outcome::Done, None));
}

/// One named test per case, for the backend that `$open` returns. Attributes before `$open` apply to each test.
macro_rules! seed {
    ($(#[$attribute:meta])* $module:ident: $open:expr) => {
        seed! { @each [$(#[$attribute])*] $module: $open;
            log_candidate
            promote_and_load_champion_that_predicts
            promoting_archives_the_former_champion
            rollback
            rollback_with_none_archived_is_an_error
            list_versions
            statements_about_versions
            the_active_policy
        }
    };
    (@each $attributes:tt $module:ident: $open:expr; $($case:ident)+) => {
        mod $module {
            use crate::support::backends::Backend;

            fn open() -> Backend {
                $open
            }

            $(seed! { @one $attributes $case })+
        }
    };
    (@one [$($attribute:tt)*] $case:ident) => {
        $($attribute)*
        #[tokio::test(flavor = "multi_thread")]
        async fn $case() {
            super::$case(&open()).await;
        }
    };
}

macro_rules! further_seed {
    ($($module:ident: $open:expr;)+) => {
        $(seed! {
            #[ignore = "one more server; `cargo xtask test --all` runs it"]
            $module: $open
        })+
    };
}

seed! { rest: Backend::rest() }
seed! { file: Backend::file() }
seed! { sqlite: Backend::sqlite() }
seed! { memory: Backend::memory() }

further_seed! {
    postgres: Backend::postgres();
    mariadb: Backend::server(crate::support::server::ON_MARIADB);
    mlflow_2_9_2: Backend::server("mlflow-2.9.2");
    mlflow_2_22_5: Backend::server("mlflow-2.22.5");
    mlflow_3_1_4: Backend::server("mlflow-3.1.4");
    mlflow_3_18_0: Backend::server("mlflow-3.18.0");
}
