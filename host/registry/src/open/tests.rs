use std::path::Path;

use super::*;
use crate::ModelRegistry;

/// Options of a project in `root` with this `hydra.toml`.
fn options(root: &Path, config: &str, environment: &[(&str, &str)]) -> OpenOptions {
    std::fs::write(root.join("hydra.toml"), config).expect("hydra.toml");
    let project = Project::around(root);
    let config = project.config().expect("a configuration");
    OpenOptions::new(project, config, environment.iter().copied().collect())
}

#[test]
fn no_credential_is_shown_by_debug() {
    let home = tempfile::tempdir().expect("a directory");
    let file = "tracking-uri = 'http://ann:hunter2@file-t'\nregistry-uri = 'http://ann:hunter2@file-r'";
    let environment = [
        ("MLFLOW_TRACKING_PASSWORD", "hunter2"),
        ("MLFLOW_TRACKING_TOKEN", "hunter2"),
        ("MLFLOW_REGISTRY_URI", "http://ann:hunter2@variable"),
        ("HOME", "/home/ann"),
    ];
    let mut given = options(home.path(), file, &environment);
    let shown = format!("{:?} {:?}", given.config, given);
    assert!(shown.contains("file-t") && shown.contains("file-r") && !shown.contains("hunter2"), "{shown}");

    given.tracking_uri = Some("http://ann:hunter2@option-t".into());
    given.registry_uri = Some("http://ann:hunter2@option-r".into());
    let registry = ModelRegistry::open_existing(given).expect("nothing is contacted");
    assert!(registry.cache.is_some());
    let shown = format!("{registry:?} {:#?} {:?}", registry, registry.backend());
    assert!(shown.contains("option-t") && shown.contains("option-r"), "{shown}");
    assert!(!shown.contains("hunter2"), "{shown}");
}

#[test]
fn models_are_cached_by_all_that_tells_registries_apart() {
    let home = tempfile::tempdir().expect("a directory");
    let identity = |option: Option<&str>, environment: &[(&str, &str)]| {
        let mut options = options(home.path(), "", environment);
        options.registry_uri = option.map(GivenUri::from);
        options.store_identity().expect("an identity")
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
    let mut given = options(home.path(), "", &[("HYDRA_ACTOR", ""), ("USER", "")]);
    given.actor = Some(" ".to_owned());
    let user = given.actor_name();
    assert_eq!(user, whoami::username().expect("a login name"));
    given.actor = Some("ann".to_owned());
    assert_eq!(given.actor_name(), "ann");
}
