//! The commands that hints and remedies name, typed into a shell as they stand.

use std::path::Path;
use std::process::Command;

use hydra_lifecycle::ledger::POLICY_TAG;
use hydra_registry::{Alias, ModelRegistry};
use serde_json::Value;

use crate::ledger::activation::component;
use crate::ledger::{ledger, registry};
use crate::support::backends::{Backend, Uploaded, fresh_name, sound_files};
use crate::support::binary::{Outcome, Project};
use crate::support::server::{NEWEST, Server};
use crate::support::{python, version};

/// A model with a champion 2, an archived version 1, and the sound version 6, whose files are its own.
struct Scene {
    backend: Backend,
    uri: String,
    project: Project,
    registry: ModelRegistry,
    own: Uploaded,
}

/// The hint of a refusal of that kind.
fn hint_of(refused: &Outcome, kind: &str) -> String {
    assert!(refused.code != 0 && refused.err.contains(&format!("\"{kind}\"")), "{kind}: {}", refused.err);
    let line = refused.err.lines().find(|line| line.contains("hydra-registry/error/1"));
    let error: Value = serde_json::from_str(line.unwrap_or(&refused.err)).expect("an error");
    let hint = error["hint"].as_str().unwrap_or_else(|| panic!("{kind} without a hint: {error}"));
    hint.to_owned()
}

impl Scene {
    async fn new(is_server: bool) -> Self {
        let backend = if is_server { Backend::rest() } else { Backend::sqlite() };
        let uri = if is_server {
            Server::shared(NEWEST).url.clone()
        } else {
            backend.options("m").resolved_tracking_uri().expect("a URI").expose().to_owned()
        };
        let registry = registry(&backend, &fresh_name("a hint")).await;
        for number in [1, 2] {
            registry.promote(version(number)).await.expect("a promotion");
        }
        let own = backend.upload(registry.backend(), &sound_files()).await;
        let new = own.version_of(registry.model());
        registry.backend().registry.create_model_version(&new).await.expect("a version");
        // The configuration names another model, so that each command has to name this one.
        let project = Project::new(None, "another");
        component(project.path(), "default");
        component(project.path(), "well_behaved");
        Self { backend, uri, project, registry, own }
    }

    fn model(&self) -> &str {
        self.registry.model().as_str()
    }

    fn ask(&self, args: &[&str]) {
        let args: Vec<&str> = std::iter::once(self.uri.as_str()).chain(args.iter().copied()).collect();
        python::ask(NEWEST, "life.py", &args);
    }

    /// Runs a command on the model that its options name.
    fn run(&self, args: &[&str]) -> Outcome {
        self.run_on(self.model(), args)
    }

    fn run_on(&self, model: &str, args: &[&str]) -> Outcome {
        let place = ["--output", "json", "--tracking-uri", self.uri.as_str(), "--model", model];
        self.project.run([&place[..], args].concat())
    }

    fn promoted(&self, numbers: &[&str]) {
        for number in numbers {
            let outcome = self.run(&["promote", *number]);
            assert_eq!(outcome.code, 0, "{}", outcome.err);
        }
    }

    fn lose_files(&self) {
        std::fs::remove_file(self.own.disk.join("model.lgb")).expect("removed");
    }

    /// Types a line as a person does, with what stands for something of theirs filled in.
    fn type_in(&self, line: &str) -> Outcome {
        let filled = line
            .replace("VERSION", "1")
            .replace("REASON", "'a reason'")
            .replace("FILE…", "well_behaved.wasm");
        let binary = Path::new(env!("CARGO_BIN_EXE_hydra-registry")).parent().expect("a directory");
        let mut shell = Command::new("sh");
        shell.arg("-c").arg(&filled).current_dir(self.project.path()).env_clear();
        shell.env("PATH", format!("{}:/usr/bin:/bin", binary.display()));
        shell.env("HYDRA_CACHE_DIR", env!("CARGO_TARGET_TMPDIR")).env("HYDRA_ACTOR", "tester");
        shell.output().expect("a shell").into()
    }

    /// Types every command of the hint, one after the other; returns them.
    fn follow(&self, refused: &Outcome, kind: &str) -> Vec<String> {
        let hint = hint_of(refused, kind);
        let commands = commands_in(&hint);
        assert!(!commands.is_empty(), "{kind}: {hint}");
        for command in &commands {
            assert!(command.contains("--model "), "`{command}` is about no model: {hint}");
            let typed = self.type_in(command);
            // `doctor` finds what it is asked for, and a policy may reject.
            let fine: &[i32] = if command.contains(" doctor") { &[0, 1] } else { &[0] };
            assert!(
                fine.contains(&typed.code),
                "{kind}: `{command}` ended with {}: {}",
                typed.code,
                typed.err
            );
        }
        commands
    }
}

/// The parts of a text in backticks that are commands. Each other part must not look like one.
fn commands_in(text: &str) -> Vec<String> {
    let quoted: Vec<&str> = text.split('`').skip(1).step_by(2).collect();
    for part in &quoted {
        let verbs = ["promote", "rollback", "doctor", "history", "policy", "release", "list", "approve"];
        assert!(!verbs.iter().any(|verb| part.starts_with(verb)), "`{part}` cannot be typed: {text}");
    }
    quoted.into_iter().filter(|part| part.starts_with("hydra-registry ")).map(str::to_owned).collect()
}

async fn of_models_and_quarantines(is_server: bool) {
    let scene = Scene::new(is_server).await;
    scene.lose_files();
    let typed = scene.follow(&scene.run(&["promote", "6"]), "Unloadable");
    assert!(typed[0].ends_with("promote 6 --allow-unloadable"), "{typed:?}");

    let scene = Scene::new(is_server).await;
    scene.promoted(&["6", "3"]);
    scene.lose_files();
    let typed = scene.follow(&scene.run(&["rollback"]), "Unloadable");
    assert!(typed.len() == 2 && typed[0].ends_with("rollback --to 2"), "{typed:?}");
    hint_of(&scene.run(&["approve", "6"]), "Unloadable");

    let scene = Scene::new(is_server).await;
    for refused in [&["promote", "3"], &["nominate", "3"]] {
        assert_eq!(scene.run(&["quarantine", "3", "--reason", "a leak"]).code, 0);
        let typed = scene.follow(&scene.run(refused), "Quarantined");
        assert!(typed[0].ends_with("release 3"), "{typed:?}");
    }
    scene.follow(&scene.run(&["release", "3"]), "NotQuarantined");
    scene.follow(&scene.run(&["rollback", "--to", "5"]), "NeverChampion");
    scene.follow(&scene.run(&["promote"]), "NoCandidate");
    scene.promoted(&["3"]);
    assert_eq!(scene.run(&["quarantine", "2", "--reason", "a leak"]).code, 0);
    let typed = scene.follow(&scene.run(&["rollback"]), "Quarantined");
    assert!(typed[0].ends_with("rollback --to 1"), "{typed:?}");
    let head = scene.run(&["history", "export", "--head"]).out;
    let head: Value = serde_json::from_str(&head).expect("a head");
    let head = head["head"].as_str().expect("a head");
    scene.promoted(&["4"]);
    scene.follow(&scene.run(&["promote", "5", "--expect-head", head]), "HeadMoved");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_models_and_quarantines_on_sqlite() {
    of_models_and_quarantines(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_models_and_quarantines_on_rest() {
    of_models_and_quarantines(true).await;
}

async fn of_the_life_of_a_registry(is_server: bool) {
    // Aliases that were moved by hand.
    let scene = Scene::new(is_server).await;
    let stores = &scene.registry.backend().registry;
    stores.set_alias(scene.registry.model(), &Alias::CHAMPION, version(4)).await.expect("a move");
    let place = format!("--tracking-uri '{}' --model '{}'", scene.uri, scene.model());
    let found = scene.type_in(&format!("hydra-registry {place} doctor")).out;
    let remedy = found.lines().find(|line| line.trim_start().starts_with("remedy:")).expect("a remedy");
    let commands = commands_in(remedy);
    assert!(found.contains("drift"), "{found}");
    assert_eq!(scene.type_in(&commands[0]).code, 0, "{commands:?}");

    // A renamed model, and its ledger taken for a model.
    let scene = Scene::new(is_server).await;
    let (old, new) = (scene.model().to_owned(), fresh_name("renamed, too"));
    let own = ledger(&scene.registry).await.name().to_string();
    let hint = hint_of(&scene.run_on(&own, &["promote", "3"]), "LedgerIdentity");
    let option = hint.split('`').nth(1).expect("an option");
    let typed = scene.type_in(&format!("hydra-registry --tracking-uri '{}' {option} history", scene.uri));
    assert_eq!(typed.code, 0, "{}", typed.err);
    scene.ask(&["rename-model", &old, &new]);
    let hint = hint_of(&scene.run(&["promote", "3"]), "ModelNotFound");
    let option = hint.split('`').nth(1).expect("an option");
    let typed = scene.type_in(&format!("hydra-registry --tracking-uri '{}' {option} promote 3", scene.uri));
    assert_eq!(typed.code, 0, "{}", typed.err);

    // The archive was purged.
    let scene = Scene::new(is_server).await;
    let run = ledger(&scene.registry).await.run_id().to_string();
    let database = if is_server {
        format!("sqlite:///{}", Server::shared(NEWEST).home.join("mlflow.db").display())
    } else {
        scene.uri.clone()
    };
    scene.ask(&["purge-run", &run, &database]);
    scene.follow(&scene.run(&["rollback"]), "ArchiveGone");
    assert_eq!(scene.run(&["rollback"]).code, 0);

    // The ledger was deleted.
    let scene = Scene::new(is_server).await;
    scene.ask(&["delete-model", ledger(&scene.registry).await.name().as_str()]);
    scene.follow(&scene.run(&["rollback"]), "LedgerGone");
    assert_eq!(scene.run(&["rollback"]).code, 0);

    // An entry was deleted.
    let scene = Scene::new(is_server).await;
    scene.promoted(&["3", "4"]);
    let own = ledger(&scene.registry).await.name().clone();
    scene.registry.backend().registry.delete_model_version(&own, version(4)).await.expect("a deletion");
    scene.follow(&scene.run(&["rollback"]), "LedgerBroken");
    assert_eq!(scene.run(&["rollback"]).code, 0);

    // `archived` was moved by hand, and no version was champion before.
    let scene = Scene::new(is_server).await;
    let fresh = registry(&scene.backend, &fresh_name("hint")).await;
    fresh.promote(version(1)).await.expect("a promotion");
    let stores = &fresh.backend().registry;
    stores.set_alias(fresh.model(), &Alias::ARCHIVED, version(3)).await.expect("a move");
    scene.follow(&scene.run_on(fresh.model().as_str(), &["rollback"]), "NoArchived");
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_life_of_a_registry_on_sqlite() {
    Box::pin(of_the_life_of_a_registry(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_the_life_of_a_registry_on_rest() {
    Box::pin(of_the_life_of_a_registry(true)).await;
}

async fn of_active_policies(is_server: bool) {
    let scene = Scene::new(is_server).await;
    assert_eq!(scene.run(&["policy", "activate", "default.wasm"]).code, 0);
    let active = || -> Value {
        let report: Value = serde_json::from_str(&scene.run(&["policy", "active"]).out).expect("a report");
        report["policy"].clone()
    };
    let before = active();
    // The command that makes the configured policy active.
    let refused = scene.run(&["promote", "3", "--policy", "well_behaved.wasm"]);
    let typed = scene.follow(&refused, "InactivePolicy");
    assert!(typed[0].contains("--policy well_behaved.wasm"), "{typed:?}");
    assert_ne!(active(), before);
    // A change that asks for approvals.
    let asks = ["policy", "activate", "default.wasm", "--activation-approvals", "1"];
    assert_eq!(scene.run(&asks).code, 0);
    for refused in [&["policy", "deactivate"][..], &["policy", "activate", "well_behaved.wasm"]] {
        scene.follow(&scene.run(refused), "ActivationApprovals");
    }

    // A tag without an activation.
    let scene = Scene::new(is_server).await;
    let stores = &scene.registry.backend().registry;
    let value = format!("{} 0 2026-01-01T00:00:00.000Z ann: for all", "ab".repeat(32));
    let tag = hydra_base::testing::key(POLICY_TAG);
    stores.set_registered_model_tag(scene.registry.model(), &tag, &value).await.expect("a tag");
    let refused = scene.run(&["promote", "3", "--policy", "default.wasm"]);
    scene.follow(&refused, "ActivationLost");
    assert_eq!(scene.run(&["promote", "3"]).code, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_active_policies_on_sqlite() {
    of_active_policies(false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_active_policies_on_rest() {
    of_active_policies(true).await;
}

/// The most approvals of a version: the promotion that the hint names uses them.
#[tokio::test(flavor = "multi_thread")]
async fn of_too_many_approvals() {
    let scene = Scene::new(false).await;
    for number in 0..64 {
        let actor = format!("reviewer {number}");
        let options = scene.backend.options(scene.model()).with_actor(actor);
        let reviewer = ModelRegistry::connect(options).await.expect("a registry");
        reviewer.approve(version(3)).await.expect("an approval");
    }
    let typed = scene.follow(&scene.run(&["approve", "3"]), "TooManyApprovals");
    assert!(typed[0].ends_with("promote 3"), "{typed:?}");
    assert_eq!(scene.run(&["approve", "3"]).code, 0);
}
