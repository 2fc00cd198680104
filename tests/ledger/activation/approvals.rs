//! A change of the active policy that needs the approval of others.

use std::time::Duration;

use super::{LAX, STRICT, World, active, standing};
use crate::ledger::assert_sound;
use crate::support::backends::Backend;
use hydra_base::Sha256;
use hydra_registry::{ErrorKind, ModelRegistry};

/// A host whose requests are those of `actor`.
async fn of(world: &World, policies: &[&str], approvals: u32, actor: &str) -> ModelRegistry {
    let options = world.options(policies).with_activation_approvals(approvals).with_actor(actor);
    ModelRegistry::connect(options).await.expect("a registry")
}

async fn a_change_needs_the_approval_of_others(backend: Backend) {
    let (world, plain) = World::new(backend, "approvals").await;
    let (ann, bob, eve) = (
        of(&world, STRICT, 1, "ann").await,
        of(&world, STRICT, 1, "bob").await,
        of(&world, LAX, 0, "eve").await,
    );
    // Nothing asks for approvals before the first activation.
    let strict = ann.activate_policy().await.expect("an activation").sha256;
    let lax = eve.policy_digest().await.expect("a digest");
    let refused = async |host: &ModelRegistry| {
        for request in [host.activate_policy(), host.activate_policy().dry_run()] {
            let refused = request.await.expect_err("not approved");
            assert_eq!(refused.kind(), ErrorKind::ActivationApprovals, "{refused:?}");
            let hint = refused.hint().expect("a way out").to_owned();
            assert!(hint.contains(&format!("policy approve {lax}")), "{hint}");
        }
    };
    refused(&eve).await;
    // One's own approval, one of another policy, and one of no policy do not count.
    eve.approve_policy(Some(lax)).await.expect("an approval");
    ann.approve_policy(Some(Sha256::of(b"another"))).await.expect("an approval");
    ann.approve_policy(None).await.expect("an approval");
    refused(&eve).await;
    // Neither does one that has expired.
    let short = bob.approve_policy(Some(lax)).expires(Duration::from_millis(1)).await.expect("an approval");
    assert!(short.expires.is_some());
    tokio::time::sleep(Duration::from_millis(20)).await;
    refused(&eve).await;
    let approved = bob.approve_policy(Some(lax)).reason("reviewed").await.expect("an approval");
    assert_eq!(approved.approved_by, ["eve", "bob"]);
    let activated = eve.activate_policy().await.expect("an activation");
    assert_eq!((activated.former, activated.asks_for), (strict, 0));
    assert_eq!(activated.approved_by, ["bob"]);
    let left: Vec<_> = standing(&plain).await.panel_approvals().iter().map(|one| one.sha256).collect();
    assert_eq!(
        left,
        [Sha256::of(b"another")],
        "the use ends those of that policy, and of the end of the former"
    );

    // The policy that is active asks for nothing, the next one for two approvals.
    let two = of(&world, STRICT, 2, "ann").await;
    let strict = two.activate_policy().await.expect("an activation").sha256;
    let deactivation = async |host: &ModelRegistry| host.deactivate_policy().await;
    for actor in ["bob", "ann", " ANN "] {
        of(&world, LAX, 0, actor).await.approve_policy(None).await.expect("an approval");
        let refused = deactivation(&bob).await.expect_err("one of two at most");
        assert_eq!(refused.kind(), ErrorKind::ActivationApprovals);
        assert!(refused.hint().is_some_and(|hint| hint.contains("--deactivation")), "{refused:?}");
    }
    eve.approve_policy(None).await.expect("an approval");
    assert_eq!(active(&plain).await, strict);
    deactivation(&bob).await.expect("an end");
    assert_eq!(active(&plain).await, None);
    assert_sound(&plain).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_approvals_on_rest() {
    a_change_needs_the_approval_of_others(Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_needs_approvals_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        a_change_needs_the_approval_of_others(backend).await;
    }
}

/// The model keeps a limited number of approvals.
#[tokio::test(flavor = "multi_thread")]
async fn approvals_are_limited() {
    let (world, plain) = World::new(Backend::memory(), "limit").await;
    let host = of(&world, LAX, 0, "ann").await;
    for index in 0..64_u8 {
        host.approve_policy(Some(Sha256::of(&[index]))).await.expect("an approval");
    }
    let refused = host.approve_policy(Some(Sha256::of(b"more"))).await.expect_err("too many");
    assert_eq!(refused.kind(), ErrorKind::TooManyApprovals);
    host.approve_policy(Some(Sha256::of(&[7]))).await.expect("one that replaces another");
    assert_sound(&plain).await;
}
