//! An entry that a newer release wrote: this release neither reads on past it, nor writes, nor bridges it.

use futures_util::TryStreamExt as _;
use hydra_base::names::{Alias, Version};
use hydra_lifecycle::evidence::Target;
use hydra_lifecycle::ledger::chain::ENTRY_TAG;
use hydra_lifecycle::ledger::doctor::LedgerFinding;
use hydra_lifecycle::ledger::history::Step;
use hydra_lifecycle::ledger::ledger_name;
use hydra_lifecycle::ledger::verify::Flaw;
use hydra_mlflow::entities::{NewModelVersion, Tags};
use hydra_registry::{Error, ErrorKind, ModelRegistry};
use serde_json::{Value, json};

use super::commands::lines;
use super::{aliases, assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::Project;
use crate::support::version;

/// A model whose champion is 2 by the entries that this release wrote, and 3 by entry 4, of schema 3.
async fn with_a_newer_entry(backend: &Backend, model: &str) -> ModelRegistry {
    let registry = registry(backend, model).await;
    for number in [1, 2] {
        registry.promote_to_champion(version(number)).await.expect("a promotion");
    }
    // The store's clock counts milliseconds.
    tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    let store = &registry.backend().registry;
    let name = ledger_name(registry.model()).expect("a name");
    let newest = store.model_version(&name, version(3)).await.expect("the newest entry");
    let text = newest.tags[ENTRY_TAG].replace(r#""schema":2"#, r#""schema":3,"seal":[]"#);
    let newer = NewModelVersion::new(name, newest.source).tags(Tags::from([(ENTRY_TAG.to_owned(), text)]));
    assert_eq!(store.create_model_version(&newer).await.expect("an entry").version, version(4));
    store.set_alias(registry.model(), &Alias::CHAMPION, version(3)).await.expect("a move");
    registry
}

/// The entry names this release as its author, which is what a newer one would do with its own.
const NEEDED: &str = concat!("hydra-registry ", env!("CARGO_PKG_VERSION"), " or newer is needed");

fn assert_newer(error: &Error) {
    assert_eq!(error.kind(), ErrorKind::LedgerNewer, "{error:?}");
    for part in ["entry 4", "schema 3", NEEDED] {
        assert!(error.message().contains(part), "{error:?}");
    }
    assert!(error.hint().is_some_and(|hint| hint.contains("upgrade")), "{error:?}");
}

async fn is_left_alone(backend: &Backend) {
    let registry = with_a_newer_entry(backend, &fresh_name("newer")).await;
    let store = &registry.backend().registry;
    let name = ledger_name(registry.model()).expect("a name");
    let newer = store.model_version(&name, version(4)).await.expect("the newer entry");

    assert_newer(&registry.promote_to_champion(version(4)).await.expect_err("a promotion"));
    assert_newer(&registry.rollback(Target::PolicyChoice).await.expect_err("a rollback"));
    assert_newer(&registry.promote(version(4)).dry_run().await.expect_err("a dry run"));

    let readable = ledger(&registry).await;
    assert_newer(&readable.history(None, None).await.expect_err("a history"));
    assert_newer(&readable.history(Some(1), None).await.expect_err("a history"));
    let later = readable.history(None, Some(newer.created_at + 1)).await.expect("nothing is newer");
    assert_eq!(later, []);
    assert_newer(&readable.was_champion(version(1)).await.expect_err("the past"));
    assert_newer(&readable.as_of(newer.created_at).await.expect_err("the champion"));
    let (record, state) = readable.as_of(newer.created_at - 1).await.expect("an answer").expect("a champion");
    assert_eq!((record.number, state.get(&Alias::CHAMPION)), (3, Some(version(2))));
    let steps: Vec<Step> = readable.read(None).try_collect().await.expect("every number");
    assert!(matches!(steps[0], Step::Newer { number: 4, bridged: false, .. }), "{steps:?}");
    assert_eq!(steps.iter().filter(|step| matches!(step, Step::Valid { .. })).count(), 3);

    // Aliases that the newer entry explains are not a finding: this release cannot know.
    let findings = readable.diagnose().await.expect("findings");
    let release = Some(env!("CARGO_PKG_VERSION").to_owned());
    assert_eq!(findings, [LedgerFinding::Newer { entry: 4, schema: 3, release }]);
    let verified = readable.verify(None).await.expect("a verification");
    let [Flaw { entry: 4, what }] = &verified.flaws[..] else { panic!("{verified:?}") };
    assert!(what.starts_with("its schema 3 is newer than this program"), "{what}");

    registry.repair().await.expect("nothing that this release repairs");
    let writer = registry.ledger().await.expect("a ledger");
    assert_newer(&writer.repair().await.expect_err("a repair"));
    let entries = store.model_versions(&name, None, 10, None).await.expect("the entries").items;
    let numbers: Vec<Version> = entries.iter().map(|entry| entry.version).collect();
    assert_eq!(numbers, [4, 3, 2, 1].map(version), "nothing was appended");
    assert_eq!(entries[0], newer, "and nothing marked");
    assert_eq!(aliases(&registry).await, (Some(3), Some(1)));

    // If it is deleted, its number is damage as any other missing number, and a checkpoint bridges it.
    store.delete_model_version(&name, version(4)).await.expect("a deletion");
    let gap = registry.promote_to_champion(version(4)).await.expect_err("the gap shows");
    assert_eq!(gap.kind(), ErrorKind::LedgerBroken);
    registry.repair().await.expect("a checkpoint");
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!(aliases(&registry).await, (Some(4), Some(3)));
    assert_sound(&registry).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_entry_is_left_alone_in_memory() {
    Box::pin(is_left_alone(&Backend::memory())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_entry_is_left_alone_in_a_database() {
    Box::pin(is_left_alone(&Backend::sqlite())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_entry_is_left_alone_in_a_file_store() {
    Box::pin(is_left_alone(&Backend::file())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_entry_is_left_alone_on_rest() {
    Box::pin(is_left_alone(&Backend::rest())).await;
}

/// Through the binary: each command that reads entries reports it.
#[tokio::test(flavor = "multi_thread")]
async fn commands_say_that_a_newer_release_is_needed() {
    for backend in [Backend::sqlite(), Backend::file()] {
        let model = fresh_name("newer");
        with_a_newer_entry(&backend, &model).await;
        let uri = backend.options(&model).resolved_tracking_uri().expect("a URI");
        let project = Project::new(Some(uri.expose()), &model);
        let gate = crate::support::example_policy("metric-gate");
        for command in [
            &["history"][..],
            &["champion", "--as-of", "2999-01-01"],
            &["promote", "4"],
            &["promote", "4", "--dry-run"],
            &["rollback"],
            &["rollback", "--to", "1"],
            &["policy", "backtest", &gate, "--set", "metric=auc"],
        ] {
            let refused = project.run([&["--output", "json"], command].concat());
            assert_eq!((refused.code, refused.out.as_str()), (2, ""), "{command:?}: {}", refused.err);
            for part in ["\"LedgerNewer\"", "schema 3", NEEDED] {
                assert!(refused.err.contains(part), "{command:?}: {}", refused.err);
            }
        }
        let exported = lines(&project, &["history", "export"]);
        let states: Vec<&Value> = exported.iter().map(|line| &line["state"]).collect();
        assert_eq!(json!(states), json!(["newer", "done", "done", "done"]));
        assert!(exported[0]["created_at"].is_string() && exported[0]["entry"].is_null(), "{}", exported[0]);
        let verified = project.run(["history", "verify"]);
        assert!(verified.code == 1 && verified.out.contains("schema 3"), "{}", verified.out);
        for doctor in [&["doctor"][..], &["doctor", "--fix"]] {
            let found = project.run(doctor);
            assert_eq!(found.code, 1, "{}", found.err);
            assert!(found.out.contains("newer-entry: entry 4 has schema 3"), "{}", found.out);
            assert!(!found.out.contains("repaired"), "{}", found.out);
        }
        assert_eq!(project.json(["champion"])["version"], 3, "aliases are not the ledger's to hide");
        assert_eq!(lines(&project, &["history", "export"]), exported);
    }
}
