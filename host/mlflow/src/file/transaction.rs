//! Changes of several files that happen completely or not at all, even after a crash.
//!
//! A transaction is written to a journal before it is carried out, and putting the journal in place is the commit.
//! Before the commit nothing has changed. After it, every step can be repeated, and the next process that takes the
//! store's lock completes the journal. The caller holds the exclusive lock.

use std::collections::BTreeSet;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::file::durable::{
    Unsynced, allow_missing, append, make_dirs, make_parents, make_tree, replace, replace_durably, sync_dir,
};
use crate::file::overlay::Overlay;
use crate::file::tree::{Tree, failed};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;

/// The name of the journal, a file directly in the root, where MLflow looks at directories only.
const JOURNAL: &str = ".hydra-registry.journal";
/// The schema version of the journal. Raise it when older releases cannot execute a new kind of step.
const JOURNAL_SCHEMA: u32 = 1;
/// The size limit of a journal. A batch of params and tags of the greatest sizes is well below it.
const MAX_JOURNAL_BYTES: u64 = 1 << 30;
/// The longest file name that every common file system supports.
const MAX_NAME_BYTES: usize = 255;
/// Steps that are executed together, in order. Paths are relative to the root.
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Transaction {
    schema: u32,
    steps: Vec<Step>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
enum Step {
    Write { path: String, text: String },
    Append { path: String, at: u64, text: String },
    MakeDir { path: String },
    MakeTree { path: String, scratch: String, files: Vec<(String, String)> },
    RemoveFile { path: String },
    RemoveTree { path: String },
}

impl Transaction {
    pub(super) fn new() -> Self {
        Self { schema: JOURNAL_SCHEMA, steps: Vec::new() }
    }

    /// Writes a file or replaces it. Readers see the old or the new text.
    pub(super) fn write(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.steps.push(Step::Write { path: path.into(), text: text.into() });
    }

    /// Appends `text` to a file whose length is `at` bytes.
    pub(super) fn append(&mut self, path: impl Into<String>, at: u64, text: impl Into<String>) {
        self.steps.push(Step::Append { path: path.into(), at, text: text.into() });
    }

    /// Creates a directory and its parents.
    pub(super) fn make_dir(&mut self, path: impl Into<String>) {
        self.steps.push(Step::MakeDir { path: path.into() });
    }

    /// Creates a directory that appears with all its files at once: `scratch` is filled and then renamed.
    pub(super) fn make_tree(
        &mut self,
        path: impl Into<String>,
        scratch: impl Into<String>,
        files: Vec<(String, String)>,
    ) {
        self.steps.push(Step::MakeTree { path: path.into(), scratch: scratch.into(), files });
    }

    /// Removes a file, if it exists.
    pub(super) fn remove_file(&mut self, path: impl Into<String>) {
        self.steps.push(Step::RemoveFile { path: path.into() });
    }

    /// Removes a directory with its contents, if it exists.
    pub(super) fn remove_tree(&mut self, path: impl Into<String>) {
        self.steps.push(Step::RemoveTree { path: path.into() });
    }

    /// Executes the steps. `Ok` means that all changes are synced to the disk. `InvalidName` or `InvalidArgument` if a
    /// key or name cannot be a file name here; then nothing has changed.
    pub(super) fn commit(self, tree: &Tree) -> Result<()> {
        self.check_paths(tree)?;
        match &self.steps[..] {
            [] => Ok(()),
            // A single replacement is atomic without a journal.
            [Step::Write { path, text }] => {
                let target = tree.resolve(path)?;
                let mut unsynced = Unsynced::default();
                make_parents(tree, &target, &mut unsynced)?;
                replace_durably(tree, &target, text)?;
                unsynced.sync()
            }
            _ => {
                self.write_journal(tree)?;
                failpoint("file.journaled");
                self.apply(tree)?;
                failpoint("file.applied");
                remove_journal(tree)
            }
        }
    }

    /// Rejects steps that can never succeed, because a committed journal must be executable.
    fn check_paths(&self, tree: &Tree) -> Result<()> {
        let files: BTreeSet<String> = self.steps.iter().flat_map(Step::files).collect();
        for path in &files {
            tree.resolve(path)?;
            if path.split('/').any(|name| name.len() > MAX_NAME_BYTES) {
                return Err(Error::new(ErrorKind::InvalidName, "a key or name is too long for a file store")
                    .with_context("path", path)
                    .with_context("limit in bytes", MAX_NAME_BYTES));
            }
            for (end, _) in path.match_indices('/') {
                let parent = &path[..end];
                if files.contains(parent) || tree.is_file(parent)? {
                    return Err(both_file_and_directory(path, parent));
                }
            }
            if tree.is_dir(path)? {
                return Err(both_file_and_directory(path, path));
            }
        }
        Ok(())
    }

    pub(super) fn write_journal(&self, tree: &Tree) -> Result<()> {
        let text = serde_json::to_string(self).map_err(|error| {
            Error::new(ErrorKind::Internal, "cannot write the journal").with_source(error)
        })?;
        replace_durably(tree, &tree.root().join(JOURNAL), &text)
    }

    fn apply(&self, tree: &Tree) -> Result<()> {
        let mut unsynced = Unsynced::default();
        for step in &self.steps {
            step.apply(tree, &mut unsynced)?;
            failpoint("file.half-applied");
        }
        unsynced.sync()
    }
}

#[cfg(test)]
impl Transaction {
    /// Commits and stops after `done` steps. Returns the number of steps.
    pub(super) fn crash_after(&self, tree: &Tree, done: usize) -> usize {
        self.write_journal(tree).expect("a journal");
        for step in self.steps.iter().take(done) {
            step.apply(tree, &mut Unsynced::default()).expect("a step");
        }
        self.steps.len()
    }
}

/// Whether a crashed writer left a journal that is not complete.
pub(super) fn is_interrupted(tree: &Tree) -> Result<bool> {
    tree.is_file(JOURNAL)
}

/// Completes the journal of a crashed writer.
pub(super) fn recover(tree: &Tree) -> Result<()> {
    let Some(journal) = read_journal(tree)? else { return Ok(()) };
    tracing::info!(steps = journal.steps.len(), "completing an interrupted change of the file store");
    journal.apply(tree)?;
    remove_journal(tree)
}

/// The tree as it is after the journal of a crashed writer, for a reader that cannot complete it. Nothing is written.
pub(super) fn foresee(tree: &Tree) -> Result<Tree> {
    let Some(journal) = read_journal(tree)? else { return Ok(tree.clone()) };
    let mut overlay = Overlay::default();
    journal.steps.iter().try_for_each(|step| step.foresee(tree, &mut overlay))?;
    Ok(tree.with_overlay(overlay))
}

fn read_journal(tree: &Tree) -> Result<Option<Transaction>> {
    let Some(text) = tree.read_up_to(JOURNAL, MAX_JOURNAL_BYTES)? else { return Ok(None) };
    let target = tree.root().join(JOURNAL);
    let damaged = |message: &str| {
        Error::new(ErrorKind::Storage, message.to_owned()).with_context("path", target.display()).with_hint(
            "save a copy of the store, then move the journal away; it contains the interrupted change",
        )
    };
    let journal: Transaction = serde_json::from_str(&text)
        .map_err(|error| damaged("cannot read the store's journal").with_source(error))?;
    if journal.schema != JOURNAL_SCHEMA {
        return Err(damaged("a newer release wrote the store's journal"));
    }
    Ok(Some(journal))
}

impl Step {
    /// The files that the step creates or changes.
    fn files(&self) -> Vec<String> {
        match self {
            Self::Write { path, .. } | Self::Append { path, .. } => vec![path.clone()],
            Self::MakeTree { path, files, .. } => {
                files.iter().map(|(file, _)| format!("{path}/{file}")).collect()
            }
            Self::MakeDir { .. } | Self::RemoveFile { .. } | Self::RemoveTree { .. } => Vec::new(),
        }
    }

    /// What [`Self::apply`] does, without doing it.
    fn foresee(&self, tree: &Tree, overlay: &mut Overlay) -> Result<()> {
        match self {
            Self::Write { path, text } => {
                tree.resolve(path)?;
                overlay.write(path, text);
            }
            Self::Append { path, at, text } => {
                tree.resolve(path)?;
                overlay.append(path, *at, text);
            }
            Self::MakeDir { path } => {
                tree.resolve(path)?;
                overlay.make_dir(path);
            }
            Self::MakeTree { path, scratch, files } => {
                tree.resolve(scratch)?;
                overlay.remove(scratch);
                overlay.make_dir(path);
                for (file, text) in files {
                    let path = format!("{path}/{file}");
                    tree.resolve(&path)?;
                    overlay.write(&path, text);
                }
            }
            Self::RemoveFile { path } | Self::RemoveTree { path } => {
                tree.resolve(path)?;
                overlay.remove(path);
            }
        }
        Ok(())
    }

    fn apply(&self, tree: &Tree, unsynced: &mut Unsynced) -> Result<()> {
        match self {
            Self::Write { path, text } => replace(tree, &tree.resolve(path)?, text, unsynced),
            Self::Append { path, at, text } => {
                let target = tree.resolve(path)?;
                make_parents(tree, &target, unsynced)?;
                unsynced.file(&target);
                append(&target, *at, text).map_err(|error| failed("write", &target, error))
            }
            Self::MakeDir { path } => make_dirs(tree, &tree.resolve(path)?, unsynced),
            Self::MakeTree { path, scratch, files } => make_tree(tree, path, scratch, files, unsynced),
            Self::RemoveFile { path } => {
                let target = tree.resolve(path)?;
                unsynced.name(&target);
                allow_missing(fs::remove_file(&target)).map_err(|error| failed("remove", &target, error))
            }
            Self::RemoveTree { path } => {
                let target = tree.resolve(path)?;
                unsynced.name(&target);
                allow_missing(fs::remove_dir_all(&target)).map_err(|error| failed("remove", &target, error))
            }
        }
    }
}

fn both_file_and_directory(path: &str, in_the_way: &str) -> Error {
    Error::new(ErrorKind::InvalidArgument, "a key is also a directory of other keys")
        .with_context("path", path)
        .with_context("conflicts with", in_the_way)
        .with_hint("rename one of the keys; a file store cannot have both `a` and `a/b`")
}

fn remove_journal(tree: &Tree) -> Result<()> {
    let target = tree.root().join(JOURNAL);
    allow_missing(fs::remove_file(&target)).map_err(|error| failed("remove", &target, error))?;
    sync_dir(tree.root())
}
