//! Access to a local store's data that does not use the store's calls: the changes of other programs, and a dump of
//! everything.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hydra_base::names::{ExperimentId, ModelName, RunId, Version};

use crate::memory::MemoryStore;

/// Changes that another program, such as MLflow's Python client, makes in a local store.
pub trait Outside: Send + Sync {
    /// Moves an experiment to the trash.
    fn delete_experiment(&self, id: &ExperimentId);

    /// Deletes a run, which keeps it until it is purged.
    fn delete_run(&self, id: &RunId);

    /// Deletes a version and leaves the aliases that point to it, as MLflow up to 3.1 does.
    fn delete_version_only(&self, name: &ModelName, version: Version);

    /// The whole contents; equal before and after a call that wrote nothing.
    fn image(&self) -> Vec<u8>;
}

impl Outside for Arc<MemoryStore> {
    fn delete_experiment(&self, id: &ExperimentId) {
        self.move_to_trash(id);
    }

    fn delete_run(&self, id: &RunId) {
        self.discard_run(id);
    }

    fn delete_version_only(&self, name: &ModelName, version: Version) {
        self.forget_version(name, version);
    }

    fn image(&self) -> Vec<u8> {
        self.dump().into_bytes()
    }
}

/// A file store, by its root.
pub(super) struct Files(pub PathBuf);

impl Files {
    fn edit(&self, directory: &Path, from: &str, to: &str) {
        let meta = self.0.join(directory).join("meta.yaml");
        let text = fs::read_to_string(&meta).expect("a meta file");
        let edited = text.replace(from, to);
        assert_ne!(text, edited, "`{from}` is in {}", meta.display());
        fs::write(&meta, edited).expect("a meta file");
    }
}

impl Outside for Files {
    fn delete_experiment(&self, id: &ExperimentId) {
        let directory = Path::new(id.as_str());
        self.edit(directory, "lifecycle_stage: \"active\"", "lifecycle_stage: deleted");
        fs::rename(self.0.join(directory), self.0.join(".trash").join(directory)).expect("a move");
    }

    fn delete_run(&self, id: &RunId) {
        let experiments = fs::read_dir(&self.0).expect("experiments");
        let mut runs = experiments.map(|experiment| experiment.expect("an entry").path().join(id.as_str()));
        let run = runs.find(|run| run.is_dir()).expect("the run");
        let directory = run.strip_prefix(&self.0).expect("below the root");
        self.edit(directory, "lifecycle_stage: \"active\"", "lifecycle_stage: deleted");
    }

    fn delete_version_only(&self, name: &ModelName, version: Version) {
        let directory = Path::new("models").join(name.as_str()).join(format!("version-{version}"));
        self.edit(&directory, "current_stage: \"None\"", "current_stage: Deleted_Internal");
    }

    fn image(&self) -> Vec<u8> {
        let mut image = Vec::new();
        append(&self.0, &mut image);
        image
    }
}

/// A SQLite database, by its path.
#[cfg(feature = "sqlite")]
pub(super) struct Database(pub PathBuf);

#[cfg(feature = "sqlite")]
impl Outside for Database {
    fn delete_experiment(&self, id: &ExperimentId) {
        let sql = "UPDATE experiments SET lifecycle_stage = 'deleted' WHERE experiment_id = ?1";
        let changed = self.connection().execute(sql, [id.as_str()]).expect("an update");
        assert_eq!(changed, 1);
    }

    fn delete_run(&self, id: &RunId) {
        let sql = "UPDATE runs SET lifecycle_stage = 'deleted' WHERE run_uuid = ?1";
        let changed = self.connection().execute(sql, [id.as_str()]).expect("an update");
        assert_eq!(changed, 1);
    }

    fn delete_version_only(&self, name: &ModelName, version: Version) {
        let sql =
            "UPDATE model_versions SET current_stage = 'Deleted_Internal' WHERE name = ?1 AND version = ?2";
        let changed =
            self.connection().execute(sql, (name.as_str(), version.get() as i64)).expect("an update");
        assert_eq!(changed, 1);
    }

    fn image(&self) -> Vec<u8> {
        let mut image = Vec::new();
        append(self.0.parent().expect("a directory"), &mut image);
        image
    }
}

#[cfg(feature = "sqlite")]
impl Database {
    fn connection(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(&self.0).expect("a connection")
    }
}

/// Appends the paths and bytes of all files below `directory`, sorted by name.
fn append(directory: &Path, image: &mut Vec<u8>) {
    let Ok(entries) = fs::read_dir(directory) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    paths.sort();
    for path in paths {
        image.extend_from_slice(path.as_os_str().as_encoded_bytes());
        image.push(0);
        if path.is_dir() {
            append(&path, image);
        } else {
            image.extend(fs::read(&path).expect("a file"));
        }
    }
}
