//! What `history verify` compares: the archive with the entries, an earlier export with the ledger. And decisions that expect a
//! head.

use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use hydra_base::names::Version;
use hydra_base::testing::key;
use hydra_lifecycle::recording::PolicyReplay;
use hydra_policy::{EngineOptions, PolicyEngine};
use hydra_registry::ModelRegistry;
use serde_json::Value;

use super::{ledger, registry};
use crate::support::backends::{Backend, fresh_name};
use crate::support::binary::{Outcome, Project};
use crate::support::version;

async fn flaws(registry: &ModelRegistry) -> Vec<(u64, String)> {
    static REPLAY: LazyLock<PolicyReplay> =
        LazyLock::new(|| PolicyReplay::new(PolicyEngine::new(&EngineOptions::default()).expect("an engine")));
    let verified = ledger(registry).await.verify(Some(&*REPLAY)).await.expect("a verification");
    verified.flaws.into_iter().map(|flaw| (flaw.entry, flaw.what)).collect()
}

/// Every field of the newest entry that the archive holds as well.
async fn an_edit_of_the_newest_entry_is_found(backend: Backend) {
    let registry = registry(&backend, &fresh_name("edited")).await;
    for number in [1, 2] {
        registry.promote(version(number)).reason("a weekly retrain").await.expect("a promotion");
    }
    let transition = registry.rollback(version(1)).reason("latency alarm").await.expect("a rollback");
    let number = transition.sequence.expect("an entry");
    assert_eq!(flaws(&registry).await, []);
    let ledger = ledger(&registry).await;
    let store = &registry.backend().registry;
    let entry_version = Version::new(number).expect("a number");
    let stored = store.model_version(ledger.name(), entry_version).await.expect("the entry");
    let text = stored.tags["hydra.entry"].clone();
    let entry: Value = serde_json::from_str(&text).expect("an entry");
    let at: i64 = entry["at"].as_str().expect("a time").parse().expect("a number");
    let changed_sha256 = |sha256: &Value| {
        let mut sha256 = sha256.as_str().expect("a digest").to_owned();
        let other = if sha256.starts_with('0') { "1" } else { "0" };
        sha256.replace_range(0..1, other);
        sha256
    };
    let edits: Vec<(&str, Value)> = vec![
        ("/actor", "mallory".into()),
        ("/reason", "nothing was wrong".into()),
        ("/reason", Value::Null),
        ("/target", "2".into()),
        ("/operation", "promote".into()),
        ("/at", (at + 60_000).to_string().into()),
        ("/user", "ann".into()),
        ("/clock_ms", "86400000".into()),
        ("/overrides", serde_json::json!(["unloadable-model"])),
        ("/quarantines", serde_json::json!(["2"])),
        ("/before/archived", "3".into()),
        ("/after/archived", "3".into()),
        ("/explanation", "because".into()),
        ("/side", serde_json::json!({"candidate": {"from": null, "to": "3"}})),
        ("/before/zz", "1".into()),
        ("/decided/verdict", "hold".into()),
        ("/decided/policy/name", "four-eyes".into()),
        ("/decided/policy/version", "9.9.9".into()),
        ("/decided/usage/memory-bytes", "1".into()),
        ("/decided/usage/fuel", "1".into()),
        ("/decided/model_sha256", Value::Null),
        ("/decided/evidence_sha256", changed_sha256(&entry["decided"]["evidence_sha256"]).into()),
        ("/decided/model_sha256", changed_sha256(&entry["decided"]["model_sha256"]).into()),
        ("/decided/input_sha256", changed_sha256(&entry["decided"]["input_sha256"]).into()),
        ("/decided/evaluations", serde_json::json!([{"dataset": "holdout", "first_hand": true}])),
    ];
    for (path, value) in edits {
        let mut edited = entry.clone();
        let (parent, name) = path.rsplit_once('/').expect("a path");
        let object = edited.pointer_mut(parent).and_then(Value::as_object_mut).expect("an object");
        match &value {
            Value::Null => drop(object.remove(name)),
            value => drop(object.insert(name.to_owned(), value.clone())),
        }
        // Sorted keys and no white space: the canonical form.
        let edited = edited.to_string();
        store
            .set_version_tag(ledger.name(), entry_version, &key("hydra.entry"), &edited)
            .await
            .expect("an edit");
        let found = flaws(&registry).await;
        assert!(found.iter().any(|(entry, _)| *entry == number), "{path} = {value}: {found:?}");
    }
    store.set_version_tag(ledger.name(), entry_version, &key("hydra.entry"), &text).await.expect("an edit");
    assert_eq!(flaws(&registry).await, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_newest_entry_is_found_on_rest() {
    an_edit_of_the_newest_entry_is_found(Backend::rest()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edit_of_the_newest_entry_is_found_on_local_stores() {
    for backend in [Backend::sqlite(), Backend::file(), Backend::memory()] {
        an_edit_of_the_newest_entry_is_found(backend).await;
    }
}

/// A model with five promotions in a database of its own, which a test may damage.
struct Damageable {
    backend: Backend,
    model: String,
    project: Project,
}

impl Damageable {
    async fn new() -> Self {
        let backend = Backend::sqlite();
        let model = fresh_name("witness");
        let registry = registry(&backend, &model).await;
        for number in 1..=5 {
            registry.promote_to_champion(version(number)).await.expect("a promotion");
        }
        let uri = backend.options("m").resolved_tracking_uri().expect("a URI");
        let project = Project::new(Some(uri.expose()), &model);
        Self { backend, model, project }
    }

    async fn open(&self) -> ModelRegistry {
        ModelRegistry::connect(self.backend.options(&self.model)).await.expect("a registry")
    }

    fn database(&self) -> PathBuf {
        let uri = self.backend.options("m").resolved_tracking_uri().expect("a URI");
        PathBuf::from(uri.expose().trim_start_matches("sqlite:///"))
    }
}

fn verify(project: &Project, against: &str) -> (i32, Vec<String>) {
    let file = project.file("witness", against);
    let Outcome { code, out, err } =
        project.run(["--output", "json", "history", "verify", "--against", &file.display().to_string()]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {err}"));
    let flaws = report["flaws"].as_array().expect("flaws").iter();
    (code, flaws.map(|flaw| flaw["what"].as_str().expect("a text").to_owned()).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_witness_finds_what_the_ledger_does_not_show() {
    let place = Damageable::new().await;
    let project = &place.project;
    let export = project.run(["history", "export"]).out;
    let head = project.run(["history", "export", "--head"]).out;
    assert_eq!(head.lines().count(), 1, "{head}");
    // What was added since is no contradiction.
    project.json(["rollback"]);
    for witness in [&export, &head] {
        assert_eq!(verify(project, witness), (0, Vec::new()));
    }
    // The entries of another time: a backup was restored, and other decisions followed.
    let database = place.database();
    let backup = std::fs::read(&database).expect("the database");
    project.json(["promote", "2"]);
    let later = project.run(["history", "export"]).out;
    let later_head = project.run(["history", "export", "--head"]).out;
    std::fs::write(&database, &backup).expect("a restored backup");
    for witness in [&later, &later_head] {
        let (code, flaws) = verify(project, witness);
        assert_eq!(code, 1);
        assert!(
            flaws[0].contains("the witness has entries up to 8, and the ledger ends with entry 7"),
            "{flaws:?}"
        );
    }
    project.json(["promote", "3"]);
    for witness in [&later, &later_head] {
        let (code, flaws) = verify(project, witness);
        assert_eq!(code, 1);
        assert!(flaws[0].contains("another entry than the witness has"), "{flaws:?}");
    }
    assert_eq!(verify(project, &export), (0, Vec::new()));
    // The newest entries were cut off.
    let registry = place.open().await;
    let (ledger, store) = (ledger(&registry).await, &registry.backend().registry);
    for number in [8, 7] {
        store.delete_model_version(ledger.name(), version(number)).await.expect("a deletion");
    }
    let (code, flaws) = verify(project, &later);
    assert!(code == 1 && !flaws.is_empty(), "{flaws:?}");
    // The whole ledger was deleted, with the tags that name it.
    store.delete_registered_model(ledger.name()).await.expect("a deletion");
    let tags = rusqlite::Connection::open(&database).expect("the database");
    tags.execute("DELETE FROM registered_model_tags", []).expect("done");
    let found = project.run(["--output", "json", "history", "verify"]);
    assert!(
        found.code == 1 && found.out.contains("is the archive of one"),
        "the archive shows it: {}",
        found.out
    );
    let has = |flaws: &[String], text: &str| flaws.iter().any(|flaw| flaw.contains(text));
    let (code, flaws) = verify(project, &export);
    assert_eq!(code, 1);
    assert!(has(&flaws, "does not exist; the witness has entries up to 6"), "{flaws:?}");
    // A new ledger is not the one of the witness.
    project.json(["promote", "2"]);
    let (code, flaws) = verify(project, &export);
    assert_eq!(code, 1);
    assert!(has(&flaws, "the witness is of the ledger"), "{flaws:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_no_witness_is_refused() {
    let place = Damageable::new().await;
    let project = &place.project;
    for bad in ["", "entries: 7\n", "{\"number\":1}\n"] {
        let file = project.file("witness", bad);
        let refused = project.run(["history", "verify", "--against", &file.display().to_string()]);
        assert_eq!(refused.code, 2, "{bad}: {}", refused.out);
    }
    for special in ["/no/such/file", "/dev/zero", "/proc/self/status"] {
        assert_eq!(project.run(["history", "verify", "--against", special]).code, 2, "{special}");
    }
}

/// A witness may come through a pipe, as of a shell's `<(…)`. One that is never filled ends with the command's deadline.
#[tokio::test(flavor = "multi_thread")]
async fn a_witness_may_be_a_pipe() {
    let place = Damageable::new().await;
    let project = &place.project;
    let head = project.run(["history", "export", "--head"]).out;
    let pipe = project.path().join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let name = pipe.display().to_string();
    let started = Instant::now();
    let late = project.run(["--timeout", "1s", "history", "verify", "--against", &name]);
    assert!(late.code == 5 && late.err.contains("did not end within 1s"), "{}", late.err);
    assert!(started.elapsed() < Duration::from_secs(30));
    let filling = std::thread::spawn(move || std::fs::write(pipe, head));
    let verified = project.run(["history", "verify", "--against", &name]);
    filling.join().expect("no panic").expect("the pipe was read");
    assert_eq!(verified.code, 0, "{}{}", verified.out, verified.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_decision_that_expects_a_head_finds_it_or_does_nothing() {
    let place = Damageable::new().await;
    let project = &place.project;
    let head = || project.run(["history", "export", "--head"]).out.trim().to_owned();
    let expected = head();
    project.json(["promote", "3", "--expect-head", &expected]);
    let commands: [&[&str]; 7] = [
        &["promote", "2"],
        &["promote", "2", "--dry-run"],
        &["rollback"],
        &["nominate", "2"],
        &["approve", "2"],
        &["quarantine", "2", "--reason", "x"],
        &["release", "2"],
    ];
    let before = head();
    for command in commands {
        let refused = project.run([command, &["--expect-head", &expected]].concat());
        assert_eq!(refused.code, 2, "{command:?}: {}", refused.out);
        assert!(refused.err.contains("the newest entry of the ledger is 7, not 6"), "{}", refused.err);
    }
    assert_eq!(head(), before, "nothing was recorded");
    for command in &commands[..6] {
        let done = project.run([*command, &["--expect-head", &head()]].concat());
        assert_eq!(done.code, 0, "{command:?}: {}", done.err);
    }
    // Without a ledger, no head is found, and none is created.
    let model = fresh_name("headless");
    let fresh = ModelRegistry::connect_or_create(place.backend.options(&model)).await.expect("a registry");
    let refused = project.run(["--model", &model, "promote", "1", "--expect-head", &expected]);
    assert!(refused.code == 2 && refused.err.contains("no ledger"), "{}", refused.err);
    assert!(fresh.existing_ledger().await.expect("an answer").is_none());
    assert_eq!(project.run(["promote", "3", "--expect-head", "7"]).code, 2);
}
