//! Policies in registries, as the command line uses them.

use hydra_base::Sha256;
use hydra_policy::Policy;
use serde_json::{Value, json};

use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;
use crate::support::registry::{Login, Registry};

/// A project whose cache is its own.
fn project() -> Project {
    let project = Project::new(None, &fresh_name("shared"));
    project.file("gate.wasm", Policy::default_bytes());
    project
}

/// Runs a command that must succeed, with a cache of the project's own and these variables.
fn json_with(project: &Project, args: &[&str], variables: &[(&str, &str)]) -> Value {
    let mut command = project.command(["--output", "json"].iter().chain(args));
    command.env("HYDRA_CACHE_DIR", project.path().join("cache")).envs(variables.iter().copied());
    let ran = command.output().expect("the binary runs");
    assert!(ran.status.success(), "{args:?}: {}", String::from_utf8_lossy(&ran.stderr));
    serde_json::from_slice(&ran.stdout).expect("JSON")
}

fn complaint(project: &Project, args: &[&str], code: i32) -> String {
    let mut command = project.command(args);
    command.env("HYDRA_CACHE_DIR", project.path().join("cache"));
    let ran = command.output().expect("the binary runs");
    assert_eq!(ran.status.code(), Some(code), "{args:?}");
    String::from_utf8_lossy(&ran.stderr).into_owned()
}

#[test]
fn what_is_pushed_is_in_the_layout_of_webassembly_artifacts_and_comes_back() {
    let (registry, project) = (Registry::start(), project());
    let reference = registry.reference("team/gate:1.2");
    let pushed = json_with(&project, &["policy", "push", &reference, "gate.wasm"], &[]);
    let sha256 = Sha256::of(Policy::default_bytes()).to_string();
    assert_eq!(
        (&pushed["schema"], &pushed["sha256"]),
        (&json!("hydra-registry/policy-push/1"), &json!(sha256))
    );
    let digest = pushed["digest"].as_str().expect("a digest");
    assert_eq!(pushed["reference"], format!("{reference}@sha256:{digest}"));

    let manifest = registry.document("team/gate", "1.2").expect("a manifest");
    assert_eq!(manifest["mediaType"], "application/vnd.oci.image.manifest.v1+json");
    assert_eq!(manifest["config"]["mediaType"], "application/vnd.wasm.config.v0+json");
    assert_eq!(manifest["layers"].as_array().map(Vec::len), Some(1));
    assert_eq!(manifest["layers"][0]["mediaType"], "application/wasm");
    assert_eq!(manifest["layers"][0]["digest"], format!("sha256:{sha256}"));
    let config =
        registry.blob(manifest["config"]["digest"].as_str().expect("a digest")).expect("the configuration");
    let config: Value = serde_json::from_slice(&config).expect("JSON");
    assert_eq!((&config["architecture"], &config["os"]), (&json!("wasm"), &json!("wasip2")));
    assert_eq!(config["layerDigests"], json!([format!("sha256:{sha256}")]));
    assert_eq!(config["component"], json!({"exports": ["hydra:lifecycle/policy@0.2.0"], "imports": []}));

    // Pushing the same again gives the same artifact.
    let again = json_with(&project, &["policy", "push", &reference, "gate.wasm"], &[]);
    assert_eq!(again["digest"], digest);
    let pulled = json_with(&project, &["policy", "pull", &reference, "--out", "back.wasm"], &[]);
    assert_eq!((&pulled["digest"], &pulled["sha256"]), (&json!(digest), &json!(sha256)));
    assert_eq!(std::fs::read(project.path().join("back.wasm")).expect("a file"), Policy::default_bytes());
    project.file("gate.wasm", "something else");
    let refused = complaint(&project, &["policy", "pull", &reference], 2);
    assert!(refused.contains("another file has the name of the policy"), "{refused}");
    let refused = complaint(&project, &["policy", "push", &reference, "gate.wasm"], 2);
    assert!(refused.contains("component"), "{refused}");
}

#[test]
fn a_policy_in_a_registry_decides_and_works_offline_by_its_digest() {
    let (registry, project) = (Registry::start().with_login(Login::Token), project());
    let variables = [
        ("HYDRA_OCI_REGISTRY", &*registry.host),
        ("HYDRA_OCI_USERNAME", "ann"),
        ("HYDRA_OCI_PASSWORD", "hunter2"),
    ];
    let tag = registry.reference("gate:1");
    let pushed = json_with(&project, &["policy", "push", &tag, "gate.wasm"], &variables);
    let pinned = pushed["reference"].as_str().expect("a reference").to_owned();
    let described = json_with(&project, &["policy", "inspect", &pinned], &variables);
    assert_eq!(described["sha256"], pushed["sha256"]);

    let log = ["log-candidate", &model("binary_int"), "--metric", "auc=0.9"];
    json_with(&project, &log, &[]);
    registry.take();
    let promoted = json_with(&project, &["--policy", &format!("gate={tag}"), "promote"], &variables);
    assert_eq!(promoted["outcome"], "done", "{promoted}");
    // The tag was resolved once, and the component is in the cache.
    let seen = registry.take();
    let manifests =
        seen.iter().filter(|seen| seen.line.contains("/manifests/") && seen.authorization.is_some());
    assert_eq!(manifests.count(), 1, "{seen:?}");
    assert!(!seen.iter().any(|seen| seen.line.contains("/blobs/")), "{seen:?}");
    let mut history = project.command(["--output", "json", "history"]);
    let history =
        history.env("HYDRA_CACHE_DIR", project.path().join("cache")).output().expect("the binary runs");
    let history = String::from_utf8_lossy(&history.stdout).into_owned();
    assert!(history.contains(pushed["sha256"].as_str().expect("a digest")), "{history}");

    registry.be_down(true);
    json_with(&project, &log, &[]);
    let refused = complaint(&project, &["--policy", &tag, "promote"], 5);
    assert!(refused.contains("cannot be reached") && refused.contains("by its digest"), "{refused}");
    project.file("hydra.toml", format!("model = '{}'\npolicy = '{pinned}'\n", "offline"));
    json_with(&project, &log, &[]);
    registry.take();
    let promoted = json_with(&project, &["promote"], &[]);
    assert_eq!(promoted["outcome"], "done", "{promoted}");
    assert!(registry.take().is_empty());
}

#[test]
fn references_that_are_wrong_are_refused_before_anything_is_asked() {
    let project = project();
    for (args, text) in [
        (&["policy", "push", "gate.wasm", "gate.wasm"][..], "is not a reference"),
        (&["policy", "push", "oci://r.example/gate", "gate.wasm"], "neither a tag nor a digest"),
        (
            &["policy", "push", &format!("oci://r.example/gate:sha256-{}", "ab".repeat(32)), "gate.wasm"],
            "hold the signatures",
        ),
        (
            &["policy", "push", &format!("oci://r.example/gate:sha256-{}.sig", "ab".repeat(32)), "gate.wasm"],
            "hold the signatures",
        ),
        (&["policy", "pull", "oci://r.example/Gate:1"], "the repository has other characters"),
        (&["--policy", "oci://r.example", "promote"], "it names no repository"),
        (&["policy", "sign", "oci://r.example/gate:1", "--key", "none.key"], "cannot read the key"),
    ] {
        let refused = complaint(&project, args, 2);
        assert!(refused.contains(text), "{args:?}: {refused}");
    }
}

/// A process that the helper leaves behind holds its output open: the command ends anyway.
#[cfg(unix)]
#[test]
fn a_helper_that_leaves_a_process_behind_does_not_hold_up_a_command() {
    use std::os::unix::fs::PermissionsExt as _;
    let (registry, project) = (Registry::start(), project());
    let (reference, home) = (registry.reference("gate:1"), project.path().to_owned());
    json_with(&project, &["policy", "push", &reference, "gate.wasm"], &[]);
    let helper = home.join("docker-credential-leaving");
    project.file("config.json", format!("{{\"credHelpers\": {{\"{}\": \"leaving\"}}}}", registry.host));
    project.file(
        "docker-credential-leaving",
        "#!/bin/sh\nsleep 20 &\necho '{\"Username\": \"u\", \"Secret\": \"s\"}'\n",
    );
    std::fs::set_permissions(&helper, std::fs::Permissions::from_mode(0o755)).expect("a mode");
    let path = format!("{}:{}", home.display(), std::env::var("PATH").unwrap_or_default());
    let began = std::time::Instant::now();
    let mut command = project.command(["policy", "pull", &reference, "--out", "back.wasm"]);
    let command =
        command.env("DOCKER_CONFIG", &home).env("PATH", path).env("HYDRA_CACHE_DIR", home.join("cache"));
    let ran = command.stdout(std::process::Stdio::null()).output().expect("the binary runs");
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(2) && told.contains("does not end its answer"), "{told}");
    assert!(began.elapsed() < std::time::Duration::from_secs(15), "{:?}", began.elapsed());
}
