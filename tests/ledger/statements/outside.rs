//! Statements after another program moved aliases: the move is recorded first, and the statement holds.

use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_registry::{Alias, ErrorKind, ModelRegistry, PanelOptions, PanelPolicy};

use super::{approved, quarantined, standing, tagged};
use crate::ledger::activation::component;
use crate::ledger::{aliases, assert_sound, assert_sound_but_for, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::version;
use hydra_lifecycle::ledger::doctor::LedgerFinding;

/// A model whose champion was version 2 and whose archived version is 1, until another program moved `champion` to 3 or away.
async fn moved(backend: &Backend, to: Option<u64>) -> ModelRegistry {
    let registry = registry(backend, &fresh_name("outside")).await;
    for number in [1, 2] {
        registry.promote(version(number)).await.expect("a promotion");
    }
    registry.approve(version(3)).await.expect("an approval");
    registry.quarantine(version(4), "for now").await.expect("a quarantine");
    let stores = &registry.backend().registry;
    match to {
        Some(to) => stores.set_alias(registry.model(), &Alias::CHAMPION, version(to)).await.expect("a move"),
        None => stores.delete_alias(registry.model(), &Alias::CHAMPION).await.expect("a removal"),
    }
    registry
}

/// The newest two entries, and whether the approval of version 3 was used by the move that made it champion.
async fn recorded(registry: &ModelRegistry, findings: &[LedgerFinding]) -> [EntryKind; 2] {
    let history = assert_sound_but_for(registry, findings).await;
    let [.., (external, _), (own, _)] = &history[..] else { panic!("{history:?}") };
    [external.entry.operation, own.entry.operation]
}

async fn each_verb_after_a_move(backend: &Backend) {
    for to in [Some(3), None] {
        let champion = (to, Some(1));
        let removed = LedgerFinding::RemovedChampion { version: version(2) };
        let findings = if to.is_none() { vec![removed] } else { Vec::new() };
        // The move made version 3 champion, which used its approval up.
        let approvals: &[u64] = if to.is_none() { &[3] } else { &[] };

        let registry = moved(backend, to).await;
        registry.nominate(version(5)).await.expect("a nomination");
        assert_eq!(recorded(&registry, &findings).await, [EntryKind::External, EntryKind::Nominate]);
        assert_eq!(
            (aliases(&registry).await, approved(&standing(&registry).await)),
            (champion, approvals.to_vec())
        );

        let registry = moved(backend, to).await;
        registry.approve(version(5)).await.expect("an approval");
        assert_eq!(recorded(&registry, &findings).await, [EntryKind::External, EntryKind::Approve]);
        assert_eq!(approved(&standing(&registry).await), [approvals, &[5]].concat());

        let registry = moved(backend, to).await;
        registry.quarantine(version(5), "a leak").await.expect("a quarantine");
        assert_eq!(recorded(&registry, &findings).await, [EntryKind::External, EntryKind::Quarantine]);
        assert_eq!(quarantined(&standing(&registry).await), [4, 5].into());
        assert_eq!(tagged(&registry).await, [4, 5].into());

        let registry = moved(backend, to).await;
        registry.release(version(4)).await.expect("a release");
        assert_eq!(recorded(&registry, &findings).await, [EntryKind::External, EntryKind::Release]);
        assert_eq!(
            (quarantined(&standing(&registry).await), tagged(&registry).await),
            ([].into(), [].into())
        );

        let registry = moved(backend, to).await;
        let files = tempfile::tempdir().expect("a directory");
        let panel = PanelOptions::led_by(PanelPolicy::new(component(files.path(), "default")));
        let host = ModelRegistry::connect(backend.options(registry.model().as_str()).with_panel(panel));
        let host = host.await.expect("a registry");
        host.activate_policy().await.expect("an activation");
        assert_eq!(recorded(&registry, &findings).await, [EntryKind::External, EntryKind::Activate]);
        let stores = &registry.backend().registry;
        stores.set_alias(registry.model(), &Alias::CHAMPION, version(5)).await.expect("a move");
        host.approve_policy(None).await.expect("an approval");
        assert_eq!(recorded(&registry, &[]).await, [EntryKind::External, EntryKind::Approve]);
        stores.set_alias(registry.model(), &Alias::CHAMPION, version(3)).await.expect("a move");
        registry.deactivate_policy().await.expect("an end");
        assert_eq!(recorded(&registry, &[]).await, [EntryKind::External, EntryKind::Deactivate]);
        assert_eq!(aliases(&registry).await, (Some(3), Some(1)));
    }
}

/// Another program can make a version champion that is in quarantine: that is told, and no decision does it again.
async fn a_quarantine_outlasts_a_move(backend: &Backend) {
    let registry = moved(backend, Some(4)).await;
    let codes = async || -> Vec<&'static str> {
        registry.diagnose().await.expect("findings").iter().map(|found| found.code()).collect()
    };
    assert!(codes().await.contains(&"quarantined-champion"));
    let pattern = registry.model().as_str().parse().expect("a pattern");
    let status = registry.statuses(&pattern).await.expect("a status").remove(0);
    let trouble: Vec<&str> = status.trouble.iter().map(|found| found.code()).collect();
    assert!(trouble.contains(&"quarantined-champion"), "{trouble:?}");
    registry.promote(version(5)).await.expect("a promotion");
    assert_eq!(aliases(&registry).await, (Some(5), Some(4)));
    for refused in [
        registry.rollback(hydra_registry::Target::PolicyChoice).await.expect_err("in quarantine"),
        registry.rollback(version(4)).await.expect_err("in quarantine"),
        registry.promote(version(4)).await.expect_err("in quarantine"),
    ] {
        assert_eq!(refused.kind(), ErrorKind::Quarantined, "{refused:?}");
    }
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_rest() {
    Box::pin(each_verb_after_a_move(&Backend::rest())).await;
    Box::pin(a_quarantine_outlasts_a_move(&Backend::rest())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn on_local_stores() {
    for backend in [Backend::file(), Backend::sqlite(), Backend::memory()] {
        Box::pin(each_verb_after_a_move(&backend)).await;
        Box::pin(a_quarantine_outlasts_a_move(&backend)).await;
    }
}
