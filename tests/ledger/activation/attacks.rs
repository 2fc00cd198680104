//! Attacks on the active policy, and losses: none makes it end in silence, and each has a way out.

use hydra_base::Sha256;
use hydra_base::names::Key;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::{POLICY_TAG, ledger_name};
use hydra_mlflow::artifacts::ArtifactStore;
use hydra_policy::OverrideKind;
use hydra_registry::{ErrorKind, Finding, ModelRegistry, OpenOptions, Outcome, PanelOptions, PanelPolicy};

use super::{LAX, STRICT, World, active, component, tagged};
use crate::ledger::{assert_sound, ledger};
use crate::support::backends::Backend;
use crate::support::version;

/// A host without a policy of its own, and with an empty cache.
pub(super) async fn fresh(world: &World, cache: &std::path::Path) -> ModelRegistry {
    let options: OpenOptions = world.backend.options(&world.model).with_cache_dir(cache);
    ModelRegistry::connect(options).await.expect("a registry")
}

pub(super) async fn archive(registry: &ModelRegistry) -> Box<dyn ArtifactStore> {
    let ledger = ledger(registry).await;
    let run = registry.backend().tracking.run(ledger.run_id()).await.expect("the ledger's run");
    registry.backend().artifact_store(&run.artifact_uri.parse().expect("a URI")).await.expect("the archive")
}

pub(super) async fn codes(registry: &ModelRegistry) -> Vec<&'static str> {
    registry.diagnose().await.expect("findings").iter().map(Finding::code).collect()
}

/// Another component, or another document, in the archive under the name of the active one is not run.
async fn files_in_the_archive_are_swapped(backend: Backend) {
    let (world, plain) = World::new(backend, "swap").await;
    let strict = world.host(STRICT).await;
    let digest = strict.activate_policy().await.expect("an activation").sha256.expect("a digest");
    let gate = std::fs::read(component(world.files.path(), "well_behaved")).expect("a component");
    let lax = std::fs::read(component(world.files.path(), "default")).expect("a component");
    let component = format!("policies/{}.wasm", Sha256::of(&gate));
    for (path, bytes) in [(component, lax), (format!("active/{digest}.json"), b"{}".to_vec())] {
        archive(&plain).await.put_bytes(&path, bytes).await.expect("an upload");
        let cache = tempfile::tempdir().expect("a directory");
        let host = fresh(&world, cache.path()).await;
        for refused in [host.promote(version(2)).await, host.promote(version(2)).dry_run().await] {
            let refused = refused.expect_err("another file");
            assert_eq!(refused.kind(), ErrorKind::ActivePolicyLost, "{refused:?}");
            assert!(refused.to_string().contains(&path), "{refused}");
            assert!(refused.hint().is_some_and(|hint| hint.contains("policy activate")), "{refused:?}");
        }
        assert_eq!(codes(&host).await, ["lost-policy"], "{path}");
        // Who has it in the private cache goes on deciding by it.
        let decided = strict.promote(version(2)).dry_run().await.expect("a decision");
        assert_eq!(decided.outcome, Outcome::Rejected);
        // The same files once more.
        assert!(strict.activate_policy().await.expect("nothing to record").holds);
        assert_eq!(codes(&host).await, [] as [&str; 0], "{path}");
        let cache = tempfile::tempdir().expect("a directory");
        let decided = fresh(&world, cache.path()).await.promote(version(2)).dry_run().await;
        assert_eq!(decided.expect("a decision").outcome, Outcome::Rejected);
    }
    // `doctor --fix` takes them from the private cache.
    let path = format!("active/{digest}.json");
    archive(&plain).await.put_bytes(&path, b"[]".to_vec()).await.expect("an upload");
    world.plain().await.repair().await.expect("a repair");
    assert_eq!(codes(&plain).await, [] as [&str; 0]);
    // In an emergency, without any of it.
    archive(&plain).await.put_bytes(&path, b"[]".to_vec()).await.expect("an upload");
    let cache = tempfile::tempdir().expect("a directory");
    let host = fresh(&world, cache.path()).await;
    let promoted = host.promote(version(2)).override_policy().reason("the archive is damaged").await;
    assert_eq!(promoted.expect("a decision").outcome, Outcome::Done);
    host.deactivate_policy().await.expect("an end without its document");
    assert_eq!(host.promote(version(3)).await.expect("a decision").outcome, Outcome::Done);
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_swapped_on_rest() {
    Box::pin(files_in_the_archive_are_swapped(Backend::rest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_swapped_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite()] {
        Box::pin(files_in_the_archive_are_swapped(backend)).await;
    }
}

/// A standing document without the activation in the place of the real one: the entries show what holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_standing_is_forged() {
    for backend in [Backend::sqlite(), Backend::rest()] {
        let (world, plain) = World::new(backend, "forged").await;
        let digest = world.host(STRICT).await.activate_policy().await.expect("an activation").sha256;
        let head = ledger(&plain).await.history(Some(1), None).await.expect("a history").remove(0).0;
        let reference = head.entry.standing.expect("a standing");
        let path = format!("standing/{}.json", reference.sha256);
        let real =
            ledger(&plain).await.standing(&head).await.expect("the standing").encode().expect("bytes").0;
        let text = String::from_utf8(real).expect("JSON");
        let start = text.find("\"panel\":").expect("the panel");
        let end = text.find(",\"quarantines\"").expect("what follows it");
        let forged = format!("{}\"panel\":null{}", &text[..start], &text[end..]);
        archive(&plain).await.put_bytes(&path, forged.into_bytes()).await.expect("an upload");
        let cache = tempfile::tempdir().expect("a directory");
        let host = fresh(&world, cache.path()).await;
        let decided = host.promote(version(2)).dry_run().await.expect("a decision");
        assert_eq!((decided.outcome, decided.active_policy), (Outcome::Rejected, digest));
        assert_eq!(codes(&host).await, ["missing-standing"]);
        host.repair().await.expect("a repair");
        assert_eq!(codes(&host).await, [] as [&str; 0]);
    }
}

/// A tag that names a policy which the ledger does not have: nothing is decided until a person says what holds.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_names_a_policy_that_is_not_active() {
    for backend in [Backend::memory(), Backend::sqlite(), Backend::rest()] {
        let (world, plain) = World::new(backend, "tag").await;
        for value in [format!("{} 0 yesterday ann: why", Sha256::of(b"x")), "what is this".to_owned()] {
            let key = Key::new(POLICY_TAG).expect("a key");
            let stores = plain.backend();
            stores.registry.set_registered_model_tag(plain.model(), &key, &value).await.expect("a tag");
            for refused in [plain.promote(version(2)).await, plain.promote(version(2)).dry_run().await] {
                assert_eq!(refused.expect_err("lost").kind(), ErrorKind::ActivationLost);
            }
            assert_eq!(codes(&plain).await, ["lost-activation"]);
            let promoted = plain.promote(version(2)).override_policy().reason("an outage").dry_run().await;
            let promoted = promoted.expect("a decision");
            assert_eq!(promoted.outcome, Outcome::Done);
            assert_eq!(promoted.overrides, [OverrideKind::InactivePolicy].into());
            let ended = plain.deactivate_policy().reason("a mistake").await.expect("an end");
            assert!(ended.recorded);
            assert_eq!((tagged(&plain).await, codes(&plain).await), (Some("none".to_owned()), Vec::new()));
        }
        // A tag that is missing is set again.
        world.host(LAX).await.activate_policy().await.expect("an activation");
        let key = Key::new(POLICY_TAG).expect("a key");
        let stores = plain.backend();
        stores.registry.set_registered_model_tag(plain.model(), &key, "none").await.expect("a tag");
        assert_eq!(codes(&plain).await, ["policy-tag"]);
        assert_eq!(plain.promote(version(2)).await.expect("a decision").active_policy, active(&plain).await);
        plain.repair().await.expect("a repair");
        assert_sound(&plain).await;
    }
}

/// A ledger that is deleted and begun again has the policy that was active, with its files, or refuses to decide.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_is_deleted_and_begun_again() {
    for backend in [Backend::sqlite(), Backend::file(), Backend::rest()] {
        let (world, plain) = World::new(backend, "lost").await;
        let host = world.options(STRICT).with_activation_approvals(1).with_actor("ann");
        let host = ModelRegistry::connect(host).await.expect("a registry");
        let digest = host.activate_policy().reason("for all").await.expect("an activation").sha256;
        let name = ledger_name(plain.model()).expect("a name");
        plain.backend().registry.delete_registered_model(&name).await.expect("a deletion");
        let gone = world.plain().await.promote(version(2)).await.expect_err("no ledger");
        assert_eq!(gone.kind(), ErrorKind::LedgerGone);
        world.plain().await.repair().await.expect("a repair");
        let plain = world.plain().await;
        assert_eq!(active(&plain).await, digest);
        let panel = super::standing(&plain).await.panel().cloned().expect("a policy");
        assert_eq!(panel.approvals, 1, "and a change still needs an approval");
        assert!(panel.reason.is_some_and(|reason| reason.contains("for all")));
        let cache = tempfile::tempdir().expect("a directory");
        let decided = fresh(&world, cache.path()).await.promote(version(2)).await.expect("a decision");
        assert_eq!((decided.outcome, decided.active_policy), (Outcome::Rejected, digest));
        assert_sound(&plain).await;
    }
}

/// A checkpoint over damage that hides the activation.
#[tokio::test(flavor = "multi_thread")]
async fn the_entry_of_the_activation_is_deleted() {
    for backend in [Backend::sqlite(), Backend::rest()] {
        let (world, plain) = World::new(backend, "damage").await;
        let digest = world.host(STRICT).await.activate_policy().await.expect("an activation").sha256;
        let name = ledger_name(plain.model()).expect("a name");
        plain.backend().registry.delete_model_version(&name, version(3)).await.expect("a deletion");
        let plain = world.plain().await;
        let decided = plain.promote(version(2)).await;
        assert!(
            decided.as_ref().map_or_else(
                |error| matches!(error.kind(), ErrorKind::LedgerBroken | ErrorKind::ActivationLost),
                |decided| decided.active_policy == digest
            ),
            "{decided:?}"
        );
        plain.repair().await.expect("a repair");
        if active(&plain).await.is_none() {
            let refused = plain.promote(version(2)).await.expect_err("lost");
            assert_eq!(refused.kind(), ErrorKind::ActivationLost);
            // A server shows that its newest entry was deleted only when another one has a greater number.
            let found = world.host(STRICT).await.activate_policy().await.expect_err("a missing entry");
            assert_eq!(found.kind(), ErrorKind::LedgerBroken);
            plain.repair().await.expect("a repair");
        }
        let decided = plain.promote(version(2)).await.expect("a decision");
        assert_eq!((decided.outcome, decided.active_policy), (Outcome::Rejected, digest));
    }
}

/// Settings, sizes and digests that do not fit are refused before anything is recorded.
#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_not_activated() {
    let (world, plain) = World::new(Backend::sqlite(), "refused").await;
    let before = ledger(&plain).await.head().await.expect("a head");
    let lax = component(world.files.path(), "default");
    let small = world.options(LAX).with_budget([("component-bytes", "1000")]);
    let unknown = world.options(LAX).with_policy_settings([("nothing", "1")]);
    let long = "x".repeat(2 << 20);
    let long = world.options(LAX).with_policy_settings([("refuse-changes", long.as_str())]);
    let pinned = PanelPolicy::new(lax.clone()).with_sha256(Sha256::of(b"another"));
    let pinned = world.options(LAX).with_panel(PanelOptions::led_by(pinned));
    for (options, kind) in [
        (small, ErrorKind::PolicySize),
        (unknown, ErrorKind::PolicySettings),
        (long, ErrorKind::TextTooLong),
        (pinned, ErrorKind::PolicyDigest),
    ] {
        let host = ModelRegistry::connect(options).await.expect("a registry");
        assert_eq!(host.activate_policy().await.expect_err("refused").kind(), kind);
    }
    // A file with another digest is not parsed, let alone compiled.
    let garbage = world.files.path().join("garbage.wasm");
    std::fs::write(&garbage, b"not a component").expect("a file");
    let argument = format!("{}@sha256:{}", garbage.display(), Sha256::of(b"another"));
    let options = world.options(LAX).with_panel(PanelOptions::led_by(PanelPolicy::from_argument(argument)));
    let host = ModelRegistry::connect(options).await.expect("a registry");
    let refused = host.promote(version(2)).await.expect_err("another file");
    assert_eq!(refused.kind(), ErrorKind::PolicyDigest);
    for part in [Sha256::of(b"another"), Sha256::of(b"not a component")] {
        assert!(refused.to_string().contains(&part.to_string()), "{refused}");
    }
    let digest = Sha256::of(&std::fs::read(&lax).expect("a component"));
    let argument = format!("{}@sha256:{digest}", lax.display());
    let options = world.options(LAX).with_panel(PanelOptions::led_by(PanelPolicy::from_argument(argument)));
    let host = ModelRegistry::connect(options).await.expect("a registry");
    assert_eq!(host.promote(version(2)).await.expect("a decision").outcome, Outcome::Done);
    let after = ledger(&plain).await.history(None, None).await.expect("a history");
    assert_eq!(after[1].0.number, before.number, "nothing but the last promotion was recorded");
}

/// A quarantine holds under every policy, and an override does not end one.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_holds_whatever_is_active() {
    let (world, plain) = World::new(Backend::memory(), "quarantine").await;
    world.host(LAX).await.activate_policy().await.expect("an activation");
    plain.promote(version(2)).await.expect("a promotion");
    plain.quarantine(version(3), "wrong prices").await.expect("a quarantine");
    for refused in [
        plain.promote(version(3)).await,
        world.host(STRICT).await.promote(version(3)).override_policy().reason("please").await,
    ] {
        assert_eq!(refused.expect_err("in quarantine").kind(), ErrorKind::Quarantined);
    }
    assert_eq!(plain.promote(version(4)).await.expect("a decision").outcome, Outcome::Done);
    let unexpected = ledger(&plain).await.diagnose().await.expect("findings");
    assert_eq!(unexpected, [] as [LedgerFinding; 0]);
}
