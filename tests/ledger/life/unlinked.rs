//! A ledger whose model does not name it any more: its tags were removed, and it was renamed.

use hydra_lifecycle::ledger::ledger_name;
use hydra_registry::{Alias, Finding, ModelRegistry, Target};

use super::{Shared, diagnose, findings, troubles};
use crate::ledger::{aliases, assert_sound, ledger};
use crate::support::backends::fresh_name;
use crate::support::binary::Project;
use crate::support::version;

/// The tags of a model that name its ledger, and the one that is left when these are removed.
const NAMING: [&str; 3] = ["hydra.ledger.id", "hydra.ledger.run", "hydra.ledger.name"];
const LEFT: &str = "hydra.experiments";

/// Renames the ledger and removes tags of both. MLflow's file store cannot rename a model whose versions have tags.
fn hide(shared: &Shared, registry: &ModelRegistry, of_model: &[&str], of_ledger: &[&str]) -> String {
    let (usual, new) = (ledger_name(registry.model()).expect("a name"), fresh_name("hidden"));
    shared.ask(&["rename-model", usual.as_str(), &new]);
    for (model, tags) in [(registry.model().as_str(), of_model), (new.as_str(), of_ledger)] {
        for tag in tags {
            shared.ask(&["delete-model-tag", model, tag]);
        }
    }
    new
}

/// What `history verify` says of the model, and whether it found it sound.
fn verified(shared: &Shared, registry: &ModelRegistry) -> (i32, String) {
    let project = Project::new(Some(&shared.uri), registry.model().as_str());
    let outcome = project.run(["--output", "json", "history", "verify"]);
    (outcome.code, outcome.out + &outcome.err)
}

/// Whatever is removed: `doctor`, `status` and `history verify` say it, and the next decision goes on with the history.
async fn a_hidden_ledger_is_found(shared: &Shared) {
    let all = [&NAMING[..], &[LEFT][..]].concat();
    let own = ["hydra.ledger.id", "hydra.ledger.model"];
    for (of_model, of_ledger) in [(&NAMING[..], &own[..0]), (&NAMING[..], &own[..]), (&all[..], &own[..])] {
        let registry = shared.promoted().await;
        let id = ledger(&registry).await.id().to_owned();
        let hidden = hide(shared, &registry, of_model, of_ledger);
        let found = diagnose(&registry).await;
        assert_eq!(found.iter().map(Finding::code).collect::<Vec<_>>(), ["unlinked-ledger"], "{of_model:?}");
        assert!(found[0].to_string().contains(&hidden), "{}", found[0]);
        // Without any tag, a model looks like one that had no ledger; `status` does not search the registry for each of those.
        let seen = if of_model.contains(&LEFT) { vec![] } else { vec!["unlinked-ledger"] };
        assert_eq!(troubles(&registry).await, seen);
        let (code, said) = verified(shared, &registry);
        assert!(code == 1 && said.contains(&hidden), "{said}");
        if of_model.len() == NAMING.len() {
            registry.repair().await.expect("a repair");
        }
        registry.rollback(Target::PolicyChoice).await.expect("a rollback");
        assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
        assert_eq!(ledger(&registry).await.id(), id);
        assert_eq!(assert_sound(&registry).await.len(), 4, "{of_model:?} {of_ledger:?}");
        assert!(findings(&registry).await.is_empty());
        assert_eq!(verified(shared, &registry).0, 0);
    }
}
on!(
    a_hidden_ledger_is_found: hidden_on_rest = Shared::rest(),
    hidden_on_sqlite = Shared::sqlite(),
);

/// The tags of the model are there, and those of its renamed ledger are not.
async fn a_ledger_without_tags_is_found(shared: &Shared) {
    let registry = shared.promoted().await;
    let id = ledger(&registry).await.id().to_owned();
    hide(shared, &registry, &[], &["hydra.ledger.id", "hydra.ledger.model"]);
    assert_eq!(findings(&registry).await, ["renamed-ledger"]);
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    assert_eq!(ledger(&registry).await.id(), id);
    assert_eq!(assert_sound(&registry).await.len(), 4);
}
on!(
    a_ledger_without_tags_is_found: untagged_on_rest = Shared::rest(),
    untagged_on_sqlite = Shared::sqlite(),
);

/// A ledger that is gone, with the tags that named it: what is left shows that there was one, and quarantines stay.
async fn a_ledger_that_is_gone_leaves_signs(shared: &Shared) {
    let registry = shared.promoted().await;
    registry.quarantine(version(3), "a leak").await.expect("a quarantine");
    shared.ask(&["delete-model", ledger(&registry).await.name().as_str()]);
    for tag in NAMING {
        shared.ask(&["delete-model-tag", registry.model().as_str(), tag]);
    }
    assert_eq!(findings(&registry).await, ["lost-ledger"]);
    let (code, said) = verified(shared, &registry);
    assert!(code == 1 && said.contains(LEFT), "{said}");
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    let history = assert_sound(&registry).await;
    let begins = &history[0].0.entry.explanation;
    assert!(begins.contains("shows that it had another"), "{begins}");
    let standing = ledger(&registry).await.view().await.expect("a view").standing;
    assert!(standing.quarantine(version(3)).is_some(), "{standing:?}");
}
on!(
    a_ledger_that_is_gone_leaves_signs: gone_on_rest = Shared::rest(),
    gone_on_sqlite = Shared::sqlite(),
    gone_on_file = Shared::file(),
);

/// Without ledger and tags, the run with the archive is left.
async fn a_ledger_that_is_gone_leaves_its_archive(shared: &Shared) {
    let registry = shared.promoted().await;
    registry.quarantine(version(3), "a leak").await.expect("a quarantine");
    let (own, run) = (ledger(&registry).await.name().clone(), ledger(&registry).await.run_id().clone());
    shared.ask(&["delete-model", own.as_str()]);
    for tag in NAMING.iter().chain(&[LEFT]) {
        shared.ask(&["delete-model-tag", registry.model().as_str(), tag]);
    }
    let found = diagnose(&registry).await;
    let [lost] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(lost.code(), "lost-ledger");
    assert!(lost.to_string().contains(run.as_str()), "{lost}");
    let (code, said) = verified(shared, &registry);
    assert!(code == 1 && said.contains(run.as_str()), "{said}");
    registry.repair().await.expect("a repair");
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    assert_sound(&registry).await;
    let standing = ledger(&registry).await.view().await.expect("a view").standing;
    assert!(standing.quarantine(version(3)).is_some(), "{standing:?}");
}
on!(
    a_ledger_that_is_gone_leaves_its_archive: archive_left_on_rest = Shared::rest(),
    archive_left_on_sqlite = Shared::sqlite(),
    archive_left_on_file = Shared::file(),
);

/// A person who sets the ledger's tag to another text wants a new ledger; a model that was only moved by Python has none to lose.
async fn what_was_set_aside_is_left_alone(shared: &Shared) {
    let registry = shared.promoted().await;
    let (first, tag) = (ledger(&registry).await, hydra_base::testing::key("hydra.ledger.model"));
    let stores = &registry.backend().registry;
    stores.set_registered_model_tag(first.name(), &tag, "former").await.expect("a tag");
    hide(shared, &registry, &NAMING, &[]);
    let found = diagnose(&registry).await;
    let [unlinked] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(unlinked.code(), "unlinked-ledger");
    assert!(unlinked.to_string().contains("of `former` by its tag"), "{unlinked}");
    assert!(unlinked.remedy().contains("delete its tag `hydra.ledger.model`"), "{}", unlinked.remedy());
    registry.repair().await.expect("nothing to repair");
    assert!(registry.existing_ledger().await.expect("an answer").is_none());
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    assert_ne!(ledger(&registry).await.id(), first.id());
    assert_sound(&registry).await;

    let moved = crate::ledger::registry(&shared.backend, &fresh_name("moved")).await;
    let stores = &moved.backend().registry;
    stores.set_alias(moved.model(), &Alias::CHAMPION, version(1)).await.expect("set");
    assert!(findings(&moved).await.is_empty());
    assert_eq!(verified(shared, &moved).0, 0);
}
on!(
    what_was_set_aside_is_left_alone: set_aside_on_rest = Shared::rest(),
    set_aside_on_sqlite = Shared::sqlite(),
);
