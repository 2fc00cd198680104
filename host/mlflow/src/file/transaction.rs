//! Changes of several files that happen together or not at all, whatever crashes in between.
//!
//! A transaction is written to a journal before it is carried out. Putting the journal in place is the commit: before
//! that nothing has happened, after it everything will, because every step can be repeated, and whoever takes the
//! store's lock next finishes what a journal says. The caller holds the lock for writing.

use std::collections::BTreeSet;
use std::fs;

use serde::{Deserialize, Serialize};

use crate::file::durable::{
    Unsynced, allow_missing, append, make_dirs, make_parents, make_tree, replace, replace_durably, sync_dir,
};
use crate::file::tree::{Tree, failed};
use hydra_base::error::{Error, ErrorKind, Result};
use hydra_base::failpoint::failpoint;

/// The name of the journal, a file directly in the root, where MLflow looks at directories only.
const JOURNAL: &str = ".hydra-registry.journal";
/// Raised when an older release could not carry out a journal.
const JOURNAL_SCHEMA: u32 = 1;
/// A batch of params and tags of the greatest sizes stays well below this.
const MAX_JOURNAL_BYTES: u64 = 1 << 30;
/// The longest file name of every file system in use.
const MAX_NAME_BYTES: usize = 255;
/// Steps to be carried out together, in order. Paths are relative to the root.
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

    /// Writes a file, replacing what is there. Readers see the old text or the new one.
    pub(super) fn write(&mut self, path: impl Into<String>, text: impl Into<String>) {
        self.steps.push(Step::Write { path: path.into(), text: text.into() });
    }

    /// Adds `text` to a file that is `at` bytes long now.
    pub(super) fn append(&mut self, path: impl Into<String>, at: u64, text: impl Into<String>) {
        self.steps.push(Step::Append { path: path.into(), at, text: text.into() });
    }

    /// Makes a directory and its parents.
    pub(super) fn make_dir(&mut self, path: impl Into<String>) {
        self.steps.push(Step::MakeDir { path: path.into() });
    }

    /// Makes a directory that appears with all its files at once; it is filled as `scratch` and then renamed.
    pub(super) fn make_tree(
        &mut self,
        path: impl Into<String>,
        scratch: impl Into<String>,
        files: Vec<(String, String)>,
    ) {
        self.steps.push(Step::MakeTree { path: path.into(), scratch: scratch.into(), files });
    }

    /// Removes a file; one that is not there is fine.
    pub(super) fn remove_file(&mut self, path: impl Into<String>) {
        self.steps.push(Step::RemoveFile { path: path.into() });
    }

    /// Removes a directory with all it holds; one that is not there is fine.
    pub(super) fn remove_tree(&mut self, path: impl Into<String>) {
        self.steps.push(Step::RemoveTree { path: path.into() });
    }

    /// Carries the steps out. When this returns `Ok`, they are on the disk. `InvalidName` or `InvalidArgument` when a
    /// key or name cannot be a file name here; then nothing is changed.
    pub(super) fn commit(self, tree: &Tree) -> Result<()> {
        self.check_paths(tree)?;
        match &self.steps[..] {
            [] => Ok(()),
            // atomic without a journal
            [Step::Write { path, text }] => {
                let place = tree.place(path)?;
                let mut unsynced = Unsynced::default();
                make_parents(tree, &place, &mut unsynced)?;
                replace_durably(tree, &place, text)?;
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

    /// Finds what would stop a step for good: a committed journal must always be possible to carry out.
    fn check_paths(&self, tree: &Tree) -> Result<()> {
        let files: BTreeSet<String> = self.steps.iter().flat_map(Step::files).collect();
        for path in &files {
            tree.place(path)?;
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
    /// Commits and stops after so many steps. Returns how many there are.
    pub(super) fn crash_after(&self, tree: &Tree, done: usize) -> usize {
        self.write_journal(tree).expect("a journal");
        for step in self.steps.iter().take(done) {
            step.apply(tree, &mut Unsynced::default()).expect("a step");
        }
        self.steps.len()
    }
}

/// Whether a writer crashed before it carried out all of its journal.
pub(super) fn is_interrupted(tree: &Tree) -> Result<bool> {
    tree.is_file(JOURNAL)
}

/// Finishes what a crashed writer committed.
pub(super) fn recover(tree: &Tree) -> Result<()> {
    let Some(text) = tree.read_up_to(JOURNAL, MAX_JOURNAL_BYTES)? else { return Ok(()) };
    let place = tree.root().join(JOURNAL);
    let damaged = |message: &str| {
        Error::new(ErrorKind::Storage, message.to_owned()).with_context("path", place.display()).with_hint(
            "save a copy of the store, then move the journal away; it contains the interrupted change",
        )
    };
    let journal: Transaction = serde_json::from_str(&text)
        .map_err(|error| damaged("cannot read the store's journal").with_source(error))?;
    if journal.schema != JOURNAL_SCHEMA {
        return Err(damaged("a newer release wrote the store's journal"));
    }
    tracing::info!(steps = journal.steps.len(), "completing an interrupted change of the file store");
    journal.apply(tree)?;
    remove_journal(tree)
}

impl Step {
    /// The files that the step makes or changes.
    fn files(&self) -> Vec<String> {
        match self {
            Self::Write { path, .. } | Self::Append { path, .. } => vec![path.clone()],
            Self::MakeTree { path, files, .. } => {
                files.iter().map(|(file, _)| format!("{path}/{file}")).collect()
            }
            Self::MakeDir { .. } | Self::RemoveFile { .. } | Self::RemoveTree { .. } => Vec::new(),
        }
    }

    fn apply(&self, tree: &Tree, unsynced: &mut Unsynced) -> Result<()> {
        match self {
            Self::Write { path, text } => replace(tree, &tree.place(path)?, text, unsynced),
            Self::Append { path, at, text } => {
                let place = tree.place(path)?;
                make_parents(tree, &place, unsynced)?;
                unsynced.file(&place);
                append(&place, *at, text).map_err(|error| failed("write", &place, error))
            }
            Self::MakeDir { path } => make_dirs(tree, &tree.place(path)?, unsynced),
            Self::MakeTree { path, scratch, files } => make_tree(tree, path, scratch, files, unsynced),
            Self::RemoveFile { path } => {
                let place = tree.place(path)?;
                unsynced.name(&place);
                allow_missing(fs::remove_file(&place)).map_err(|error| failed("remove", &place, error))
            }
            Self::RemoveTree { path } => {
                let place = tree.place(path)?;
                unsynced.name(&place);
                allow_missing(fs::remove_dir_all(&place)).map_err(|error| failed("remove", &place, error))
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
    let place = tree.root().join(JOURNAL);
    allow_missing(fs::remove_file(&place)).map_err(|error| failed("remove", &place, error))?;
    sync_dir(tree.root())
}
