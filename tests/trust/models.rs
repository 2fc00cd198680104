//! Signatures of models: what is not signed becomes no champion, and is neither loaded nor served.

use std::path::{Path, PathBuf};

use hydra_base::names::Alias;
use hydra_registry::{ErrorKind, ModelRegistry, OpenOptions, Version};
use serde_json::{Value, json};

use super::{Keys, error_of};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::server::{NEWEST, Server};
use crate::support::{files_below, model};

/// A project with a candidate, whose models must be signed by `ml`.
fn project(keys: &Keys) -> (Project, String) {
    let name = fresh_name("signed-model");
    let project = Project::new(None, &name);
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    let key = keys.path("ml.pub").display().to_string();
    project.file(
        "hydra.toml",
        format!("model = '{name}'\n[model-trust]\nall-of = [{{ pub-key = '{key}', name = 'ml-team' }}]\n"),
    );
    (project, name)
}

async fn registry(project: &Project, name: &str, keys: &Keys, cache: &Path) -> ModelRegistry {
    let uri = format!("sqlite:///{}", project.path().join("mlflow.db").display());
    let options = OpenOptions::new().with_tracking_uri(uri).with_model(name).with_cache_dir(cache);
    ModelRegistry::connect(options.with_model_trust(keys.all_of(&["ml"]))).await.expect("a registry")
}

#[test]
fn only_a_signed_model_becomes_champion_and_policies_see_who_signed() {
    let keys = Keys::new(&["ml", "mallory"]);
    let (project, _) = project(&keys);
    let (ours, theirs) = (keys.path("ml.key"), keys.path("mallory.key"));
    let (ours, theirs) = (ours.to_str().expect("a path"), theirs.to_str().expect("a path"));
    for (sign, text) in
        [(None, "there is no signature"), (Some(theirs), "none of the signatures is by a key")]
    {
        if let Some(key) = sign {
            project.json(["model", "sign", "1", "--key", key]);
        }
        for args in [
            &["promote"][..],
            &["promote", "--dry-run"],
            &["promote", "--allow-unloadable"],
            &["model", "verify", "1"],
        ] {
            let refused = project.run(args);
            assert!(refused.code == 2 && refused.err.contains(text), "{args:?}: {}", refused.err);
        }
    }
    let signed = project.json(["model", "sign", "1", "--key", ours]);
    assert_eq!(signed["schema"], "hydra-registry/model-sign/1");
    let verified = project.json(["model", "verify", "1"]);
    assert_eq!(verified["signers"], json!([{"identity": "ml-team", "issuer": null, "key": signed["key"]}]));
    assert_eq!(verified["digest"], signed["digest"]);
    assert_eq!(project.json(["promote"])["outcome"], "done");
    let case = project.run(["history", "show", "2", "--as-case"]);
    let case: Value =
        serde_json::from_str(&case.out).unwrap_or_else(|error| panic!("{error}: {}{}", case.out, case.err));
    let facts = &case["input"]["target"]["model"]["loadable"];
    assert_eq!(facts["signers"], json!([{"identity": "ml-team"}]), "{case}");
    assert_eq!(project.run(["history", "verify"]).code, 0);
}

#[test]
fn openssl_signs_and_verifies_the_digest_of_a_model() {
    let keys = Keys::new(&["ml"]);
    let (project, name) = project(&keys);
    let signed = project.json(["model", "sign", "1", "--key", keys.path("ml.key").to_str().expect("a path")]);
    let digest = signed["digest"].as_str().expect("a digest");
    assert_eq!(
        digest,
        hydra_base::Sha256::of(&std::fs::read(model("binary_int")).expect("the model")).to_string()
    );
    let shown = project.json(["show", "--version", "1"]);
    let tag = shown["version_tags"]["hydra.model.signature"].as_str();
    let tag =
        tag.or(shown["tags"]["hydra.model.signature"].as_str()).unwrap_or_else(|| panic!("{name}: {shown}"));
    std::fs::write(keys.path("message"), format!("{digest}\n")).expect("a file");
    std::fs::write(keys.path("sig.b64"), tag).expect("a file");
    keys.openssl(&["base64", "-d", "-A", "-in", "sig.b64", "-out", "sig"]);
    keys.openssl(&["dgst", "-sha256", "-verify", "ml.pub", "-signature", "sig", "message"]);
}

#[tokio::test]
async fn what_is_not_signed_is_neither_loaded_nor_served() {
    let keys = Keys::new(&["ml", "mallory"]);
    let (project, name) = project(&keys);
    let cache = tempfile::tempdir().expect("a directory");
    let open = registry(&project, &name, &keys, cache.path()).await;
    let (one, champion) = (Version::FIRST, Alias::CHAMPION);
    open.sign_model(&one.into(), &keys.private("ml")).await.expect("signed");
    open.promote(one).await.expect("promoted");
    open.load_champion().await.expect("loaded");
    let behind = || async { open.version_behind(&champion).await.expect("a version").expect("the champion") };
    let served = open.load_servable(behind().await).await.expect("servable");
    open.remember_served(&champion, &served).await.expect("remembered");
    assert!(open.last_served(&champion).await.expect("served").is_some());

    // Another program moves the alias to a version that is not signed.
    let mut unsigned = project.json(["log-candidate", &model("regression"), "--metric", "rmse=1"]);
    assert_eq!(unsigned["version"].take(), 2);
    let two = Version::new(2).expect("a version");
    let store = &open.backend().registry;
    store.set_alias(open.model(), &champion, two).await.expect("moved");
    for signer in [None, Some("mallory")] {
        let kind = match signer {
            None => ErrorKind::SignatureNotFound,
            Some(signer) => {
                open.sign_model(&two.into(), &keys.private(signer)).await.expect("signed");
                ErrorKind::UntrustedSigner
            }
        };
        assert_eq!(error_of(open.load_champion().await).kind(), kind);
        assert_eq!(error_of(open.load_version(&two.into()).await).kind(), kind);
        assert_eq!(error_of(open.model_file(&two.into()).await.map(drop)).kind(), kind);
        assert_eq!(error_of(open.load_servable(behind().await).await).kind(), kind);
        assert_eq!(error_of(open.load_found(behind().await).await.map(drop)).kind(), kind);
        open.load_to_measure(&two.into()).await.expect("measured before it is signed");
    }
    let diagnosed = project.run(["doctor"]);
    assert!(
        diagnosed.out.contains("untrusted-model") && diagnosed.out.contains("model sign 2"),
        "{}",
        diagnosed.out
    );
    let predicted = project.run(["predict", "--version", "2", "rows.csv"]);
    assert!(predicted.code == 2, "{}", predicted.out);
    // The version that was served last is signed still.
    assert!(open.last_served(&champion).await.expect("served").is_some());
    let others = ModelRegistry::connect(
        OpenOptions::new()
            .with_tracking_uri(format!("sqlite:///{}", project.path().join("mlflow.db").display()))
            .with_model(&*name)
            .with_cache_dir(cache.path())
            .with_model_trust(keys.all_of(&["mallory"])),
    );
    let others = others.await.expect("a registry");
    assert_eq!(error_of(others.last_served(&champion).await).kind(), ErrorKind::UntrustedSigner);
}

#[tokio::test]
async fn a_rollback_goes_to_a_signed_version_only() {
    let keys = Keys::new(&["ml"]);
    let (project, name) = project(&keys);
    let cache = tempfile::tempdir().expect("a directory");
    let open = registry(&project, &name, &keys, cache.path()).await;
    let two = Version::new(2).expect("a version");
    project.json(["log-candidate", &model("regression"), "--metric", "rmse=1"]);
    for version in [Version::FIRST, two] {
        open.sign_model(&version.into(), &keys.private("ml")).await.expect("signed");
        open.promote(version).await.expect("promoted");
    }
    let tag = hydra_base::names::Key::new("hydra.model.signature").expect("a key");
    open.backend().registry.set_version_tag(open.model(), Version::FIRST, &tag, "").await.expect("removed");
    let error = error_of(open.rollback(Version::FIRST).await);
    assert_eq!(error.kind(), ErrorKind::SignatureNotFound, "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("model sign 1")), "{error:?}");
    open.sign_model(&Version::FIRST.into(), &keys.private("ml")).await.expect("signed");
    open.rollback(Version::FIRST).await.expect("rolled back");
}

/// A signature is of bytes: on a server, whose listings show only sizes, a file that was swapped after it was opened is noticed.
#[test]
fn a_signed_file_that_is_swapped_on_a_server_is_noticed() {
    let (keys, server, name) = (Keys::new(&["ml"]), Server::shared(NEWEST), fresh_name("signed-model"));
    let project = Project::new(Some(&server.url), &name);
    for case in ["regression", "binary_int"] {
        project.json(["log-candidate", &model(case), "--metric", "auc=0.9"]);
    }
    let key = keys.path("ml.pub").display().to_string();
    project.file(
        "hydra.toml",
        format!("model = '{name}'\n[model-trust]\nall-of = [{{ pub-key = '{key}', name = 'ml-team' }}]\n"),
    );
    project.json(["model", "sign", "2", "--key", keys.path("ml.key").to_str().expect("a path")]);
    project.json(["promote", "2", "--dry-run"]);
    let logged = std::fs::read(model("binary_int")).expect("a model");
    let shown = project.json(["show", "2"]);
    let of_model = shown["source"].as_str().and_then(|source| source.strip_prefix("models:/"));
    let id = of_model.or(shown["run_id"].as_str()).expect("an id");
    let files = files_below(&server.home.join("artifacts"));
    let is_ours = |file: &&PathBuf| file.ends_with("model.lgb") && file.to_string_lossy().contains(id);
    let file = files.iter().find(is_ours).expect("the file");
    let swapped = String::from_utf8(logged.clone()).expect("text").replace("label_index=0", "label_index=1");
    assert_eq!(swapped.len(), logged.len());
    std::fs::write(file, swapped).expect("swapped");
    let refused = project.run(["--output", "json", "promote", "2"]);
    std::fs::write(file, logged).expect("restored");
    assert!(refused.code == 2 && refused.err.contains("\"Unloadable\""), "{}{}", refused.out, refused.err);
    project.json(["promote", "2"]);
}
