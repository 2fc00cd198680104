use std::collections::BTreeMap;
use std::fs;

use tempfile::TempDir;

use super::*;
use crate::entities::{NewModelVersion, NewRun, RunBatch, Tags};
use crate::store::{
    AtomicOutcome, AtomicRegistry, AtomicTransition, ModelTag, RegistryStore, TrackingStore, VersionTag,
};
use hydra_base::names::{Alias, ExperimentId, Key, RunId, Version};
use hydra_base::testing::{model_name as name, set, version};

/// A store with the model `m`, its versions 1 and 2, `champion` on version 1, and the empty ledger `m_ledger`.
struct Scene {
    directory: TempDir,
    store: FileStore,
}

impl Scene {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let store = FileStore::open(directory.path().join("mlruns")).expect("a store");
        for model in ["m", "m_ledger"] {
            store.create_registered_model(&name(model), &Tags::new(), "").await.expect("a model");
        }
        for _ in 0..2 {
            store.create_model_version(&version_of("m")).await.expect("a version");
        }
        store.set_alias(&name("m"), &Alias::CHAMPION, version(1)).await.expect("an alias");
        Self { directory, store }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.directory.path().join("mlruns").join(path)
    }

    async fn run(&self) -> RunId {
        let experiment_id = ExperimentId::new("0").expect("an id");
        self.store.create_run(&NewRun::new(experiment_id, "r")).await.expect("a run").id
    }

    async fn aliases(&self) -> BTreeMap<Alias, Version> {
        self.store.registered_model(&name("m")).await.expect("the model").aliases
    }
}

fn version_of(model: &str) -> NewModelVersion {
    NewModelVersion::new(name(model), "s3://bucket/model")
        .tags(Tags::from([("hydra.entry".into(), "{}".into())]))
        .description("why")
}

fn promotion() -> AtomicTransition {
    AtomicTransition {
        model: name("m"),
        expected_aliases: vec![set("champion", 1)],
        moves: vec![set("champion", 2), set("archived", 1)],
        tags: vec![VersionTag {
            version: version(1),
            key: Key::new("team").expect("a key"),
            value: Some("risk".into()),
        }],
        model_tags: vec![ModelTag { key: Key::new("policy").expect("a key"), value: "strict".into() }],
        entry: version_of("m_ledger"),
        expected_newest: None,
    }
}

#[tokio::test]
async fn a_crash_after_any_step_is_finished_by_the_next_reader() {
    let steps = {
        let scene = Scene::new().await;
        scene.store.disk.crash_after(usize::MAX, &promotion())
    };
    assert!(steps >= 6, "an entry, two aliases, a tag, two meta files: {steps}");
    for done in 0..=steps {
        let scene = Scene::new().await;
        scene.store.disk.crash_after(done, &promotion());
        let reader = FileStore::open(scene.path("")).expect("a store");
        let entry = reader.model_version(&name("m_ledger"), version(1)).await.expect("the entry");
        assert_eq!(entry.tags["hydra.entry"], "{}", "after {done} steps");
        let expected = BTreeMap::from([(Alias::CHAMPION, version(2)), (Alias::ARCHIVED, version(1))]);
        assert_eq!(scene.aliases().await, expected, "after {done} steps");
        let tagged = reader.model_version(&name("m"), version(1)).await.expect("the version");
        assert_eq!(tagged.tags["team"], "risk", "after {done} steps");
        let model = reader.registered_model(&name("m")).await.expect("a model");
        assert_eq!(model.tags["policy"], "strict", "after {done} steps");
        assert!(!scene.path(".hydra-registry.journal").exists());
        let again = reader.commit(&promotion()).await.expect("an outcome");
        assert!(matches!(again, AtomicOutcome::Conflict));
    }
}

/// A reader that must not write sees the change as complete, however far it came, and leaves the files as they are.
#[tokio::test]
async fn a_crash_after_any_step_is_foreseen_by_a_reader_that_cannot_write() {
    let steps = Scene::new().await.store.disk.crash_after(usize::MAX, &promotion());
    for done in 0..=steps {
        let scene = Scene::new().await;
        scene.store.disk.crash_after(done, &promotion());
        let before = contents(&scene.path(""));
        let tree = transaction::foresee(&scene.store.disk.tree).expect("a journal");
        let model = models::read(&tree, &name("m")).expect("the model");
        let expected = BTreeMap::from([(Alias::CHAMPION, version(2)), (Alias::ARCHIVED, version(1))]);
        assert_eq!(model.aliases, expected, "after {done} steps");
        let entry = versions::read_with_aliases(&tree, &name("m_ledger"), version(1)).expect("the entry");
        assert_eq!(entry.tags["hydra.entry"], "{}", "after {done} steps");
        let tagged = versions::read_with_aliases(&tree, &name("m"), version(1)).expect("the version");
        assert_eq!(tagged.tags["team"], "risk", "after {done} steps");
        assert_eq!(model.tags["policy"], "strict", "after {done} steps");
        assert_eq!(versions::page(&tree, &name("m_ledger"), None, 10).expect("a page").items.len(), 1);
        assert_eq!(contents(&scene.path("")), before, "after {done} steps");
        // What it foresaw is what the next writer makes of it.
        let writer = FileStore::open(scene.path("")).expect("a store");
        let made = writer.registered_model(&name("m")).await.expect("the model");
        assert_eq!(made.aliases, model.aliases);
    }
}

#[tokio::test]
async fn a_reader_without_a_lock_reads_what_is_complete() {
    let scene = Scene::new().await;
    let read = |tree: &Tree| models::read(tree, &name("m")).map(|model| model.aliases);
    let before = BTreeMap::from([(Alias::CHAMPION, version(1))]);
    assert_eq!(scene.store.disk.read_unlocked(read).expect("the model"), before);
    scene.store.disk.crash_after(2, &promotion());
    let after = BTreeMap::from([(Alias::CHAMPION, version(2)), (Alias::ARCHIVED, version(1))]);
    assert_eq!(scene.store.disk.read_unlocked(read).expect("the model"), after);
    // A change that ends while the store is read: it is read again.
    let ended = std::cell::Cell::new(false);
    let read = scene.store.disk.read_unlocked(|tree| {
        if !ended.replace(true) {
            transaction::recover(&scene.store.disk.tree)?;
            return Err(Error::new(ErrorKind::Storage, "read in the middle"));
        }
        models::read(tree, &name("m")).map(|model| model.aliases)
    });
    assert_eq!(read.expect("the model"), after);
}

/// The names and contents of all files.
fn contents(directory: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            found.extend(contents(&path));
        } else {
            found.insert(path.clone(), fs::read(&path).expect("a file"));
        }
    }
    found
}

#[tokio::test]
async fn a_torn_step_is_repeated() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    let metric = scene.path(&format!("0/{run}/metrics/auc"));
    fs::write(&metric, "1 0.5 0\n").expect("a file");
    let mut transaction = Transaction::new();
    transaction.append(format!("0/{run}/metrics/auc"), 8, "2 0.75 1\n3 0.875 2\n");
    transaction.write_journal(&scene.store.disk.tree).expect("a journal");
    fs::write(&metric, "1 0.5 0\n2 0.").expect("a torn line");
    let read = scene.store.run(&run).await.expect("the run");
    assert_eq!((read.metrics[0].value, read.metrics[0].step), (0.875, 2));
    assert_eq!(fs::read_to_string(&metric).expect("a file"), "1 0.5 0\n2 0.75 1\n3 0.875 2\n");
}

#[tokio::test]
async fn an_uncommitted_change_is_as_if_it_never_began() {
    let scene = Scene::new().await;
    fs::write(scene.path(".hydra-registry.tmp"), "{\"schema\":1,\"ste").expect("a file");
    assert_eq!(scene.aliases().await, BTreeMap::from([(Alias::CHAMPION, version(1))]));
    let outcome = scene.store.commit(&promotion()).await.expect("an outcome");
    assert!(matches!(outcome, AtomicOutcome::Committed(_)));
}

#[tokio::test]
async fn a_damaged_journal_stops_everything() {
    let scene = Scene::new().await;
    for journal in ["{", "{\"schema\":2,\"steps\":[]}", "{\"schema\":1,\"steps\":[{\"shell\":{}}]}"] {
        fs::write(scene.path(".hydra-registry.journal"), journal).expect("a file");
        let read = scene.store.registered_model(&name("m")).await.expect_err(journal);
        assert_eq!(read.kind(), ErrorKind::Storage, "{journal}");
    }
    let escape = r#"{"schema":1,"steps":[{"write":{"path":"../escaped","text":"x"}}]}"#;
    fs::write(scene.path(".hydra-registry.journal"), escape).expect("a file");
    let read = scene.store.registered_model(&name("m")).await.expect_err("a path that leaves the root");
    assert_eq!(read.kind(), ErrorKind::Untrusted);
    assert!(!scene.directory.path().join("escaped").exists());
}

#[tokio::test]
async fn reading_creates_no_file() {
    let directory = tempfile::tempdir().expect("a directory");
    let root = directory.path().join("mlruns");
    let store = FileStore::open(&root).expect("a store");
    assert!(store.experiment_by_name("Default").await.expect("an answer").is_none());
    assert_eq!(store.registered_model(&name("m")).await.expect_err("none").kind(), ErrorKind::ModelNotFound);
    assert!(!root.exists());
}

#[tokio::test]
async fn a_new_store_has_what_mlflow_makes() {
    let scene = Scene::new().await;
    let default = scene.store.experiment_by_name("Default").await.expect("an answer").expect("it exists");
    assert_eq!(default.id.as_str(), "0");
    assert!(default.artifact_location.starts_with("file:///"), "{}", default.artifact_location);
    assert!(scene.path(".trash").is_dir());
    let ours: Vec<String> = fs::read_dir(scene.path(""))
        .expect("the root")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .filter(|name| name.starts_with(".hydra"))
        .collect();
    assert_eq!(ours, [".hydra-registry.lock"]);
}

#[tokio::test]
async fn a_root_that_is_a_file_is_refused() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    assert_eq!(FileStore::open(file.path()).expect_err("a file").kind(), ErrorKind::Config);
}

#[tokio::test]
async fn keys_that_cannot_be_files_are_refused_whole() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    let params = |keys: &[&str]| RunBatch {
        params: keys.iter().map(|key| ((*key).to_owned(), "1".to_owned())).collect(),
        ..RunBatch::default()
    };
    scene.store.log_batch(&run, &params(&["a"])).await.expect("a batch");
    let long = "é".repeat(200);
    for (keys, kind) in [
        (&["b", "a/b"][..], ErrorKind::InvalidArgument),
        (&["c", "c/d"][..], ErrorKind::InvalidArgument),
        (&["e", &long][..], ErrorKind::InvalidName),
    ] {
        let refused = scene.store.log_batch(&run, &params(keys)).await.expect_err("no such files");
        assert_eq!(refused.kind(), kind, "{keys:?}");
    }
    let read = scene.store.run(&run).await.expect("the run");
    assert_eq!(read.params.keys().collect::<Vec<_>>(), ["a"]);
}

#[tokio::test]
async fn damaged_files_name_their_path() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    for (path, text) in [
        (format!("0/{run}/metrics/auc"), "1  0.5 0\n"),
        (format!("0/{run}/metrics/auc"), ""),
        (format!("0/{run}/meta.yaml"), "run_id: [unclosed"),
    ] {
        fs::write(scene.path(&path), text).expect("a file");
        let error = scene.store.run(&run).await.expect_err(&path);
        assert_eq!(error.kind(), ErrorKind::Storage, "{path}");
        assert!(error.to_string().contains(&path), "{error}");
    }
    fs::write(scene.path("models/m/aliases/champion"), "one").expect("a file");
    let error = scene.store.version_by_alias(&name("m"), &Alias::CHAMPION).await.expect_err("no number");
    assert_eq!(error.kind(), ErrorKind::Storage);
}

#[cfg(unix)]
#[tokio::test]
async fn a_model_behind_a_link_is_refused() {
    let scene = Scene::new().await;
    let outside = tempfile::tempdir().expect("a directory");
    fs::rename(scene.path("models/m/version-1"), outside.path().join("v")).expect("a move");
    std::os::unix::fs::symlink(outside.path().join("v"), scene.path("models/m/version-1")).expect("a link");
    let read = scene.store.model_version(&name("m"), version(1)).await.expect_err("a link");
    assert_eq!(read.kind(), ErrorKind::Untrusted);
}

#[tokio::test]
async fn a_moved_store_still_finds_its_artifacts() {
    let scene = Scene::new().await;
    let run = scene.run().await;
    let old = scene.store.run(&run).await.expect("the run").artifact_uri;
    let new = NewModelVersion::new(name("m"), format!("{old}/model"));
    scene.store.create_model_version(&new).await.expect("a version");
    fs::create_dir_all(scene.path(&format!("0/{run}/artifacts/model"))).expect("a directory");
    let moved = scene.directory.path().join("moved here");
    fs::rename(scene.path(""), &moved).expect("a move");
    let uri =
        FileStore::open(&moved).expect("a store").download_uri(&name("m"), version(3)).await.expect("a URI");
    assert!(uri.ends_with(&format!("/moved%20here/0/{run}/artifacts/model")), "{uri}");
}

#[tokio::test]
async fn many_versions_are_listed_page_by_page() {
    let scene = Scene::new().await;
    let template = fs::read_to_string(scene.path("models/m/version-1/meta.yaml")).expect("a file");
    for number in 3..=1_000 {
        let directory = scene.path(&format!("models/m/version-{number}"));
        fs::create_dir(&directory).expect("a directory");
        fs::write(directory.join("meta.yaml"), &template).expect("a file");
    }
    let (mut token, mut seen, mut expected) = (None, 0, 1_000);
    loop {
        let page = scene.store.model_versions(&name("m"), None, 300, token.as_deref()).await.expect("a page");
        for listed in &page.items {
            assert_eq!(listed.version, version(expected));
            expected -= 1;
        }
        seen += page.items.len();
        token = page.next;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(seen, 1_000);
}

impl Disk {
    /// Commits `transition` and stops after `done` of its steps, as a crash would. Returns the number of steps.
    fn crash_after(&self, done: usize, transition: &AtomicTransition) -> usize {
        let mut transaction = Transaction::new();
        transition::plan_transition(&self.tree, &mut transaction, transition).expect("a plan");
        transaction.crash_after(&self.tree, done)
    }
}
