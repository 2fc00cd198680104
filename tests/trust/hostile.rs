//! A registry that lies, stalls, sends without end and points elsewhere: an error of a kind of its own each time, soon, and credentials
//! for the registry alone.

use std::time::{Duration, Instant};

use hydra_policy::Policy;
use hydra_registry::ErrorKind;
use hydra_registry::trust::oci::Reference;
use serde_json::json;

use super::{Keys, MOST, credentials, error_of, fetch, no_credentials, oci, push};
use crate::support::registry::{Fault, Login, Registry};

const INDEX: &str = "application/vnd.oci.image.index.v1+json";
const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// The longest time until an error.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test]
async fn what_a_hostile_registry_sends_is_refused_soon() {
    let registry = Registry::start();
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let by_digest = pushed.reference.to_string();
    let elsewhere = Registry::start();
    let there = format!("http://{}", elsewhere.host);
    for (fault, kind) in [
        (Fault::EndlessManifest, ErrorKind::ManifestSize),
        (Fault::TinyValues, ErrorKind::Integrity),
        (Fault::SlowManifest, ErrorKind::Timeout),
        (Fault::OtherManifest, ErrorKind::Integrity),
        (Fault::Html, ErrorKind::Integrity),
        (Fault::EndlessBlob, ErrorKind::Integrity),
        (Fault::OtherBlob, ErrorKind::Integrity),
        (Fault::HalfBlob, ErrorKind::Integrity),
        (Fault::LongerBlob, ErrorKind::Integrity),
        (Fault::BrokenBlob, ErrorKind::Unreachable),
        (Fault::Silence, ErrorKind::Timeout),
        (Fault::Status(404), ErrorKind::PolicyArtifactNotFound),
        (Fault::Status(403), ErrorKind::PermissionDenied),
        (Fault::Status(429), ErrorKind::RateLimited),
        (Fault::Status(500), ErrorKind::Server),
        (Fault::Status(418), ErrorKind::RegistryProtocol),
        (Fault::Status(206), ErrorKind::RegistryProtocol),
        (Fault::RedirectManifests(there.clone()), ErrorKind::RegistryRedirect),
        (Fault::RedirectBlobs(there.clone()), ErrorKind::RegistryProtocol),
        (Fault::RedirectBlobs("http://user:secret@127.0.0.1:1".to_owned()), ErrorKind::RegistryRedirect),
        (Fault::RedirectBlobs("ftp://127.0.0.1".to_owned()), ErrorKind::RegistryRedirect),
    ] {
        registry.misbehave(fault.clone());
        let began = Instant::now();
        let error = error_of(fetch(&oci(no_credentials()), &by_digest).await);
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
        assert!(began.elapsed() < SOON, "{fault:?}: {:?}", began.elapsed());
        assert!(!format!("{error:?}").contains("secret"), "{error:?}");
    }
    // Without a digest to compare with, the content of the answer is what is refused.
    let by_tag = registry.reference("gate:1");
    for (fault, kind) in [
        (Fault::TinyValues, ErrorKind::ManifestSize),
        (Fault::Html, ErrorKind::RegistryProtocol),
        (Fault::BothForms, ErrorKind::RegistryProtocol),
        (Fault::EndlessManifest, ErrorKind::ManifestSize),
    ] {
        registry.misbehave(fault.clone());
        let error = error_of(fetch(&oci(no_credentials()), &by_tag).await);
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
    }
    registry.misbehave(None);
    let found = fetch(&oci(no_credentials()), &by_tag).await.expect("the component");
    assert_eq!((found.bytes.as_slice(), found.manifest), (Policy::default_bytes(), pushed.manifest));
    registry.be_down(true);
    let error = error_of(fetch(&oci(no_credentials()), &by_tag).await);
    assert_eq!(error.kind(), ErrorKind::Unreachable, "{error:?}");
    assert!(error.hint().is_some_and(|hint| hint.contains("by its digest")), "{error:?}");
}

#[tokio::test]
async fn a_tag_that_moves_is_resolved_once() {
    let registry = Registry::start();
    push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    registry.misbehave(Fault::MovingTag);
    registry.take();
    let access = oci(no_credentials());
    let first = fetch(&access, &registry.reference("gate:1")).await.expect("the component");
    let resolved = registry.take().iter().filter(|seen| seen.line.ends_with("/manifests/1")).count();
    assert_eq!(resolved, 1);
    let second = fetch(&access, &registry.reference("gate:1")).await.expect("the component");
    assert_ne!(first.manifest, second.manifest);
    assert_eq!(first.reference.digest(), Some(first.manifest));
}

#[tokio::test]
async fn what_is_not_one_component_is_refused() {
    let registry = Registry::start();
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let manifest = registry.document("gate", "1").expect("a manifest");
    let entry = |architecture: &str, digest: String| {
        json!({"mediaType": MANIFEST, "digest": digest, "size": 1,
               "platform": {"architecture": architecture, "os": "linux"}})
    };
    let ours = format!("sha256:{}", pushed.manifest);
    let list =
        |entries: &[serde_json::Value]| json!({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries});
    registry.put(
        "gate",
        "wasm",
        INDEX,
        &list(&[entry("amd64", "sha256:00".to_owned()), entry("wasm", ours.clone())]),
    );
    let found =
        fetch(&oci(no_credentials()), &registry.reference("gate:wasm")).await.expect("the one for wasm");
    assert_eq!(found.manifest, pushed.manifest);
    let nested = registry.put("gate", "inner", INDEX, &list(&[]));
    let with = |key: &str, value: serde_json::Value| {
        let mut changed = manifest.clone();
        changed[key] = value;
        changed
    };
    let layer = manifest["layers"][0].clone();
    let sized = |size: u64| {
        let mut layer = layer.clone();
        layer["size"] = json!(size);
        json!([layer])
    };
    for (what, media_type, document, kind) in [
        ("an empty list", INDEX, list(&[]), ErrorKind::ManifestList),
        ("other machines", INDEX, list(&[entry("amd64", ours.clone())]), ErrorKind::ManifestList),
        (
            "two",
            INDEX,
            list(&[entry("wasm", ours.clone()), entry("wasm", ours.clone())]),
            ErrorKind::ManifestList,
        ),
        ("a nested list", INDEX, list(&[entry("wasm", format!("sha256:{nested}"))]), ErrorKind::ManifestList),
        (
            "another algorithm",
            INDEX,
            list(&[entry("wasm", "sha512:00".to_owned())]),
            ErrorKind::ArtifactLayout,
        ),
        ("no layer", MANIFEST, with("layers", json!([])), ErrorKind::ArtifactLayout),
        ("two layers", MANIFEST, with("layers", json!([layer, layer])), ErrorKind::ArtifactLayout),
        (
            "a layer of tar",
            MANIFEST,
            with(
                "layers",
                json!([{"mediaType": "application/vnd.oci.image.layer.v1.tar",
            "digest": ours, "size": 1}]),
            ),
            ErrorKind::ArtifactLayout,
        ),
        ("a huge layer", MANIFEST, with("layers", sized(MOST + 1)), ErrorKind::PolicySize),
        (
            "a negative size",
            MANIFEST,
            with("layers", json!([{"mediaType": "application/wasm", "digest": ours, "size": -1}])),
            ErrorKind::RegistryProtocol,
        ),
        ("a size that is wrong", MANIFEST, with("layers", sized(7)), ErrorKind::Integrity),
        (
            "another type",
            "application/json",
            with("mediaType", json!("application/json")),
            ErrorKind::RegistryProtocol,
        ),
    ] {
        registry.put("gate", "bad", media_type, &document);
        let error = error_of(fetch(&oci(no_credentials()), &registry.reference("gate:bad")).await);
        assert_eq!(error.kind(), kind, "{what}: {error:?}");
    }
    let error = error_of(fetch(&oci(no_credentials()), &registry.reference("gate:none")).await);
    assert_eq!(error.kind(), ErrorKind::PolicyArtifactNotFound);
}

#[tokio::test]
async fn credentials_go_to_their_registry_only() {
    for login in [Login::Basic, Login::Token] {
        let registry = Registry::start().with_login(login);
        let elsewhere = Registry::start();
        let there = format!("http://{}", elsewhere.host);
        let ours = || credentials(&registry.host);
        let pushed = push(&registry, "gate:1", ours()).await.expect("pushed");
        let by_digest = pushed.reference.to_string();
        fetch(&oci(ours()), &by_digest).await.expect("fetched");
        // Components may come from elsewhere, without the credentials.
        registry.misbehave(Fault::RedirectBlobs(there.clone()));
        error_of(fetch(&oci(ours()), &by_digest).await);
        let seen = elsewhere.take();
        assert_eq!(seen.len(), 1, "{seen:?}");
        registry.misbehave(Fault::RedirectManifests(there.clone()));
        assert_eq!(error_of(fetch(&oci(ours()), &by_digest).await).kind(), ErrorKind::RegistryRedirect);
        registry.misbehave(Fault::RedirectUploads(there.clone()));
        let other: Reference = registry.reference("other:1").parse().expect("a reference");
        let pushing = oci(ours()).push(&other, b"another component", "x.wasm", &Default::default()).await;
        assert_eq!(error_of(pushing).kind(), ErrorKind::RegistryRedirect);
        let mut all = seen;
        all.extend(elsewhere.take());
        assert!(all.iter().all(|seen| seen.authorization.is_none()), "{all:?}");
        assert_eq!(all.len(), 1, "{all:?}");
        // Those for one registry are not for another.
        registry.misbehave(None);
        let error = error_of(fetch(&oci(credentials("other.example")), &by_digest).await);
        assert_eq!(error.kind(), ErrorKind::Unauthenticated, "{error:?}");
    }
}

#[tokio::test]
async fn a_token_service_elsewhere_receives_nothing() {
    let registry = Registry::start().with_login(Login::Token);
    let pushed = push(&registry, "gate:1", credentials(&registry.host)).await.expect("pushed");
    let by_digest = pushed.reference.to_string();
    let elsewhere = Registry::start();
    registry.misbehave(Fault::ForeignTokens(format!("http://{}", elsewhere.host)));
    for access in [credentials(&registry.host), no_credentials()] {
        let error = error_of(fetch(&oci(access), &by_digest).await);
        assert_eq!(error.kind(), ErrorKind::ForeignTokenService, "{error:?}");
    }
    assert!(elsewhere.take().is_empty());
    registry.misbehave(Fault::EndlessToken);
    let error = error_of(fetch(&oci(credentials(&registry.host)), &by_digest).await);
    assert_eq!(error.kind(), ErrorKind::RegistryProtocol, "{error:?}");
}

#[tokio::test]
async fn a_hostile_list_of_signatures_is_no_list_without_signatures() {
    let registry = Registry::start().listing_referrers();
    let keys = Keys::new(&["release"]);
    let pushed = push(&registry, "gate:1", no_credentials()).await.expect("pushed");
    let access = oci(no_credentials());
    let component = access.component(&pushed.reference, MOST).await.expect("the component");
    let rules = keys.rules(&["release"]);
    for (fault, kind) in [
        (Fault::EndlessReferrers, ErrorKind::ManifestSize),
        (Fault::RefusedReferrers(403), ErrorKind::PermissionDenied),
        (Fault::RefusedReferrers(429), ErrorKind::RateLimited),
        (Fault::RefusedReferrers(500), ErrorKind::Server),
        (Fault::Silence, ErrorKind::Timeout),
    ] {
        registry.misbehave(fault.clone());
        let error = error_of(access.verify(&component, &rules).await);
        assert_eq!(error.kind(), kind, "{fault:?}: {error:?}");
    }
}
