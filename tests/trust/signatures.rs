//! Signatures of policies: made by openssl and here, beside files and in registries; each refusal has a kind of its own.

use hydra_policy::Policy;
use hydra_registry::trust::oci::Reference;
use hydra_registry::trust::rules::TrustConfig;
use hydra_registry::{ErrorKind, OpenOptions, PolicySource};
use serde_json::{Value, json};

use super::{Keys, MOST, cached, error_of, fetch, no_credentials, oci, push};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::model;
use crate::support::registry::Registry;

/// The kind of error with which a policy is not loaded under these rules; none if it is.
async fn refusal(source: &str, rules: TrustConfig) -> Option<ErrorKind> {
    let cache = env!("CARGO_TARGET_TMPDIR");
    let source = PolicySource::from(std::path::PathBuf::from(source));
    let options = OpenOptions::new().with_policy(source).with_policy_trust(rules).with_cache_dir(cache);
    options.load_panel().await.err().map(|error| error.kind())
}

#[tokio::test]
async fn files_are_trusted_by_the_signatures_beside_them() {
    let keys = Keys::new(&["release", "ed-review", "mallory"]);
    let file = keys.path("gate.wasm");
    std::fs::write(&file, Policy::default_bytes()).expect("a file");
    let path = file.to_str().expect("a path");
    let sign = |key: &str, out: &str| {
        if key.starts_with("ed") {
            keys.openssl(&[
                "pkeyutl",
                "-sign",
                "-rawin",
                "-inkey",
                &format!("{key}.key"),
                "-in",
                "gate.wasm",
                "-out",
                out,
            ]);
        } else {
            keys.openssl(&["dgst", "-sha256", "-sign", &format!("{key}.key"), "-out", out, "gate.wasm"]);
        }
    };
    let both = || keys.all_of(&["release", "ed-review"]);
    let expired = || {
        let mut key = keys.config("release");
        key.expires = Some("2020-01-01".to_owned());
        TrustConfig::all_of([key])
    };
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::SignatureNotFound));
    sign("mallory", "gate.wasm.sig");
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::UntrustedSigner));
    sign("release", "gate.wasm.sig");
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::SignersMissing));
    assert_eq!(refusal(path, expired()).await, Some(ErrorKind::ExpiredKey));
    sign("ed-review", "gate.wasm.review.sig");
    assert_eq!(refusal(path, both()).await, None);
    std::fs::write(keys.path("gate.wasm.sig"), "").expect("a file");
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::InvalidSignature));
    sign("release", "gate.wasm.sig");
    // Other bytes are not what was signed.
    std::fs::write(&file, [Policy::default_bytes(), b"\0"].concat()).expect("a file");
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::UntrustedSigner));
    std::fs::remove_file(&file).expect("removed");
    assert_eq!(refusal(path, both()).await, Some(ErrorKind::PolicyNotFound));
}

#[tokio::test]
async fn openssl_verifies_what_the_command_line_signs() {
    let keys = Keys::new(&["release", "other"]);
    let project = Project::new(None, &fresh_name("signed"));
    project.file("gate.wasm", Policy::default_bytes());
    let (key, public) = (keys.path("release.key"), keys.path("release.pub"));
    let (key, public) = (key.to_str().expect("a path"), public.to_str().expect("a path"));
    let signed = project.json(["policy", "sign", "gate.wasm", "--key", key]);
    assert_eq!(signed["schema"], "hydra-registry/policy-sign/1");
    let written = std::fs::read_to_string(project.path().join("gate.wasm.sig")).expect("a signature");
    std::fs::write(keys.path("sig.b64"), &written).expect("a file");
    keys.openssl(&["base64", "-d", "-A", "-in", "sig.b64", "-out", "sig"]);
    std::fs::write(keys.path("gate.wasm"), Policy::default_bytes()).expect("a file");
    keys.openssl(&["dgst", "-sha256", "-verify", "release.pub", "-signature", "sig", "gate.wasm"]);
    let verified = project.json(["policy", "verify", "gate.wasm", "--key", public]);
    assert_eq!(verified["signers"][0]["key"], signed["key"]);
    // The same key signs once, another one does not take its place.
    assert_eq!(project.json(["policy", "sign", "gate.wasm", "--key", key])["key"], signed["key"]);
    assert_eq!(std::fs::read_to_string(project.path().join("gate.wasm.sig")).expect("a signature"), written);
    let other = keys.path("other.key");
    let other = other.to_str().expect("a path");
    let refused = project.run(["policy", "sign", "gate.wasm", "--key", other]);
    assert!(refused.code == 2 && refused.err.contains("--out gate.wasm.NAME.sig"), "{}", refused.err);
    project.json(["policy", "sign", "gate.wasm", "--key", other, "--out", "gate.wasm.other.sig"]);
    let other = keys.path("other.pub");
    let both = ["policy", "verify", "gate.wasm", "--key", public, "--key", other.to_str().expect("a path")];
    assert_eq!(project.json(both)["signers"].as_array().map(Vec::len), Some(2));
    let no_rules = project.run(["policy", "verify", "gate.wasm"]);
    assert!(no_rules.code == 2 && no_rules.err.contains("[policy.trust]"), "{}", no_rules.err);
}

#[tokio::test]
async fn artifacts_are_trusted_by_the_signatures_in_the_registry() {
    for lists in [true, false] {
        let registry = Registry::start();
        let registry = if lists { registry.listing_referrers() } else { registry };
        let keys = Keys::new(&["release", "ed-review", "mallory"]);
        let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
        let digest = format!("sha256:{}", pushed.manifest);
        let pinned = pushed.reference.to_string();
        let access = oci(no_credentials());
        let component = access.component(&pushed.reference, MOST).await.expect("the component");
        let both = keys.rules(&["release", "ed-review"]);
        let kind = async || error_of(access.verify(&component, &both).await).kind();
        assert_eq!(
            kind().await,
            if lists { ErrorKind::ReferrersEmpty } else { ErrorKind::SignatureNotFound }
        );
        access.sign(&pushed.reference, &keys.private("mallory")).await.expect("signed");
        assert_eq!(kind().await, ErrorKind::UntrustedSigner);
        access.sign(&pinned.parse().expect("a reference"), &keys.private("release")).await.expect("signed");
        assert_eq!(kind().await, ErrorKind::SignersMissing);
        access.sign(&pushed.reference, &keys.private("ed-review")).await.expect("signed");
        let signers = access.verify(&component, &both).await.expect("trusted");
        assert_eq!(
            signers.iter().map(|signer| &*signer.identity).collect::<Vec<_>>(),
            ["ed-review", "release"]
        );
        assert_eq!(refusal(&pinned, keys.all_of(&["release"])).await, None);

        // The signatures are where cosign looks, and openssl verifies them.
        let tag = digest.replace(':', "-");
        let beside = registry.document("gate", &format!("{tag}.sig")).expect("the signatures of cosign");
        assert_eq!(beside["layers"].as_array().map(Vec::len), Some(3));
        let layer = &beside["layers"][1];
        assert_eq!(layer["mediaType"], "application/vnd.dev.cosign.simplesigning.v1+json");
        let payload = registry.blob(layer["digest"].as_str().expect("a digest")).expect("the payload");
        let signature =
            layer["annotations"]["dev.cosignproject.cosign/signature"].as_str().expect("a signature");
        std::fs::write(keys.path("payload"), &payload).expect("a file");
        std::fs::write(keys.path("sig.b64"), signature).expect("a file");
        keys.openssl(&["base64", "-d", "-A", "-in", "sig.b64", "-out", "sig"]);
        keys.openssl(&["dgst", "-sha256", "-verify", "release.pub", "-signature", "sig", "payload"]);
        let payload: Value = serde_json::from_slice(&payload).expect("JSON");
        assert_eq!(payload["critical"]["image"]["docker-manifest-digest"], digest);
        assert_eq!(payload["critical"]["identity"]["docker-reference"], format!("{}/gate", registry.host));

        // Without an API of the registry, the list is under a tag.
        let list = registry.document("gate", &tag);
        assert_eq!(list.is_some(), !lists, "{list:?}");
        // Each of the two places is enough.
        registry.remove("gate", &format!("{tag}.sig"));
        access.verify(&component, &both).await.expect("by what refers to it");
        assert_eq!(fetch(&access, &pinned).await.expect("the component").manifest, pushed.manifest);
    }
}

#[tokio::test]
async fn a_signature_of_other_content_and_a_stripped_one_are_refused() {
    let registry = Registry::start();
    let keys = Keys::new(&["release"]);
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let signed: Reference = registry.reference("gate:2").parse().expect("a reference");
    let access = oci(no_credentials());
    let other = [Policy::default_bytes(), b"\0"].concat();
    let newer = access.push(&signed, &other, "gate.wasm", &Default::default()).await.expect("pushed");
    access.sign(&signed, &keys.private("release")).await.expect("signed");
    let rules = keys.rules(&["release"]);
    // Another party puts the signature of one artifact beside another one.
    let (ours, theirs) =
        (format!("sha256-{}.sig", pushed.manifest), format!("sha256-{}.sig", newer.manifest));
    let signatures = registry.document("gate", &theirs).expect("signatures");
    registry.put("gate", &ours, "application/vnd.oci.image.manifest.v1+json", &signatures);
    let component = access.component(&pushed.reference, MOST).await.expect("the component");
    assert_eq!(error_of(access.verify(&component, &rules).await).kind(), ErrorKind::SignatureMismatch);
    registry.put(
        "gate",
        &format!("sha256-{}", pushed.manifest),
        "application/vnd.oci.image.index.v1+json",
        &json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": []}),
    );
    registry.remove("gate", &ours);
    assert_eq!(error_of(access.verify(&component, &rules).await).kind(), ErrorKind::ReferrersEmpty);
    registry.be_down(true);
    assert_eq!(error_of(access.verify(&component, &rules).await).kind(), ErrorKind::Unreachable);
}

/// Puts a bundle in the form of `cosign sign --key` since version 3 beside an artifact, with a signature by openssl.
fn put_bundle(registry: &Registry, keys: &Keys, key: &str, manifest: hydra_base::Sha256, predicate: &str) {
    let statement = json!({"_type": "https://in-toto.io/Statement/v1", "predicateType": predicate, "predicate": {},
        "subject": [{"digest": {"sha256": manifest.to_string()}}]});
    let statement = statement.to_string();
    let kind = "application/vnd.in-toto+json";
    std::fs::write(keys.path("pae"), format!("DSSEv1 {} {kind} {} {statement}", kind.len(), statement.len()))
        .expect("a file");
    keys.openssl(&["dgst", "-sha256", "-sign", &format!("{key}.key"), "-out", "sig", "pae"]);
    std::fs::write(keys.path("statement"), &statement).expect("a file");
    let base64 = |name: &str| {
        keys.openssl(&["base64", "-A", "-in", name, "-out", "b64"]);
        std::fs::read_to_string(keys.path("b64")).expect("base64").trim().to_owned()
    };
    let media_type = "application/vnd.dev.sigstore.bundle.v0.3+json";
    let bundle = json!({"mediaType": media_type, "verificationMaterial": {"publicKey": {"hint": "x"}},
        "dsseEnvelope": {"payload": base64("statement"), "payloadType": kind, "signatures": [{"sig": base64("sig")}]}});
    let bundle = bundle.to_string();
    let layer = json!({"mediaType": media_type, "digest": registry.put_blob(bundle.as_bytes()), "size": bundle.len()});
    let empty = json!({"mediaType": "application/vnd.oci.empty.v1+json", "digest": registry.put_blob(b"{}"), "size": 2});
    let document = json!({"schemaVersion": 2, "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "artifactType": media_type, "config": empty, "layers": [layer],
        "subject": {"mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": format!("sha256:{manifest}"), "size": 1}});
    registry.put("gate", "bundle", "application/vnd.oci.image.manifest.v1+json", &document);
}

#[tokio::test]
async fn bundles_of_cosign_3_are_signatures_too() {
    let registry = Registry::start().listing_referrers();
    let keys = Keys::new(&["release"]);
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let access = oci(no_credentials());
    let component = access.component(&pushed.reference, MOST).await.expect("the component");
    let rules = keys.rules(&["release"]);
    // Provenance by the same key approves nothing.
    put_bundle(&registry, &keys, "release", pushed.manifest, "https://slsa.dev/provenance/v1");
    assert_eq!(error_of(access.verify(&component, &rules).await).kind(), ErrorKind::SignatureMismatch);
    put_bundle(&registry, &keys, "release", pushed.manifest, "https://sigstore.dev/cosign/sign/v1");
    assert_eq!(access.verify(&component, &rules).await.expect("trusted").len(), 1);
}

#[tokio::test]
async fn signatures_that_were_seen_are_enough_without_the_registry() {
    let registry = Registry::start();
    let (keys, home) = (Keys::new(&["release", "mallory"]), tempfile::tempdir().expect("a directory"));
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let access = oci(no_credentials()).with_cache(Some(cached(home.path())));
    access.sign(&pushed.reference, &keys.private("release")).await.expect("signed");
    let pinned = pushed.reference.to_string();
    let component = fetch(&access, &pinned).await.expect("the component");
    access.verify(&component, &keys.rules(&["release"])).await.expect("trusted");
    registry.be_down(true);
    let component = fetch(&access, &pinned).await.expect("from the cache");
    access.verify(&component, &keys.rules(&["release"])).await.expect("trusted");
    assert_eq!(
        error_of(access.verify(&component, &keys.rules(&["mallory"])).await).kind(),
        ErrorKind::Unreachable
    );
    // What is altered in the cache counts as absent.
    for kind in ["components", "signatures", "manifests"] {
        for file in std::fs::read_dir(home.path().join("oci").join(kind)).expect("files") {
            std::fs::write(file.expect("a file").path(), "[]").expect("altered");
        }
    }
    assert_eq!(error_of(fetch(&access, &pinned).await).kind(), ErrorKind::Unreachable);
}

#[test]
fn the_ledger_records_who_signed() {
    let registry = Registry::start();
    let keys = Keys::new(&["release", "ed-review"]);
    let project = Project::new(None, &fresh_name("recorded"));
    project.file("gate.wasm", Policy::default_bytes());
    let name = fresh_name("recorded");
    let reference = registry.reference("gate:1");
    let public = |name: &str| keys.path(&format!("{name}.pub")).display().to_string();
    project.file(
        "hydra.toml",
        format!(
            "model = '{name}'\n[policy]\nfile = '{reference}'\n[policy.trust]\nall-of = [{{ pub-key = '{}', name = 'release' }}]\n\
             any-of = {{ minimum = 1, signatures = [{{ pub-key = '{}' }}] }}\n",
            public("release"),
            public("ed-review"),
        ),
    );
    let pushed = project.json(["policy", "push", &reference, "gate.wasm"]);
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    let refused = project.run(["promote"]);
    assert!(refused.code == 2 && refused.err.contains("no signature"), "{}", refused.err);
    let mut ids = Vec::new();
    for key in ["release", "ed-review"] {
        let key = keys.path(&format!("{key}.key")).display().to_string();
        ids.push(project.json(["policy", "sign", &reference, "--key", &key])["key"].clone());
    }
    assert_eq!(project.json(["promote"])["outcome"], "done");
    let exported = project.run(["history", "export"]);
    let newest: Value = serde_json::from_str(exported.out.lines().next().expect("an entry")).expect("JSON");
    let signers = newest["entry"]["decided"]["signers"].as_array().expect("signers").clone();
    ids.sort_by_key(|id| id.to_string());
    assert_eq!(signers, ids);
    // What the tag named is on record, too.
    assert_eq!(newest["entry"]["decided"]["manifests"], json!([pushed["digest"]]));
    let activated = project.json(["policy", "activate"]);
    project.json(["log-candidate", &model("binary_int"), "--metric", "auc=0.9"]);
    // From now on nothing of the registry is needed, on any host.
    registry.be_down(true);
    project.file("hydra.toml", format!("model = '{name}'\n"));
    let promoted = project.json(["promote"]);
    assert_eq!(json!([promoted["outcome"], promoted["active_policy"]]), json!(["done", activated["policy"]]));
    let entries = project.json(["history", "--limit", "2"])["entries"].clone();
    for (entry, operation) in [(&entries[0], "promote"), (&entries[1], "activate")] {
        assert_eq!(entry["operation"], operation);
        assert_eq!(
            json!([entry["signers"], entry["manifests"]]),
            json!([ids, [pushed["digest"]]]),
            "{operation}"
        );
    }
    let digest = pushed["digest"].as_str().expect("a digest");
    for command in
        [&["history", "--limit", "1"][..], &["history", "show", "4"], &["policy", "history", "--limit", "1"]]
    {
        let text = project.run(command).out;
        assert!(text.contains(&format!("from the artifact sha256:{digest}")), "{command:?}: {text}");
        assert!(
            ids.iter().all(|id| text.contains(&format!("signed by key {}", id.as_str().expect("an id")))),
            "{text}"
        );
    }
    let active = project.run(["policy", "active"]).out;
    assert!(active.contains("signed  by release\n") && active.contains("signed  by 1 of "), "{active}");
    assert_eq!(project.run(["history", "verify"]).code, 0);
}
