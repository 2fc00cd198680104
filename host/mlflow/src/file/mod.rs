//! A directory of MLflow's file store layout (`mlruns`).
//!
//! ```text
//! <root>/<experiment>/meta.yaml  tags/<key>
//! <root>/<experiment>/<run>/meta.yaml  metrics/<key>  params/<key>  tags/<key>  artifacts/
//! <root>/<experiment>/<run>/inputs/<input>/meta.yaml  outputs/<model>/meta.yaml
//! <root>/<experiment>/datasets/<dataset>/meta.yaml
//! <root>/<experiment>/models/<model>/meta.yaml  metrics/<key>  params/<key>  tags/<key>  artifacts/
//! <root>/.trash/<experiment>/                      deleted experiments
//! <root>/models/<registered model>/meta.yaml  tags/<key>  aliases/<alias>
//! <root>/models/<registered model>/version-<n>/meta.yaml  tags/<key>
//! ```
//!
//! MLflow reads the files that this store writes, and this store reads MLflow's. Three files of hydra-registry lie
//! directly in the root, where MLflow looks at directories only: a lock, a journal and a scratch file. Every call holds
//! the lock and every change goes through the journal, so other processes of hydra-registry never see a partial change,
//! not even after a crash. Readers that must not write see the same state. MLflow itself does not lock: a Python process that writes at the same time is protected only
//! by the atomicity of single files.

mod durable;
mod experiments;
mod inputs;
mod lock;
mod logged_models;
mod meta;
mod models;
mod overlay;
mod registry;
mod runs;
mod tracking;
mod transaction;
mod transition;
mod tree;
mod values;
mod versions;

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use url::Url;

use crate::entities::Tags;
use crate::file::transaction::Transaction;
use crate::file::tree::{Tree, failed};
use hydra_base::blocking;
use hydra_base::error::{Error, ErrorKind, Result};

/// The directory of deleted experiments.
const TRASH: &str = ".trash";
/// The directory of registered models.
const MODELS: &str = "models";

/// The longest time of a reading without a lock, and the pause before it is repeated.
const UNLOCKED_DEADLINE: Duration = Duration::from_secs(30);
const UNLOCKED_PAUSE: Duration = Duration::from_millis(20);

/// A file store below one directory.
#[derive(Debug, Clone)]
pub struct FileStore {
    disk: Arc<Disk>,
}

impl FileStore {
    /// The store below `root`. If `root` does not exist, the first write creates it with MLflow's experiment `Default`.
    /// `Config` if `root` is not a directory.
    pub fn open(root: impl AsRef<Path>) -> Result<Self> {
        let given = root.as_ref();
        let refuse = || {
            Error::new(ErrorKind::Config, "the path of the file store is not a directory")
                .with_context("path", given.display())
        };
        let root = std::path::absolute(given).map_err(|error| refuse().with_source(error))?;
        if root.exists() && !root.is_dir() {
            return Err(refuse());
        }
        let artifact_root = Url::from_directory_path(&root).map_err(|()| refuse())?;
        let disk = Disk { tree: Tree::new(root), artifact_root, writer: Mutex::default() };
        Ok(Self { disk: Arc::new(disk) })
    }

    /// The root directory of the store.
    #[must_use]
    pub fn root(&self) -> &Path {
        self.disk.tree.root()
    }

    /// Runs `work` on a thread that may block.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Disk) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let disk = Arc::clone(&self.disk);
        blocking(move || work(&disk)).await
    }
}

/// The synchronous part of the store.
#[derive(Debug)]
struct Disk {
    tree: Tree,
    /// The root as a URI that ends with `/`.
    artifact_root: Url,
    /// Orders the writers of this process, which would otherwise poll the file lock against each other.
    writer: Mutex<()>,
}

impl Disk {
    /// Reads under the shared lock, after completing the interrupted change of a crashed writer. A process that cannot complete
    /// it, for lack of permission or space, reads as if it were complete; one that cannot lock reads until nothing changed
    /// meanwhile.
    fn read<T>(&self, work: impl Fn(&Tree) -> Result<T>) -> Result<T> {
        let Some(mut lock) = lock::for_reading(self.tree.root())? else { return self.read_unlocked(work) };
        while transaction::is_interrupted(&self.tree)? {
            drop(lock);
            let completed = self.write(|_, _| Ok(()));
            let Some(again) = lock::for_reading(self.tree.root())? else { return self.read_unlocked(work) };
            match completed {
                Ok(()) => lock = again,
                Err(error) if tree::cannot_write(&error) => return work(&transaction::foresee(&self.tree)?),
                Err(error) => return Err(error),
            }
        }
        work(&self.tree)
    }

    /// Reads without a lock: again if a change began or ended meanwhile, which changes the names in the root.
    fn read_unlocked<T>(&self, work: impl Fn(&Tree) -> Result<T>) -> Result<T> {
        let started = Instant::now();
        loop {
            let before = self.tree.stamp()?;
            let read = transaction::foresee(&self.tree).and_then(|tree| work(&tree));
            if self.tree.stamp()? == before {
                return read;
            }
            if started.elapsed() > UNLOCKED_DEADLINE {
                return Err(Error::new(
                    ErrorKind::Locked,
                    "the store changes all the time, and cannot be locked",
                )
                .with_context("path", self.tree.root().display())
                .with_retryable(true)
                .with_hint(
                    "give the user of this process read access to `.hydra-registry.lock` in the store",
                ));
            }
            thread::sleep(UNLOCKED_PAUSE);
        }
    }

    /// Calls `work` to read the store and plan steps, then executes the steps, all under the exclusive lock.
    fn write<T>(&self, work: impl FnOnce(&Tree, &mut Transaction) -> Result<T>) -> Result<T> {
        let _turn = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let root = self.tree.root();
        if !root.exists() {
            tracing::warn!(
                directory = %root.display(),
                "creating a file store: MLflow 3.13 and newer open it only with MLFLOW_ALLOW_FILE_STORE=true; \
                 prefer sqlite:///mlflow.db"
            );
        }
        fs::create_dir_all(root).map_err(|error| failed("make", root, error))?;
        let _lock = lock::for_writing(root)?;
        transaction::recover(&self.tree)?;
        self.ensure_layout()?;
        let mut transaction = Transaction::new();
        let value = work(&self.tree, &mut transaction)?;
        transaction.commit(&self.tree)?;
        Ok(value)
    }

    /// Creates the directories and the experiment that MLflow creates in a new root.
    fn ensure_layout(&self) -> Result<()> {
        let default = experiments::DEFAULT_ID;
        let mut transaction = Transaction::new();
        if !self.tree.is_dir(TRASH)? {
            transaction.make_dir(TRASH);
        }
        if !self.tree.is_dir(MODELS)? {
            transaction.make_dir(MODELS);
        }
        if !self.tree.is_dir(default)? && !self.tree.is_dir(&format!("{TRASH}/{default}"))? {
            experiments::plan_new(self, &mut transaction, default, "Default", &Tags::new());
        }
        transaction.commit(&self.tree)
    }

    /// The artifact URI of a directory of the store.
    fn artifact_uri(&self, directory: &str) -> String {
        let mut uri = self.artifact_root.clone();
        if let Ok(mut segments) = uri.path_segments_mut() {
            segments.pop_if_empty().extend(directory.split('/'));
        }
        uri.into()
    }

    /// Returns `location`, or its present path if the store was moved after `location` was written.
    fn relocated(&self, location: String) -> Result<String> {
        let Some(path) = local_path(&location) else { return Ok(location) };
        if path.exists() {
            return Ok(location);
        }
        let Some(path) = path.to_str().map(|path| path.trim_matches('/')) else { return Ok(location) };
        for (start, _) in path.match_indices('/') {
            let suffix = &path[start + 1..];
            if suffix.contains('/') && self.tree.is_dir(suffix)? {
                return Ok(self.artifact_uri(suffix));
            }
        }
        Ok(location)
    }
}

/// The path of a local artifact URI: a plain path, or a URI with the scheme `file`.
fn local_path(uri: &str) -> Option<PathBuf> {
    if uri.starts_with("file:") {
        return Url::parse(uri).ok()?.to_file_path().ok();
    }
    Some(PathBuf::from(uri)).filter(|path| path.is_absolute())
}

#[cfg(test)]
mod tests;
