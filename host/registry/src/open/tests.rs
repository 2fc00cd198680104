use std::path::Path;

use super::*;
use crate::ModelRegistry;
use crate::settings::Settings;
use hydra_base::error::ErrorKind;

/// Options of a project in `root` with this `hydra.toml`.
fn options(root: &Path, config: &str, environment: &[(&str, &str)]) -> OpenOptions {
    std::fs::write(root.join("hydra.toml"), config).expect("hydra.toml");
    let project = Project::around(root);
    let config = project.config().expect("a configuration");
    OpenOptions::new()
        .with_project(project)
        .with_config(config)
        .with_environment(environment.iter().copied().collect())
}

#[tokio::test]
async fn no_credential_is_shown_by_debug() {
    let home = tempfile::tempdir().expect("a directory");
    let file = "tracking-uri = 'http://ann:hunter2@file-t'\nregistry-uri = 'http://ann:hunter2@file-r'";
    let environment = [
        ("MLFLOW_TRACKING_PASSWORD", "hunter2"),
        ("MLFLOW_TRACKING_TOKEN", "hunter2"),
        ("MLFLOW_REGISTRY_URI", "http://ann:hunter2@variable"),
        ("HOME", "/home/ann"),
    ];
    let given = options(home.path(), file, &environment);
    let shown = format!("{:?} {:?}", given.config, given);
    assert!(shown.contains("file-t") && shown.contains("file-r") && !shown.contains("hunter2"), "{shown}");

    let given = given
        .with_tracking_uri("http://ann:hunter2@option-t")
        .with_registry_uri("http://ann:hunter2@option-r");
    assert!(Settings::resolve(&given).expect("settings").0.decision_options.cache.is_some());
    let registry = ModelRegistry::connect(given).await.expect("nothing is contacted");
    let shown = format!("{registry:?} {:#?} {:?}", registry, registry.backend());
    assert!(shown.contains("option-t") && shown.contains("option-r"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn models_are_cached_by_all_that_tells_registries_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let identity = |option: Option<&str>, environment: &[(&str, &str)]| {
        let mut options = options(home.path(), "", environment);
        if let Some(uri) = option {
            options = options.with_registry_uri(uri);
        }
        options.store_identity(&options.uris().expect("URIs"))
    };
    let registry = ("MLFLOW_REGISTRY_URI", "http://registry");
    let named = ("MLFLOW_WORKSPACE", "team-a");
    let different = [
        identity(None, &[]),
        identity(None, &[registry]),
        identity(None, &[("MLFLOW_REGISTRY_URI", "http://other")]),
        identity(None, &[registry, named]),
        identity(None, &[registry, named, ("MLFLOW_ENABLE_WORKSPACES", "true")]),
        identity(None, &[("MLFLOW_TRACKING_URI", "http://registry")]),
        identity(None, &[("MLFLOW_TRACKING_URI", "sqlite:///x.db")]),
    ];
    for (index, one) in different.iter().enumerate() {
        assert!(!different[index + 1..].contains(one), "{one}");
    }
    assert_eq!(identity(Some("http://registry"), &[]), different[1], "however it is named");
    let here = std::env::current_dir().expect("the current directory");
    assert!(different[6].contains(&*here.join("x.db").to_string_lossy()), "absolute: {}", different[6]);
}

#[test]
fn the_cache_is_in_the_home_directory_of_either_kind_of_system() {
    let root = tempfile::tempdir().expect("a directory");
    let at = |environment: &[(&str, &str)]| options(root.path(), "", environment).cache_directory();
    assert_eq!(at(&[]), None);
    assert_eq!(at(&[("USERPROFILE", "/u")]), Some("/u/.cache/hydra-registry".into()));
    assert_eq!(at(&[("USERPROFILE", "/u"), ("HOME", "/h")]), Some("/h/.cache/hydra-registry".into()));
    assert_eq!(at(&[("HOME", "/h"), ("XDG_CACHE_HOME", "/x")]), Some("/x/hydra-registry".into()));
    assert_eq!(at(&[("XDG_CACHE_HOME", "/x"), ("HYDRA_CACHE_DIR", "/c")]), Some("/c".into()));
}

#[test]
fn an_actor_without_a_name_is_the_user_of_the_process() {
    let home = tempfile::tempdir().expect("a directory");
    let given = options(home.path(), "", &[("HYDRA_ACTOR", ""), ("USER", "")]).with_actor(" ");
    let actor =
        |options: &OpenOptions| Settings::resolve(options).expect("settings").0.decision_options.actor;
    assert_eq!(actor(&given), whoami::username().expect("a login name"));
    assert_eq!(actor(&given.with_actor(" ann\n")), "ann", "as it is recorded and compared everywhere");
}

#[tokio::test]
async fn a_malformed_setting_is_an_error_of_connect() {
    let home = tempfile::tempdir().expect("a directory");
    let server = ("MLFLOW_TRACKING_URI", "https://127.0.0.1:9");
    for (name, value, kind) in [
        ("MLFLOW_TRACKING_URI", "ftp://host", ErrorKind::UnsupportedScheme),
        ("MLFLOW_REGISTRY_URI", "ftp://host", ErrorKind::UnsupportedScheme),
        ("MLFLOW_EXPERIMENT_ID", "../1", ErrorKind::InvalidName),
        ("MLFLOW_TRACKING_INSECURE_TLS", "perhaps", ErrorKind::Config),
        ("MLFLOW_TRACKING_SERVER_CERT_PATH", "/missing.pem", ErrorKind::Config),
        ("MLFLOW_TRACKING_CLIENT_CERT_PATH", "/missing.pem", ErrorKind::Config),
        ("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "seven", ErrorKind::Config),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_FACTOR", "-1", ErrorKind::Config),
        ("MLFLOW_HTTP_REQUEST_BACKOFF_JITTER", "x", ErrorKind::Config),
        ("MLFLOW_HTTP_REQUEST_TIMEOUT", "soon", ErrorKind::Config),
        ("MLFLOW_HTTP_RESPECT_RETRY_AFTER_HEADER", "x", ErrorKind::Config),
        ("HYDRA_ACTOR", "a".repeat(201).leak(), ErrorKind::TextTooLong),
        ("HYDRA_MODEL", "a/b", ErrorKind::InvalidName),
        ("HYDRA_CACHE_BYTES", "much", ErrorKind::Config),
    ] {
        let given = options(home.path(), "", &[server, (name, value)]);
        let error = ModelRegistry::connect(given).await.expect_err(name);
        assert_eq!(error.kind(), kind, "{name}: {error}");
    }
    for (config, kind) in [
        ("managed-aliases = ['latest']", ErrorKind::InvalidName),
        ("[budget]\nfuel = 'much'", ErrorKind::Config),
        ("[budget]\npetrol = 1", ErrorKind::Config),
    ] {
        let error = ModelRegistry::connect(options(home.path(), config, &[server])).await.expect_err(config);
        assert_eq!(error.kind(), kind, "{config}: {error}");
    }
    let error = ModelRegistry::connect(OpenOptions::new()).await.expect_err("no store");
    assert_eq!(error.kind(), ErrorKind::Config, "{error}");
}

#[test]
fn an_option_wins_over_the_environment_and_that_over_the_configuration() {
    let home = tempfile::tempdir().expect("a directory");
    let config =
        "model = 'file'\nmanaged-aliases = ['challenger']\n[settings]\na = 1\nb = 2\n[budget]\nfuel = 7";
    let environment =
        [("HYDRA_MODEL", "variable"), ("MLFLOW_EXPERIMENT_NAME", "e"), ("HYDRA_POLICY", "variable.wasm")];
    let resolve = |options: &OpenOptions| Settings::resolve(options).expect("settings").0;
    assert_eq!(resolve(&options(home.path(), config, &[])).model.as_str(), "file");
    let given = options(home.path(), config, &environment);
    let settings = resolve(&given);
    assert_eq!(settings.model.as_str(), "variable");
    assert!(matches!(&settings.experiment, Experiment::Named(name) if name == "e"));
    assert!(
        matches!(&settings.policy.source, PolicySource::File(file) if file.as_os_str() == "variable.wasm")
    );
    assert_eq!(settings.policy.budget.fuel, 7);
    let given = given
        .with_model("option")
        .with_experiment_id(ExperimentId::new("3").expect("an id"))
        .with_policy(PolicySource::Embedded)
        .with_policy_settings([("b", "3")])
        .with_budget([("fuel", "8")])
        .with_managed_aliases([Alias::CHAMPION, Alias::new("shadow").expect("an alias")]);
    let settings = resolve(&given);
    assert_eq!(settings.model.as_str(), "option");
    assert!(matches!(&settings.experiment, Experiment::Id(id) if id.as_str() == "3"));
    assert!(matches!(settings.policy.source, PolicySource::Embedded));
    assert_eq!(settings.policy.budget.fuel, 8);
    assert_eq!(
        settings.decision_options.settings,
        [("a", "1"), ("b", "3")].map(|(k, v)| (k.into(), v.into())).into()
    );
    let managed: Vec<_> = settings.decision_options.managed.iter().map(Alias::as_str).collect();
    assert_eq!(managed, ["champion", "archived", "candidate", "challenger", "shadow"]);
}
