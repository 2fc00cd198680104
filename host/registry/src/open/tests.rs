use std::path::Path;

use super::*;
use crate::ModelRegistry;
use crate::loading::MemberSettings;
use crate::settings::Settings;
use hydra_base::error::ErrorKind;
use hydra_base::names::PolicyName;
use hydra_base::testing::{kind, tags};
use hydra_policy::PanelRole;

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
        matches!(&settings.policy.policies[..], [MemberSettings { source: PolicySource::File(file), .. }] if file.as_os_str() == "variable.wasm")
    );
    assert_eq!(settings.policy.policies[0].budget.fuel, 7);
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
    let [policy] = &settings.policy.policies[..] else { panic!("one policy decides") };
    assert!(matches!(policy.source, PolicySource::Embedded));
    assert_eq!(policy.budget.fuel, 8);
    assert_eq!(policy.settings, [("a", "1"), ("b", "3")].map(|(k, v)| (k.into(), v.into())).into());
    let managed: Vec<_> = settings.decision_options.managed.iter().map(Alias::as_str).collect();
    assert_eq!(managed, ["champion", "archived", "candidate", "challenger", "shadow"]);
}

/// Name, part, settings and fuel of each policy.
fn policies(options: &OpenOptions) -> Vec<(String, PanelRole, BTreeMap<String, String>, u64)> {
    let settings = options.policy_settings().expect("policies").policies.into_iter();
    settings
        .map(|policy| (policy.name.to_string(), policy.role, policy.settings, policy.budget.fuel))
        .collect()
}

#[test]
fn each_policy_of_a_panel_has_its_own_settings_and_limits_and_flags_win() {
    let home = tempfile::tempdir().expect("a directory");
    let config = r#"
        budget = { fuel = 1 }
        [[policies]]
        file = "gates/auc.wasm"
        settings = { metric = "auc", margin = 0.1 }
        [[policies]]
        name = "strict"
        file = "gates/auc.wasm"
        settings = { margin = 0.2 }
        budget = { fuel = 2 }
        [[policies]]
        mode = "monitor"
    "#;
    let given = options(home.path(), config, &[]);
    let (leader, gate, monitor) = (PanelRole::Leader, PanelRole::Gate, PanelRole::Monitor);
    let file = home.path().canonicalize().expect("a path").join("gates/auc.wasm");
    assert_eq!(given.policy_files(), [file.clone(), file]);
    assert_eq!(
        policies(&given),
        [
            ("auc".into(), leader, tags([("margin", "0.1"), ("metric", "auc")]), 1),
            ("strict".into(), gate, tags([("margin", "0.2")]), 2),
            ("default".into(), monitor, tags([]), 1),
        ]
    );
    let flags = given
        .clone()
        .with_policy_settings([("margin", "0.3"), ("strict.metric", "auc"), ("auc.metric", "f1")])
        .with_budget([("fuel", "3"), ("default.fuel", "4")]);
    assert_eq!(
        policies(&flags),
        [
            ("auc".into(), leader, tags([("margin", "0.3"), ("metric", "f1")]), 3),
            ("strict".into(), gate, tags([("margin", "0.2"), ("metric", "auc")]), 3),
            ("default".into(), monitor, tags([]), 4),
        ]
    );
    // An option or the variable replaces all of them; a monitor is added to those that decide.
    let alone = given.clone().with_policy(PolicySource::Embedded);
    assert_eq!(policies(&alone), [("default".into(), leader, tags([]), 1)]);
    let variable = options(home.path(), config, &[("HYDRA_POLICY", "one.wasm")]);
    assert_eq!(policies(&variable), [("one".into(), leader, tags([]), 1)]);
    let named = options(home.path(), config, &[("HYDRA_POLICY", "strict=one.wasm")]);
    assert_eq!(policies(&named), [("strict".into(), leader, tags([]), 1)]);
    assert_eq!(named.policy_files(), [std::path::PathBuf::from("one.wasm")]);
    let watched = variable.with_monitor(PanelPolicy::new(PolicySource::File("a b.wasm".into())));
    assert_eq!(policies(&watched)[1..], [("a_b".into(), monitor, tags([]), 1)]);
    let error =
        given.with_policy_settings([("x", "1")]).with_monitor(PanelPolicy::new(PolicySource::Embedded));
    assert_eq!(kind(error.policy_settings()), ErrorKind::PanelNames);
}

#[tokio::test]
async fn a_panel_is_loaded_with_one_engine_and_loaded_policies_keep_their_limits() {
    let loaded = OpenOptions::new().load_policy().await.expect("the default policy");
    let own = || PanelPolicy::new(loaded.clone()).with_name(PolicyName::new("own").expect("a name"));
    let panel = PanelOptions::led_by(PanelPolicy::new(PolicySource::Embedded)).with_gate(own());
    let options = OpenOptions::new().with_panel(panel.clone()).with_budget([("fuel", "7_000_000")]);
    let fuel: Vec<u64> = options
        .load_panel()
        .await
        .expect("a panel")
        .members()
        .map(|member| member.policy.budget().fuel)
        .collect();
    assert_eq!(fuel, [7_000_000, loaded.budget().fuel]);
    let error = options.load_policy().await.expect_err("two policies");
    assert_eq!(error.kind(), ErrorKind::SeveralPolicies);
    let limited = OpenOptions::new().with_panel(panel).with_budget([("own.fuel", "7")]);
    let error = limited.load_panel().await.expect_err("limits of a loaded policy");
    assert_eq!(error.kind(), ErrorKind::Config);
    assert!(error.to_string().contains("`own`"), "{error}");
}

#[test]
fn a_program_can_ask_for_sqlite_and_fix_relative_places_before_it_connects() {
    let home = tempfile::tempdir().expect("a directory");
    let uses = |file: &str, environment: &[(&str, &str)]| {
        options(home.path(), file, environment).uses_sqlite().expect("an answer")
    };
    // The default store of a project is a database.
    assert!(uses("", &[]));
    assert!(!uses("tracking-uri = 'http://host'", &[]));
    assert!(uses("tracking-uri = 'http://host'\nregistry-uri = 'sqlite:///x.db'", &[]));
    assert!(uses("tracking-uri = 'http://host'", &[("MLFLOW_REGISTRY_URI", "sqlite:///x.db")]));
    assert!(!uses("tracking-uri = 'sqlite:///x.db'", &[("MLFLOW_TRACKING_URI", "mlruns")]));

    let environment = [("MLFLOW_TRACKING_URI", "sqlite:///x.db"), ("MLFLOW_REGISTRY_URI", "mlruns")];
    let given = options(home.path(), "", &environment).with_absolute_uris(Path::new("/base")).expect("URIs");
    let uri = |uri: &Option<GivenUri>| uri.as_ref().expect("a URI").expose().to_owned();
    assert_eq!(uri(&given.tracking_uri), "sqlite:////base/x.db");
    assert_eq!(uri(&given.registry_uri), "/base/mlruns");
    let policy = |path: &str| PanelPolicy::from_argument(path).relative_to(Path::new("/base")).source;
    for (given, file) in
        [("a=p.wasm", "/base/p.wasm"), ("p.wasm", "/base/p.wasm"), ("/x/p.wasm", "/x/p.wasm")]
    {
        assert!(matches!(policy(given), PolicySource::File(path) if path == Path::new(file)), "{given}");
    }
}

#[test]
fn the_embedded_policy_counts_as_none_that_the_host_names() {
    let home = tempfile::tempdir().expect("a directory");
    let configured = |config: &str, environment: &[(&str, &str)]| {
        let settings = Settings::resolve(&options(home.path(), config, environment)).expect("settings").0;
        settings.policy.configured
    };
    let none = configured("", &[]);
    assert!(
        !none.names_policies && none.settings.is_empty() && none.budget.is_empty() && none.trust.is_none()
    );
    assert!(!configured("[[policies]]\nmode = 'leader'", &[]).names_policies);
    let settings = configured("[settings]\na = 1\n[budget]\nfuel = 7", &[]);
    assert!(!settings.names_policies && settings.settings["a"] == "1" && settings.budget["fuel"] == "7");
    assert!(configured("policy = 'a.wasm'", &[]).names_policies);
    assert!(configured("", &[("HYDRA_POLICY", "a.wasm")]).names_policies);
    assert!(configured("[[policies]]\n[[policies]]\nname = 'b'", &[]).names_policies);
    let key = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAENptdY/l3nB0yqkXLBWkZWQwo6+cuOSWS1X9vPavpiQOoTTGC0xX57OojUadxF1cdQmrsiReWg2Wn4FneJfa8xw==";
    let key = format!("-----BEGIN PUBLIC KEY-----\n{key}\n-----END PUBLIC KEY-----");
    let trusting = configured(&format!("[policy.trust]\nall-of = [{{ pub-key = '''{key}''' }}]"), &[]);
    assert!(!trusting.names_policies && trusting.trust.is_some());
}
