//! The trust rules of an active policy: every host checks them itself, by the signatures in the archive.

use hydra_base::Sha256;
use hydra_policy::{Budget, EngineOptions, Policy, PolicyEngine};
use hydra_registry::trust::{Proof, TrustConfig};
use hydra_registry::{
    ErrorKind, ModelRegistry, OpenOptions, Outcome, PanelOptions, PanelPolicy, PolicySource,
};
use hydra_test_guests as guests;
use serde_json::json;

use super::attacks::{archive, codes, fresh};
use super::{STRICT, World, component};
use crate::ledger::{assert_sound, ledger};

use crate::support::backends::Backend;
use crate::support::version;
use crate::trust::Keys;

async fn open(options: OpenOptions) -> ModelRegistry {
    ModelRegistry::connect(options).await.expect("a registry")
}

/// Puts a signature beside the file of a guest.
fn sign(world: &World, keys: &Keys, name: &str) -> Vec<u8> {
    let file = component(world.files.path(), name);
    let bytes = std::fs::read(&file).expect("a component");
    let signature = keys.private("release").sign(&bytes).expect("a signature");
    std::fs::write(file.with_extension("wasm.sig"), signature.to_string()).expect("a file");
    bytes
}

/// Who signed the policies of the newest decision, by the ledger.
async fn signers(registry: &ModelRegistry) -> Vec<String> {
    let head = ledger(registry).await.view().await.expect("a view").head;
    head.entry.decided.expect("a decision").signers
}

async fn every_host_checks_who_signed(backend: Backend) {
    let (world, plain) = World::new(backend, "signed").await;
    let keys = Keys::new(&["release", "mallory"]);
    let rules = keys.all_of(&["release"]);
    let strict = open(world.options(STRICT).with_policy_trust(rules.clone())).await;
    let unsigned = strict.activate_policy().await.expect_err("no signature");
    assert_eq!(unsigned.kind(), ErrorKind::SignatureNotFound, "{unsigned:?}");
    sign(&world, &keys, "default");
    let gate = sign(&world, &keys, "well_behaved");
    let strict = open(world.options(STRICT).with_policy_trust(rules.clone())).await;
    let digest = strict.activate_policy().await.expect("an activation").sha256.expect("a digest");
    let release = keys.private("release").public().id().to_string();

    // A host that knows neither the rules nor the keys checks them, and records who signed.
    let cache = tempfile::tempdir().expect("a directory");
    let host = fresh(&world, cache.path()).await;
    assert_eq!(host.promote(version(2)).await.expect("a decision").outcome, Outcome::Rejected);
    assert_eq!(signers(&plain).await, [release.as_str()]);
    // So does a host with the same rules, and from the private cache.
    let trusting = world.backend.options(&world.model).with_policy_trust(rules.clone());
    let trusting = open(trusting.with_cache_dir(cache.path())).await;
    assert_eq!(trusting.promote(version(3)).await.expect("a decision").outcome, Outcome::Rejected);
    assert_eq!(signers(&plain).await, [release.as_str()]);

    // What is in the place of the signatures proves nothing, or is by other keys.
    let path = format!("active/{digest}.signatures.json");
    let by_mallory = {
        let (mallory, rules) = (keys.private("mallory"), keys.rules(&["mallory"]));
        let forged =
            |bytes: &[u8]| Proof::of_file(&rules, bytes, &[mallory.sign(bytes).expect("a signature")]);
        let components = json!({
            Sha256::of(&gate).to_string(): forged(&gate),
            Sha256::of(Policy::default_bytes()).to_string(): forged(Policy::default_bytes()),
        });
        json!({"schema": 1, "components": components}).to_string()
    };
    let nothing = json!({"schema": 1, "components": {}}).to_string();
    for (altered, kind) in [
        ("[]".to_owned(), ErrorKind::ActivePolicyLost),
        (nothing, ErrorKind::SignatureNotFound),
        (by_mallory, ErrorKind::UntrustedSigner),
    ] {
        archive(&plain).await.put_bytes(&path, altered.clone().into_bytes()).await.expect("an upload");
        let empty = tempfile::tempdir().expect("a directory");
        let host = fresh(&world, empty.path()).await;
        for refused in [host.promote(version(2)).await, host.promote(version(2)).dry_run().await] {
            let refused = refused.expect_err("not signed");
            assert_eq!(refused.kind(), kind, "{altered}: {refused:?}");
            assert!(refused.hint().is_some_and(|hint| hint.contains("policy activate")), "{refused:?}");
        }
        assert_eq!(codes(&host).await, ["lost-policy"], "{altered}");
        let audited = ledger(&host).await.verify(None).await.expect("a verification");
        let about = "do not show what its rules ask";
        let flaws = audited.flaws.iter().filter(|flaw| flaw.what.contains(about)).count();
        assert_eq!(flaws, 2, "{altered}: {audited:?}");
        // The private cache has the right ones.
        let cached = fresh(&world, cache.path()).await;
        assert_eq!(
            cached.promote(version(2)).dry_run().await.expect("a decision").outcome,
            Outcome::Rejected
        );
        // The same policy once more stores them again.
        assert!(strict.activate_policy().await.expect("nothing to record").holds);
        assert_eq!(codes(&host).await, [] as [&str; 0], "{altered}");
        assert_eq!(host.promote(version(2)).dry_run().await.expect("a decision").outcome, Outcome::Rejected);
    }
    // `doctor --fix` takes them from the private cache.
    archive(&plain).await.put_bytes(&path, b"[]".to_vec()).await.expect("an upload");
    fresh(&world, cache.path()).await.repair().await.expect("a repair");
    assert_eq!(codes(&plain).await, [] as [&str; 0]);
    assert_sound(&plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_checks_who_signed_on_rest() {
    Box::pin(every_host_checks_who_signed(Backend::rest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_checks_who_signed_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file()] {
        Box::pin(every_host_checks_who_signed(backend)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_foretells_the_end_of_a_key() {
    let (world, plain) = World::new(Backend::sqlite(), "ending").await;
    let keys = Keys::new(&["release"]);
    sign(&world, &keys, "default");
    sign(&world, &keys, "well_behaved");
    for (days, found) in [(30, &[][..]), (13, &["ending-key"])] {
        let mut key = keys.config("release");
        let end = jiff::Timestamp::now() + jiff::SignedDuration::from_hours(24 * days);
        key.expires = Some(end.to_string());
        let rules = TrustConfig::all_of([key]);
        open(world.options(STRICT).with_policy_trust(rules))
            .await
            .activate_policy()
            .await
            .expect("an activation");
        assert_eq!(codes(&plain).await, found, "{days}");
    }
}

/// A program that embeds the library can hand over a component that nobody signed: no other host could check it.
#[tokio::test(flavor = "multi_thread")]
async fn a_component_without_a_signature_is_not_activated_under_rules() {
    let (world, plain) = World::new(Backend::sqlite(), "unsigned").await;
    let keys = Keys::new(&["release"]);
    let rules: TrustConfig = keys.all_of(&["release"]);
    let guest = guests::component_of("well_behaved", &guests::read("well_behaved"), Policy::default_bytes());
    let engine = PolicyEngine::new(&EngineOptions::default()).expect("an engine");
    let policy = Policy::load(&engine, &guest, &Budget::default()).expect("a policy");
    let policy = PanelPolicy::new(PolicySource::Loaded(policy));
    let options = world.backend.options(&world.model).with_panel(PanelOptions::led_by(policy));
    let embedding = open(options.with_policy_trust(rules.clone())).await;
    let refused = embedding.activate_policy().await.expect_err("no signature");
    assert_eq!(refused.kind(), ErrorKind::SignatureNotFound, "{refused:?}");
    // The embedded policy is trusted like the program.
    let set = world.backend.options(&world.model).with_policy_settings([("refuse-changes", "output")]);
    let activated = open(set.with_policy_trust(rules)).await.activate_policy().await.expect("an activation");
    let promoted = plain.promote(version(2)).await.expect("a decision");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
    assert_eq!(signers(&plain).await, [] as [&str; 0]);
}
