//! Backups and copies: a database and artifacts of different days, and two registries that were one.

use std::path::Path;

use hydra_registry::{Finding, ModelRegistry, Target};

use super::{Shared, diagnose, findings};
use crate::ledger::{aliases, assert_sound, ledger};
use crate::support::version;

fn copy(from: &Path, to: &Path) {
    std::fs::copy(from, to).expect("a copy");
}

/// The database of a local registry, restored from a backup, with the artifacts of today.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_restored_from_a_backup_goes_on() {
    let shared = Shared::sqlite();
    let database = shared.database_file();
    let before = shared.promoted().await;
    let backup = database.with_extension("backup");
    copy(&database, &backup);
    before.promote_to_champion(version(3)).await.expect("a promotion");
    before.quarantine(version(1), "leaked labels").await.expect("a quarantine");
    let model = before.model().to_string();
    drop(before);
    copy(&backup, &database);
    let restored = shared.open(&model).await;
    assert_eq!(aliases(&restored).await, (Some(2), Some(1)));
    // The tag of the quarantine was restored with the database, too.
    let found = diagnose(&restored).await;
    assert_eq!(found.iter().map(Finding::code).collect::<Vec<_>>(), ["unrecorded-decisions"]);
    assert!(found[0].to_string().contains("the quarantine of version 1"), "{}", found[0]);
    restored.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!(aliases(&restored).await, (Some(4), Some(2)));
    assert_eq!(findings(&restored).await, ["unrecorded-decisions"], "the quarantine is still missing");
    restored.quarantine(version(1), "leaked labels").await.expect("a quarantine");
    assert_eq!(assert_sound(&restored).await.len(), 5);
}

/// The same with more entries than one look reads.
#[tokio::test(flavor = "multi_thread")]
async fn a_quarantine_that_a_backup_lacks_is_found_in_a_long_ledger() {
    let shared = Shared::sqlite();
    let database = shared.database_file();
    let before = shared.promoted().await;
    for _ in 0..40 {
        before.nominate(version(3)).await.expect("a nomination");
        before.nominate(version(4)).await.expect("a nomination");
    }
    let backup = database.with_extension("backup");
    copy(&database, &backup);
    before.quarantine(version(5), "leaked labels").await.expect("a quarantine");
    let model = before.model().to_string();
    drop(before);
    copy(&backup, &database);
    let found = diagnose(&shared.open(&model).await).await;
    assert_eq!(found.iter().map(Finding::code).collect::<Vec<_>>(), ["unrecorded-decisions"]);
    assert!(found[0].to_string().contains("the quarantine of version 5"), "{}", found[0]);
}

/// The artifacts restored from a backup, with the database of today.
#[tokio::test(flavor = "multi_thread")]
async fn artifacts_restored_from_a_backup_are_completed() {
    let shared = Shared::sqlite();
    let registry = shared.promoted().await;
    let run = registry.backend().tracking.run(ledger(&registry).await.run_id()).await.expect("the run");
    let archive = Path::new(run.artifact_uri.trim_start_matches("file://"));
    for directory in ["decisions", "policies"] {
        std::fs::remove_dir_all(archive.join(directory)).expect("files of the archive");
    }
    let found = findings(&registry).await;
    assert!(!found.is_empty() && found.iter().all(|code| *code == "missing-artifact"), "{found:?}");
    registry.repair().await.expect("a repair");
    let left = findings(&registry).await;
    assert_eq!(left.len(), 2, "the policy is there again, the two inputs are lost: {left:?}");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    let newest = ledger(&registry).await.history(Some(1), None).await.expect("a history").remove(0).0;
    ledger(&registry).await.input(&newest).await.expect("what was decided upon");
    let policy = newest.entry.decided.expect("a decision").policy.sha256;
    ledger(&registry).await.component(policy).await.expect("the policy");
}

/// Two registries that were one, with one archive.
#[tokio::test(flavor = "multi_thread")]
async fn copied_registries_go_on_apart() {
    let shared = Shared::sqlite();
    let one = shared.promoted().await;
    let database = shared.database_file();
    let other_database = database.with_extension("copy.db");
    copy(&database, &other_database);
    let options = shared.backend.options(one.model().as_str());
    let options = options.with_tracking_uri(format!("sqlite:///{}", other_database.display()).as_str());
    let other = ModelRegistry::connect(options).await.expect("a registry");
    one.promote_to_champion(version(3)).await.expect("a promotion");
    assert_eq!(findings(&other).await, ["unrecorded-decisions"]);
    other.rollback(Target::PolicyChoice).await.expect("a rollback");
    one.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!((aliases(&one).await, aliases(&other).await), ((Some(4), Some(3)), (Some(1), Some(2))));
    assert_sound(&one).await;
    let verified = ledger(&other).await.verify(None).await.expect("a verification");
    assert!(verified.is_sound(), "{verified:?}");
}
