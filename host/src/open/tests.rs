use std::path::Path;

use clap::Parser as _;

use super::*;
use crate::ModelRegistry;
use crate::cli::Cli;

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

    let line =
        ["hydra-registry", "--tracking-uri", "http://ann:hunter2@t", "--registry-uri", "http://hunter2@r"];
    let shown = format!("{:?}", Cli::try_parse_from(line.into_iter().chain(["list"])).expect("a command"));
    assert!(shown.contains("***@t") && shown.contains("***@r") && !shown.contains("hunter2"), "{shown}");
}
