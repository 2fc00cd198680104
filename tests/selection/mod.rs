//! Versions by number, alias and file: through the library on every backend, and through the binary.

use std::path::Path;

use hydra_models::preflight::Opened;
use hydra_registry::{Alias, Candidate, ErrorKind, ModelRegistry, Sha256, Target, Version, VersionSelector};

use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::{files_below, model};

fn digest(path: impl AsRef<Path>) -> Sha256 {
    Sha256::of(&std::fs::read(path).expect("a file"))
}

/// The champion is version 1, the candidate version 2.
async fn two_versions(backend: &Backend) -> ModelRegistry {
    let registry = ModelRegistry::connect_or_create(backend.options(&fresh_name("selection"))).await;
    let registry = registry.expect("an open registry");
    let log = |case: &str, auc: f64| {
        registry.log(Candidate::from_file(model(case)).metric("auc", auc).tag("team", "risk"))
    };
    log("binary_int", 0.8).await.expect("version 1");
    registry.promote(Target::Candidate).await.expect("a champion");
    log("regression", 0.9).await.expect("version 2");
    registry
}

async fn versions_are_found_loaded_and_described(backend: Backend) {
    let registry = two_versions(&backend).await;
    let (first, second) = (Version::FIRST, Version::new(2).expect("a number"));
    let archived = Alias::ARCHIVED;
    for (selector, version, case) in [
        (VersionSelector::from(first), first, "binary_int"),
        (Alias::CHAMPION.into(), first, "binary_int"),
        (Alias::CANDIDATE.into(), second, "regression"),
        (second.into(), second, "regression"),
    ] {
        let found = registry.find_version(&selector).await.expect("a version");
        assert_eq!(found.version, version, "{selector:?}");
        let loaded = registry.load_version(&selector).await.expect("a model");
        assert_eq!((loaded.version, loaded.sha256), (version, digest(model(case))));
        let (entity, file) = registry.model_file(&selector).await.expect("a file");
        assert_eq!((entity.version, file.sha256()), (version, loaded.sha256));
        let details = registry.describe_version(&selector).await.expect("a description");
        let aliases: Vec<&str> = details.entity.aliases.iter().map(Alias::as_str).collect();
        assert_eq!(aliases, [if version == first { "champion" } else { "candidate" }]);
        assert_eq!(details.metrics["auc"], if version == first { 0.8 } else { 0.9 });
        assert_eq!(details.run_tags["team"], "risk");
        let Opened::Loadable(facts) = details.model else { panic!("{:?}", details.model) };
        assert_eq!(facts.sha256, loaded.sha256);
        assert_eq!(facts.features, loaded.model.feature_names());
    }
    let shadow = Alias::new("shadow").expect("a name");
    for (selector, kind) in [
        (VersionSelector::from(Version::new(3).expect("a number")), ErrorKind::VersionNotFound),
        (archived.into(), ErrorKind::NoArchived),
        (shadow.into(), ErrorKind::NoAlias),
    ] {
        assert_eq!(registry.find_version(&selector).await.expect_err("nothing").kind(), kind);
        assert_eq!(registry.load_version(&selector).await.expect_err("nothing").kind(), kind);
        assert_eq!(registry.model_file(&selector).await.expect_err("nothing").kind(), kind);
        assert_eq!(registry.describe_version(&selector).await.expect_err("nothing").kind(), kind);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rest() {
    versions_are_found_loaded_and_described(Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn file() {
    versions_are_found_loaded_and_described(Backend::file()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn sqlite() {
    versions_are_found_loaded_and_described(Backend::sqlite()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory() {
    versions_are_found_loaded_and_described(Backend::memory()).await;
}

/// A project with a champion and a candidate.
fn project(uri: Option<&str>) -> Project {
    let project = Project::new(uri, &fresh_name("selection"));
    project.json(["log-candidate", &model("regression"), "--metric", "auc=1", "--tag", "team=risk"]);
    project.json(["promote"]);
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=2"]);
    project
}

#[test]
fn any_version_predicts() {
    let project = project(None);
    project.file("rows.csv", "f0,f1,f2,f3,f4\n1,2,3,4,5\n5,4,3,2,1\n");
    let predict = |selector: &[&str]| {
        let outcome = project.run(["predict", "rows.csv"].iter().chain(selector));
        assert_eq!(outcome.code, 0, "{}", outcome.err);
        (outcome.out, outcome.err)
    };
    let (champion, said) = predict(&[]);
    assert!(said.contains("version 1, output: value"), "{said}");
    let (candidate, said) = predict(&["--alias", "candidate"]);
    assert!(said.contains("version 2, output: probability"), "{said}");
    assert_ne!(champion, candidate);
    assert_eq!(predict(&["--version", "1"]).0, champion);
    assert_eq!(predict(&["--alias", "champion"]).0, champion);
    let (from_file, said) = predict(&["--model-file", &model("binary_int")]);
    assert_eq!(from_file, candidate);
    assert!(said.contains("model.lgb, output: probability"), "{said}");

    let refused = project.run(["predict", "rows.csv", "--alias", "shadow"]);
    assert_eq!(refused.code, 4);
    assert!(refused.err.contains("the alias `shadow` is not set"), "{}", refused.err);
    let both = project.run(["predict", "rows.csv", "--alias", "candidate", "--version", "1"]);
    assert_eq!(both.code, 2);
    // A model file needs no store.
    let nowhere = Project::new(Some("http://127.0.0.1:9"), "m");
    nowhere.file("rows.csv", "f0,f1,f2,f3,f4\n1,2,3,4,5\n");
    let outcome = nowhere.run(["predict", "rows.csv", "--model-file", &model("regression")]);
    assert_eq!(outcome.code, 0, "{}", outcome.err);
}

#[test]
fn a_version_is_shown() {
    let project = project(None);
    let shown = project.json(["show"]);
    assert_eq!(shown["schema"], "hydra-registry/model-version/1");
    assert_eq!((&shown["version"], &shown["aliases"][0]), (&1.into(), &"champion".into()));
    assert_eq!((&shown["run_tags"]["team"], &shown["metrics"]["auc"]), (&"risk".into(), &1.0.into()));
    assert_eq!(shown["model_file"]["sha256"], digest(model("regression")).to_string());
    let text = project.run(["show", "--alias", "candidate"]);
    assert_eq!(text.code, 0, "{}", text.err);
    for line in [
        "version 2\n",
        "  aliases candidate\n",
        "objective binary",
        "  columns f0, f1, f2, f3, f4\n",
        "  metric  auc = 2\n",
    ] {
        assert!(text.out.contains(line), "{line} is missing from {}", text.out);
    }
    let file = project.json(["show", "--model-file", &model("binary_int")]);
    assert_eq!(
        (&file["version"], &file["model_file"]["objective"]),
        (&serde_json::Value::Null, &"binary".into())
    );
    assert_eq!(file["model_file"]["sha256"], digest(model("binary_int")).to_string());
    let missing = project.run(["show", "--version", "3"]);
    assert_eq!(missing.code, 4, "{}", missing.out);
}

fn downloads(uri: Option<&str>) {
    let project = project(uri);
    let out = project.path().join("champion.lgb");
    let report = project.json(["download", out.to_str().expect("a path")]);
    assert_eq!((&report["version"], &report["checked"]), (&1.into(), &true.into()));
    assert_eq!(report["sha256"], digest(&out).to_string());
    assert_eq!(digest(&out), digest(model("regression")));
    let piped = project.command(["download", "-", "--alias", "candidate"]).output().expect("an end");
    assert_eq!(piped.stdout, std::fs::read(model("binary_int")).expect("a model"));
    let copy = project.path().join("copy.lgb");
    let copied = ["download", copy.to_str().expect("a path"), "--model-file", out.to_str().expect("a path")];
    let report = project.json(copied);
    assert_eq!((&report["version"], &report["checked"]), (&serde_json::Value::Null, &false.into()));
    assert_eq!(digest(&copy), digest(&out));
    project.file("rows.csv", "a\n1\n");
    let refused = project.run(["download", "other.lgb", "--model-file", "rows.csv"]);
    assert!(refused.code == 2 && !project.path().join("other.lgb").exists(), "{}", refused.err);
}

#[test]
fn a_model_file_is_downloaded_from_a_server() {
    downloads(Some(&Server::shared(NEWEST).url));
}

#[test]
fn a_model_file_is_downloaded_from_a_database() {
    downloads(None);
}

/// An altered artifact is refused, and nothing is written.
#[test]
fn altered_bytes_are_not_downloaded() {
    let project = project(None);
    let shown = project.json(["show"]);
    let source = shown["source"].as_str().expect("a source");
    let artifacts = files_below(project.path()).into_iter().filter(|path| path.ends_with("model.lgb"));
    let regression = digest(model("regression"));
    let altered = artifacts.filter(|path| digest(path) == regression);
    let altered: Vec<_> = altered.inspect(|path| std::fs::write(path, "tree\n").expect("a change")).collect();
    assert_eq!(altered.len(), 1, "{source}");
    let out = project.path().join("champion.lgb");
    let mut command = project.command(["--output", "json", "download", out.to_str().expect("a path")]);
    // Without the cache, which has the bytes that were logged.
    let cache = project.path().join("cache");
    let refused = command.env("HYDRA_CACHE_DIR", &cache).output().expect("an end");
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(said.contains("\"Integrity\""), "{said}");
    assert!(!out.exists());
    let shown = project.command(["show"]).env("HYDRA_CACHE_DIR", &cache).output().expect("an end");
    let text = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(text.contains("WARNING the model cannot be loaded"), "{text}");
}
