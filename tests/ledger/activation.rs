//! The active policy: on every backend, killed at every step, raced, over a faulty network, and attacked.

mod approvals;
mod attacks;
mod faults;
mod kills;
mod race;
mod signed;

use hydra_base::Sha256;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::ledger::{POLICY_TAG, Standing};
use hydra_policy::{OverrideKind, Policy};
use hydra_registry::{
    ErrorKind, ModelRegistry, OpenOptions, Outcome, PanelOptions, PanelPolicy, PolicyName, PolicyVerb, Target,
};
use hydra_test_guests as guests;

use super::{aliases, assert_sound, assert_sound_but_for, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::server::OTHER_RELEASES;
use crate::support::version;

/// A model on a backend, and components as files.
pub(super) struct World {
    pub backend: Backend,
    pub model: String,
    files: tempfile::TempDir,
}

impl World {
    /// A model whose champion is version 1, by the default policy.
    pub async fn new(backend: Backend, what: &str) -> (Self, ModelRegistry) {
        let files = tempfile::tempdir().expect("a directory");
        let world = Self { backend, model: fresh_name(what), files };
        let plain = registry(&world.backend, &world.model).await;
        let promoted = plain.promote(version(1)).await.expect("a promotion");
        assert_eq!(promoted.active_policy, None);
        (world, plain)
    }

    /// The options of a host that is configured with these policies, of which the first one leads.
    pub fn options(&self, policies: &[&str]) -> OpenOptions {
        let policy = |name: &&str| PanelPolicy::new(component(self.files.path(), name));
        let mut policies = policies.iter().map(policy);
        let leader = PanelOptions::led_by(policies.next().expect("a leader"));
        self.backend.options(&self.model).with_panel(policies.fold(leader, PanelOptions::with_gate))
    }

    /// A host that is configured with these policies.
    pub async fn host(&self, policies: &[&str]) -> ModelRegistry {
        ModelRegistry::connect(self.options(policies)).await.expect("a registry")
    }

    /// A host without a policy of its own.
    pub async fn plain(&self) -> ModelRegistry {
        ModelRegistry::connect(self.backend.options(&self.model)).await.expect("a registry")
    }
}

/// The file of a guest, or of the default policy.
pub(crate) fn component(directory: &std::path::Path, name: &str) -> std::path::PathBuf {
    let bytes = match name {
        "default" => Policy::default_bytes().to_vec(),
        guest => guests::component_of(guest, &guests::read(guest), Policy::default_bytes()),
    };
    let file = directory.join(name).with_extension("wasm");
    std::fs::write(&file, bytes).expect("a file");
    file
}

/// Approves everything, and rejects everything.
pub(super) const LAX: &[&str] = &["default"];
pub(super) const STRICT: &[&str] = &["default", "well_behaved"];

pub(super) async fn standing(registry: &ModelRegistry) -> Standing {
    ledger(registry).await.view().await.expect("a view").standing
}

/// The digest of the active policy by the ledger.
pub(super) async fn active(registry: &ModelRegistry) -> Option<Sha256> {
    standing(registry).await.panel().map(|panel| panel.sha256)
}

/// What the tag of the model names.
pub(super) async fn tagged(registry: &ModelRegistry) -> Option<String> {
    let registered = registry.backend().registry.registered_model(registry.model()).await;
    let tag = registered.expect("the model").tags.get(POLICY_TAG).cloned()?;
    Some(tag.split(' ').next().unwrap_or_default().to_owned())
}

async fn every_host_decides_by_it(backend: Backend) {
    let (world, plain) = World::new(backend, "active").await;
    let ann = world.host(STRICT).await;
    let tried = ann.activate_policy().dry_run().await.expect("a dry run");
    assert_eq!((tried.recorded, tried.sequence, active(&plain).await), (false, None, None));
    let activated = ann.activate_policy().reason("for all").await.expect("an activation");
    assert_eq!((activated.sha256, activated.recorded), (tried.sha256, true));
    assert_eq!(active(&plain).await, activated.sha256);
    assert_eq!(tagged(&plain).await, activated.sha256.map(|sha256| sha256.to_string()));
    let again = ann.activate_policy().await.expect("nothing to do");
    assert_eq!((again.recorded, again.holds), (false, true));

    // A host without a policy of its own, and one with the same under other names.
    let same = PanelOptions::led_by(
        PanelPolicy::new(component(world.files.path(), "default"))
            .with_name(PolicyName::new("one").expect("a name")),
    );
    let gate = PanelPolicy::new(component(world.files.path(), "well_behaved"));
    let same = world.backend.options(&world.model).with_panel(same.with_gate(gate));
    let same = ModelRegistry::connect(same).await.expect("a registry");
    for host in [&world.plain().await, &same] {
        let rejected = host.promote(version(2)).dry_run().await.expect("a decision");
        assert_eq!((rejected.outcome, rejected.active_policy), (Outcome::Rejected, activated.sha256));
        let rejected = host.promote(version(2)).await.expect("a decision");
        assert_eq!((rejected.outcome, rejected.panel.len()), (Outcome::Rejected, 2));
        assert_eq!(rejected.active_policy, activated.sha256);
    }

    // Other policies, other settings, other limits.
    let settings = world.options(STRICT).with_policy_settings([("refuse-changes", "output")]);
    let limits = world.options(STRICT).with_budget([("fuel", "50_000_000")]);
    let only_settings =
        world.backend.options(&world.model).with_policy_settings([("refuse-changes", "output")]);
    let only_limits = world.backend.options(&world.model).with_budget([("fuel", "50_000_000")]);
    for options in [world.options(LAX), settings, limits, only_settings, only_limits] {
        let host = ModelRegistry::connect(options).await.expect("a registry");
        for refused in [
            host.promote(version(2)).await.expect_err("another policy"),
            host.promote(version(2)).dry_run().await.expect_err("another policy"),
            host.rollback(Target::PolicyChoice).await.expect_err("another policy"),
        ] {
            assert_eq!(refused.kind(), ErrorKind::InactivePolicy, "{refused:?}");
            let told = refused.to_string();
            assert!(told.contains(&activated.sha256.expect("a digest").to_string()), "{told}");
            assert!(told.contains("configured policy") && refused.hint().is_some(), "{told}");
        }
    }

    // In an emergency.
    let lax = world.host(LAX).await;
    for reason in [None, Some(" ")] {
        let request = lax.promote(version(2)).override_policy();
        let request = match reason {
            Some(reason) => request.reason(reason),
            None => request,
        };
        assert_eq!(request.await.expect_err("no reason").kind(), ErrorKind::OverrideReason);
    }
    for host in [&lax, &plain] {
        let promoted = host.promote(version(2)).override_policy().reason("an outage").dry_run().await;
        assert_eq!(promoted.expect("a decision").outcome, Outcome::Done);
    }
    let promoted = lax.promote(version(2)).override_policy().reason("an outage").await.expect("a decision");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
    assert_eq!(promoted.overrides, [OverrideKind::InactivePolicy].into());
    let entry = promoted.sequence.expect("an entry");
    let overridden =
        LedgerFinding::OverriddenPolicy { version: version(2), entry, actor: "tester".to_owned() };
    assert_sound_but_for(&plain, &[overridden]).await;

    let ended = world.plain().await.deactivate_policy().reason("too strict").await.expect("an end");
    assert_eq!((ended.former, ended.recorded), (activated.sha256, true));
    assert_eq!((active(&plain).await, tagged(&plain).await), (None, Some("none".to_owned())));
    assert!(plain.deactivate_policy().await.expect("nothing to do").holds);
    let promoted = plain.promote(version(3)).await.expect("a decision");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, None));
    assert_eq!(aliases(&plain).await, (Some(3), Some(2)));
    let kinds: Vec<EntryKind> =
        assert_sound(&plain).await.iter().map(|(record, _)| record.entry.operation).collect();
    let expected = [
        EntryKind::Genesis,
        EntryKind::Promote,
        EntryKind::Activate,
        // The second refusal on equal evidence is not recorded again.
        EntryKind::Promote,
        EntryKind::Promote,
        EntryKind::Deactivate,
        EntryKind::Promote,
    ];
    assert_eq!(kinds, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_decides_by_it_on_rest() {
    Box::pin(every_host_decides_by_it(Backend::rest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_host_decides_by_it_on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        Box::pin(every_host_decides_by_it(backend)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "other releases; `cargo xtask test --all` runs it"]
async fn every_host_decides_by_it_on_other_servers() {
    for environment in OTHER_RELEASES {
        Box::pin(every_host_decides_by_it(Backend::server(environment))).await;
    }
}

/// The settings of the embedded policy can be activated, and a host that has the same settings and names no policy agrees.
#[tokio::test(flavor = "multi_thread")]
async fn settings_alone_are_a_policy() {
    let (world, plain) = World::new(Backend::sqlite(), "settings").await;
    let set =
        |value: &str| world.backend.options(&world.model).with_policy_settings([("refuse-changes", value)]);
    let ann = ModelRegistry::connect(set("output, classes")).await.expect("a registry");
    let activated = ann.activate_policy().await.expect("an activation");
    let same = ModelRegistry::connect(set("output,classes")).await.expect("a registry");
    let promoted = same.promote(version(2)).await.expect("a decision");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
    let promoted = plain.promote(version(3)).await.expect("a decision");
    assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
    let other = ModelRegistry::connect(set("output")).await.expect("a registry");
    assert_eq!(other.promote(version(4)).await.expect_err("other").kind(), ErrorKind::InactivePolicy);
    let unknown = world.backend.options(&world.model).with_policy_settings([("margin", "1")]);
    let unknown = ModelRegistry::connect(unknown).await.expect("a registry");
    assert_eq!(unknown.activate_policy().await.expect_err("unknown").kind(), ErrorKind::PolicySettings);
    assert_eq!(unknown.promote(version(4)).await.expect_err("unknown").kind(), ErrorKind::PolicySettings);
    assert_eq!(plain.activate_policy().await.expect_err("nothing").kind(), ErrorKind::NothingToActivate);
    assert_sound(&plain).await;
}

/// The first entry of a ledger may be about a policy, and policies see that they are active.
#[tokio::test(flavor = "multi_thread")]
async fn an_activation_founds_the_ledger() {
    for backend in [Backend::memory(), Backend::sqlite()] {
        let files = tempfile::tempdir().expect("a directory");
        let world = World { backend, model: fresh_name("first"), files };
        let plain = registry(&world.backend, &world.model).await;
        let activated = world.host(LAX).await.activate_policy().await.expect("an activation");
        assert_eq!((activated.verb, activated.sequence), (PolicyVerb::Activate, Some(2)));
        let question = plain.promote(version(1)).question().await.expect("a question");
        assert!(question.context().panel.active);
        let promoted = plain.promote(version(1)).await.expect("a decision");
        assert_eq!((promoted.outcome, promoted.active_policy), (Outcome::Done, activated.sha256));
        assert_sound(&plain).await;
    }
}
