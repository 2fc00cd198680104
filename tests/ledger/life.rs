//! What happens to registries in use: renames, deletions, purges, backups, copies, other spellings, prompts. The next command
//! goes on or says exactly what to do, no history is given up, and `doctor` finds it beforehand.

mod backups;

use std::path::PathBuf;

use futures_util::TryStreamExt as _;
use hydra_lifecycle::ledger::entry::EntryKind;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use hydra_registry::{Candidate, ErrorKind, Finding, ModelRegistry, Target};

use super::{aliases, assert_sound, ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::python;
use crate::support::server::{NEWEST, Server};
use crate::support::version;

/// A backend that Python reaches too.
struct Shared {
    backend: Backend,
    uri: String,
    /// The database below, for `mlflow gc`.
    database: String,
}

impl Shared {
    fn rest() -> Self {
        let server = Server::shared(NEWEST);
        let database = format!("sqlite:///{}", server.home.join("mlflow.db").display());
        Self { backend: Backend::rest(), uri: server.url.clone(), database }
    }

    fn local(backend: Backend) -> Self {
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI").expose().to_owned();
        Self { backend, database: uri.clone(), uri }
    }

    fn sqlite() -> Self {
        Self::local(Backend::sqlite())
    }

    fn file() -> Self {
        Self::local(Backend::file())
    }

    /// The file of a local database.
    fn database_file(&self) -> PathBuf {
        PathBuf::from(self.uri.trim_start_matches("sqlite:///"))
    }

    fn ask(&self, args: &[&str]) -> serde_json::Value {
        let args: Vec<&str> = std::iter::once(self.uri.as_str()).chain(args.iter().copied()).collect();
        python::ask(NEWEST, "life.py", &args)
    }

    /// A model whose version 2 is the champion and whose version 1 is archived.
    async fn promoted(&self) -> ModelRegistry {
        let registry = registry(&self.backend, &fresh_name("life")).await;
        for number in [1, 2] {
            registry.promote_to_champion(version(number)).await.expect("a promotion");
        }
        registry
    }

    async fn open(&self, model: &str) -> ModelRegistry {
        ModelRegistry::connect(self.backend.options(model)).await.expect("a registry")
    }
}

async fn diagnose(registry: &ModelRegistry) -> Vec<Finding> {
    registry.diagnose().await.expect("a diagnosis")
}

/// What only `doctor` looks for, or looks for more places of.
const FURTHER: [&str; 8] = [
    "deleted-experiment",
    "deleted-run",
    "missing-artifact",
    "missing-standing",
    "renamed-ledger",
    "second-ledger",
    "unreadable-model",
    "unrecorded-decisions",
];

/// The codes of what `doctor` finds. `status` shows what stands, of the same.
async fn findings(registry: &ModelRegistry) -> Vec<&'static str> {
    let found: Vec<&str> = diagnose(registry).await.iter().map(Finding::code).collect();
    let seen = troubles(registry).await;
    assert!(seen.iter().all(|code| found.contains(code)), "{seen:?} of {found:?}");
    let missed = found.iter().find(|code| !FURTHER.contains(code) && !seen.contains(code));
    assert_eq!(missed, None, "{seen:?} of {found:?}");
    found
}

/// The codes of what `status` shows.
async fn troubles(registry: &ModelRegistry) -> Vec<&'static str> {
    let pattern = registry.model().as_str().parse().expect("a pattern");
    let status = registry.statuses(&pattern).await.expect("a status").remove(0);
    status.trouble.iter().map(Finding::code).collect()
}

macro_rules! on {
    ($case:ident: $($test:ident = $shared:expr),* $(,)?) => {$(
        #[tokio::test(flavor = "multi_thread")]
        async fn $test() {
            $case(&$shared).await;
        }
    )*};
}

mod renames;
mod unlinked;

async fn a_deleted_ledger_is_begun_again_by_doctor_only(shared: &Shared) {
    let registry = shared.promoted().await;
    let lost = ledger(&registry).await;
    shared.ask(&["delete-model", lost.name().as_str()]);
    assert_eq!(findings(&registry).await, ["lost-ledger"]);
    let error = registry.rollback(Target::PolicyChoice).await.expect_err("no ledger");
    assert_eq!(error.kind(), ErrorKind::LedgerGone, "{error}");
    let hint = error.hint().expect("a hint");
    assert!(hint.contains("doctor --fix") && !hint.contains("delete"), "{hint}");
    registry.repair().await.expect("a repair");
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
    let history = assert_sound(&registry).await;
    assert!(history[0].0.entry.explanation.contains(lost.id()), "{}", history[0].0.entry.explanation);
}
on!(
    a_deleted_ledger_is_begun_again_by_doctor_only: deleted_ledger_on_rest = Shared::rest(),
    deleted_ledger_on_sqlite = Shared::sqlite(),
    deleted_ledger_on_file = Shared::file(),
);

async fn a_deleted_archive_is_found_and_goes_on(shared: &Shared) {
    let registry = shared.promoted().await;
    let run = ledger(&registry).await.run_id().clone();
    shared.ask(&["delete-run", run.as_str()]);
    let found = diagnose(&registry).await;
    let [deleted] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        (deleted.code(), &troubles(&registry).await[..]),
        ("deleted-archive", &["deleted-archive"][..])
    );
    assert!(
        deleted.remedy().contains(&format!("mlflow runs restore --run-id {run}")),
        "{}",
        deleted.remedy()
    );
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    shared.ask(&["restore-run", run.as_str()]);
    assert_eq!(assert_sound(&registry).await.len(), 4);
}
on!(
    a_deleted_archive_is_found_and_goes_on: deleted_run_on_rest = Shared::rest(),
    deleted_run_on_sqlite = Shared::sqlite(),
    deleted_run_on_file = Shared::file(),
);

async fn a_purged_archive_is_begun_again_by_doctor_only(shared: &Shared) {
    let registry = shared.promoted().await;
    let purged = ledger(&registry).await.run_id().clone();
    shared.ask(&["purge-run", purged.as_str(), &shared.database]);
    assert_eq!(findings(&registry).await, ["lost-archive"]);
    // A wrong tracking URI looks the same, so that nothing is begun without being asked for.
    let error = registry.rollback(Target::PolicyChoice).await.expect_err("no archive");
    assert_eq!(error.kind(), ErrorKind::ArchiveGone, "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("doctor --fix")), "{error:?}");
    assert_eq!(aliases(&registry).await, (Some(2), Some(1)), "nothing moved");
    registry.repair().await.expect("a repair");
    registry.rollback(Target::PolicyChoice).await.expect("an emergency rollback");
    assert_eq!(aliases(&registry).await, (Some(1), Some(2)));
    let ledger = ledger(&registry).await;
    assert_ne!(*ledger.run_id(), purged);
    let history = ledger.history(None, None).await.expect("a history");
    let kinds: Vec<EntryKind> = history.iter().rev().map(|(record, _)| record.entry.operation).collect();
    assert_eq!(
        kinds,
        [EntryKind::Genesis, EntryKind::Promote, EntryKind::Promote, EntryKind::Archive, EntryKind::Rollback]
    );
    // What was decided since then can be verified; what was purged is named.
    let newest = &history[0].0;
    ledger.input(newest).await.expect("what was decided upon");
    ledger
        .component(newest.entry.decided.as_ref().expect("a decision").policy.sha256)
        .await
        .expect("the policy");
    // What was lost is on record in the entry of the new archive, so that only a verification names it.
    assert_eq!(findings(&registry).await, [] as [&str; 0]);
    let replay = PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine"));
    let verified = ledger.verify(Some(&replay)).await.expect("a verification");
    let flawed: Vec<u64> = verified.flaws.iter().map(|flaw| flaw.entry).collect();
    assert_eq!(flawed, [3, 2], "{:?}", verified.flaws);
    registry.repair().await.expect("another repair begins no other archive");
    assert_eq!(super::ledger(&registry).await.run_id(), ledger.run_id());
}
on!(
    a_purged_archive_is_begun_again_by_doctor_only: purged_run_on_rest = Shared::rest(),
    purged_run_on_sqlite = Shared::sqlite(),
    purged_run_on_file = Shared::file(),
);

async fn a_deleted_experiment_is_found_and_goes_on(shared: &Shared) {
    let registry = shared.promoted().await;
    let tracking = &registry.backend().tracking;
    let run = tracking.run(ledger(&registry).await.run_id()).await.expect("the ledger's run");
    shared.ask(&["delete-experiment", run.experiment_id.as_str()]);
    assert_eq!(findings(&registry).await, ["deleted-archive", "deleted-experiment"]);
    registry.rollback(Target::PolicyChoice).await.expect("a rollback");
    let model =
        concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/models/regression/booster/model.lgb");
    let error =
        registry.log(Candidate::from_file(model).metric("auc", 0.9)).await.expect_err("a deleted experiment");
    assert_eq!(error.kind(), ErrorKind::InvalidState);
    shared.ask(&["restore-experiment", run.experiment_id.as_str()]);
    assert_eq!(assert_sound(&registry).await.len(), 4);
}
on!(
    a_deleted_experiment_is_found_and_goes_on: deleted_experiment_on_rest = Shared::rest(),
    deleted_experiment_on_sqlite = Shared::sqlite(),
    deleted_experiment_on_file = Shared::file(),
);

async fn deleted_versions_are_found_and_go_on(shared: &Shared) {
    let registry = shared.promoted().await;
    for number in ["1", "2"] {
        shared.ask(&["delete-version", registry.model().as_str(), number]);
    }
    let found = findings(&registry).await;
    assert!(found.contains(&"deleted-champion"), "{found:?}");
    assert_eq!(troubles(&registry).await, ["deleted-champion"], "as doctor says");
    let refused = registry.rollback(Target::PolicyChoice).await.expect("an answer").into_result();
    assert_eq!(refused.expect_err("nothing to go back to").kind(), ErrorKind::NoArchived);
    registry.promote_to_champion(version(3)).await.expect("a promotion");
    assert_eq!(aliases(&registry).await, (Some(3), None));
    assert_sound(&registry).await;
}
on!(
    deleted_versions_are_found_and_go_on: deleted_versions_on_rest = Shared::rest(),
    deleted_versions_on_sqlite = Shared::sqlite(),
    deleted_versions_on_file = Shared::file(),
);

async fn an_alias_in_another_spelling_is_found(shared: &Shared) {
    let registry = registry(&shared.backend, &fresh_name("life")).await;
    python::ask(NEWEST, "move_alias.py", &[&shared.uri, registry.model().as_str(), "Champion", "4"]);
    assert_eq!(findings(&registry).await, ["alias-spelling"]);
    let error = registry.champion_info().await.expect_err("no champion");
    assert_eq!(error.kind(), ErrorKind::NoChampion);
    assert!(
        error.hint().is_some_and(|hint| hint.contains("`Champion`") && hint.contains("promote 4")),
        "{error:?}"
    );
    registry.promote_to_champion(version(4)).await.expect("a promotion");
    assert_eq!(aliases(&registry).await, (Some(4), None));
    python::ask(NEWEST, "move_alias.py", &[&shared.uri, registry.model().as_str(), "Champion", "none"]);
    assert_sound(&registry).await;
}
on!(
    an_alias_in_another_spelling_is_found: spelling_on_rest = Shared::rest(),
    spelling_on_sqlite = Shared::sqlite(),
    spelling_on_file = Shared::file(),
);

async fn a_prompt_is_not_a_model(shared: &Shared) {
    let name = fresh_name("prompt");
    shared.ask(&["register-prompt", &name]);
    let error = ModelRegistry::connect_or_create(shared.backend.options(&name)).await.expect_err("a prompt");
    assert_eq!(error.kind(), ErrorKind::IsPrompt, "{error}");
    let registry = shared.open(&name).await;
    let refused = [
        registry.promote_to_champion(version(1)).await.map(drop),
        registry.rollback(Target::PolicyChoice).dry_run().await.map(drop),
        registry.champion_info().await.map(drop),
        futures_util::TryStreamExt::try_collect::<Vec<_>>(registry.list_versions()).await.map(drop),
        registry.diagnose().await.map(drop),
    ];
    for refused in refused {
        assert_eq!(refused.expect_err("a prompt").kind(), ErrorKind::IsPrompt);
    }
    // Nor is one that has the name of a ledger.
    let model = fresh_name("life");
    shared.ask(&["register-prompt", &format!("{model}_ledger")]);
    let registry = super::registry(&shared.backend, &model).await;
    registry.promote_to_champion(version(1)).await.expect("a promotion");
    assert_eq!(ledger(&registry).await.name().as_str(), format!("{model}_ledger_2"));
    assert_sound(&registry).await;
    // A ledger is not a model either.
    let of_ledger = shared.open(&format!("{model}_ledger_2")).await;
    for refused in [of_ledger.champion_info().await.err(), of_ledger.list_versions().try_next().await.err()] {
        assert_eq!(refused.map(|error| error.kind()), Some(ErrorKind::LedgerIdentity));
    }
}
on!(
    a_prompt_is_not_a_model: prompt_on_rest = Shared::rest(),
    prompt_on_sqlite = Shared::sqlite(),
    prompt_on_file = Shared::file(),
);

/// MLflow's pages show what the ledger's model and run are.
async fn the_ledger_says_what_it_is(shared: &Shared) {
    let registry = shared.promoted().await;
    let ledger = ledger(&registry).await;
    let shown = shared.ask(&["run-note", ledger.run_id().as_str()]);
    assert_eq!(shown["name"], format!("lifecycle ledger of {}", registry.model()));
    let note = shown["note"].as_str().expect("a note");
    assert!(note.contains(registry.model().as_str()) && note.contains("Do not delete"), "{note}");
    let registered = registry.backend().registry.registered_model(ledger.name()).await.expect("the ledger");
    assert!(registered.description.contains("do not edit"), "{}", registered.description);
}
on!(the_ledger_says_what_it_is: marked_on_rest = Shared::rest(), marked_on_sqlite = Shared::sqlite());
